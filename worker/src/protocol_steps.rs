//! What a worker and its media children say about recordings: the input and result of [`STEPS`], which travels as
//! [`crate::protocol`] says. Screenshots come up one by one as [`crate::protocol::Reply::Picture`] while the work goes
//! on, so that neither side ever holds them all.

use serde::{Deserialize, Serialize};
use zoetrope_shared::tasks::step_detection::Step;

/// Kind of the request.
pub const STEPS: &str = "step_detection";

/// Largest picture that a child sends up, bytes.
pub const MAX_PICTURE_BYTES: usize = 8 * 1024 * 1024;

/// Input of [`STEPS`]: a video, or screenshots. The body is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepsInput {
    /// Absolute path of a private copy of the video that the child may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<String>,
    /// Screenshots in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Shot>,
    /// Pictures looked at a second of the video, above 0.
    pub sample_fps: f64,
    /// Language of the text, as in `ocr`.
    pub language: String,
    /// Whether descriptions are wanted.
    pub describe: bool,
    /// Whether pictures from before and after each step are wanted.
    pub pictures: bool,
}

/// One screenshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shot {
    /// Absolute path of a private copy that the child may read.
    pub path: String,
    /// When it was taken, milliseconds from the first.
    pub t_ms: u64,
}

/// Result of [`STEPS`]. In `before` and `after` of a step stand the names of pictures that were sent up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepsFound {
    /// The steps in order of time.
    pub steps: Vec<Step>,
    /// Width and height of the recording, pixels.
    pub size: (u32, u32),
    /// Length of the recording, milliseconds.
    pub recording_ms: u64,
    /// Pictures that were looked at.
    pub frames: u64,
    /// Whether a pointer was seen.
    pub pointer: bool,
    /// The engine that read labels, and its language.
    pub model: String,
}
