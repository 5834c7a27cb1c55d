//! JSON Schemas of our types, made self-contained, and their use on inputs: one source for what is documented and
//! for what is refused. What a particular kind allows belongs with that kind.

pub mod answer;
pub mod media_list;
mod walk;

use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::media::MEDIA_REF_FORMS;

/// One thing that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer inside the input, such as `/image/url`; empty for the input itself.
    pub pointer: String,
    /// What is wrong and what is allowed, one sentence.
    pub detail: String,
    /// What sort of mistake it is.
    pub code: FieldCode,
}

/// What sort of mistake a [`FieldError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldCode {
    /// Missing, of the wrong type or out of range.
    Invalid,
    /// No such field.
    Unknown,
    /// The kind's media is not there.
    MediaMissing,
    /// The media is there but is no media this kind takes.
    MediaInvalid,
    /// The URL is one that is never opened.
    UrlForbidden,
}

/// The JSON Schema (2020-12) of a type with everything it refers to under `$defs`.
pub fn of<T: ToSchema>() -> Value {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let defs: serde_json::Map<String, Value> = parts.into_iter().map(|(name, part)| (name, to_json(&part))).collect();
    let mut schema = to_json(&T::schema());
    if let Value::Object(root) = &mut schema {
        root.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        if !defs.is_empty() {
            root.insert("$defs".to_owned(), Value::Object(defs));
        }
    }
    schema
}

fn to_json(part: &utoipa::openapi::RefOr<utoipa::openapi::Schema>) -> Value {
    let mut value = serde_json::to_value(part).expect("schemas should be JSON");
    localize(&mut value);
    value
}

/// Points references at `$defs`: the place of `OpenAPI` for them does not exist in a schema that stands alone.
fn localize(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(target) if name == "$ref" => {
                        *target = target.replace("#/components/schemas/", "#/$defs/");
                    }
                    _ => localize(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(localize),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A schema that inputs are checked against; made once, at first use.
#[derive(Debug)]
pub struct InputSchema {
    make: fn() -> Value,
    media_field: Option<&'static str>,
    made: OnceLock<Value>,
}

impl InputSchema {
    /// `media_field` names the field whose mistakes are reported as mistakes of media.
    pub const fn new(make: fn() -> Value, media_field: Option<&'static str>) -> Self {
        Self {
            make,
            media_field,
            made: OnceLock::new(),
        }
    }

    /// The schema as JSON.
    pub fn json(&self) -> &Value {
        self.made.get_or_init(self.make)
    }

    /// The input as its type, or everything that is wrong with it, in the order of the schema.
    pub fn check<T: DeserializeOwned>(&self, input: &Value) -> Result<T, Vec<FieldError>> {
        let mut errors = walk::mistakes(self.json(), input);
        if errors.is_empty() {
            // The schema says more than the type can, but the type is what the worker reads: it has the last word.
            match serde_path_to_error::deserialize(input) {
                Ok(typed) => return Ok(typed),
                Err(error) => errors.push(refused_by_type(&error)),
            }
        }
        for error in &mut errors {
            self.name_media(error);
        }
        Err(errors)
    }

    fn name_media(&self, error: &mut FieldError) {
        let Some(field) = self.media_field else { return };
        let Some(inside) = error
            .pointer
            .strip_prefix('/')
            .and_then(|rest| rest.strip_prefix(field))
        else {
            return;
        };
        match (inside, error.code) {
            ("", _) if error.detail == walk::MISSING => {
                error.code = FieldCode::MediaMissing;
                error.detail = format!("is required: {MEDIA_REF_FORMS}");
            }
            (inside, FieldCode::Invalid) if inside.is_empty() || inside.starts_with('/') => {
                error.code = FieldCode::MediaInvalid;
            }
            _ => {}
        }
    }
}

fn refused_by_type(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldError {
    use serde_path_to_error::Segment;
    let pointer = error.path().iter().map(|segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } | Segment::Enum { variant: key } => format!("/{}", walk::escape(key)),
        Segment::Unknown => String::new(),
    });
    FieldError {
        pointer: pointer.collect(),
        detail: error.inner().to_string(),
        code: FieldCode::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every keyword of a schema, wherever a schema can stand in it.
    fn keywords(schema: &Value, found: &mut Vec<String>) {
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            match (keyword.as_str(), value) {
                ("$schema", _) => {}
                ("$defs", Value::Object(parts)) => parts.values().for_each(|part| keywords(part, found)),
                ("properties", Value::Object(parts)) => {
                    found.push(keyword.clone());
                    parts.values().for_each(|part| keywords(part, found));
                }
                ("oneOf", Value::Array(parts)) => {
                    found.push(keyword.clone());
                    parts.iter().for_each(|part| keywords(part, found));
                }
                ("default", _) => {}
                (_, value) => {
                    found.push(keyword.clone());
                    keywords(value, found);
                }
            }
        }
    }

    #[test]
    fn the_walk_knows_every_keyword_that_an_input_uses() {
        for kind in crate::tasks::KINDS {
            let mut found = Vec::new();
            keywords(&(kind.input_schema)(), &mut found);
            let unknown: Vec<_> = found
                .iter()
                .filter(|word| !walk::KEYWORDS.contains(&word.as_str()))
                .collect();
            assert!(
                unknown.is_empty(),
                "{}: schema/walk.rs does not enforce {unknown:?}",
                kind.name
            );
        }
    }

    #[test]
    fn references_point_into_the_schema_itself() {
        let schema = of::<crate::tasks::ocr::OcrOutput>();
        assert!(!schema.to_string().contains("#/components"), "{schema}");
        assert_eq!(schema["properties"]["blocks"]["items"]["$ref"], "#/$defs/Block");
    }
}
