//! `transcription`: audio taken apart in a media child into pieces that overlap, each heard by a provider or by the
//! local listener, and put together again with subtitles.

use std::path::Path;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::artifacts::NewArtifact;
use zoetrope_shared::tasks::transcription::{
    HeardWord, KIND, SpeechSegment, SpeechTimes, TranscriptionInput, TranscriptionOutput,
};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::usage::{FellBack, Usage};

use crate::media_source;
use crate::protocol::Request;
use crate::protocol_audio::{
    AUDIO_PIECE, LISTEN, Listened, ListenedWord, PieceAnswer, PieceInput, WHISPER, WhisperInput, Whispered,
    WhisperedSegment, split_audio,
};
use crate::providers::calls::{Candidate, Unanswered};
use crate::providers::capability::{Audio, Pieces, Transcriber};
use crate::providers::catalogue::Capability;
use crate::providers::configured::Wanted;
use crate::services::Services;
use crate::speech::captions::{self, Cue};
use crate::speech::heard::{Segment, TimedText};
use crate::speech::overlap;

/// What the local listeners are called: that of an operator's model, and the one that is always there, with its model.
const WITH_MODEL: &str = "whisper";
const LOCAL: &str = "pocketsphinx";
const LOCAL_MODEL: &str = "en-us";
/// What it is worth, said in every result of it.
const LOCAL_NOTE: &str =
    "pocketsphinx hears clear American English at best; expect wrong words, no capitals and no punctuation";
/// Length of a piece and of its overlap with the next, milliseconds: for providers, within the size of file they take,
/// and for the local listener, which reports no progress within a piece.
const PROVIDER_PIECE: (u64, u64) = (600_000, 8_000);
const LOCAL_PIECE: (u64, u64) = (300_000, 6_000);

/// Writes down what is spoken.
pub async fn run(services: Services, attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let started = Instant::now();
    let input: TranscriptionInput = super::parse(&attempt.input)?;
    let tenant = super::tenant_of(&attempt)?;
    let field = KIND.media.as_ref();
    let field = field.ok_or_else(|| Failure::non_retryable("input_invalid", "this kind takes no media"))?;
    attempt.progress(0, "reading the media");
    let media = media_source::read(&services, &tenant, &input.audio, field).await?;
    let work = Work {
        services: &services,
        attempt: &attempt,
        tenant: &tenant,
        input: &input,
        media,
    };
    let heard = work.hear().await?;
    let mut output = work.output_of(heard).await?;
    output.took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    super::result(&output)
}

struct Work<'a> {
    services: &'a Services,
    attempt: &'a Attempt,
    tenant: &'a Tenant,
    input: &'a TranscriptionInput,
    media: Bytes,
}

/// All that was heard.
#[derive(Default)]
struct Transcript {
    segments: Vec<Segment>,
    duration_ms: u64,
    language: Option<String>,
    provider: &'static str,
    model: String,
    usage: Usage,
    fell_back: Vec<FellBack>,
    notes: Vec<String>,
}

impl Work<'_> {
    async fn hear(&self) -> Result<Transcript, Failure> {
        let providers = &self.services.providers;
        let local = self.local()?;
        let name = if local.is_some() { WITH_MODEL } else { LOCAL };
        // One local listener is enough for a task.
        let other = |known: &&String| *known == name || ![WITH_MODEL, LOCAL].contains(&known.as_str());
        let fallback: Vec<String> = self.input.fallback.iter().filter(other).cloned().collect();
        let wanted = Wanted {
            provider: &self.input.provider,
            model: self.input.model.as_deref(),
            fallback: &fallback,
            local: Some(name),
        };
        let chain = providers.chain(Capability::Transcription, &providers.transcribers, wanted)?;
        let mut walk = chain.walk();
        while let Some((_, candidate)) = walk.next_candidate() {
            match self.by_provider(candidate).await? {
                Ok(transcript) => {
                    return Ok(Transcript {
                        fell_back: walk.fell_back(),
                        ..transcript
                    });
                }
                Err(unanswered) => walk.passed_over(unanswered),
            }
        }
        let fell_back = walk.or_local()?;
        let heard = match local {
            Some(model) => self.by_whisper(model).await?,
            None => self.locally().await?,
        };
        Ok(Transcript { fell_back, ..heard })
    }

    /// The model that listens here, by the first local listener that is named, or the better one if none is.
    fn local(&self) -> Result<Option<&Path>, Failure> {
        let own = self.services.whisper.as_deref();
        let mut names = std::iter::once(&self.input.provider).chain(&self.input.fallback);
        match names.find(|name| [WITH_MODEL, LOCAL].contains(&name.as_str())) {
            Some(name) if name == LOCAL => Ok(None),
            Some(_) if own.is_none() => {
                let message = "`whisper` is not configured on this worker: set WHISPER_MODEL to a ggml file";
                Err(Failure::non_retryable("provider_not_configured", message))
            }
            _ => Ok(own),
        }
    }

    async fn by_provider(
        &self,
        candidate: &Candidate<dyn Transcriber>,
    ) -> Result<Result<Transcript, Unanswered>, Failure> {
        let (length_ms, overlap_ms) = PROVIDER_PIECE;
        let mut all = Transcript {
            provider: candidate.engine.provider(),
            model: candidate.model.name.clone(),
            ..Transcript::default()
        };
        let nowhere = Pieces::nowhere();
        for from_ms in (0..).step_by((length_ms - overlap_ms) as usize) {
            let body = self.child(AUDIO_PIECE, from_ms, length_ms).await?;
            let (piece, flac) = split_audio::<PieceAnswer>(body).map_err(|error| super::nonsense(&error))?;
            all.duration_ms = all.duration_ms.max(from_ms + piece.duration_ms);
            // Nobody is paid for silence, in which models hear things.
            if !piece.is_silent {
                let audio = Audio {
                    flac: flac.into(),
                    duration_ms: piece.duration_ms,
                    language: self.input.language.clone(),
                    with_words: self.input.timestamps == SpeechTimes::Word,
                };
                let one = std::slice::from_ref(candidate);
                let caller = self.services.providers.caller.about(audio.matter());
                let answered = caller.first_answer(Capability::Transcription, one, &nowhere, |candidate| {
                    candidate.engine.transcribe(&audio, &candidate.model)
                });
                let heard = match answered.await {
                    Ok(answered) => answered.answer,
                    Err(unanswered) => return Ok(Err(unanswered)),
                };
                all.usage.add(&heard.usage);
                all.language = all.language.or(heard.language);
                all.model = heard.model;
                let later = heard
                    .segments
                    .into_iter()
                    .map(|segment| segment.later(from_ms))
                    .collect();
                overlap::join(&mut all.segments, later, from_ms, from_ms + overlap_ms);
            }
            if piece.is_last {
                break;
            }
            self.attempt
                .progress(50, &format!("heard {} s", all.duration_ms / 1_000));
        }
        Ok(Ok(all))
    }

    async fn locally(&self) -> Result<Transcript, Failure> {
        let is_english = |language: &String| language.to_lowercase().starts_with("en");
        if let Some(language) = self.input.language.as_ref().filter(|language| !is_english(language)) {
            let message =
                format!("pocketsphinx hears English only, not `{language}`; configure a provider of transcription");
            return Err(Failure::non_retryable("language_not_available", message));
        }
        let (length_ms, overlap_ms) = LOCAL_PIECE;
        let mut notes = vec![LOCAL_NOTE.to_owned()];
        if self.input.model.is_some() {
            notes.push("`model` had no effect: pocketsphinx has one".to_owned());
        }
        let mut all = Transcript {
            provider: LOCAL,
            model: LOCAL_MODEL.to_owned(),
            language: Some("en".to_owned()),
            notes,
            ..Transcript::default()
        };
        for from_ms in (0..).step_by((length_ms - overlap_ms) as usize) {
            let body = self.child(LISTEN, from_ms, length_ms).await?;
            let heard: Listened = serde_json::from_slice(&body).map_err(|error| super::nonsense(&error))?;
            all.duration_ms = all.duration_ms.max(from_ms + heard.duration_ms);
            let segments = overlap::segments_of(&utterances(&heard));
            let later = segments.into_iter().map(|segment| segment.later(from_ms)).collect();
            overlap::join(&mut all.segments, later, from_ms, from_ms + overlap_ms);
            if heard.is_last {
                break;
            }
            self.attempt
                .progress(50, &format!("heard {} s", all.duration_ms / 1_000));
        }
        Ok(all)
    }

    async fn by_whisper(&self, model: &Path) -> Result<Transcript, Failure> {
        let (length_ms, overlap_ms) = LOCAL_PIECE;
        let name = model.file_name().unwrap_or_default().to_string_lossy();
        let mut all = Transcript {
            provider: WITH_MODEL,
            model: name.into_owned(),
            ..Transcript::default()
        };
        if self.input.model.is_some() {
            all.notes.push("`model` had no effect: the worker has one".to_owned());
        }
        for from_ms in (0..).step_by((length_ms - overlap_ms) as usize) {
            let input = WhisperInput {
                from_ms,
                length_ms,
                model: model.to_owned(),
                language: self.input.language.clone().or_else(|| all.language.clone()),
                words: self.input.timestamps == SpeechTimes::Word,
            };
            let body = self.ask(WHISPER, &input).await?;
            let heard: Whispered = serde_json::from_slice(&body).map_err(|error| super::nonsense(&error))?;
            all.duration_ms = all.duration_ms.max(from_ms + heard.duration_ms);
            all.language = all.language.or(heard.language);
            let segment = |said: WhisperedSegment| Segment {
                start_ms: said.start_ms,
                end_ms: said.end_ms,
                text: said.text,
                words: said.words.iter().map(timed).collect(),
                is_timed: true,
            };
            let later = heard.segments.into_iter().map(|said| segment(said).later(from_ms));
            overlap::join(&mut all.segments, later.collect(), from_ms, from_ms + overlap_ms);
            if heard.is_last {
                break;
            }
            self.attempt
                .progress(50, &format!("heard {} s", all.duration_ms / 1_000));
        }
        Ok(all)
    }

    async fn child(&self, kind: &str, from_ms: u64, length_ms: u64) -> Result<Vec<u8>, Failure> {
        self.ask(kind, &PieceInput { from_ms, length_ms }).await
    }

    async fn ask(&self, kind: &str, input: &impl Serialize) -> Result<Vec<u8>, Failure> {
        let input = to_raw_value(input).map_err(|error| Failure::non_retryable("input_invalid", error.to_string()))?;
        let request = Request {
            kind: kind.to_owned(),
            input,
        };
        Ok(self.services.media.run(&request, self.media.clone(), |_, _| {}).await?)
    }

    async fn output_of(&self, heard: Transcript) -> Result<TranscriptionOutput, Failure> {
        let cue = |segment: &Segment| Cue {
            start_ms: segment.start_ms,
            end_ms: segment.end_ms,
            text: segment.text.clone(),
        };
        let cues: Vec<Cue> = heard.segments.iter().map(cue).collect();
        let with_words = self.input.timestamps == SpeechTimes::Word;
        let mut notes = heard.notes;
        if with_words && heard.segments.iter().any(|segment| segment.words.is_empty()) {
            notes.push("some words have no times: the engine does not tell them".to_owned());
        }
        let text: Vec<&str> = heard.segments.iter().map(|segment| segment.text.as_str()).collect();
        Ok(TranscriptionOutput {
            text: text.join(" "),
            language: heard.language,
            duration_ms: heard.duration_ms,
            srt: self.store("application/x-subrip", "srt", captions::srt(&cues)).await?,
            vtt: self.store("text/vtt", "vtt", captions::vtt(&cues)).await?,
            segments: heard
                .segments
                .into_iter()
                .map(|segment| shown(segment, with_words))
                .collect(),
            notes,
            provider: heard.provider.to_owned(),
            model: heard.model,
            fell_back: heard.fell_back,
            usage: heard.usage,
            took_ms: 0,
        })
    }

    async fn store(&self, content_type: &str, extension: &str, text: String) -> Result<String, Failure> {
        let new = NewArtifact {
            content_type: content_type.to_owned(),
            filename: Some(format!("transcript.{extension}")),
            ttl: KIND.policy.result_ttl,
        };
        let stored = self.services.artifacts.put(self.tenant, new, text.into()).await;
        let stored = stored.map_err(|error| Failure::retryable("artifacts_unavailable", error.to_string()))?;
        Ok(stored.artifact)
    }
}

/// Words between the ends of utterances.
fn utterances(heard: &Listened) -> Vec<Vec<TimedText>> {
    let spoken = heard
        .words
        .split(|word| word.text.is_empty())
        .filter(|words| !words.is_empty());
    spoken.map(|words| words.iter().map(timed).collect()).collect()
}

fn timed(word: &ListenedWord) -> TimedText {
    TimedText {
        start_ms: word.start_ms,
        end_ms: word.end_ms,
        text: word.text.clone(),
        confidence: Some(word.confidence),
    }
}

fn shown(segment: Segment, with_words: bool) -> SpeechSegment {
    let words = segment.words.into_iter().map(|word| HeardWord {
        start_ms: word.start_ms,
        end_ms: word.end_ms,
        text: word.text,
        confidence: word.confidence,
    });
    let words: Vec<HeardWord> = words.collect();
    SpeechSegment {
        start_ms: segment.start_ms,
        end_ms: segment.end_ms,
        text: segment.text,
        words: (with_words && !words.is_empty()).then_some(words),
    }
}
