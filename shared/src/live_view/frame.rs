//! A frame on its way: `[u32 length of the head, big endian][head, JSON][JPEG]`, in Redis and on a viewer's WebSocket alike.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::wire::parse_rfc3339_ms;

/// Largest frame with its head, bytes.
pub const MAX_FRAME_BYTES: usize = 256 * 1024;
/// Most boxes of one frame; with [`MAX_LABEL_CHARS`] a head has less than 16 KiB.
pub const MAX_BOXES: usize = 32;
/// Longest name of what is in a box, characters.
pub const MAX_LABEL_CHARS: usize = 60;
const LENGTH_BYTES: usize = size_of::<u32>();

/// What is said of a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FrameHead {
    /// Rises by one with every frame: a viewer that sees it jump has missed some. It begins anew with another worker.
    pub seq: u64,
    /// Time of the stream, milliseconds.
    pub pts_ms: u64,
    /// When the picture was taken, as far as can be told: RFC 3339 with milliseconds.
    pub at: String,
    /// Width of the JPEG, pixels.
    pub width: u32,
    /// Height of the JPEG, pixels.
    pub height: u32,
    /// What is drawn in it, at most 32.
    pub boxes: Vec<LiveBox>,
}

/// A box that is drawn in a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LiveBox {
    /// What it is around.
    pub kind: BoxKind,
    /// Class of an object, as the detector names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// 0 to 1; motion has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
    /// `[x, y, width, height]` in pixels of the JPEG.
    pub bbox: [u32; 4],
}

/// What a box is around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoxKind {
    /// What a detector has found.
    Object,
    /// A face.
    Face,
    /// What moves against the background.
    Motion,
}

/// A frame as it was published.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveFrame {
    /// What is said of it.
    pub head: FrameHead,
    message: Bytes,
    jpeg_at: usize,
}

impl LiveFrame {
    /// Puts a frame together; `None` for one that is larger than a frame may be.
    pub fn new(head: FrameHead, jpeg: &[u8]) -> Option<Self> {
        let text = serde_json::to_vec(&head).ok()?;
        let jpeg_at = LENGTH_BYTES + text.len();
        if head.boxes.len() > MAX_BOXES || jpeg_at + jpeg.len() > MAX_FRAME_BYTES {
            return None;
        }
        let mut message = Vec::with_capacity(jpeg_at + jpeg.len());
        message.extend_from_slice(&u32::try_from(text.len()).ok()?.to_be_bytes());
        message.extend_from_slice(&text);
        message.extend_from_slice(jpeg);
        Some(Self {
            head,
            message: message.into(),
            jpeg_at,
        })
    }

    /// Reads what was published; `None` for what is no frame.
    pub fn read(message: Bytes) -> Option<Self> {
        if message.len() > MAX_FRAME_BYTES {
            return None;
        }
        let (length, rest) = message.split_first_chunk::<LENGTH_BYTES>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let head: FrameHead = serde_json::from_slice(rest.get(..length)?).ok()?;
        Some(Self {
            head,
            jpeg_at: LENGTH_BYTES + length,
            message,
        })
    }

    /// As it travels.
    pub fn message(&self) -> &Bytes {
        &self.message
    }

    /// The picture.
    pub fn jpeg(&self) -> &[u8] {
        &self.message[self.jpeg_at..]
    }

    /// When the picture was taken, Unix milliseconds; 0 if that cannot be read.
    pub fn at_ms(&self) -> u64 {
        parse_rfc3339_ms(&self.head.at).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(boxes: usize) -> FrameHead {
        let drawn = LiveBox {
            kind: BoxKind::Object,
            label: Some("\u{1f52b}".repeat(MAX_LABEL_CHARS)),
            confidence: Some(0.912_345_67),
            bbox: [u32::MAX; 4],
        };
        FrameHead {
            seq: u64::MAX,
            pts_ms: u64::MAX,
            at: "2026-11-20T09:00:00.007Z".to_owned(),
            width: 960,
            height: 540,
            boxes: vec![drawn; boxes],
        }
    }

    #[test]
    fn a_frame_reads_back_as_it_was_put_together() {
        let frame = LiveFrame::new(head(2), b"\xff\xd8\xffjpeg").expect("it is small");
        let read = LiveFrame::read(frame.message().clone()).expect("it is one");
        assert_eq!(
            (read.jpeg(), read.at_ms()),
            (&b"\xff\xd8\xffjpeg"[..], 1_795_165_200_007)
        );
        assert_eq!(read, frame);
    }

    #[test]
    fn no_head_is_so_large_that_the_picture_has_no_room() {
        let full = LiveFrame::new(head(MAX_BOXES), b"").expect("it is small");
        assert!(full.message().len() < 16 * 1024, "{}", full.message().len());
        assert!(LiveFrame::new(head(MAX_BOXES + 1), b"").is_none());
        assert!(LiveFrame::new(head(0), &vec![0; MAX_FRAME_BYTES]).is_none());
    }

    #[test]
    fn bytes_that_are_no_frame_are_none() {
        let whole = LiveFrame::new(head(1), b"jpeg")
            .expect("it is small")
            .message()
            .to_vec();
        let head_ends = 4 + u32::from_be_bytes([whole[0], whole[1], whole[2], whole[3]]) as usize;
        for length in 0..head_ends {
            assert!(LiveFrame::read(whole[..length].to_vec().into()).is_none(), "{length}");
        }
        for text in [
            &b"\xff\xff\xff\xff{}"[..],
            b"\0\0\0\x02{}",
            b"\0\0\0\0",
            b"GET / HTTP/1.1",
        ] {
            assert!(LiveFrame::read(Bytes::from_static(text)).is_none(), "{text:?}");
        }
        assert!(LiveFrame::read(vec![0; MAX_FRAME_BYTES + 1].into()).is_none());
    }
}
