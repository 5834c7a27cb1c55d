//! The providers that the settings switch on, by capability, and who of them is asked for a task.

use std::sync::Arc;

use reqwest::Client;
use zoetrope_queue::Failure;
use zoetrope_shared::config::{ProviderAccess, ProviderSettings};
use zoetrope_shared::usage::FellBack;

use super::anthropic::Anthropic;
use super::calls::{CallPolicy, Caller, Candidate, Unanswered};
use super::capability::{Engine, Matter, SpeechSynthesizer, TextModel, Transcriber, VisionModel};
use super::catalogue::{Capability, Catalogue, Model};
use super::deepgram::Deepgram;
use super::detection::Detector;
use super::elevenlabs::ElevenLabs;
use super::fault::Fault;
use super::gemini::Gemini;
use super::http::{self, Endpoint, HttpLimits, KeyHeader};
use super::limits::Limits;
use super::openai_chat::OpenAiChat;
use super::openai_speech::OpenAiSpeech;
use super::openai_transcription::OpenAiTranscription;
use super::roboflow::Roboflow;
use super::seats::Seats;
use crate::metrics::Metrics;

/// The word for "whoever is configured, then the local engine".
pub const AUTO: &str = "auto";

/// Engines by capability, in the order in which `auto` asks them. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Providers {
    /// Write text.
    pub text: Arc<[Arc<dyn TextModel>]>,
    /// Look at pictures.
    pub vision: Arc<[Arc<dyn VisionModel>]>,
    /// Speak.
    pub speech: Arc<[Arc<dyn SpeechSynthesizer>]>,
    /// Write down what is spoken.
    pub transcribers: Arc<[Arc<dyn Transcriber>]>,
    /// Find objects.
    pub detectors: Arc<[Arc<dyn Detector>]>,
    /// Makes the calls.
    pub caller: Caller,
    usual: UsualModels,
}

/// Models where a task names none: of `openai`, since a server of one's own has none of OpenAI's, and of `roboflow`,
/// where most models are one's own.
#[derive(Debug, Clone, Default)]
struct UsualModels {
    chat: Option<Arc<str>>,
    speech: Option<Arc<str>>,
    transcription: Option<Arc<str>>,
    detection: Option<Arc<str>>,
}

impl UsualModels {
    fn of(&self, provider: &str, capability: Capability) -> Option<&str> {
        match (provider, capability) {
            ("openai", Capability::Text | Capability::Vision) => self.chat.as_deref(),
            ("openai", Capability::Speech) => self.speech.as_deref(),
            ("openai", Capability::Transcription) => self.transcription.as_deref(),
            ("roboflow", Capability::Detection) => self.detection.as_deref(),
            _ => None,
        }
    }
}

/// Whom a task wants.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// `auto`, the local engine's name, or a provider's.
    pub provider: &'a str,
    /// A model's name or a tier.
    pub model: Option<&'a str>,
    /// Whom to ask next, in order.
    pub fallback: &'a [String],
    /// What the capability's local engine is called; it needs no provider.
    pub local: Option<&'static str>,
}

/// Who is asked, in order, and whether the local engine comes last.
#[derive(Debug)]
pub struct Chain<T: ?Sized> {
    /// Providers.
    pub candidates: Vec<Candidate<T>>,
    /// Whether the local engine answers if none of them does.
    pub ends_local: bool,
}

/// Asks one after the other where an answer takes more than one call, so that all of it has one author.
#[derive(Debug)]
pub struct Walk<'a, T: ?Sized> {
    rest: std::iter::Enumerate<std::slice::Iter<'a, Candidate<T>>>,
    ends_local: bool,
    so_far: Unanswered,
}

impl<T: ?Sized> Chain<T> {
    /// Begins at the first candidate.
    pub fn walk(&self) -> Walk<'_, T> {
        Walk {
            rest: self.candidates.iter().enumerate(),
            ends_local: self.ends_local,
            so_far: Unanswered::default(),
        }
    }
}

impl<'a, T: ?Sized> Walk<'a, T> {
    /// Who is asked next, counted from 0; nobody once a fault lets no other try.
    pub fn next_candidate(&mut self) -> Option<(usize, &'a Candidate<T>)> {
        let may_try = self.so_far.fault.as_ref().is_none_or(Fault::lets_others_try);
        may_try.then(|| self.rest.next()).flatten()
    }

    /// Notes that the candidate did not answer.
    pub fn passed_over(&mut self, unanswered: Unanswered) {
        self.so_far.fell_back.extend(unanswered.fell_back);
        self.so_far.fault = unanswered.fault;
    }

    /// Who was asked in vain so far.
    pub fn fell_back(self) -> Vec<FellBack> {
        self.so_far.fell_back
    }

    /// Leaves the work to the local engine; who was asked in vain.
    ///
    /// # Errors
    /// The last fault, where the chain does not end with the local engine or the fault lets nobody else try.
    pub fn or_local(self) -> Result<Vec<FellBack>, Failure> {
        self.so_far.or_local(self.ends_local)
    }
}

impl Providers {
    /// The providers that the settings switch on. Makes no connection.
    ///
    /// # Errors
    /// When a base URL, a key or the list of models is not usable.
    pub fn open(settings: &ProviderSettings, metrics: Metrics) -> anyhow::Result<Self> {
        Self::open_with(settings, metrics, CallPolicy::default(), HttpLimits::default())
    }

    /// As [`open`](Self::open), with other patience.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        settings: &ProviderSettings,
        metrics: Metrics,
        policy: CallPolicy,
        limits: HttpLimits,
    ) -> anyhow::Result<Self> {
        let catalogue = Arc::new(Catalogue::open(settings.models_file.as_deref())?);
        let mut providers = Self {
            text: Arc::default(),
            vision: Arc::default(),
            speech: Arc::default(),
            transcribers: Arc::default(),
            detectors: Arc::default(),
            caller: Caller {
                policy,
                catalogue,
                circuits: Arc::default(),
                metrics,
                limits: Limits::default(),
                seats: Seats::default(),
                account: None,
                matter: Matter::default(),
            },
            usual: UsualModels {
                chat: settings.openai_model.as_deref().map(Arc::from),
                speech: settings.openai_speech_model.as_deref().map(Arc::from),
                transcription: settings.openai_transcription_model.as_deref().map(Arc::from),
                detection: settings.roboflow_model.as_deref().map(Arc::from),
            },
        };
        // Made only when it is used: it reads the system's certificates.
        if is_any_on(settings) {
            providers.switch_on(settings, &http::client(limits)?, limits)?;
        }
        Ok(providers)
    }

    /// Makes the adapters of the providers that are switched on, in the order in which `auto` asks them.
    fn switch_on(&mut self, settings: &ProviderSettings, client: &Client, limits: HttpLimits) -> anyhow::Result<()> {
        let mut text: Vec<Arc<dyn TextModel>> = Vec::new();
        let mut vision: Vec<Arc<dyn VisionModel>> = Vec::new();
        let mut speech: Vec<Arc<dyn SpeechSynthesizer>> = Vec::new();
        let mut transcribers: Vec<Arc<dyn Transcriber>> = Vec::new();
        let endpoint = |name, access, key| Endpoint::new(name, access, key, client.clone(), limits);
        if is_openai_on(settings) {
            let endpoint = endpoint("openai", &settings.openai, KeyHeader::Authorization("Bearer"))?;
            let engine = Arc::new(OpenAiChat::new(endpoint.clone()));
            text.push(engine.clone());
            vision.push(engine);
            // Most servers of one's own neither speak nor listen: one that does is told by its model.
            if !settings.openai.is_moved || settings.openai_speech_model.is_some() {
                speech.push(Arc::new(OpenAiSpeech::new(endpoint.clone())));
            }
            if !settings.openai.is_moved || settings.openai_transcription_model.is_some() {
                transcribers.push(Arc::new(OpenAiTranscription::new(endpoint)));
            }
        }
        if is_on(&settings.anthropic) {
            let endpoint = endpoint("anthropic", &settings.anthropic, KeyHeader::Named("x-api-key"))?;
            let engine = Arc::new(Anthropic::new(endpoint));
            text.push(engine.clone());
            vision.push(engine);
        }
        if is_on(&settings.gemini) {
            let endpoint = endpoint("gemini", &settings.gemini, KeyHeader::Named("x-goog-api-key"))?;
            let engine = Arc::new(Gemini::new(endpoint));
            text.push(engine.clone());
            vision.push(engine);
        }
        if is_on(&settings.elevenlabs) {
            let endpoint = endpoint("elevenlabs", &settings.elevenlabs, KeyHeader::Named("xi-api-key"))?;
            speech.push(Arc::new(ElevenLabs::new(endpoint)));
        }
        if is_on(&settings.deepgram) {
            let endpoint = endpoint("deepgram", &settings.deepgram, KeyHeader::Authorization("Token"))?;
            transcribers.push(Arc::new(Deepgram::new(endpoint)));
        }
        if is_roboflow_on(settings) {
            let endpoint = endpoint("roboflow", &settings.roboflow, KeyHeader::Authorization("Bearer"))?;
            self.detectors = Arc::new([Arc::new(Roboflow::new(endpoint)) as Arc<dyn Detector>]);
        }
        (self.text, self.vision, self.speech) = (text.into(), vision.into(), speech.into());
        self.transcribers = transcribers.into();
        Ok(())
    }

    /// Who is asked.
    ///
    /// # Errors
    /// `provider_not_configured` for a name that is none of `engines` and not the local engine's, or when nobody is
    /// left; `input_invalid` for a model that nobody can have.
    pub fn chain<T: Engine + ?Sized>(
        &self,
        capability: Capability,
        engines: &[Arc<T>],
        wanted: Wanted<'_>,
    ) -> Result<Chain<T>, Failure> {
        let mut chain = Chain {
            candidates: Vec::new(),
            ends_local: false,
        };
        let names = std::iter::once(wanted.provider).chain(wanted.fallback.iter().map(String::as_str));
        for (index, name) in names.enumerate() {
            // A model is the first provider's; those after it have models of their own.
            let model = wanted.model.filter(|_| index == 0);
            match name {
                AUTO => {
                    for engine in engines {
                        self.push(&mut chain, capability, engine, model)?;
                    }
                    chain.ends_local |= wanted.local.is_some();
                }
                name if wanted.local == Some(name) => chain.ends_local = true,
                name => {
                    let engine = engines.iter().find(|engine| engine.provider() == name);
                    let engine = engine.ok_or_else(|| not_configured(capability, Some(name), engines))?;
                    self.push(&mut chain, capability, engine, model)?;
                }
            }
        }
        if chain.candidates.is_empty() && !chain.ends_local {
            return Err(not_configured(capability, None, engines));
        }
        Ok(chain)
    }

    fn push<T: Engine + ?Sized>(
        &self,
        chain: &mut Chain<T>,
        capability: Capability,
        engine: &Arc<T>,
        wanted: Option<&str>,
    ) -> Result<(), Failure> {
        let provider = engine.provider();
        if chain.candidates.iter().any(|known| known.engine.provider() == provider) {
            return Ok(());
        }
        let usual = self.usual.of(provider, capability).filter(|_| wanted.is_none());
        let model: Option<Model> = self.caller.catalogue.choose(provider, capability, wanted.or(usual));
        let model = model.ok_or_else(|| {
            let message = format!("{provider} has no such model for {}", capability.as_str());
            Failure::non_retryable("input_invalid", message)
        })?;
        chain.candidates.push(Candidate {
            engine: engine.clone(),
            model,
        });
        Ok(())
    }
}

fn is_on(access: &ProviderAccess) -> bool {
    access.api_key.is_some()
}

/// A server of one's own needs no key.
fn is_openai_on(settings: &ProviderSettings) -> bool {
    is_on(&settings.openai) || settings.openai.is_moved
}

fn is_roboflow_on(settings: &ProviderSettings) -> bool {
    is_on(&settings.roboflow) || settings.roboflow.is_moved
}

fn is_any_on(settings: &ProviderSettings) -> bool {
    let with_keys = [
        &settings.anthropic,
        &settings.gemini,
        &settings.elevenlabs,
        &settings.deepgram,
    ];
    is_openai_on(settings) || is_roboflow_on(settings) || with_keys.into_iter().any(is_on)
}

/// The failure of a task that needs who is not there.
pub fn not_configured<T: Engine + ?Sized>(capability: Capability, name: Option<&str>, engines: &[Arc<T>]) -> Failure {
    let known: Vec<&str> = engines.iter().map(|engine| engine.provider()).collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    let what = capability.as_str();
    let message = match name {
        Some(name) => format!("`{name}` is not configured for {what} on this worker; configured: {known}"),
        None => {
            let remedy = match capability {
                Capability::Detection => "set ROBOFLOW_API_KEY, or DETECTOR_MODEL to an ONNX file",
                _ => "set its key, such as OPENAI_API_KEY",
            };
            format!("this needs a provider of {what}, and none is configured; {remedy}")
        }
    };
    Failure::non_retryable("provider_not_configured", message)
}
