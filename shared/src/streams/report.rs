//! What the worker that watches a stream says of it, about once a second.

use serde::{Deserialize, Serialize};

use crate::tasks::stream_ingest::StreamCounts;
use crate::wire::{StreamCause, StreamSource, StreamState};

/// How a stream is, as its worker sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamReport {
    /// The run it is about.
    pub run: u64,
    /// `connecting`, `connected`, `reconnecting` or `error`.
    pub state: StreamState,
    /// Why the source is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<StreamCause>,
    /// The same in a sentence without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When this state began, Unix milliseconds.
    pub since_ms: u64,
    /// How each source is, of a stream that has two; the state above is the worse one then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceReport>,
    /// Everything that was counted since the start.
    pub counts: StreamCounts,
    /// When the last picture arrived, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_frame_ms: Option<u64>,
    /// Pictures a second that arrive, over the last seconds.
    pub live_fps: f64,
    /// `h264` or `h265`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Width and height, pixels, as the source describes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(u32, u32)>,
    /// The newest request for a picture that was answered, with one or without.
    #[serde(default)]
    pub answered: u64,
    /// The newest picture that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// The artifact of the one before, which somebody may still read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// When this was said, Unix milliseconds.
    pub reported_ms: u64,
}

/// How one of two sources is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceReport {
    /// Which one.
    pub source: StreamSource,
    /// As of the whole.
    pub state: StreamState,
    /// Why it is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<StreamCause>,
    /// The same in a sentence without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When this state began, Unix milliseconds.
    pub since_ms: u64,
    /// `h264` or `h265`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Width and height, pixels, as the source describes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(u32, u32)>,
}

/// A picture of a stream, stored as an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The JPEG.
    pub artifact: String,
    /// When the picture arrived, Unix milliseconds.
    pub taken_ms: u64,
}
