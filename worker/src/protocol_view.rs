//! What a worker and its media children say about frames for viewers: the request [`VIEW`], which travels as
//! [`crate::protocol`] says, with the same sessions and the same body as [`crate::protocol_streams::PACKETS`].
//!
//! Each frame is a [`crate::protocol::Reply::Picture`] named by its `t_ms`, a JPEG of at most [`MAX_VIEW_BYTES`] with
//! everything drawn in it; one more, [`CLEAN`], is the newest of them without what is drawn.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::protocol_images::DrawnBox;
use crate::protocol_streams::{Codec, PacketInfo};

/// Kind of the request.
pub const VIEW: &str = "stream.view";
/// Largest JPEG, bytes: with its head a frame has at most 256 KiB.
pub const MAX_VIEW_BYTES: usize = 240 * 1024;
/// Long side of a frame, pixels: what fits into [`MAX_VIEW_BYTES`] unless the picture is noise. Larger ones are made smaller.
pub const VIEW_SIDE: u32 = 960;
/// Most places that move, of one frame.
pub const MAX_MOVING: usize = 8;
/// Name of the picture without what is drawn.
pub const CLEAN: &str = "clean";

/// Input of [`VIEW`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewInput {
    /// Names the decoder. Unknown: a new one is made, which waits for a key frame.
    pub session: String,
    /// The body's codec. Another one than before starts the decoder anew.
    pub codec: Codec,
    /// Whether packets are missing since the last request: forget what is decoded, wait for a key frame.
    pub reset: bool,
    /// Whether nothing that follows belongs to these packets: give out all pictures, then forget them.
    pub alone: bool,
    /// What the body holds.
    pub packets: Vec<PacketInfo>,
    /// Most frames a second of stream time, above 0.
    pub fps: f64,
    /// What was found in an earlier frame, to be drawn in these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<FoundBoxes>,
    /// Whether the newest frame is wanted without what is drawn, too.
    pub clean: bool,
}

/// Boxes in a frame of some size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundBoxes {
    /// Width and height of the frame that they were found in, pixels.
    pub size: (u32, u32),
    /// They.
    pub boxes: Vec<DrawnBox>,
}

/// Answer to [`VIEW`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Viewed {
    /// Frames, in the order of their times.
    pub frames: Vec<ViewedFrame>,
    /// Packets the decoder refused and pictures it had to conceal damage in; those are not shown.
    pub decode_errors: u32,
    /// Packets dropped while the decoder waits for a key frame.
    pub awaiting_key: u32,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewedFrame {
    /// Its time, milliseconds, as its packet gave it.
    pub t_ms: u64,
    /// Width and height of the JPEG, pixels.
    pub size: (u32, u32),
    /// What moves against the background: `[x, y, width, height]` in pixels of the JPEG, at most [`MAX_MOVING`], largest first.
    pub moving: Vec<[u32; 4]>,
    /// The JPEG. It comes apart from the answer.
    #[serde(skip)]
    pub jpeg: Bytes,
}

/// A box of a frame of one size in the pixels of a frame of another.
pub fn scaled(bbox: [u32; 4], from: (u32, u32), to: (u32, u32)) -> [u32; 4] {
    let scale = |at: u32, from: u32, to: u32| {
        let at = u64::from(at) * u64::from(to) / u64::from(from.max(1));
        u32::try_from(at).unwrap_or(u32::MAX).min(to)
    };
    let [x, y, width, height] = bbox;
    let (left, top) = (scale(x, from.0, to.0), scale(y, from.1, to.1));
    let right = scale(x.saturating_add(width), from.0, to.0);
    let bottom = scale(y.saturating_add(height), from.1, to.1);
    [left, top, right - left, bottom - top]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_follow_their_frame_and_stay_within_it() {
        assert_eq!(scaled([10, 20, 30, 40], (100, 100), (200, 50)), [20, 10, 60, 20]);
        assert_eq!(scaled([90, 90, 50, 50], (100, 100), (100, 100)), [90, 90, 10, 10]);
        assert_eq!(scaled([u32::MAX; 4], (100, 100), (50, 50)), [50, 50, 0, 0]);
        assert_eq!(scaled([1, 1, 1, 1], (0, 0), (50, 50)), [50, 50, 0, 0]);
    }
}
