//! `scene_description`: says what a few pictures of one scene show.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{FieldCode, FieldError, Kind, MediaField, Policy, Preparation, Slot, Unprepared};
use crate::media::{IMAGE_TYPES, MAX_IMAGE_BYTES, MediaRef};
use crate::schema::{self, InputSchema, answer, media_list};
use crate::usage::{FellBack, Usage};

/// What each picture may be.
pub const FRAME: MediaField = MediaField {
    name: "frames",
    accepts: IMAGE_TYPES,
    max_bytes: MAX_IMAGE_BYTES,
};

/// The row of the table.
pub const KIND: Kind = Kind {
    name: "scene_description",
    summary: "Describes what a few pictures of one scene show, in words or as JSON of a schema",
    slot: Slot::Io,
    cost: 1,
    policy: Policy::DEFAULT,
    media: None,
    check,
    prepare: Some(prepare),
    input_schema: || INPUT.json().clone(),
    output_schema: schema::of::<SceneDescriptionOutput>,
    example: || {
        json!({
            "frames": [{"url": "https://example.com/gate-1.jpg"}, {"url": "https://example.com/gate-2.jpg"}],
            "t_ms": [0, 1_000],
            "prompt": "Does anybody pass the gate?",
        })
    },
};

/// What `scene_description` takes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SceneDescriptionInput {
    /// The pictures in order of time, `{"artifact"}` or `{"url"}` each, 1 to 16.
    #[schema(min_items = 1, max_items = 16)]
    pub frames: Vec<MediaRef>,
    /// When each picture was taken, milliseconds, not falling; as many as `frames`, or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 16)]
    pub t_ms: Vec<u64>,
    /// What is wanted to be known, at most 8,192 characters; needs a provider with a vision model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 8_192)]
    pub prompt: Option<String>,
    /// JSON Schema (2020-12) of an object that the answer has to be, at most 32 KiB; needs a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub schema: Option<Value>,
    /// What was said of the scene before, so that the description goes on from there; at most 8,192 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 8_192)]
    pub previous: Option<String>,
    /// Who describes: `auto` (the first provider that is configured, else from what is found locally), `local`, or a
    /// provider's name.
    #[serde(default = "auto")]
    #[schema(min_length = 1, max_length = 64, default = "auto")]
    pub provider: String,
    /// The provider's model by name, or a tier: `mini`, `basic`, `pro`, `ultra`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    pub model: Option<String>,
    /// Providers that are asked after the first one fails, in order, at most 8; `local` describes without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8)]
    pub fallback: Vec<String>,
    /// Whether an answer that the same model gave to the same request of yours within the last 24 h will do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(default = false)]
    pub cache: bool,
}

/// What `scene_description` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SceneDescriptionOutput {
    /// What is to be seen; the JSON as text where a schema was given.
    pub description: String,
    /// The answer as JSON, where a schema was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub structured: Option<Value>,
    /// Who described: a provider, or `local` for sentences made of colours and text that were found.
    pub provider: String,
    /// The model that answered.
    pub model: String,
    /// Providers that failed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fell_back: Vec<FellBack>,
    /// What it used.
    pub usage: Usage,
    /// Time of the whole, milliseconds.
    pub duration_ms: u64,
}

fn auto() -> String {
    "auto".to_owned()
}

static INPUT: InputSchema = InputSchema::new(schema::of::<SceneDescriptionInput>, None);

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    let typed: SceneDescriptionInput = INPUT.check(input)?;
    let frames = typed.frames.iter().enumerate();
    let mut errors: Vec<FieldError> = frames
        .filter_map(|(index, frame)| media_list::inline_mistake(&format!("/frames/{index}"), frame))
        .collect();
    let mut wrong = |pointer: String, detail: String| {
        errors.push(FieldError {
            pointer,
            detail,
            code: FieldCode::Invalid,
        });
    };
    if !typed.t_ms.is_empty() && typed.t_ms.len() != typed.frames.len() {
        let detail = format!(
            "must have a time for each of the {} frames, or none",
            typed.frames.len()
        );
        wrong("/t_ms".to_owned(), detail);
    }
    for (index, pair) in typed.t_ms.windows(2).enumerate() {
        if pair[1] < pair[0] {
            wrong(
                format!("/t_ms/{}", index + 1),
                "must not be less than the one before".to_owned(),
            );
        }
    }
    if let Some(mistake) = typed.schema.as_ref().and_then(answer::mistake) {
        wrong("/schema".to_owned(), mistake);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn prepare(input: &mut Map<String, Value>, preparation: &Preparation<'_>) -> Result<(), Unprepared> {
    let frames = input.get("frames").and_then(Value::as_array).into_iter().flatten();
    let urls = frames
        .enumerate()
        .filter_map(|(index, frame)| Some((format!("/frames/{index}"), frame["url"].as_str()?)));
    media_list::judge_urls(preparation, urls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(input: &Value) -> Vec<String> {
        let errors = check(input).err().unwrap_or_default();
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn frames_are_artifacts_or_urls_with_a_time_each_or_none() {
        let frame = json!({"artifact": "a"});
        assert_eq!(mistakes(&json!({"frames": [frame]})), [""; 0]);
        assert_eq!(mistakes(&json!({"frames": [frame, frame], "t_ms": [5, 5]})), [""; 0]);
        assert_eq!(mistakes(&json!({"frames": [frame, frame], "t_ms": [5]})), ["/t_ms"]);
        assert_eq!(
            mistakes(&json!({"frames": [frame, frame], "t_ms": [5, 4]})),
            ["/t_ms/1"]
        );
        assert_eq!(mistakes(&json!({"frames": []})), ["/frames"]);
        assert_eq!(mistakes(&json!({"frames": [{"base64": "AAAA"}]})), ["/frames/0/base64"]);
        assert_eq!(
            mistakes(&json!({"frames": [frame], "schema": {"type": "string"}})),
            ["/schema"]
        );
    }
}
