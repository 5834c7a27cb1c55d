//! What a worker and its media children say about pictures out of recordings: the request [`STILL`], which travels as
//! [`crate::protocol`] says. Nothing is kept in a child.
//!
//! The body is the init segment and the segments of one stretch, as they were recorded. The answer is a [`Still`], behind a
//! [`crate::protocol::Reply::Picture`] named [`STILL`]: the JPEG.

use serde::{Deserialize, Serialize};

use crate::protocol::MAX_MEDIA_BYTES;

/// Kind of the request, and name of the picture.
pub const STILL: &str = "recording.still";
/// Largest body, bytes.
pub const MAX_STILL_BYTES: usize = MAX_MEDIA_BYTES;
/// Most pictures in a body: a quarter of an hour between two key frames.
pub const MAX_STILL_PICTURES: usize = 1 << 15;

/// Input of [`STILL`]: the last picture that is shown at or before a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StillInput {
    /// Where in the body the segment begins from whose first picture times are counted.
    pub from_byte: u64,
    /// The time, milliseconds after that picture.
    pub at_ms: u64,
    /// Long side of the JPEG at most, pixels. A smaller picture keeps its size.
    pub max_side: u32,
    /// Pixels from left to right at most.
    pub max_width: u32,
}

/// Answer to [`STILL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Still {
    /// When the picture is shown first, milliseconds after the first picture of the segment; below 0 if it is of the one
    /// before.
    pub shown_ms: i64,
    /// Width of the JPEG, pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
}
