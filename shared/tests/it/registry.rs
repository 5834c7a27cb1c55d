//! The table of kinds as a whole: a forgotten step fails here with a sentence.

use std::collections::BTreeSet;

use serde_json::Value;
use zoetrope_shared::tasks::{self, KINDS};

/// Names of the envelope: an input with one of them could not be sent at top level.
const ENVELOPE: [&str; 12] = [
    "priority",
    "delay",
    "run_at",
    "expires_in",
    "timeout",
    "max_attempts",
    "fairness_key",
    "unique_key",
    "webhook",
    "tags",
    "metadata",
    "input",
];

#[test]
fn names_are_unique_and_snake_case() {
    let mut seen = BTreeSet::new();
    for kind in KINDS {
        let plain = kind
            .name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let starts_well = kind.name.starts_with(|c: char| c.is_ascii_lowercase());
        assert!(
            plain && starts_well && kind.name.len() <= 48,
            "`{}` is not a snake_case name",
            kind.name
        );
        assert!(seen.insert(kind.name), "`{}` is in the table twice", kind.name);
    }
}

#[test]
fn a_kind_is_found_by_either_spelling_and_no_other() {
    let name = |spelling| tasks::find(spelling).map(|kind| kind.name);
    assert_eq!(
        (name("image_analysis"), name("image-analysis")),
        (Some("image_analysis"), Some("image_analysis"))
    );
    for spelling in ["", "OCR", "ocr ", "image.analysis", "../ocr", "imageanalysis"] {
        assert_eq!(name(spelling), None, "{spelling:?}");
    }
}

#[test]
fn every_example_passes_its_own_check_and_schema() {
    for kind in KINDS {
        let example = (kind.example)();
        assert_eq!((kind.check)(&example), Ok(()), "the example of `{}`", kind.name);
        let schema = jsonschema::validator_for(&(kind.input_schema)()).expect("a valid schema");
        let errors: Vec<_> = schema.iter_errors(&example).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "the example of `{}`: {errors:?}", kind.name);
    }
}

#[test]
fn schemas_are_self_contained_and_valid() {
    for kind in KINDS {
        for schema in [(kind.input_schema)(), (kind.output_schema)()] {
            jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("`{}`: {error}", kind.name));
            jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("`{}`: {error}", kind.name));
        }
    }
}

#[test]
fn every_field_is_documented() {
    for kind in KINDS {
        let mut bare = Vec::new();
        undocumented(&(kind.input_schema)(), "input", &mut bare);
        undocumented(&(kind.output_schema)(), "output", &mut bare);
        assert!(
            bare.is_empty(),
            "`{}` has fields without a description: {bare:?}",
            kind.name
        );
        assert!(
            !kind.summary.is_empty() && !kind.summary.ends_with('.'),
            "`{}` needs a summary without a full stop",
            kind.name
        );
    }
}

fn undocumented(schema: &Value, at: &str, bare: &mut Vec<String>) {
    match schema {
        Value::Object(parts) => {
            for (name, field) in parts.get("properties").and_then(Value::as_object).into_iter().flatten() {
                // An optional object is "null, or this described reference".
                let alternatives = field["oneOf"].as_array().into_iter().flatten();
                let described = std::iter::once(field)
                    .chain(alternatives)
                    .any(|part| part["description"].is_string());
                if !described {
                    bare.push(format!("{at}.{name}"));
                }
            }
            for (name, part) in parts {
                undocumented(part, &format!("{at}.{name}"), bare);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| undocumented(item, at, bare)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn inputs_deny_unknown_fields_and_use_no_name_of_the_envelope() {
    for kind in KINDS {
        let schema = (kind.input_schema)();
        assert_eq!(
            schema["additionalProperties"], false,
            "`{}` must deny unknown fields",
            kind.name
        );
        let fields = schema["properties"].as_object().expect("an input has fields");
        let reserved: Vec<_> = fields.keys().filter(|name| ENVELOPE.contains(&name.as_str())).collect();
        assert!(
            reserved.is_empty(),
            "`{}` uses {reserved:?}, which belong to the envelope",
            kind.name
        );
    }
}

#[test]
fn the_media_field_is_a_field_of_the_input() {
    for kind in KINDS {
        let Some(media) = kind.media else { continue };
        let schema = (kind.input_schema)();
        assert_eq!(
            schema["properties"][media.name]["$ref"], "#/$defs/MediaRef",
            "`{}`",
            kind.name
        );
        assert!(
            !media.accepts.is_empty() && media.max_bytes > 0,
            "`{}` accepts nothing",
            kind.name
        );
    }
}

#[test]
fn every_file_of_a_kind_is_in_the_table() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tasks");
    let entries = std::fs::read_dir(folder).expect("the folder of the kinds");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let files: BTreeSet<_> = paths
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|name| name != "mod")
        .collect();
    let table: BTreeSet<_> = KINDS.iter().map(|kind| kind.name.to_owned()).collect();
    assert_eq!(files, table, "files of src/tasks and rows of the table");
}

#[test]
fn policies_are_sound() {
    for kind in KINDS {
        let policy = kind.policy;
        assert!(kind.cost >= 1 && policy.max_attempts >= 1, "`{}`", kind.name);
        assert!(
            !policy.live || policy.timeout.is_none(),
            "`{}` is live and can have no deadline",
            kind.name
        );
        assert!(
            !policy.lease.is_zero() && !policy.backoff.is_zero() && !policy.result_ttl.is_zero(),
            "`{}`",
            kind.name
        );
    }
}
