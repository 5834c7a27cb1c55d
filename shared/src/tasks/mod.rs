//! The table of task kinds. Routes, their documentation, the command line, and labels of metrics derive from it.
//!
//! A kind is one file here (input, output, policy, example, row) and one handler in the worker. What a kind does
//! belongs in the worker; how its inputs are checked in general belongs in [`crate::schema`].

pub mod content_generation;
pub mod echo;
pub mod image_analysis;
pub mod ocr;
pub mod recording_snapshot;
pub mod scene_description;
pub mod step_detection;
pub mod stream_ingest;
pub mod stream_test;
pub mod transcription;
pub mod voice_synthesis;
pub mod voices;

use std::time::Duration;

use serde_json::{Map, Value};

use crate::media::MediaType;
use crate::netguard::NetGuard;
pub use crate::schema::{FieldCode, FieldError};
use crate::secrets::{SecretKeys, SecretsError};

/// Every kind that exists, in the order of the documentation.
pub static KINDS: &[Kind] = &[
    echo::KIND,
    ocr::KIND,
    image_analysis::KIND,
    scene_description::KIND,
    content_generation::KIND,
    voice_synthesis::KIND,
    transcription::KIND,
    voices::KIND,
    step_detection::KIND,
    stream_ingest::KIND,
    stream_test::KIND,
    recording_snapshot::KIND,
];

/// The kind of that wire name; dashes are read as underscores.
pub fn find(name: &str) -> Option<&'static Kind> {
    let same = |known: &str| {
        known
            .bytes()
            .eq(name.bytes().map(|byte| if byte == b'-' { b'_' } else { byte }))
    };
    KINDS.iter().find(|kind| same(kind.name))
}

/// One row of the table.
#[derive(Debug)]
pub struct Kind {
    /// Wire name, `snake_case`. Tasks outlive deploys: it never changes.
    pub name: &'static str,
    /// One sentence for people.
    pub summary: &'static str,
    /// The class of worker slot that an attempt takes.
    pub slot: Slot,
    /// How many slots an attempt takes.
    pub cost: u32,
    /// Attempts, deadlines and retention.
    pub policy: Policy,
    /// The input field that a multipart `file` part fills; `None` for kinds without media.
    pub media: Option<MediaField>,
    /// Says everything that is wrong with an input.
    pub check: fn(&Value) -> Result<(), Vec<FieldError>>,
    /// Turns a checked input into what is stored, where that is not the same: credentials are sealed here.
    pub prepare: Option<Prepare>,
    /// Self-contained JSON Schema (2020-12) of the input.
    pub input_schema: fn() -> Value,
    /// Self-contained JSON Schema (2020-12) of the result.
    pub output_schema: fn() -> Value,
    /// An input that passes `check`.
    pub example: fn() -> Value,
}

/// Turns a checked input into what is stored.
pub type Prepare = fn(&mut Map<String, Value>, &Preparation<'_>) -> Result<(), Unprepared>;

/// What a kind may use to prepare an input.
#[derive(Debug, Clone, Copy)]
pub struct Preparation<'a> {
    /// Judges URLs.
    pub netguard: &'a NetGuard,
    /// Seals credentials.
    pub secrets: &'a SecretKeys,
}

/// Why an input was not prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unprepared {
    /// Fields are wrong.
    Fields(Vec<FieldError>),
    /// Credentials cannot be sealed.
    Secrets(SecretsError),
}

/// The class of a worker's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Computes: as many as cores.
    Cpu,
    /// Waits for others.
    Io,
    /// Holds a live stream.
    Stream,
}

impl Slot {
    /// The word used on the wire and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Io => "io",
            Self::Stream => "stream",
        }
    }
}

/// What the queue does with tasks of a kind unless the submit says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Executions before a retryable failure becomes final.
    pub max_attempts: u32,
    /// Longest attempt; `None` takes `PROCESSING_TIMEOUT`, and no limit for live kinds.
    pub timeout: Option<Duration>,
    /// How long a result is kept.
    pub result_ttl: Duration,
    /// How long a silent worker keeps an attempt.
    pub lease: Duration,
    /// First pause between attempts; doubles.
    pub backoff: Duration,
    /// A live stream: never given up because workers died.
    pub live: bool,
}

impl Policy {
    /// What fits most kinds: 3 attempts, the configured timeout, results for 24 h, a lease of 15 s.
    pub const DEFAULT: Self = Self {
        max_attempts: 3,
        timeout: None,
        result_ttl: Duration::from_hours(24),
        lease: Duration::from_secs(15),
        backoff: Duration::from_secs(2),
        live: false,
    };
}

/// The input field that holds a kind's media.
#[derive(Debug, Clone, Copy)]
pub struct MediaField {
    /// Name of the field.
    pub name: &'static str,
    /// What may be in it.
    pub accepts: &'static [MediaType],
    /// Largest media, bytes.
    pub max_bytes: u64,
}
