//! Which JSON Schemas providers enforce themselves: the subset that all of them take. Others go into the prompt, and
//! every answer is checked here against the full schema either way.

use serde_json::Value;

/// Keywords of the subset.
const KEYWORDS: &[&str] = &[
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "description",
    "enum",
    "items",
    "properties",
    "required",
    "title",
    "type",
];
/// Deepest nesting of values.
const MAX_LEVELS: usize = 5;
/// Most properties that may be null or one of several types.
const MAX_UNIONS: usize = 16;

/// Whether a schema is within the subset: every object closed, every property required, no keyword that limits values.
pub fn fits(schema: &Value) -> bool {
    let mut unions = 0;
    schema["type"] == "object" && part_fits(schema, 0, &mut unions) && unions <= MAX_UNIONS
}

fn part_fits(schema: &Value, level: usize, unions: &mut usize) -> bool {
    let Some(fields) = schema.as_object().filter(|_| level <= MAX_LEVELS) else {
        return false;
    };
    if !fields.keys().all(|key| KEYWORDS.contains(&key.as_str())) {
        return false;
    }
    // A reference may lead back to where it stands, which some providers refuse.
    if fields.contains_key("$ref") {
        return false;
    }
    *unions += usize::from(schema["type"].is_array() || fields.contains_key("anyOf"));
    let branches = schema["anyOf"].as_array().into_iter().flatten();
    let defs = schema["$defs"].as_object().into_iter().flat_map(|defs| defs.values());
    let inner = fields.get("items").into_iter().chain(branches).chain(defs);
    object_fits(schema, level, unions) && inner.into_iter().all(|part| part_fits(part, level + 1, unions))
}

fn object_fits(schema: &Value, level: usize, unions: &mut usize) -> bool {
    let Some(properties) = schema["properties"].as_object() else {
        return schema["type"] != "object";
    };
    let required = |name: &String| {
        schema["required"]
            .as_array()
            .is_some_and(|names| names.contains(&Value::from(name.as_str())))
    };
    schema["additionalProperties"] == false
        && properties.keys().all(required)
        && properties.values().all(|part| part_fits(part, level + 1, unions))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_closed_objects_with_all_properties_required_are_given_to_providers() {
        let closed = json!({"type": "object", "additionalProperties": false, "required": ["a", "b"], "properties": {
            "a": {"type": ["string", "null"]},
            "b": {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}},
        }});
        assert!(fits(&closed));
        let change = |pointer: &str, value: Value| {
            let mut schema = closed.clone();
            *schema.pointer_mut(pointer).expect("the pointer leads somewhere") = value;
            schema
        };
        for loose in [
            change("/additionalProperties", json!(true)),
            change("/required", json!(["a"])),
            change("/properties/a", json!({"type": "string", "maxLength": 5})),
            change("/properties/a", json!({"type": "object"})),
            change("/properties/a", json!({"$ref": "#"})),
            change("/type", json!("array")),
        ] {
            assert!(!fits(&loose), "{loose}");
        }
    }
}
