//! What a worker and its media children say about what sources send, on its way to decoders and recordings: inputs and
//! results of requests that travel as [`crate::protocol`] says. Any child serves any stream: nothing is kept in one.
//!
//! | request | body down | result |
//! |---|---|---|
//! | [`SOUND`] | samples of G.711, a byte each | frames of AAC, as [`sound_frames`] reads them |

use serde::{Deserialize, Serialize};

/// Kind of a request for AAC made of G.711.
pub const SOUND: &str = "stream.sound";

/// Largest body of [`SOUND`], bytes: some seconds.
pub const MAX_SOUND_BYTES: usize = 512 * 1024;
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
}
