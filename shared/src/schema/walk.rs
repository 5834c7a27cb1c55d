//! Walks an input along its schema and says every mistake in words that name what is allowed.
//!
//! It knows the keywords that our types use, not all of JSON Schema: a test holds every kind's schema against
//! [`KEYWORDS`]. `pattern` alone is left to the kind, which can say in words what the pattern means.

use serde_json::{Map, Value};

use super::{FieldCode, FieldError};

/// The detail of a required field that is not there.
pub(super) const MISSING: &str = "is required";

/// Keywords that this walk enforces, or that say nothing about what is allowed.
#[cfg(test)]
pub(super) const KEYWORDS: &[&str] = &[
    "$ref",
    "additionalProperties",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "type",
];

/// Most mistakes that are told at once: an input of a million wrong items needs no million sentences.
const MAX_MISTAKES: usize = 20;
/// Longest piece of an input that a message repeats, characters.
const MAX_QUOTE_CHARS: usize = 40;

/// Everything in `input` that `schema` does not allow.
pub(super) fn mistakes(schema: &Value, input: &Value) -> Vec<FieldError> {
    let mut walk = Walk {
        root: schema,
        pointer: String::new(),
        found: Vec::new(),
    };
    walk.value(schema, input);
    walk.found
}

/// A key as a part of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

struct Walk<'a> {
    root: &'a Value,
    pointer: String,
    found: Vec<FieldError>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, schema: &'a Value, input: &Value) {
        if self.found.len() >= MAX_MISTAKES {
            return;
        }
        if let Some(target) = schema["$ref"].as_str() {
            let target = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return self.value(
                target.expect("references should lead to a part of the same schema"),
                input,
            );
        }
        if let Some(branches) = schema["oneOf"].as_array() {
            return self.one_of(branches, input);
        }
        if let Some(words) = schema["enum"].as_array() {
            if !words.contains(input) {
                self.add(
                    FieldCode::Invalid,
                    format!("must be one of {}, not {}", listed(words), quoted(input)),
                );
            }
            return;
        }
        match (schema["type"].as_str(), input) {
            (Some("object"), Value::Object(fields)) => self.object(schema, fields),
            (Some("array"), Value::Array(items)) => self.array(schema, items),
            (Some("string"), Value::String(text)) => self.string(schema, text),
            (Some("integer" | "number"), _) => self.number(schema, input),
            (Some("boolean"), Value::Bool(_)) => {}
            (Some(expected), _) => {
                self.add(
                    FieldCode::Invalid,
                    format!("must be {}, not {}", named(expected), quoted(input)),
                );
            }
            (None, _) => {}
        }
    }

    fn object(&mut self, schema: &'a Value, fields: &Map<String, Value>) {
        for name in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !fields.contains_key(name) {
                self.within(name, |walk| walk.add(FieldCode::Invalid, MISSING.to_owned()));
            }
        }
        let Some(known) = schema["properties"].as_object() else {
            return;
        };
        for (name, field) in fields {
            match known.get(name) {
                Some(part) => self.within(name, |walk| walk.value(part, field)),
                None if schema["additionalProperties"] == false => {
                    let names = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                    self.within(name, |walk| {
                        walk.add(FieldCode::Unknown, format!("is no field here; the fields are {names}"));
                    });
                }
                None => {}
            }
        }
    }

    fn array(&mut self, schema: &'a Value, items: &[Value]) {
        let (least, most) = (schema["minItems"].as_u64(), schema["maxItems"].as_u64());
        if let Some(allowed) = outside(items.len(), least, most) {
            return self.add(
                FieldCode::Invalid,
                format!("must have {allowed} items, not {}", items.len()),
            );
        }
        for (index, item) in items.iter().enumerate() {
            self.within(&index.to_string(), |walk| walk.value(&schema["items"], item));
        }
    }

    fn string(&mut self, schema: &Value, text: &str) {
        let (least, most) = (schema["minLength"].as_u64(), schema["maxLength"].as_u64());
        if least.is_none() && most.is_none() {
            return;
        }
        let chars = text.chars().count();
        if let Some(allowed) = outside(chars, least, most) {
            self.add(
                FieldCode::Invalid,
                format!("must have {allowed} characters, not {chars}"),
            );
        }
    }

    fn number(&mut self, schema: &Value, input: &Value) {
        let whole = schema["type"] == "integer";
        let right_type = if whole {
            input.is_i64() || input.is_u64()
        } else {
            input.is_number()
        };
        let (low, high) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
        let within = input
            .as_f64()
            .is_some_and(|n| low.is_none_or(|low| n >= low) && high.is_none_or(|high| n <= high));
        if right_type && within {
            return;
        }
        let range = match (low, high) {
            (Some(low), Some(high)) => format!(" from {low} to {high}"),
            (Some(low), None) => format!(" of at least {low}"),
            (None, Some(high)) => format!(" of at most {high}"),
            (None, None) => String::new(),
        };
        let sort = if whole { "a whole number" } else { "a number" };
        self.add(
            FieldCode::Invalid,
            format!("must be {sort}{range}, not {}", quoted(input)),
        );
    }

    /// Each branch is an object of one key, as in a media ref: the key says which branch is meant.
    fn one_of(&mut self, branches: &'a [Value], input: &Value) {
        let key_of = |branch: &'a Value| branch["required"][0].as_str().unwrap_or_default();
        let keys = branches.iter().map(key_of).collect::<Vec<_>>().join(", ");
        let Value::Object(fields) = input else {
            let detail = format!("must be an object with exactly one of {keys}, not {}", quoted(input));
            return self.add(FieldCode::Invalid, detail);
        };
        let mut meant = branches.iter().filter(|branch| fields.contains_key(key_of(branch)));
        match (meant.next(), meant.next()) {
            (Some(branch), None) => self.value(branch, input),
            (None, _) => self.add(
                FieldCode::Invalid,
                format!("must have exactly one of {keys}, and has none"),
            ),
            (Some(_), Some(_)) => {
                self.add(
                    FieldCode::Invalid,
                    format!("must have exactly one of {keys}, and has more than one"),
                );
            }
        }
    }

    fn within(&mut self, key: &str, inner: impl FnOnce(&mut Self)) {
        let outer = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&escape(key));
        inner(self);
        self.pointer.truncate(outer);
    }

    fn add(&mut self, code: FieldCode, detail: String) {
        if self.found.len() < MAX_MISTAKES {
            self.found.push(FieldError {
                pointer: self.pointer.clone(),
                detail,
                code,
            });
        }
    }
}

/// What is allowed, if a length is not.
fn outside(length: usize, least: Option<u64>, most: Option<u64>) -> Option<String> {
    let length = length as u64;
    if least.is_none_or(|least| length >= least) && most.is_none_or(|most| length <= most) {
        return None;
    }
    Some(match (least, most) {
        (Some(least), Some(most)) if least == most => format!("exactly {most}"),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, most) => format!("at most {}", most.unwrap_or(u64::MAX)),
    })
}

fn listed(words: &[Value]) -> String {
    words
        .iter()
        .map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
        .collect::<Vec<_>>()
        .join(", ")
}

fn named(schema_type: &str) -> String {
    match schema_type {
        "object" => "an object".to_owned(),
        "array" => "a list".to_owned(),
        "boolean" => "true or false".to_owned(),
        other => format!("a {other}"),
    }
}

/// What was sent, short enough for a message.
fn quoted(input: &Value) -> String {
    match input {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) if text.chars().nth(MAX_QUOTE_CHARS).is_some() => {
            let start: String = text.chars().take(MAX_QUOTE_CHARS).collect();
            format!("{}...", Value::String(start))
        }
        short => short.to_string(),
    }
}
