//! `voices`: asks every engine of this worker for its voices.

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::value::RawValue;
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::tasks::voices::{FailedEngine, ListedVoice, VoicesInput, VoicesOutput};

use crate::protocol::Request;
use crate::protocol_audio::{LOCAL_VOICES, LocalVoice};
use crate::services::Services;

/// Lists the voices.
pub async fn run(services: Services, attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let VoicesInput { language } = super::parse(&attempt.input)?;
    let mut output = VoicesOutput {
        voices: Vec::new(),
        unavailable: Vec::new(),
    };
    let asked = services
        .providers
        .speech
        .iter()
        .map(|engine| async move { (engine.provider(), engine.voices().await) });
    for (provider, answered) in join_all(asked).await {
        match answered {
            Ok(voices) => output.voices.extend(voices.into_iter().map(|voice| ListedVoice {
                provider: provider.to_owned(),
                voice: voice.id,
                name: voice.name,
                language: voice.language,
            })),
            Err(fault) => output.unavailable.push(FailedEngine {
                provider: provider.to_owned(),
                code: fault.code.to_owned(),
                message: fault.to_string(),
            }),
        }
    }
    match local(&services).await {
        Ok(voices) => output.voices.extend(voices.into_iter().map(|voice| ListedVoice {
            provider: super::voice_synthesis::LOCAL.to_owned(),
            voice: voice.id,
            name: voice.name,
            language: Some(voice.language),
        })),
        Err(failure) => output.unavailable.push(FailedEngine {
            provider: super::voice_synthesis::LOCAL.to_owned(),
            code: failure.code,
            message: failure.message,
        }),
    }
    if let Some(wanted) = language.map(|language| language.to_lowercase()) {
        let speaks = |voice: &ListedVoice| {
            voice
                .language
                .as_ref()
                .is_some_and(|own| own.to_lowercase().starts_with(&wanted))
        };
        output.voices.retain(speaks);
    }
    super::result(&output)
}

async fn local(services: &Services) -> Result<Vec<LocalVoice>, Failure> {
    let request = Request {
        kind: LOCAL_VOICES.to_owned(),
        input: RawValue::NULL.to_owned(),
    };
    let answer = services.media.run(&request, Bytes::new(), |_, _| {}).await?;
    serde_json::from_slice(&answer).map_err(|error| super::nonsense(&error))
}
