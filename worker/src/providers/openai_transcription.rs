//! OpenAI's transcriptions, and every server that speaks them: Speaches, whisper.cpp, Groq, LiteLLM. Times are asked for
//! where the list of models says that a model tells them.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use zoetrope_shared::usage::Usage;

use super::capability::{Audio, Call, Engine, Heard, Transcriber};
use super::catalogue::Model;
use super::fault::{Class, Fault};
use super::http::Endpoint;
use crate::speech::heard::{Segment, TimedText};

/// The adapter.
#[derive(Debug)]
pub struct OpenAiTranscription {
    endpoint: Endpoint,
}

impl OpenAiTranscription {
    /// An adapter for a server.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    async fn hear(&self, audio: &Audio, model: &Model) -> Result<Heard, Fault> {
        let part = Part::stream_with_length(audio.flac.clone(), audio.flac.len() as u64).file_name("audio.flac");
        let part = part
            .mime_str("audio/flac")
            .map_err(|_| Fault::new(self.provider(), Class::Refused, "the request cannot be made"))?;
        let mut form = Form::new().part("file", part).text("model", model.name.clone());
        if let Some(language) = &audio.language {
            form = form.text("language", language.clone());
        }
        form = if model.tells_times {
            let form = form
                .text("response_format", "verbose_json")
                .text("timestamp_granularities[]", "segment");
            if audio.with_words {
                form.text("timestamp_granularities[]", "word")
            } else {
                form
            }
        } else {
            form.text("response_format", "json")
        };
        let request = self
            .endpoint
            .request(Method::POST, &["audio", "transcriptions"])
            .multipart(form);
        let answer: Transcript = self.endpoint.send(request).await?.json().await?;
        Ok(answer.into_heard(audio, model))
    }
}

impl Engine for OpenAiTranscription {
    fn provider(&self) -> &'static str {
        self.endpoint.provider()
    }

    fn address(&self) -> (String, u16) {
        self.endpoint.address()
    }
}

impl Transcriber for OpenAiTranscription {
    fn transcribe<'a>(&'a self, audio: &'a Audio, model: &'a Model) -> Call<'a, Heard> {
        Box::pin(self.hear(audio, model))
    }
}

#[derive(Debug, Deserialize)]
struct Transcript {
    text: String,
    language: Option<String>,
    segments: Option<Vec<HeardSegment>>,
    words: Option<Vec<HeardWord>>,
}

#[derive(Debug, Deserialize)]
struct HeardSegment {
    start: f64,
    end: f64,
    text: String,
}

#[derive(Debug, Deserialize)]
struct HeardWord {
    word: String,
    start: f64,
    end: f64,
}

impl Transcript {
    fn into_heard(self, audio: &Audio, model: &Model) -> Heard {
        let mut words: Vec<TimedText> = self.words.into_iter().flatten().map(HeardWord::timed).collect();
        let mut segments: Vec<Segment> = self
            .segments
            .into_iter()
            .flatten()
            .map(|segment| Segment {
                start_ms: millis(segment.start),
                end_ms: millis(segment.end),
                text: segment.text.trim().to_owned(),
                words: Vec::new(),
                is_timed: true,
            })
            .collect();
        if segments.is_empty() {
            segments.push(if words.is_empty() {
                Segment::untimed(0, audio.duration_ms, &self.text)
            } else {
                Segment::of_words(std::mem::take(&mut words))
            });
        } else {
            share_words(&mut segments, words);
        }
        segments.retain(|segment| !segment.text.is_empty());
        Heard {
            segments,
            language: self.language,
            model: model.name.clone(),
            usage: Usage {
                audio_ms: Some(audio.duration_ms),
                ..Usage::default()
            },
        }
    }
}

impl HeardWord {
    fn timed(self) -> TimedText {
        TimedText {
            start_ms: millis(self.start),
            end_ms: millis(self.end),
            text: self.word.trim().to_owned(),
            confidence: None,
        }
    }
}

/// Gives each word to the last segment that begins before its middle.
fn share_words(segments: &mut [Segment], words: Vec<TimedText>) {
    for word in words {
        let middle = u64::midpoint(word.start_ms, word.end_ms);
        let at = segments
            .iter()
            .rposition(|segment| segment.start_ms <= middle)
            .unwrap_or(0);
        segments[at].words.push(word);
    }
}

pub(super) fn millis(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1_000.0).round() as u64
}
