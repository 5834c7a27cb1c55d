//! What a worker and its media children say about what sources send, on its way to decoders and recordings: inputs and
//! results of requests that travel as [`crate::protocol`] says. Any child serves any stream: nothing is kept in one.
//!
//! | request | body down | result |
//! |---|---|---|
//! | [`SOUND`] | samples of G.711, a byte each | frames of AAC, as [`sound_frames`] reads them |
//! | [`DEMUX`] | a segment of HLS, behind its initialization section where it has one | pictures and sound, as [`units`] reads them |

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::protocol_streams::Codec;

/// Kind of a request for AAC made of G.711.
pub const SOUND: &str = "stream.sound";
/// Kind of a request that takes a segment of HLS apart.
pub const DEMUX: &str = "stream.demux";

/// Largest body of [`SOUND`], bytes: some seconds.
pub const MAX_SOUND_BYTES: usize = 512 * 1024;
/// Largest body of [`DEMUX`], bytes: ten seconds at 25 Mbit/s.
pub const MAX_DEMUX_BYTES: usize = 32 * 1024 * 1024;
/// Largest answer to [`DEMUX`], bytes: parameter sets are repeated in it.
pub const MAX_DEMUXED_BYTES: usize = 48 * 1024 * 1024;
/// Most pictures and frames of sound in an answer to [`DEMUX`]: minutes.
pub const MAX_UNITS: usize = 1 << 15;
/// Ticks a second of the times in an answer to [`DEMUX`].
pub const UNIT_RATE: i64 = 90_000;
/// Times in an answer to [`DEMUX`] lie within this of 0, ticks: some thousand years.
pub const MAX_UNIT_TIME: i64 = 1 << 53;
/// Samples of a frame of AAC that is made here.
pub const AAC_FRAME: u32 = 1_024;

/// How G.711 spreads its samples over a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Law {
    /// PCMU, as in North America and Japan.
    Mu,
    /// PCMA, as elsewhere.
    A,
}

impl Law {
    /// The sample of silence.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Mu => 0xff,
            Self::A => 0xd5,
        }
    }
}

/// Input of [`SOUND`]. Frames are counted from the body's first sample; frame `n` is what is heard of samples `n` times
/// [`AAC_FRAME`] and after. Those that the body ends too early for are made with silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundInput {
    /// How the body is coded.
    pub law: Law,
    /// Samples a second, one of AAC's rates.
    pub rate: u32,
    /// Frames that nobody wants: they make the encoder know what came before.
    pub skip: u32,
    /// Frames that are wanted after those.
    pub frames: u32,
}

/// Appends a frame to an answer to [`SOUND`]; false if it is larger than any frame of AAC.
pub fn append_sound_frame(answer: &mut Vec<u8>, frame: &[u8]) -> bool {
    let Ok(length) = u16::try_from(frame.len()) else {
        return false;
    };
    answer.extend_from_slice(&length.to_be_bytes());
    answer.extend_from_slice(frame);
    true
}

/// The frames of an answer to [`SOUND`]: each behind its length in two bytes.
pub fn sound_frames(mut answer: &[u8]) -> Option<Vec<&[u8]>> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = answer.split_first_chunk::<2>() {
        let (frame, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        frames.push(frame);
        answer = rest;
    }
    answer.is_empty().then_some(frames)
}

/// How the body of [`DEMUX`] is wrapped. Nothing is guessed: a segment of another container is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// MPEG-TS.
    Ts,
    /// Fragmented MP4.
    Fmp4,
}

/// Input of [`DEMUX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemuxInput {
    /// How the body is wrapped.
    pub container: Container,
}

/// What a unit of a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnitTrack {
    /// A compressed picture: Annex B, parameter sets in a key frame.
    Video(Codec),
    /// A frame of AAC behind a head of ADTS, as [`crate::recording::adts`] reads it.
    Audio,
}

/// What is said of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitHead {
    /// What it is.
    pub track: UnitTrack,
    /// When it is shown or heard, ticks of [`UNIT_RATE`]. Times of one answer go together; in MPEG-TS a difference of 2^33
    /// between two answers means nothing.
    pub pts: i64,
    /// When it is decoded, the same; at most its `pts` in streams that are well.
    pub dts: i64,
    /// Whether decoding can start here. All sound can.
    pub key: bool,
}

/// Bytes of a unit's head: what it is, whether it is a key frame, its times, its length.
const UNIT_HEAD: usize = 1 + 1 + 8 + 8 + 4;

/// Appends a unit to an answer to [`DEMUX`]; false if there is no room for it.
pub fn append_unit(answer: &mut Vec<u8>, head: UnitHead, data: &[u8]) -> bool {
    if answer.len() + UNIT_HEAD + data.len() > MAX_DEMUXED_BYTES {
        return false;
    }
    let track = match head.track {
        UnitTrack::Audio => 0,
        UnitTrack::Video(Codec::H264) => 1,
        UnitTrack::Video(Codec::H265) => 2,
    };
    answer.extend_from_slice(&[track, head.key.into()]);
    answer.extend_from_slice(&head.pts.to_be_bytes());
    answer.extend_from_slice(&head.dts.to_be_bytes());
    answer.extend_from_slice(&(data.len() as u32).to_be_bytes());
    answer.extend_from_slice(data);
    true
}

/// The units of an answer to [`DEMUX`], in the order of the segment; slices of the answer. Nothing of one that is not as it was
/// promised.
pub fn units(mut answer: Bytes) -> Option<Vec<(UnitHead, Bytes)>> {
    let mut units = Vec::new();
    while !answer.is_empty() {
        let head: [u8; UNIT_HEAD] = *answer.first_chunk()?;
        let [track, key, rest @ ..] = head;
        let (pts, rest) = rest.split_first_chunk::<8>()?;
        let (dts, length) = rest.split_first_chunk::<8>()?;
        let length = u32::from_be_bytes(*length.first_chunk()?) as usize;
        let head = UnitHead {
            track: match track {
                0 => UnitTrack::Audio,
                1 => UnitTrack::Video(Codec::H264),
                2 => UnitTrack::Video(Codec::H265),
                _ => return None,
            },
            pts: i64::from_be_bytes(*pts),
            dts: i64::from_be_bytes(*dts),
            key: key == 1,
        };
        let end = UNIT_HEAD.checked_add(length).filter(|end| *end <= answer.len())?;
        let is_bounded = [head.pts, head.dts].iter().all(|time| is_unit_time(*time));
        if length == 0 || key > 1 || !is_bounded || units.len() == MAX_UNITS {
            return None;
        }
        units.push((head, answer.slice(UNIT_HEAD..end)));
        answer = answer.slice(end..);
    }
    Some(units)
}

/// Whether a unit may have this time: any two differ by a time.
pub fn is_unit_time(ticks: i64) -> bool {
    (-MAX_UNIT_TIME..=MAX_UNIT_TIME).contains(&ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_appended_and_half_ones_are_none() {
        let mut answer = Vec::new();
        for frame in [&b"one"[..], b"", b"three"] {
            assert!(append_sound_frame(&mut answer, frame));
        }
        assert_eq!(sound_frames(&answer), Some(vec![&b"one"[..], b"", b"three"]));
        assert_eq!(
            (sound_frames(&answer[..answer.len() - 1]), sound_frames(&[0])),
            (None, None)
        );
        assert!(!append_sound_frame(&mut answer, &[0; 70_000]));
    }

    #[test]
    fn units_are_read_as_they_were_appended_and_anything_else_is_none() {
        let head = |track, pts, key| UnitHead {
            track,
            pts,
            dts: pts - 3_000,
            key,
        };
        let written = [
            (head(UnitTrack::Video(Codec::H264), 126_000, true), &b"key"[..]),
            (head(UnitTrack::Audio, -90_000, true), b"sound"),
            (head(UnitTrack::Video(Codec::H265), MAX_UNIT_TIME, false), b"x"),
        ];
        let mut answer = Vec::new();
        for (head, data) in written {
            assert!(append_unit(&mut answer, head, data));
        }
        let read = units(answer.clone().into()).expect("it is whole");
        let read: Vec<_> = read.iter().map(|(head, data)| (*head, &data[..])).collect();
        assert_eq!(read, written);
        assert_eq!(units(Bytes::new()), Some(Vec::new()));
        let changed = |at: usize, to: u8| {
            let mut answer = answer.clone();
            answer[at] = to;
            units(answer.into())
        };
        // Of no track, neither key nor not, of a time without an end, empty, longer than the answer.
        for (at, to) in [(0, 3), (1, 2), (2, 0x70), (21, 0), (18, 0x7f)] {
            assert_eq!(changed(at, to), None, "{at}");
        }
        assert_eq!(units(Bytes::from(answer).slice(1..)), None);
    }

    #[test]
    fn an_answer_is_bounded() {
        let head = UnitHead {
            track: UnitTrack::Audio,
            pts: 0,
            dts: 0,
            key: true,
        };
        assert!(!append_unit(&mut Vec::new(), head, &vec![0; MAX_DEMUXED_BYTES]));
        let mut answer = Vec::new();
        for _ in 0..=MAX_UNITS {
            assert!(append_unit(&mut answer, head, b"x"));
        }
        assert_eq!(units(answer.into()), None);
    }
}
