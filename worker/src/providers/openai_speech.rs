//! OpenAI's speech, and every server that speaks it: Speaches, Kokoro, LiteLLM. WAVE is asked for: it says its own rate.

use reqwest::Method;
use serde_json::json;
use zoetrope_shared::usage::Usage;

use super::capability::{Call, Engine, Sound, SpeechSynthesizer, Spoken, Voice, Words};
use super::catalogue::Model;
use super::fault::Fault;
use super::http::Endpoint;

/// The voice where none is asked for.
const USUAL_VOICE: &str = "alloy";
/// Voices as the provider documents them: there is no request for a list.
const VOICES: &[&str] = &[
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse", "marin", "cedar",
];

/// The adapter.
#[derive(Debug)]
pub struct OpenAiSpeech {
    endpoint: Endpoint,
}

impl OpenAiSpeech {
    /// An adapter for a server.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }
}

impl Engine for OpenAiSpeech {
    fn provider(&self) -> &'static str {
        self.endpoint.provider()
    }

    fn address(&self) -> (String, u16) {
        self.endpoint.address()
    }
}

impl SpeechSynthesizer for OpenAiSpeech {
    fn speak<'a>(&'a self, words: &'a Words, model: &'a Model) -> Call<'a, Spoken> {
        Box::pin(async move {
            let voice = words.voice.as_deref().unwrap_or(USUAL_VOICE);
            let body = json!({
                "model": model.name,
                "input": words.text,
                "voice": voice,
                "response_format": "wav",
                "speed": words.speed.clamp(0.25, 4.0),
            });
            let request = self.endpoint.request(Method::POST, &["audio", "speech"]).json(&body);
            let bytes = self
                .endpoint
                .send(request)
                .await?
                .bytes(self.endpoint.limits().max_audio_bytes)
                .await?;
            if !bytes.starts_with(b"RIFF") {
                return Err(Fault::garbage(self.provider(), "the answer is no WAVE file"));
            }
            Ok(Spoken {
                sound: Sound { bytes, bare_rate: None },
                words: None,
                voice: voice.to_owned(),
                model: model.name.clone(),
                usage: Usage {
                    characters: Some(words.text.chars().count() as u64),
                    ..Usage::default()
                },
            })
        })
    }

    fn voices(&self) -> Call<'_, Vec<Voice>> {
        let voice = |id: &&str| Voice {
            id: (*id).to_owned(),
            name: (*id).to_owned(),
            language: None,
        };
        Box::pin(async move { Ok(VOICES.iter().map(voice).collect()) })
    }
}
