//! whisper.cpp, linked into this child: the operator's model hears a stretch of audio. One thread, as there is a child
//! for each core; the model stays loaded for the next stretch.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Once;

use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError, WhisperSegment,
};
use zoetrope_worker::protocol_audio::{ListenedWord, WhisperInput, WhisperedSegment};

use super::wav::Sound;
use crate::fault::Fault;

/// What a model's file begins with, how many layers its encoder may have, and the form of numbers that it may not be in,
/// 32-bit floats: whisper.cpp ends the process at what is not so.
const MAGIC: u32 = 0x6767_6d6c;
const LAYERS: [u32; 5] = [4, 6, 12, 24, 32];
const WHOLE_FLOATS: u32 = 0;
/// Where the last two stand, in words of 32 bits.
const LAYERS_AT: usize = 5;
const FORM_AT: usize = 11;
/// Guesses where the first is not convincing.
const BEST_OF: i32 = 3;

/// The model of the last request: a worker has one, and its children keep it.
#[derive(Default)]
pub(crate) struct Whisper(Option<Loaded>);

struct Loaded {
    of: PathBuf,
    context: WhisperContext,
}

impl Whisper {
    /// What is said in a sound of 16,000 samples a second, and in which language.
    pub(super) fn listen(
        &mut self,
        input: &WhisperInput,
        sound: &Sound,
    ) -> Result<(Option<String>, Vec<WhisperedSegment>), Fault> {
        let context = self.load(&input.model)?;
        let language = language_of(context, input.language.as_deref())?;
        let mut state = context.create_state().map_err(|error| failed(&error))?;
        let samples: Vec<f32> = sound
            .samples
            .iter()
            .map(|sample| f32::from(*sample) / 32_768.0)
            .collect();
        state
            .full(parameters(&language, input.words), &samples)
            .map_err(|error| failed(&error))?;
        let heard = whisper_rs::get_lang_str(state.full_lang_id_from_state());
        let end_of_text = context.token_eot();
        let segments = state.as_iter().map(|segment| {
            let words = if input.words {
                words_of(&segment, end_of_text)
            } else {
                Vec::new()
            };
            WhisperedSegment {
                start_ms: ms(segment.start_timestamp()),
                end_ms: ms(segment.end_timestamp()),
                text: segment.to_str_lossy().unwrap_or_default().trim().to_owned(),
                words,
            }
        });
        let segments = segments.filter(|segment| !segment.text.is_empty()).collect();
        Ok((heard.map(str::to_owned), segments))
    }

    fn load(&mut self, of: &Path) -> Result<&WhisperContext, Fault> {
        static QUIET: Once = Once::new();
        QUIET.call_once(whisper_rs::install_logging_hooks);
        if self.0.as_ref().is_none_or(|loaded| loaded.of != *of) {
            self.0 = None;
            check(of)?;
            let context = WhisperContext::new_with_params(of, WhisperContextParameters::default());
            let context = context.map_err(|error| {
                let why = "it is damaged, or larger than what a media child may hold";
                Fault::model_invalid(format!(
                    "WHISPER_MODEL {} cannot be loaded: {why} ({error})",
                    of.display()
                ))
            })?;
            self.0 = Some(Loaded {
                of: of.to_owned(),
                context,
            });
        }
        Ok(&self.0.as_ref().expect("it was loaded just now").context)
    }
}

/// Looks at the beginning of a file: whisper.cpp takes what it says on trust.
fn check(of: &Path) -> Result<(), Fault> {
    let invalid = |why: &str| Fault::model_invalid(format!("WHISPER_MODEL {}: {why}", of.display()));
    let mut head = [0_u8; 4 * (FORM_AT + 1)];
    let read = File::open(of).and_then(|mut file| file.read_exact(&mut head));
    read.map_err(|error| invalid(&format!("cannot be read: {error}")))?;
    let word = |at: usize| u32::from_le_bytes([head[4 * at], head[4 * at + 1], head[4 * at + 2], head[4 * at + 3]]);
    if word(0) != MAGIC || !LAYERS.contains(&word(LAYERS_AT)) {
        return Err(invalid("is no model in whisper.cpp's ggml form"));
    }
    if word(FORM_AT) == WHOLE_FLOATS {
        return Err(invalid(
            "is of 32-bit floats, which whisper.cpp does not run: take one of 16 bits, or quantised",
        ));
    }
    Ok(())
}

/// The language to listen for; `auto` finds it out.
fn language_of(context: &WhisperContext, wanted: Option<&str>) -> Result<String, Fault> {
    let wanted = wanted.map(|language| language.split(['-', '_']).next().unwrap_or_default().to_lowercase());
    match wanted {
        None if context.is_multilingual() => Ok("auto".to_owned()),
        None => Ok("en".to_owned()),
        Some(known) if known == "en" => Ok(known),
        Some(known) if whisper_rs::get_lang_id(&known).is_none() => Err(Fault::language_not_available(format!(
            "whisper knows no language `{known}`"
        ))),
        Some(other) if !context.is_multilingual() => Err(Fault::language_not_available(format!(
            "WHISPER_MODEL hears English only, not `{other}`: take a model without `.en` in its name"
        ))),
        Some(known) => Ok(known),
    }
}

fn parameters(language: &str, words: bool) -> FullParams<'_, '_> {
    let mut parameters = FullParams::new(SamplingStrategy::Greedy { best_of: BEST_OF });
    parameters.set_n_threads(1);
    parameters.set_language(Some(language));
    // A mistake in one half minute is not to be the beginning of the next.
    parameters.set_n_max_text_ctx(0);
    parameters.set_token_timestamps(words);
    parameters.set_print_special(false);
    parameters.set_print_progress(false);
    parameters.set_print_realtime(false);
    parameters.set_print_timestamps(false);
    parameters
}

/// Tokens as words: one begins with a space, and its bytes may be spread over several.
fn words_of(segment: &WhisperSegment<'_>, end_of_text: i32) -> Vec<ListenedWord> {
    struct Word {
        bytes: Vec<u8>,
        start: i64,
        end: i64,
        sure: f32,
        tokens: f32,
    }
    let mut words: Vec<Word> = Vec::new();
    let tokens = (0..segment.n_tokens()).filter_map(|index| segment.get_token(index));
    for token in tokens.filter(|token| token.token_id() < end_of_text) {
        let (Ok(bytes), data) = (token.to_bytes(), token.token_data()) else {
            continue;
        };
        match words.last_mut().filter(|_| !bytes.starts_with(b" ")) {
            Some(word) => {
                word.bytes.extend_from_slice(bytes);
                word.end = data.t1;
                word.sure += data.p;
                word.tokens += 1.0;
            }
            None => words.push(Word {
                bytes: bytes.to_vec(),
                start: data.t0,
                end: data.t1,
                sure: data.p,
                tokens: 1.0,
            }),
        }
    }
    let told = words.into_iter().map(|word| ListenedWord {
        start_ms: ms(word.start),
        end_ms: ms(word.end),
        text: String::from_utf8_lossy(&word.bytes).trim().to_owned(),
        confidence: (word.sure / word.tokens).clamp(0.0, 1.0),
    });
    told.filter(|word| !word.text.is_empty()).collect()
}

/// Hundredths of a second as milliseconds; times that are not known are negative.
fn ms(hundredths: i64) -> u64 {
    u64::try_from(hundredths).unwrap_or(0) * 10
}

fn failed(error: &WhisperError) -> Fault {
    Fault::engine_failed(format!("whisper.cpp: {error}"))
}
