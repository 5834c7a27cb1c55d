//! ElevenLabs' speech: bare samples, or samples with the time of every character.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;
use zoetrope_shared::usage::Usage;

use super::capability::{Call, Engine, Sound, SpeechSynthesizer, Spoken, TimedWord, Voice, Words};
use super::catalogue::Model;
use super::fault::{Class, Fault};
use super::http::Endpoint;

/// Rate of the samples that are asked for: dearer plans alone have more.
const RATE: u32 = 24_000;
const FORMAT: &str = "pcm_24000";
/// Voices of a page of the list, and most pages that are read.
const PAGE: &str = "100";
const MOST_PAGES: usize = 10;
/// The range of speeds.
const SPEEDS: (f64, f64) = (0.7, 1.2);

/// The adapter.
#[derive(Debug)]
pub struct ElevenLabs {
    endpoint: Endpoint,
    /// The account's first voice, for who names none.
    usual_voice: OnceCell<String>,
}

impl ElevenLabs {
    /// An adapter for a server.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            usual_voice: OnceCell::new(),
        }
    }

    async fn speak_one(&self, words: &Words, model: &Model) -> Result<Spoken, Fault> {
        let voice = match &words.voice {
            Some(voice) => voice.clone(),
            None => self.usual_voice.get_or_try_init(|| self.first_voice()).await?.clone(),
        };
        let body = json!({
            "text": words.text,
            "model_id": model.name,
            "voice_settings": {"speed": words.speed.clamp(SPEEDS.0, SPEEDS.1)},
        });
        let mut path = vec!["v1", "text-to-speech", voice.as_str()];
        if words.with_times {
            path.push("with-timestamps");
        }
        let request = self
            .endpoint
            .request_with(Method::POST, &path, &[("output_format", FORMAT)])
            .json(&body);
        let answer = self.endpoint.send(request).await?;
        let content_type = answer.header("content-type").unwrap_or_default();
        let is_text = content_type.starts_with("text/") || content_type.starts_with("application/json");
        let (bytes, timed) = if words.with_times {
            let timed: Timed = answer.json_of(self.endpoint.limits().max_audio_bytes * 4 / 3).await?;
            let samples = STANDARD.decode(timed.audio_base64.as_bytes());
            let samples = samples.map_err(|_| Fault::garbage(self.provider(), "the audio is no base64"))?;
            (samples.into(), timed.alignment.map(Alignment::words))
        } else {
            (answer.bytes(self.endpoint.limits().max_audio_bytes).await?, None)
        };
        if bytes.len() < 2 || (is_text && !words.with_times) {
            return Err(Fault::garbage(self.provider(), "the answer is no audio"));
        }
        Ok(Spoken {
            sound: Sound {
                bytes,
                bare_rate: Some(RATE),
            },
            words: timed,
            voice,
            model: model.name.clone(),
            usage: Usage {
                characters: Some(words.text.chars().count() as u64),
                ..Usage::default()
            },
        })
    }

    async fn first_voice(&self) -> Result<String, Fault> {
        let page = self.page(None).await?;
        let first = page.voices.into_iter().next();
        first
            .map(|voice| voice.voice_id)
            .ok_or_else(|| Fault::new(self.provider(), Class::Input, "the account has no voice"))
    }

    async fn page(&self, token: Option<&str>) -> Result<VoicePage, Fault> {
        let mut query = vec![("page_size", PAGE)];
        query.extend(token.map(|token| ("next_page_token", token)));
        let request = self.endpoint.request_with(Method::GET, &["v2", "voices"], &query);
        self.endpoint.send(request).await?.json().await
    }

    async fn all_voices(&self) -> Result<Vec<Voice>, Fault> {
        let mut voices = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let page = self.page(token.as_deref()).await?;
            voices.extend(page.voices.into_iter().map(|voice| Voice {
                name: voice.name.unwrap_or_else(|| voice.voice_id.clone()),
                language: voice.labels.and_then(|labels| labels.language),
                id: voice.voice_id,
            }));
            token = page.next_page_token.filter(|_| page.has_more);
            if token.is_none() {
                break;
            }
        }
        Ok(voices)
    }
}

impl Engine for ElevenLabs {
    fn provider(&self) -> &'static str {
        self.endpoint.provider()
    }

    fn address(&self) -> (String, u16) {
        self.endpoint.address()
    }
}

impl SpeechSynthesizer for ElevenLabs {
    fn speak<'a>(&'a self, words: &'a Words, model: &'a Model) -> Call<'a, Spoken> {
        Box::pin(self.speak_one(words, model))
    }

    fn voices(&self) -> Call<'_, Vec<Voice>> {
        Box::pin(self.all_voices())
    }
}

#[derive(Debug, Deserialize)]
struct Timed {
    audio_base64: String,
    alignment: Option<Alignment>,
}

/// The time of every character, seconds.
#[derive(Debug, Deserialize)]
struct Alignment {
    characters: Vec<String>,
    character_start_times_seconds: Vec<f64>,
    character_end_times_seconds: Vec<f64>,
}

impl Alignment {
    fn words(self) -> Vec<TimedWord> {
        let times = self
            .character_start_times_seconds
            .iter()
            .zip(&self.character_end_times_seconds);
        let mut words: Vec<TimedWord> = Vec::new();
        let mut is_open = false;
        for (character, (start, end)) in self.characters.iter().zip(times) {
            let (start_ms, end_ms) = ((start * 1_000.0) as u64, (end * 1_000.0) as u64);
            match words.last_mut() {
                _ if character.trim().is_empty() => is_open = false,
                Some(word) if is_open => {
                    word.text += character;
                    word.end_ms = end_ms;
                }
                _ => {
                    is_open = true;
                    words.push(TimedWord {
                        start_ms,
                        end_ms,
                        text: character.clone(),
                    });
                }
            }
        }
        words
    }
}

#[derive(Debug, Deserialize)]
struct VoicePage {
    voices: Vec<ListedVoice>,
    #[serde(default)]
    has_more: bool,
    next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ListedVoice {
    voice_id: String,
    name: Option<String>,
    labels: Option<Labels>,
}

#[derive(Debug, Deserialize)]
struct Labels {
    language: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_characters_become_times_of_words() {
        let alignment = Alignment {
            characters: ["H", "i", " ", "y", "o", "u"].map(str::to_owned).to_vec(),
            character_start_times_seconds: vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
            character_end_times_seconds: vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.75],
        };
        let words: Vec<_> = alignment
            .words()
            .into_iter()
            .map(|word| (word.text, word.start_ms, word.end_ms))
            .collect();
        assert_eq!(words, [("Hi".to_owned(), 0, 200), ("you".to_owned(), 300, 750)]);
    }
}
