//! What a worker and its media children say to each other about audio. The frame's body is audio on the way down; on
//! the way up it is the answer's JSON, its length before it, and audio behind it.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zoetrope_shared::tasks::voice_synthesis::AudioFormat;

use crate::protocol::ProtocolError;

/// Kind of the request that speaks, joins and encodes.
pub const SPEECH: &str = "audio.speech";
/// Kind of the request that lists the voices of the local engine.
pub const LOCAL_VOICES: &str = "audio.voices";

/// Kind of the request that takes a stretch out of any audio; FLAC stands behind its answer.
pub const AUDIO_PIECE: &str = "audio.piece";
/// Kind of the request that has the local listener hear a stretch of any audio.
pub const LISTEN: &str = "audio.listen";
/// Kind of the request that has whisper.cpp hear a stretch of any audio.
pub const WHISPER: &str = "audio.whisper";

/// The input of [`AUDIO_PIECE`] and [`LISTEN`]; the audio is the body.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct PieceInput {
    /// Where the stretch begins, milliseconds.
    pub from_ms: u64,
    /// Its length at most, milliseconds.
    pub length_ms: u64,
}

/// The answer to [`AUDIO_PIECE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceAnswer {
    /// Length of the stretch, milliseconds.
    pub duration_ms: u64,
    /// Whether the audio ends with it.
    pub is_last: bool,
    /// Whether nothing in it is loud enough to be speech.
    pub is_silent: bool,
}

/// The answer to [`LISTEN`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listened {
    /// Length of the stretch, milliseconds.
    pub duration_ms: u64,
    /// Whether the audio ends with it.
    pub is_last: bool,
    /// Words in order; one without text ends an utterance.
    pub words: Vec<ListenedWord>,
}

/// A word that the local listener heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListenedWord {
    /// When it begins, milliseconds of the stretch.
    pub start_ms: u64,
    /// When it ends, milliseconds of the stretch.
    pub end_ms: u64,
    /// The word.
    pub text: String,
    /// How sure it is, 0 to 1.
    pub confidence: f32,
}

/// The input of [`WHISPER`]; the audio is the body.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WhisperInput {
    /// Where the stretch begins, milliseconds.
    pub from_ms: u64,
    /// Its length at most, milliseconds.
    pub length_ms: u64,
    /// The model's file, which the child may read.
    pub model: PathBuf,
    /// The language that is spoken, as an ISO 639-1 code; `None` to find it out.
    pub language: Option<String>,
    /// Whether the times of words are wanted.
    pub words: bool,
}

/// The answer to [`WHISPER`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Whispered {
    /// Length of the stretch, milliseconds.
    pub duration_ms: u64,
    /// Whether the audio ends with it.
    pub is_last: bool,
    /// The language that was heard, as an ISO 639-1 code; `None` in silence.
    pub language: Option<String>,
    /// What was said, in order.
    pub segments: Vec<WhisperedSegment>,
}

/// Something that whisper.cpp heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WhisperedSegment {
    /// When it begins, milliseconds of the stretch.
    pub start_ms: u64,
    /// When it ends, milliseconds of the stretch.
    pub end_ms: u64,
    /// What was said.
    pub text: String,
    /// Its words, if they were wanted.
    pub words: Vec<ListenedWord>,
}

/// The input of [`SPEECH`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SpeechInput {
    /// What is spoken, in order.
    pub pieces: Vec<SpeechPiece>,
    /// Voice of the local engine.
    pub voice: String,
    /// Words a minute of the local engine.
    pub words_a_minute: u32,
    /// Form of the answer.
    pub format: AudioFormat,
}

/// One sentence.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SpeechPiece {
    /// Its text; spoken by the local engine if it has no audio.
    pub text: String,
    /// Silence after it, milliseconds.
    pub pause_ms: u32,
    /// Its audio in the frame's body, one after another.
    pub audio: Option<PieceAudio>,
}

/// Where a piece's audio is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct PieceAudio {
    /// Its bytes in the body.
    pub bytes: usize,
    /// Samples a second of bare 16-bit mono samples; `None` for a WAVE file, which says so itself.
    pub bare_rate: Option<u32>,
}

/// The answer to [`SPEECH`]; the encoded audio stands behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeechAnswer {
    /// Samples a second.
    pub sample_rate: u32,
    /// Length of the whole, milliseconds.
    pub duration_ms: u64,
    /// Start, end and the silence that was cut off the beginning of each piece, milliseconds.
    pub pieces: Vec<(u64, u64, u64)>,
}

/// A voice of the local engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalVoice {
    /// How it is asked for.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Its language.
    pub language: String,
}

/// An answer with audio behind it.
pub fn with_audio(answer: &impl Serialize, audio: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    let json = serde_json::to_vec(answer).map_err(|error| ProtocolError::Garbage(error.to_string()))?;
    let length = u32::try_from(json.len()).map_err(|error| ProtocolError::Garbage(error.to_string()))?;
    let mut body = Vec::with_capacity(4 + json.len() + audio.len());
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(&json);
    body.extend_from_slice(audio);
    Ok(body)
}

/// The answer and the audio behind it.
pub fn split_audio<T: DeserializeOwned>(mut body: Vec<u8>) -> Result<(T, Vec<u8>), ProtocolError> {
    let garbage = || ProtocolError::Garbage("an answer with audio is too short".to_owned());
    let length: [u8; 4] = body
        .get(..4)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(garbage)?;
    let end = 4 + u32::from_le_bytes(length) as usize;
    let json = body.get(4..end).ok_or_else(garbage)?;
    let answer = serde_json::from_slice(json).map_err(|error| ProtocolError::Garbage(error.to_string()))?;
    body.drain(..end);
    Ok((answer, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_and_its_audio_come_apart_again() {
        let body = with_audio(&7_u32, b"audio").expect("a number is JSON");
        assert_eq!(
            split_audio::<u32>(body.clone()).expect("it is whole"),
            (7, b"audio".to_vec())
        );
        for cut in [0, 3, 4] {
            assert!(split_audio::<u32>(body[..cut].to_vec()).is_err(), "{cut}");
        }
        assert!(split_audio::<u32>(vec![0xff; 16]).is_err());
    }
}
