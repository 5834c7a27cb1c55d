//! JSON Schemas that users send for answers of models: what may be in them.

use serde_json::Value;

/// Largest schema, bytes of its JSON.
pub const MAX_BYTES: usize = 32 * 1024;
/// Deepest schema, levels of its JSON.
const MAX_LEVELS: usize = 32;

/// What is wrong with such a schema, as far as it is told without compiling it: its size, its root, its references.
pub fn mistake(schema: &Value) -> Option<String> {
    if schema.to_string().len() > MAX_BYTES {
        return Some(format!("must have at most {MAX_BYTES} bytes"));
    }
    if schema["type"] != "object" {
        return Some("must describe an object: its root has \"type\": \"object\"".to_owned());
    }
    inner_mistake(schema, 0)
}

fn inner_mistake(schema: &Value, level: usize) -> Option<String> {
    if level > MAX_LEVELS {
        return Some(format!("must be at most {MAX_LEVELS} levels deep"));
    }
    match schema {
        Value::Object(fields) => {
            let foreign = fields
                .get("$ref")
                .and_then(Value::as_str)
                .is_some_and(|target| !target.starts_with('#'));
            if foreign {
                return Some("must refer to its own parts only: a $ref begins with #".to_owned());
            }
            fields.values().find_map(|field| inner_mistake(field, level + 1))
        }
        Value::Array(items) => items.iter().find_map(|item| inner_mistake(item, level + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_an_object_of_bounded_size_that_refers_to_itself_only() {
        assert_eq!(mistake(&json!({"type": "object", "properties": {}})), None);
        let mut deep = json!({"type": "object"});
        for _ in 0..40 {
            deep = json!({"type": "object", "properties": {"a": deep}});
        }
        for wrong in [
            json!({"type": "array"}),
            json!({"type": "object", "properties": {"a": {"$ref": "https://example.com/schema"}}}),
            json!({"type": "object", "description": "x".repeat(MAX_BYTES)}),
            deep,
        ] {
            assert!(mistake(&wrong).is_some(), "{wrong}");
        }
    }
}
