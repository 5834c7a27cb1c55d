//! Audio in a child: speaking, joining, encoding. Samples are 16-bit mono in here.

mod decode;
mod encode;
mod espeak;
mod joining;
mod listen;
mod resample;
mod wav;
#[cfg_attr(not(feature = "whisper"), path = "no_whisper.rs")]
mod whisper;

use zoetrope_shared::tasks::voice_synthesis::AudioFormat;
use zoetrope_worker::protocol_audio::{
    self, Listened, LocalVoice, PieceAnswer, PieceInput, SpeechAnswer, SpeechInput, WhisperInput, Whispered,
};

use self::wav::Sound;
pub(crate) use self::whisper::Whisper;
use crate::fault::Fault;
use crate::serve::Progress;

/// Speaks what has no audio yet, joins all of it and encodes it.
pub(crate) fn speech(input: &SpeechInput, body: &[u8], progress: &Progress<'_>) -> Result<Vec<u8>, Fault> {
    let mut rest = body;
    let mut sounds = Vec::with_capacity(input.pieces.len());
    for (index, piece) in input.pieces.iter().enumerate() {
        let sound = match piece.audio {
            Some(audio) => {
                let (bytes, later) = rest
                    .split_at_checked(audio.bytes)
                    .ok_or_else(|| Fault::input_invalid("a piece has less audio than was announced"))?;
                rest = later;
                match audio.bare_rate {
                    Some(rate) => Sound::of_samples(bytes, rate)?,
                    None => Sound::of_wav(bytes)?,
                }
            }
            None => espeak::speak(&piece.text, &input.voice, input.words_a_minute)?,
        };
        sounds.push(sound);
        let percent = u8::try_from(90 * (index + 1) / input.pieces.len()).unwrap_or(90);
        progress.report(percent, "speaking");
    }
    let pauses: Vec<u32> = input.pieces.iter().map(|piece| piece.pause_ms).collect();
    let joined = joining::join(&sounds, &pauses)?;
    let audio = encode::encode(&joined.sound, input.format)?;
    let answer = SpeechAnswer {
        sample_rate: audio.sample_rate,
        duration_ms: joined.sound.duration_ms(),
        pieces: joined.pieces,
    };
    protocol_audio::with_audio(&answer, &audio.bytes).map_err(|error| Fault::engine_failed(error.to_string()))
}

/// The voices of the local engine.
pub(crate) fn voices() -> Result<Vec<LocalVoice>, Fault> {
    espeak::voices()
}

/// A stretch of any audio as FLAC, which is half of what samples need.
pub(crate) fn piece(input: &PieceInput, body: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let stretch = decode::stretch(body, input.from_ms, input.length_ms)?;
    let answer = PieceAnswer {
        duration_ms: stretch.sound.duration_ms(),
        is_last: stretch.is_last,
        is_silent: joining::is_silent(&stretch.sound),
    };
    let flac = encode::encode(&stretch.sound, AudioFormat::Flac)?;
    protocol_audio::with_audio(&answer, &flac.bytes).map_err(|error| Fault::engine_failed(error.to_string()))
}

/// What the local listener hears in a stretch of any audio.
pub(crate) fn listen(input: &PieceInput, body: Vec<u8>) -> Result<Listened, Fault> {
    let stretch = decode::stretch(body, input.from_ms, input.length_ms)?;
    let words = if joining::is_silent(&stretch.sound) {
        Vec::new()
    } else {
        listen::listen(&stretch.sound)?
    };
    Ok(Listened {
        duration_ms: stretch.sound.duration_ms(),
        is_last: stretch.is_last,
        words,
    })
}

/// What whisper.cpp hears in a stretch of any audio. Nothing is heard in silence, in which models make things up.
pub(crate) fn whisper(engine: &mut Whisper, input: &WhisperInput, body: Vec<u8>) -> Result<Whispered, Fault> {
    let stretch = decode::stretch(body, input.from_ms, input.length_ms)?;
    let (language, segments) = if joining::is_silent(&stretch.sound) {
        (None, Vec::new())
    } else {
        engine.listen(input, &stretch.sound)?
    };
    Ok(Whispered {
        duration_ms: stretch.sound.duration_ms(),
        is_last: stretch.is_last,
        language,
        segments,
    })
}
