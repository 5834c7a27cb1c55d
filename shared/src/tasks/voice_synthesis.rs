//! `voice_synthesis`: speaks text.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{FieldCode, FieldError, Kind, Policy, Slot};
use crate::schema::{self, InputSchema};
use crate::usage::{FellBack, Usage};

/// Most characters of all text together: about an hour of speech.
pub const MAX_CHARS: usize = 50_000;

/// The row of the table.
pub const KIND: Kind = Kind {
    name: "voice_synthesis",
    summary: "Speaks text and makes subtitles of it",
    slot: Slot::Io,
    cost: 1,
    policy: Policy::DEFAULT,
    media: None,
    check,
    prepare: None,
    input_schema: || INPUT.json().clone(),
    output_schema: schema::of::<VoiceSynthesisOutput>,
    example: || json!({"text": "Click New project. Then type a name.", "language": "en", "format": "mp3"}),
};

/// What `voice_synthesis` takes: exactly one of `text` and `segments`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoiceSynthesisInput {
    /// The text, at most 50,000 characters. It is spoken sentence by sentence, with a longer pause between paragraphs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 50_000)]
    pub text: Option<String>,
    /// Parts that are told apart in the result, 1 to 500, of at most 50,000 characters together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<SpokenPart>, required = false, min_items = 1, max_items = 500)]
    pub segments: Option<Vec<SpokenPart>>,
    /// The voice by its name at the provider, as `GET /api/v1/voices` lists them. Left out: one of the language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 100)]
    pub voice: Option<String>,
    /// Language as a BCP 47 tag such as `en`, `en-US`, `de`.
    #[serde(default = "english")]
    #[schema(min_length = 2, max_length = 35, default = "en")]
    pub language: String,
    /// How fast, 0.5 to 2; 1 is as the voice speaks.
    #[serde(default = "one")]
    #[schema(minimum = 0.5, maximum = 2, default = 1.0)]
    pub speed: f64,
    /// Form of the audio.
    #[serde(default)]
    #[schema(default = "mp3")]
    pub format: AudioFormat,
    /// Whether the result says when each word is spoken, where the engine tells.
    #[serde(default)]
    #[schema(default = "none")]
    pub timestamps: WordTimes,
    /// Who speaks: `auto` (the first provider that is configured, else espeak-ng), `espeak-ng`, or a provider's name.
    #[serde(default = "auto")]
    #[schema(min_length = 1, max_length = 64, default = "auto")]
    pub provider: String,
    /// The provider's model by name, or a tier: `mini`, `basic`, `pro`, `ultra`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    pub model: Option<String>,
    /// Providers that are asked after the first one fails, in order, at most 8; each with its own usual voice.
    #[serde(default)]
    #[schema(max_items = 8)]
    pub fallback: Vec<String>,
}

/// A part of what is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpokenPart {
    /// Its text.
    #[schema(min_length = 1, max_length = 50_000)]
    pub text: String,
    /// Silence after it, milliseconds, 0 to 60,000.
    #[serde(default = "pause")]
    #[schema(minimum = 0, maximum = 60_000, default = 500)]
    pub pause_ms: u32,
}

/// Form of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AudioFormat {
    /// MP3, about 64 kbit/s.
    #[default]
    Mp3,
    /// WAVE, 16 bits.
    Wav,
    /// Opus in Ogg, about 32 kbit/s.
    Opus,
    /// FLAC.
    Flac,
}

impl AudioFormat {
    /// Content type and file extension.
    pub const fn content_type(self) -> (&'static str, &'static str) {
        match self {
            Self::Mp3 => ("audio/mpeg", "mp3"),
            Self::Wav => ("audio/wav", "wav"),
            Self::Opus => ("audio/ogg", "ogg"),
            Self::Flac => ("audio/flac", "flac"),
        }
    }
}

/// Whether words have times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WordTimes {
    /// They have none.
    #[default]
    None,
    /// Each word has its own, where the engine tells.
    Word,
}

/// What `voice_synthesis` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VoiceSynthesisOutput {
    /// Artifact of the audio.
    pub artifact: String,
    /// Its content type.
    pub content_type: String,
    /// Its size, bytes.
    pub size: u64,
    /// How long it plays, milliseconds.
    pub duration_ms: u64,
    /// Samples a second.
    pub sample_rate: u32,
    /// What is spoken when, sentence by sentence.
    pub segments: Vec<SpokenSegment>,
    /// What is spoken when, word by word; left out where the engine does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<SpokenWord>>,
    /// Artifact of the subtitles as SRT.
    pub srt: String,
    /// Artifact of the subtitles as WebVTT.
    pub vtt: String,
    /// What was asked for and could not be done by who spoke.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Who spoke: a provider, or `espeak-ng`.
    pub provider: String,
    /// The model.
    pub model: String,
    /// The voice.
    pub voice: String,
    /// Providers that failed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fell_back: Vec<FellBack>,
    /// What it used.
    pub usage: Usage,
    /// Time of the work, milliseconds.
    pub took_ms: u64,
}

/// A sentence and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpokenSegment {
    /// Which of the input's `segments` it belongs to, from 0; 0 for `text`.
    pub part: u32,
    /// When it begins, milliseconds.
    pub start_ms: u64,
    /// When it ends, milliseconds.
    pub end_ms: u64,
    /// The sentence.
    pub text: String,
}

/// A word and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpokenWord {
    /// When it begins, milliseconds.
    pub start_ms: u64,
    /// When it ends, milliseconds.
    pub end_ms: u64,
    /// The word.
    pub text: String,
}

fn auto() -> String {
    "auto".to_owned()
}

fn english() -> String {
    "en".to_owned()
}

fn one() -> f64 {
    1.0
}

fn pause() -> u32 {
    500
}

static INPUT: InputSchema = InputSchema::new(schema::of::<VoiceSynthesisInput>, None);

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    let typed = INPUT.check::<VoiceSynthesisInput>(input)?;
    let invalid = |pointer: &str, detail: String| {
        Err(vec![FieldError {
            pointer: pointer.to_owned(),
            detail,
            code: FieldCode::Invalid,
        }])
    };
    match (&typed.text, &typed.segments) {
        (Some(_), Some(_)) => return invalid("/segments", "give `text` or `segments`, not both".to_owned()),
        (None, None) => return invalid("", "give `text` or `segments`".to_owned()),
        _ => {}
    }
    let chars: usize = typed
        .segments
        .iter()
        .flatten()
        .map(|part| part.text.chars().count())
        .sum();
    if chars > MAX_CHARS {
        return invalid(
            "/segments",
            format!("must have at most {MAX_CHARS} characters together, not {chars}"),
        );
    }
    let texts = typed
        .text
        .iter()
        .chain(typed.segments.iter().flatten().map(|part| &part.text));
    if !texts.into_iter().any(|text| text.chars().any(char::is_alphanumeric)) {
        return invalid("", "there is nothing to speak: no letter and no digit".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(input: &Value) -> Option<String> {
        Some(check(input).err()?[0].pointer.clone())
    }

    #[test]
    fn exactly_one_text_is_spoken_and_it_has_words() {
        assert_eq!(pointer(&json!({"text": "Hello."})), None);
        assert_eq!(
            pointer(&json!({"segments": [{"text": "One."}, {"text": "Two."}]})),
            None
        );
        assert_eq!(pointer(&json!({})).as_deref(), Some(""));
        assert_eq!(pointer(&json!({"text": "...!"})).as_deref(), Some(""));
        assert_eq!(
            pointer(&json!({"text": "a", "segments": [{"text": "b"}]})).as_deref(),
            Some("/segments")
        );
        let long = "a".repeat(MAX_CHARS);
        assert_eq!(
            pointer(&json!({"segments": [{"text": long}, {"text": "b"}]})).as_deref(),
            Some("/segments")
        );
    }
}
