//! Deepgram's transcription of recorded audio, with the times and the confidence of every word.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use zoetrope_shared::usage::Usage;

use super::capability::{Audio, Call, Engine, Heard, Transcriber};
use super::catalogue::Model;
use super::fault::Fault;
use super::http::Endpoint;
use super::openai_transcription::millis;
use crate::speech::heard::{Segment, TimedText};

/// The adapter.
#[derive(Debug)]
pub struct Deepgram {
    endpoint: Endpoint,
}

impl Deepgram {
    /// An adapter for a server.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    async fn hear(&self, audio: &Audio, model: &Model) -> Result<Heard, Fault> {
        let mut query = vec![
            ("model", model.name.as_str()),
            ("smart_format", "true"),
            ("utterances", "true"),
        ];
        query.push(match &audio.language {
            Some(language) => ("language", language.as_str()),
            None => ("detect_language", "true"),
        });
        let request = self.endpoint.request_with(Method::POST, &["v1", "listen"], &query);
        let request = request.header(CONTENT_TYPE, "audio/flac").body(audio.flac.clone());
        let answer: Answer = self.endpoint.send(request).await?.json().await?;
        let channel = answer.results.channels.into_iter().next();
        let channel = channel.ok_or_else(|| Fault::garbage(self.provider(), "the answer holds no channel"))?;
        let best = channel.alternatives.into_iter().next();
        let best = best.ok_or_else(|| Fault::garbage(self.provider(), "the answer holds no transcript"))?;
        let utterances = answer.results.utterances.into_iter().flatten();
        let mut segments: Vec<Segment> = utterances
            .map(|utterance| Segment {
                start_ms: millis(utterance.start),
                end_ms: millis(utterance.end),
                text: utterance.transcript,
                words: utterance.words.into_iter().map(Word::timed).collect(),
                is_timed: true,
            })
            .collect();
        if segments.is_empty() && !best.transcript.is_empty() {
            segments.push(Segment::untimed(0, audio.duration_ms, &best.transcript));
        }
        Ok(Heard {
            segments,
            language: channel.detected_language.or_else(|| audio.language.clone()),
            model: model.name.clone(),
            usage: Usage {
                audio_ms: Some(
                    answer
                        .metadata
                        .and_then(|it| it.duration)
                        .map_or(audio.duration_ms, millis),
                ),
                ..Usage::default()
            },
        })
    }
}

impl Engine for Deepgram {
    fn provider(&self) -> &'static str {
        self.endpoint.provider()
    }

    fn address(&self) -> (String, u16) {
        self.endpoint.address()
    }
}

impl Transcriber for Deepgram {
    fn transcribe<'a>(&'a self, audio: &'a Audio, model: &'a Model) -> Call<'a, Heard> {
        Box::pin(self.hear(audio, model))
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    metadata: Option<Metadata>,
    results: Results,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    duration: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Results {
    channels: Vec<Channel>,
    utterances: Option<Vec<Utterance>>,
}

#[derive(Debug, Deserialize)]
struct Channel {
    alternatives: Vec<Alternative>,
    detected_language: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Alternative {
    transcript: String,
}

#[derive(Debug, Deserialize)]
struct Utterance {
    start: f64,
    end: f64,
    transcript: String,
    #[serde(default)]
    words: Vec<Word>,
}

#[derive(Debug, Deserialize)]
struct Word {
    word: String,
    punctuated_word: Option<String>,
    start: f64,
    end: f64,
    confidence: Option<f32>,
}

impl Word {
    fn timed(self) -> TimedText {
        TimedText {
            start_ms: millis(self.start),
            end_ms: millis(self.end),
            text: self.punctuated_word.unwrap_or(self.word),
            confidence: self.confidence,
        }
    }
}
