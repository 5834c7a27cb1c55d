//! Any kind's result as rows of name and text, so that a new kind needs no code here.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::plain::{one_line, plain};

const MAX_LINES: usize = 24;
const MAX_ITEMS: usize = 6;
const ITEM_WIDTH: usize = 100;

/// One row for each field of a result.
pub(crate) fn facts(result: &RawValue) -> Vec<(String, String)> {
    match serde_json::from_str(result.get()) {
        Ok(Fields(fields)) => {
            let known = fields.iter().filter(|(_, value)| !value.is_null());
            known.map(|(name, value)| (plain(name), long(value))).collect()
        }
        Err(_) => vec![("result".to_owned(), plain(result.get()))],
    }
}

/// The fields of an object in the order in which they were written: the kind says what comes first.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// A value that has a cell to itself.
fn long(value: &Value) -> String {
    match value {
        Value::String(text) => first_lines(&plain(text)),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => {
            let mut lines: Vec<String> = items.iter().take(MAX_ITEMS).map(short).collect();
            if items.len() > MAX_ITEMS {
                lines.push(format!("and {} more", items.len() - MAX_ITEMS));
            }
            lines.join("\n")
        }
        Value::Object(fields) => whole(fields),
        other => short(other),
    }
}

/// A value on one line.
fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => rounded(float),
            _ => number.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(short).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => pairs(fields),
    };
    one_line(&text, ITEM_WIDTH)
}

/// Every field; of groups in it only what is not zero, for those are counts.
fn whole(fields: &Map<String, Value>) -> String {
    let group = |group: &Map<String, Value>| {
        let counted = group.iter().filter(|(_, value)| value.as_f64() != Some(0.0));
        let counted: Vec<_> = counted
            .map(|(name, value)| format!("{name} {}", short(value)))
            .collect();
        if counted.is_empty() {
            "none".to_owned()
        } else {
            counted.join(" ")
        }
    };
    let known = fields.iter().filter(|(_, value)| !value.is_null());
    let pairs = known.map(|(name, value)| match value {
        Value::Object(fields) => format!("{name}: {}", group(fields)),
        other => format!("{name}: {}", short(other)),
    });
    plain(&pairs.collect::<Vec<_>>().join(", "))
}

/// Fields of an item: long lists inside it are only counted.
fn pairs(fields: &Map<String, Value>) -> String {
    let known = fields.iter().filter(|(_, value)| !value.is_null());
    known
        .map(|(name, value)| match value {
            Value::Array(items) if items.iter().any(Value::is_object) => format!("{} {name}", items.len()),
            Value::String(text) => format!("{name}: {}", one_line(text, ITEM_WIDTH / 2)),
            other => format!("{name}: {}", short(other)),
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// Three decimals at most.
fn rounded(float: f64) -> String {
    let text = format!("{float:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn first_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut shown = lines.iter().take(MAX_LINES).copied().collect::<Vec<_>>().join("\n");
    if lines.len() > MAX_LINES {
        shown.push_str(&format!("\nand {} more lines", lines.len() - MAX_LINES));
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(result: &Value) -> Vec<(String, String)> {
        facts(&serde_json::value::to_raw_value(result).unwrap())
    }

    #[test]
    fn a_result_of_any_kind_becomes_rows() {
        let rows = rows(&json!({
            "text": "one\n\ntwo",
            "confidence": 0.954_321,
            "colors": [{"hex": "#fff", "share": 0.5}],
            "blocks": [{"text": "Hi\nthere", "bbox": [1, 2, 3, 4], "lines": [{"text": "Hi"}]}],
            "codes": [],
            "hocr": null,
        }));
        let rows: Vec<(&str, &str)> = rows.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(
            rows,
            [
                ("blocks", "bbox: 1 2 3 4, 1 lines, text: Hi there"),
                ("codes", "none"),
                ("colors", "hex: #fff, share: 0.5"),
                ("confidence", "0.954"),
                ("text", "one\ntwo"),
            ]
        );
    }

    #[test]
    fn counts_are_shown_whole_without_the_zeros_of_their_groups() {
        let rows = rows(&json!({"counts": {
            "frames": 12, "drops": {"network_loss": 0}, "reconnects": {"auth": 0, "refused": 2}, "scenes": 0,
        }}));
        assert_eq!(rows[0].1, "drops: none, frames: 12, reconnects: refused 2, scenes: 0");
    }

    #[test]
    fn long_lists_are_cut_with_a_count() {
        let rows = rows(&json!({"words": (0..10).collect::<Vec<_>>()}));
        assert_eq!(rows[0].1, "0\n1\n2\n3\n4\n5\nand 4 more");
    }
}
