//! Strict reading of JSON bodies: what `serde_json` accepts, minus duplicate keys and more values than fit the limit.
//! What the values mean belongs to `envelope` and to the kinds.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limits::{MAX_JSON_DEPTH, MAX_JSON_VALUES};

/// Why a body is not JSON that we take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum JsonProblem {
    /// It is not JSON, nests too deeply or repeats a key.
    Malformed(String),
    /// It holds more values than `MAX_JSON_VALUES`.
    TooManyValues,
}

/// Reads one JSON value and nothing after it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, JsonProblem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(JsonProblem::Malformed("the body is empty".to_owned()));
    }
    let left = Cell::new(MAX_JSON_VALUES);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { left: &left }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| {
        if left.get() == 0 {
            return JsonProblem::TooManyValues;
        }
        let text = error.to_string();
        if text.starts_with("recursion limit exceeded") {
            return JsonProblem::Malformed(format!("it nests more than {MAX_JSON_DEPTH} levels"));
        }
        JsonProblem::Malformed(text)
    })
}

/// One value of a body; `left` counts what the whole body may still hold.
#[derive(Clone, Copy)]
struct Strict<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        if left == 0 {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                let shown: String = key.chars().take(64).collect();
                return Err(A::Error::custom(format_args!("the key {shown:?} is repeated")));
            }
            object.insert(key, entries.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(text: &[u8]) -> String {
        match parse(text) {
            Err(JsonProblem::Malformed(detail)) => detail,
            other => panic!("{:?} should be malformed, was {other:?}", String::from_utf8_lossy(text)),
        }
    }

    #[test]
    fn ordinary_json_is_read_as_it_is() {
        let text = br#" {"a": [1, -2, 1.5, true, null, "x\u00e9"], "b": {"c": {}}, "__proto__": 9007199254740993} "#;
        let value =
            json!({"a": [1, -2, 1.5, true, null, "x\u{e9}"], "b": {"c": {}}, "__proto__": 9_007_199_254_740_993_u64});
        assert_eq!(parse(text), Ok(value));
    }

    #[test]
    fn text_that_is_not_json_is_malformed() {
        let not_json: [&[u8]; 14] = [
            b"",
            b"  ",
            b"{",
            b"{\"a\":1,}",
            b"[1,]",
            b"NaN",
            b"-",
            b"1e400",
            b"{} {}",
            b"'a'",
            b"\xef\xbb\xbf{}",
            b"{\x00\"\x00a\x00",
            b"\"\xff\"",
            b"\"\\ud800\"",
        ];
        for text in not_json {
            refusal(text);
        }
    }

    #[test]
    fn a_hundred_thousand_brackets_are_malformed_and_not_a_stack_overflow() {
        assert!(refusal("[".repeat(100_000).as_bytes()).contains("128 levels"));
        assert!(refusal("{\"a\":".repeat(100_000).as_bytes()).contains("128 levels"));
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(deep(MAX_JSON_DEPTH - 1).as_bytes()).is_ok());
        assert!(parse(deep(MAX_JSON_DEPTH + 1).as_bytes()).is_err());
    }

    #[test]
    fn a_repeated_key_is_malformed_at_every_depth() {
        assert!(refusal(br#"{"a": 1, "a": 2}"#).contains("\"a\" is repeated"));
        assert!(refusal(br#"[{"x": {"b": 1, "\u0062": 2}}]"#).contains("\"b\" is repeated"));
    }

    #[test]
    fn more_values_than_the_limit_are_refused() {
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(parse(list(MAX_JSON_VALUES - 2).as_bytes()).is_ok());
        assert_eq!(parse(list(MAX_JSON_VALUES).as_bytes()), Err(JsonProblem::TooManyValues));
    }
}
