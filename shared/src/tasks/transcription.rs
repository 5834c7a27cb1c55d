//! `transcription`: writes down what is spoken.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{FieldError, Kind, MediaField, Policy, Slot};
use crate::media::{MediaRef, MediaType};
use crate::schema::{self, InputSchema};
use crate::usage::{FellBack, Usage};

/// What may hold speech.
const SPOKEN_TYPES: &[MediaType] = &[
    MediaType::Wav,
    MediaType::Mp3,
    MediaType::Ogg,
    MediaType::Flac,
    MediaType::M4a,
    MediaType::Aac,
    MediaType::Mp4,
    MediaType::Mov,
    MediaType::Mkv,
    MediaType::Webm,
    MediaType::Avi,
];
/// Largest file, bytes: what a media child is handed.
const MAX_BYTES: u64 = 128 * 1024 * 1024;

/// The row of the table.
pub const KIND: Kind = Kind {
    name: "transcription",
    summary: "Writes down what is spoken in audio or video, with times and subtitles",
    slot: Slot::Io,
    cost: 1,
    policy: Policy {
        // The local engine takes a quarter of the time that it listens to, and may have to share its core.
        timeout: Some(std::time::Duration::from_hours(1)),
        ..Policy::DEFAULT
    },
    media: Some(MediaField {
        name: "audio",
        accepts: SPOKEN_TYPES,
        max_bytes: MAX_BYTES,
    }),
    check,
    prepare: None,
    input_schema: || INPUT.json().clone(),
    output_schema: schema::of::<TranscriptionOutput>,
    example: || json!({"audio": {"url": "https://example.com/interview.mp3"}, "language": "en", "timestamps": "word"}),
};

/// What `transcription` takes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TranscriptionInput {
    /// Audio (WAV, MP3, Ogg, FLAC, M4A, AAC) or a video with sound (MP4, MOV, Matroska, WebM, AVI), at most 128 MiB and 4 h.
    pub audio: MediaRef,
    /// Language that is spoken, as an ISO 639-1 code such as `en`; left out: the engine finds it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 2, max_length = 8)]
    pub language: Option<String>,
    /// How finely the result tells times, where the engine can.
    #[serde(default)]
    #[schema(default = "segment")]
    pub timestamps: SpeechTimes,
    /// Who listens: `auto` (the first provider that is configured, else whisper where the worker has a model, else
    /// pocketsphinx), `whisper`, `pocketsphinx`, or a provider's name.
    #[serde(default = "auto")]
    #[schema(min_length = 1, max_length = 64, default = "auto")]
    pub provider: String,
    /// The provider's model by name, or a tier: `mini`, `basic`, `pro`, `ultra`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    pub model: Option<String>,
    /// Providers that are asked after the first one fails, in order, at most 8.
    #[serde(default)]
    #[schema(max_items = 8)]
    pub fallback: Vec<String>,
}

/// How finely times are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpeechTimes {
    /// By sentence or utterance.
    #[default]
    Segment,
    /// By word as well.
    Word,
}

/// What `transcription` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TranscriptionOutput {
    /// All that was said.
    pub text: String,
    /// The language, as the engine calls it; left out where it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub language: Option<String>,
    /// How long the audio is, milliseconds.
    pub duration_ms: u64,
    /// What was said when.
    pub segments: Vec<SpeechSegment>,
    /// Artifact of the subtitles as SRT.
    pub srt: String,
    /// Artifact of the subtitles as WebVTT.
    pub vtt: String,
    /// What was asked for and could not be done, and what the engine is worth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Who listened: a provider, `whisper` or `pocketsphinx`.
    pub provider: String,
    /// The model.
    pub model: String,
    /// Providers that failed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fell_back: Vec<FellBack>,
    /// What it used.
    pub usage: Usage,
    /// Time of the work, milliseconds.
    pub took_ms: u64,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpeechSegment {
    /// When it begins, milliseconds.
    pub start_ms: u64,
    /// When it ends, milliseconds.
    pub end_ms: u64,
    /// What was said.
    pub text: String,
    /// Its words; left out unless asked for, and where the engine does not tell them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<HeardWord>>,
}

/// A word that was heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeardWord {
    /// When it begins, milliseconds.
    pub start_ms: u64,
    /// When it ends, milliseconds.
    pub end_ms: u64,
    /// The word.
    pub text: String,
    /// How sure the engine is, 0 to 1; left out where it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f32, required = false)]
    pub confidence: Option<f32>,
}

fn auto() -> String {
    "auto".to_owned()
}

static INPUT: InputSchema = InputSchema::new(schema::of::<TranscriptionInput>, Some("audio"));

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    INPUT.check::<TranscriptionInput>(input).map(|_| ())
}
