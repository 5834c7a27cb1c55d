//! `voice_synthesis`: text cut into pieces, each spoken by a provider or by the local engine, joined and encoded in a
//! media child, with subtitles.

use bytes::{Bytes, BytesMut};
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::artifacts::NewArtifact;
use zoetrope_shared::tasks::voice_synthesis::{
    KIND, SpokenPart, SpokenSegment, SpokenWord, VoiceSynthesisInput, VoiceSynthesisOutput, WordTimes,
};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::usage::{FellBack, Usage};

use crate::protocol::{MAX_MEDIA_BYTES, Request};
use crate::protocol_audio::{PieceAudio, SPEECH, SpeechAnswer, SpeechInput, SpeechPiece, split_audio};
use crate::providers::calls::{Candidate, Unanswered};
use crate::providers::capability::{Pieces, SpeechSynthesizer, Spoken, Words};
use crate::providers::catalogue::Capability;
use crate::providers::configured::Wanted;
use crate::services::Services;
use crate::speech::captions::{self, Cue};
use crate::speech::pieces::{self, Piece, Portion};

/// What the local engine is called.
pub const LOCAL: &str = "espeak-ng";
/// Words a minute of the local engine at speed 1.
const WORDS_A_MINUTE: f64 = 175.0;
/// Most characters of a request to a provider: enough for its melody, short enough for a deadline.
const PORTION_CHARS: usize = 1_200;
/// Longest sentence of the local engine, characters.
const LOCAL_CHARS: usize = 1_000;

/// Speaks the text.
pub async fn run(services: Services, attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let started = Instant::now();
    let input: VoiceSynthesisInput = super::parse(&attempt.input)?;
    let tenant = super::tenant_of(&attempt)?;
    let parts = match (&input.text, &input.segments) {
        (Some(text), _) => vec![SpokenPart {
            text: text.clone(),
            pause_ms: 0,
        }],
        (None, parts) => parts.clone().unwrap_or_default(),
    };
    let work = Work {
        services: &services,
        attempt: &attempt,
        tenant: &tenant,
        input: &input,
        parts: &parts,
    };
    let mut output = work.speak().await?;
    output.took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    super::result(&output)
}

struct Work<'a> {
    services: &'a Services,
    attempt: &'a Attempt,
    tenant: &'a Tenant,
    input: &'a VoiceSynthesisInput,
    parts: &'a [SpokenPart],
}

/// What was spoken, before it is joined.
struct Speech {
    pieces: Vec<Piece>,
    /// One for each piece; none from the local engine, which speaks in the child.
    spoken: Vec<Spoken>,
    provider: &'static str,
    model: String,
    voice: String,
    fell_back: Vec<FellBack>,
    notes: Vec<String>,
}

impl Work<'_> {
    async fn speak(&self) -> Result<VoiceSynthesisOutput, Failure> {
        let providers = &self.services.providers;
        let wanted = Wanted {
            provider: &self.input.provider,
            model: self.input.model.as_deref(),
            fallback: &self.input.fallback,
            local: Some(LOCAL),
        };
        let chain = providers.chain(Capability::Speech, &providers.speech, wanted)?;
        let mut walk = chain.walk();
        while let Some((index, candidate)) = walk.next_candidate() {
            // A voice is one of the first who is asked.
            let voice = self.input.voice.clone().filter(|_| index == 0);
            match self.by_provider(candidate, voice).await? {
                Ok(mut speech) => {
                    speech.fell_back = walk.fell_back();
                    return self.join(speech).await;
                }
                Err(unanswered) => walk.passed_over(unanswered),
            }
        }
        let fell_back = walk.or_local()?;
        self.join(self.locally(fell_back)).await
    }

    /// Every piece by one provider: a text has one voice.
    async fn by_provider(
        &self,
        candidate: &Candidate<dyn SpeechSynthesizer>,
        voice: Option<String>,
    ) -> Result<Result<Speech, Unanswered>, Failure> {
        let portion = Portion {
            max_chars: candidate.model.max_chars.unwrap_or(PORTION_CHARS).min(PORTION_CHARS),
            one_sentence: false,
        };
        let pieces = pieces::split(self.parts, portion);
        let nowhere = Pieces::nowhere();
        let (mut spoken, mut bytes): (Vec<Spoken>, usize) = (Vec::with_capacity(pieces.len()), 0);
        for (index, piece) in pieces.iter().enumerate() {
            self.attempt.progress(share(index, pieces.len(), 80), "speaking");
            let words = Words {
                text: piece.text(),
                voice: voice.clone(),
                speed: self.input.speed,
                with_times: self.input.timestamps == WordTimes::Word,
            };
            let one = std::slice::from_ref(candidate);
            let caller = self.services.providers.caller.about(words.matter());
            let answered = caller.first_answer(Capability::Speech, one, &nowhere, |candidate| {
                candidate.engine.speak(&words, &candidate.model)
            });
            match answered.await {
                Ok(answered) => spoken.push(answered.answer),
                Err(unanswered) => return Ok(Err(unanswered)),
            }
            bytes += spoken.last().map_or(0, |spoken| spoken.sound.bytes.len());
            if bytes > MAX_MEDIA_BYTES {
                let message = format!("the speech has more than {MAX_MEDIA_BYTES} bytes; speak it in parts");
                return Err(Failure::non_retryable("media_too_large", message));
            }
        }
        let (model, voice) = spoken
            .first()
            .map(|it| (it.model.clone(), it.voice.clone()))
            .unwrap_or_default();
        Ok(Ok(Speech {
            pieces,
            spoken,
            provider: candidate.engine.provider(),
            model,
            voice,
            fell_back: Vec::new(),
            notes: Vec::new(),
        }))
    }

    fn locally(&self, fell_back: Vec<FellBack>) -> Speech {
        let is_first = fell_back.is_empty();
        let portion = Portion {
            max_chars: LOCAL_CHARS,
            one_sentence: true,
        };
        let mut notes = Vec::new();
        let mut note = |applies: bool, sentence: &str| {
            if applies {
                notes.push(sentence.to_owned());
            }
        };
        note(
            self.input.timestamps == WordTimes::Word,
            "`timestamps` had no effect: espeak-ng does not tell the times of words",
        );
        note(self.input.model.is_some(), "`model` had no effect: espeak-ng has one");
        note(
            self.input.voice.is_some() && !is_first,
            "`voice` had no effect: it is another provider's",
        );
        let voice = self.input.voice.clone().filter(|_| is_first);
        Speech {
            pieces: pieces::split(self.parts, portion),
            spoken: Vec::new(),
            provider: LOCAL,
            model: LOCAL.to_owned(),
            voice: voice.unwrap_or_else(|| self.input.language.to_lowercase()),
            fell_back,
            notes,
        }
    }

    /// Has a child join and encode it, and stores what it made.
    async fn join(&self, speech: Speech) -> Result<VoiceSynthesisOutput, Failure> {
        let (request, body) = self.request(&speech)?;
        let on_progress = |percent, message: &str| self.attempt.progress(percent, message);
        let answer = self.services.media.run(&request, body, on_progress).await?;
        let (answer, audio) = split_audio::<SpeechAnswer>(answer).map_err(|error| super::nonsense(&error))?;
        if answer.pieces.len() != speech.pieces.len() {
            return Err(super::nonsense(&"it lost a piece"));
        }
        let segments = segments(&speech.pieces, &answer);
        let cues: Vec<Cue> = segments.iter().map(cue).collect();
        let (content_type, extension) = self.input.format.content_type();
        let size = audio.len() as u64;
        let artifact = self.store(content_type, extension, audio.into()).await?;
        let mut usage = Usage::default();
        speech.spoken.iter().for_each(|spoken| usage.add(&spoken.usage));
        Ok(VoiceSynthesisOutput {
            artifact,
            content_type: content_type.to_owned(),
            size,
            duration_ms: answer.duration_ms,
            sample_rate: answer.sample_rate,
            words: words(&speech.spoken, &answer),
            segments,
            srt: self
                .store("application/x-subrip", "srt", captions::srt(&cues).into())
                .await?,
            vtt: self.store("text/vtt", "vtt", captions::vtt(&cues).into()).await?,
            notes: speech.notes,
            provider: speech.provider.to_owned(),
            model: speech.model,
            voice: speech.voice,
            fell_back: speech.fell_back,
            usage,
            took_ms: 0,
        })
    }

    fn request(&self, speech: &Speech) -> Result<(Request, Bytes), Failure> {
        let mut body = BytesMut::new();
        let piece = |(index, piece): (usize, &Piece)| {
            let audio = speech.spoken.get(index).map(|spoken| {
                body.extend_from_slice(&spoken.sound.bytes);
                PieceAudio {
                    bytes: spoken.sound.bytes.len(),
                    bare_rate: spoken.sound.bare_rate,
                }
            });
            SpeechPiece {
                // The child needs the words only where it speaks them.
                text: if audio.is_none() { piece.text() } else { String::new() },
                pause_ms: piece.pause_ms,
                audio,
            }
        };
        let input = SpeechInput {
            pieces: speech.pieces.iter().enumerate().map(piece).collect(),
            voice: speech.voice.clone(),
            words_a_minute: (WORDS_A_MINUTE * self.input.speed).round() as u32,
            format: self.input.format,
        };
        let input = to_raw_value(&input)
            .map_err(|error| Failure::non_retryable("input_invalid", format!("the pieces are no JSON: {error}")))?;
        let request = Request {
            kind: SPEECH.to_owned(),
            input,
        };
        Ok((request, body.freeze()))
    }

    async fn store(&self, content_type: &str, extension: &str, bytes: Bytes) -> Result<String, Failure> {
        let new = NewArtifact {
            content_type: content_type.to_owned(),
            filename: Some(format!("speech.{extension}")),
            ttl: KIND.policy.result_ttl,
        };
        let stored = self.services.artifacts.put(self.tenant, new, bytes).await;
        let stored = stored.map_err(|error| Failure::retryable("artifacts_unavailable", error.to_string()))?;
        Ok(stored.artifact)
    }
}

/// Percent of a share of the work.
fn share(done: usize, all: usize, percent: usize) -> u8 {
    u8::try_from(percent * done / all.max(1)).unwrap_or(100)
}

fn cue(segment: &SpokenSegment) -> Cue {
    Cue {
        start_ms: segment.start_ms,
        end_ms: segment.end_ms,
        text: segment.text.clone(),
    }
}

/// The time of every sentence. Those that were spoken in one piece share its time by their letters.
fn segments(pieces: &[Piece], answer: &SpeechAnswer) -> Vec<SpokenSegment> {
    let timed = pieces.iter().zip(&answer.pieces).flat_map(|(piece, (start, end, _))| {
        let cues = captions::share_out(*start, *end, &piece.sentences);
        cues.into_iter().map(|cue| SpokenSegment {
            part: piece.part,
            start_ms: cue.start_ms,
            end_ms: cue.end_ms,
            text: cue.text,
        })
    });
    timed.collect()
}

/// The time of every word in the whole, if all pieces tell it.
fn words(spoken: &[Spoken], answer: &SpeechAnswer) -> Option<Vec<SpokenWord>> {
    if spoken.is_empty() {
        return None;
    }
    let mut words = Vec::new();
    for (spoken, (start, end, cut)) in spoken.iter().zip(&answer.pieces) {
        let at = |ms: u64| (start + ms.saturating_sub(*cut)).min(*end);
        words.extend(spoken.words.as_ref()?.iter().map(|word| SpokenWord {
            start_ms: at(word.start_ms),
            end_ms: at(word.end_ms),
            text: word.text.clone(),
        }));
    }
    Some(words)
}
