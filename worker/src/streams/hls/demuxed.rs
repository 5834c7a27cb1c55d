//! Segments taken apart by media children, which are the only ones to read what is in them.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use crate::media_pool::{MediaError, MediaPool};
pub use crate::protocol_sources::{Container, UnitTrack};
use crate::protocol_sources::{DEMUX, DemuxInput, MAX_DEMUX_BYTES, UnitHead, units};
use crate::streams::groups;

/// Longest wait for a segment to be taken apart, one that waits for a child included.
const LIMIT: Duration = Duration::from_secs(20);

/// A picture or a frame of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// What it is.
    pub track: UnitTrack,
    /// When it is shown or heard, ticks of 90 kHz. Times of one segment go together; in MPEG-TS a difference of 2^33 between two
    /// segments means nothing.
    pub pts: i64,
    /// When it is decoded, the same.
    pub dts: i64,
    /// Whether decoding can start here. Its parameter sets stand in it then.
    pub key: bool,
    /// Annex B, or AAC behind a head of ADTS. What is no key frame is a slice of what came of the whole segment, which is held as
    /// long as any of them; key frames, of which the newest is kept for whoever asks for a picture, are bytes of their own.
    pub bytes: Bytes,
}

impl Unit {
    fn of((head, bytes): (UnitHead, Bytes)) -> Self {
        let UnitHead { track, pts, dts, key } = head;
        let is_kept = key && matches!(track, UnitTrack::Video(_));
        Self {
            track,
            pts,
            dts,
            key,
            bytes: if is_kept { Bytes::copy_from_slice(&bytes) } else { bytes },
        }
    }
}

/// Has a child take a segment apart: its first H.264 or H.265 video and its first AAC sound, in the order in which they come.
/// Neither is there for certain, and the first picture need not be a key frame. `map` is its initialization section: fMP4 always has
/// one.
///
/// # Errors
/// [`MediaError::Refused`], never to be tried again, with `media_invalid` for a segment that is not what it should be (another
/// container, encrypted, of other codecs, nothing that can be read) and `input_invalid` for one that is larger than
/// [`MAX_DEMUX_BYTES`]; [`MediaError::Crashed`] if the child did not survive it; [`MediaError::Unavailable`] if no child took
/// it in time.
pub async fn demux(
    pool: &MediaPool,
    container: Container,
    map: Option<Bytes>,
    segment: Bytes,
) -> Result<Vec<Unit>, MediaError> {
    let bytes = segment.len() + map.as_ref().map_or(0, Bytes::len);
    if bytes > MAX_DEMUX_BYTES {
        return Err(MediaError::Refused {
            code: "input_invalid".to_owned(),
            message: format!("a segment of {bytes} bytes is larger than any we take, {MAX_DEMUX_BYTES}"),
            retryable: false,
        });
    }
    let body = match map {
        None => segment,
        Some(map) => joined(map, segment).await?,
    };
    let request = groups::request(DEMUX, &DemuxInput { container })?;
    let late = |_| MediaError::Unavailable(format!("none took the segment apart within {} s", LIMIT.as_secs()));
    let answer = timeout(LIMIT, pool.run(&request, body, |_, _| {}))
        .await
        .map_err(late)??;
    let read = units(answer.into());
    let read = read.ok_or_else(|| MediaError::Crashed("answered what is no list of units".to_owned()))?;
    Ok(read.into_iter().map(Unit::of).collect())
}

/// Both as one. Some segments are so large that copying them takes milliseconds.
async fn joined(map: Bytes, segment: Bytes) -> Result<Bytes, MediaError> {
    let joined = tokio::task::spawn_blocking(move || [map, segment].concat()).await;
    joined
        .map(Bytes::from)
        .map_err(|error| MediaError::Unavailable(format!("the segment was not joined to its initialization: {error}")))
}
