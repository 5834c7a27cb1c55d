//! `content_generation`: writes texts from steps, text or a picture.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{FieldCode, FieldError, Kind, MediaField, Policy, Slot};
use crate::media::{IMAGE_TYPES, MAX_IMAGE_BYTES, MediaRef};
use crate::schema::{self, InputSchema, answer};
use crate::usage::{FellBack, Usage};

/// The row of the table.
pub const KIND: Kind = Kind {
    name: "content_generation",
    summary: "Writes how-to guides, summaries and other texts from steps, text or a picture",
    slot: Slot::Io,
    cost: 1,
    policy: Policy::DEFAULT,
    media: Some(MediaField {
        name: "media",
        accepts: IMAGE_TYPES,
        max_bytes: MAX_IMAGE_BYTES,
    }),
    check,
    prepare: None,
    input_schema: || INPUT.json().clone(),
    output_schema: schema::of::<ContentGenerationOutput>,
    example: || {
        json!({
            "template": "how_to_guide",
            "title": "Create a project",
            "steps": [
                {"type": "click", "target_text": "New project"},
                {"type": "type", "target_text": "Name", "value": "Apollo"},
            ],
        })
    },
};

/// What `content_generation` takes: a template, and at least one of `steps`, `steps_task`, `text`, `media` and `prompt`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContentGenerationInput {
    /// What sort of text is written.
    pub template: ContentTemplate,
    /// Title, if it is known, at most 300 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 300)]
    pub title: Option<String>,
    /// Steps of a procedure, 1 to 500, in order; the items of a `step_detection` result are taken as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<GuideStep>, required = false, min_items = 1, max_items = 500)]
    pub steps: Option<Vec<GuideStep>>,
    /// Id of a `step_detection` task that has succeeded: its steps are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64)]
    pub steps_task: Option<String>,
    /// Text to work from, at most 400,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 400_000)]
    pub text: Option<String>,
    /// A picture to work from; needs a provider with a vision model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = MediaRef, required = false)]
    pub media: Option<MediaRef>,
    /// What is wanted beyond the template, in words, at most 8,192 characters; needs a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 8_192)]
    pub prompt: Option<String>,
    /// Tone, such as `friendly`, at most 100 characters; needs a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 100)]
    pub tone: Option<String>,
    /// Who reads it, at most 200 characters; needs a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 200)]
    pub audience: Option<String>,
    /// Language of the text as a BCP 47 tag such as `en` or `pt-BR`; needs a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 35)]
    pub language: Option<String>,
    /// Form of `content`; `json` also fills `structured`.
    #[serde(default)]
    #[schema(default = "markdown")]
    pub format: ContentFormat,
    /// JSON Schema (2020-12) of an object that the answer has to be, at most 32 KiB; implies `json`, needs a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub schema: Option<Value>,
    /// Who writes: `auto` (the first provider that is configured, else the templates), `template`, or a provider's name.
    #[serde(default = "auto")]
    #[schema(min_length = 1, max_length = 64, default = "auto")]
    pub provider: String,
    /// The provider's model by name, or a tier: `mini`, `basic`, `pro`, `ultra`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    pub model: Option<String>,
    /// Randomness, 0 to 2; ignored by models that take none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false, minimum = 0, maximum = 2)]
    pub temperature: Option<f64>,
    /// Most tokens that a model writes, 16 to 65,536.
    #[serde(default = "output_tokens")]
    #[schema(minimum = 16, maximum = 65_536, default = 4_096)]
    pub max_output_tokens: u32,
    /// Providers that are asked after the first one fails, in order, at most 8; `template` writes without one.
    #[serde(default)]
    #[schema(max_items = 8)]
    pub fallback: Vec<String>,
    /// Whether an answer that the same model gave to the same request of yours within the last 24 h will do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(default = false)]
    pub cache: bool,
}

/// What sort of text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContentTemplate {
    /// Numbered steps with their pictures.
    HowToGuide,
    /// The main points.
    Summary,
    /// A longer text with headings.
    Article,
    /// A message to somebody.
    Email,
    /// A few lines for a network.
    SocialPost,
    /// What is new, as a list.
    ReleaseNotes,
    /// What `prompt` says; needs a provider.
    Custom,
}

impl ContentTemplate {
    /// The word used on the wire and as the name of its files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HowToGuide => "how_to_guide",
            Self::Summary => "summary",
            Self::Article => "article",
            Self::Email => "email",
            Self::SocialPost => "social_post",
            Self::ReleaseNotes => "release_notes",
            Self::Custom => "custom",
        }
    }
}

/// Form of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContentFormat {
    /// Markdown.
    #[default]
    Markdown,
    /// An HTML fragment without scripts, styles and foreign links.
    Html,
    /// JSON.
    Json,
}

/// One step of a procedure, as `step_detection` finds them. All but `type` may be left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GuideStep {
    /// What is done: `click`, `double_click`, `right_click`, `type`, `scroll`, `drag`, `select`, `key`, `navigate`,
    /// `open`, `close`, or another word.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 32)]
    pub action: String,
    /// More about it: `dialog`, `drawer`, `menu`, a direction, a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 200)]
    pub detail: Option<String>,
    /// What it is done to, as its text on the screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 500)]
    pub target_text: Option<String>,
    /// What is typed or chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 2_000)]
    pub value: Option<String>,
    /// The step as a sentence; used instead of one made of the fields above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 2_000)]
    pub description: Option<String>,
    /// When it begins, milliseconds of the recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    pub t_ms: Option<u64>,
    /// Artifact of a picture that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 64)]
    pub before: Option<String>,
    /// Artifact of a picture of what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 64)]
    pub after: Option<String>,
}

/// What `content_generation` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContentGenerationOutput {
    /// Title.
    pub title: String,
    /// The text in the form asked for.
    pub content: String,
    /// Form of `content`.
    pub format: ContentFormat,
    /// The answer as JSON, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub structured: Option<Value>,
    /// Why the text ends: `stop`, or `length` at `max_output_tokens`.
    pub finish_reason: String,
    /// What was asked for and could not be done by who wrote it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Who wrote it: a provider, or `template` for text made of the input alone.
    pub provider: String,
    /// The model that answered; `template:<name>` or `extractive` without a provider.
    pub model: String,
    /// Providers that failed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fell_back: Vec<FellBack>,
    /// What it used.
    pub usage: Usage,
    /// Time of the whole, milliseconds.
    pub duration_ms: u64,
}

/// A piece of text that is told while it is written. Of chunks with different `round`, only the highest counts: a
/// round that fails is begun anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContentChunk {
    /// Rises when the text begins anew.
    pub round: u64,
    /// The next piece of Markdown, or of JSON.
    pub text: String,
}

fn auto() -> String {
    "auto".to_owned()
}

fn output_tokens() -> u32 {
    4_096
}

static INPUT: InputSchema = InputSchema::new(schema::of::<ContentGenerationInput>, Some("media"));

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    let typed = INPUT.check::<ContentGenerationInput>(input)?;
    let mut wrong = Vec::new();
    let mut add = |pointer: &str, detail: String| {
        wrong.push(FieldError {
            pointer: pointer.to_owned(),
            detail,
            code: FieldCode::Invalid,
        });
    };
    let has_source =
        typed.steps.is_some() || typed.steps_task.is_some() || typed.text.is_some() || typed.media.is_some();
    if !has_source && typed.prompt.is_none() {
        add(
            "",
            "give at least one of steps, steps_task, text, media and prompt".to_owned(),
        );
    }
    if typed.steps.is_some() && typed.steps_task.is_some() {
        add("/steps_task", "give `steps` or `steps_task`, not both".to_owned());
    }
    if typed.template == ContentTemplate::Custom && typed.prompt.is_none() {
        add("/prompt", "is required with the template `custom`".to_owned());
    }
    if let Some(wrong) = typed.schema.as_ref().and_then(answer::mistake) {
        add("/schema", wrong);
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(input: &Value) -> Vec<(String, String)> {
        let errors = check(input).err().unwrap_or_default();
        errors.into_iter().map(|error| (error.pointer, error.detail)).collect()
    }

    #[test]
    fn a_text_needs_something_to_be_written_from() {
        let refused = refusal(&json!({"template": "summary"}));
        assert!(refused[0].1.starts_with("give at least one of"), "{refused:?}");
        assert_eq!(refusal(&json!({"template": "summary", "text": "One. Two."})), []);
        assert_eq!(refusal(&json!({"template": "custom", "text": "One."}))[0].0, "/prompt");
        let both = json!({"template": "how_to_guide", "steps": [{"type": "click"}], "steps_task": "x"});
        assert_eq!(refusal(&both)[0].0, "/steps_task");
    }

    #[test]
    fn steps_may_carry_what_step_detection_says_of_them() {
        let step =
            json!({"index": 0, "type": "click", "bbox": [1, 2, 3, 4], "confidence": 0.9, "end_ms": 5, "t_ms": 1});
        assert_eq!(refusal(&json!({"template": "how_to_guide", "steps": [step]})), []);
    }

    #[test]
    fn a_schema_of_the_answer_that_cannot_be_used_is_refused() {
        let with = |schema: Value| json!({"template": "summary", "text": "x", "schema": schema});
        assert_eq!(refusal(&with(json!({"type": "object"}))), []);
        assert_eq!(refusal(&with(json!({"type": "array"})))[0].0, "/schema");
    }
}
