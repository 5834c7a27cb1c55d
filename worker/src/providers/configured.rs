//! The providers that the settings switch on, by capability, and who of them is asked for a task.

use std::sync::Arc;

use zoetrope_queue::Failure;
use zoetrope_shared::config::{ProviderAccess, ProviderSettings};

use super::anthropic::Anthropic;
use super::calls::{CallPolicy, Caller, Candidate};
use super::capability::{Engine, TextModel, VisionModel};
use super::catalogue::{Capability, Catalogue, Model};
use super::http::{self, Endpoint, HttpLimits, KeyHeader};
use super::openai_chat::OpenAiChat;
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
    /// Makes the calls.
    pub caller: Caller,
    openai_model: Option<Arc<str>>,
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
        let mut text: Vec<Arc<dyn TextModel>> = Vec::new();
        let mut vision: Vec<Arc<dyn VisionModel>> = Vec::new();
        let is_on = |access: &ProviderAccess| access.api_key.is_some();
        // A server of one's own needs no key.
        let openai_on = is_on(&settings.openai) || settings.openai.is_moved;
        if openai_on || is_on(&settings.anthropic) {
            // Made only when it is used: it reads the system's certificates.
            let client = http::client(limits)?;
            let endpoint = |name, access, key| Endpoint::new(name, access, key, client.clone(), limits);
            if openai_on {
                let endpoint = endpoint("openai", &settings.openai, KeyHeader::Authorization("Bearer"))?;
                let engine = Arc::new(OpenAiChat::new(endpoint));
                text.push(engine.clone());
                vision.push(engine);
            }
            if is_on(&settings.anthropic) {
                let endpoint = endpoint("anthropic", &settings.anthropic, KeyHeader::Named("x-api-key"))?;
                let engine = Arc::new(Anthropic::new(endpoint));
                text.push(engine.clone());
                vision.push(engine);
            }
        }
        Ok(Self {
            text: text.into(),
            vision: vision.into(),
            caller: Caller {
                policy,
                catalogue,
                metrics,
            },
            openai_model: settings.openai_model.as_deref().map(Arc::from),
        })
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
        let own = self.openai_model.as_deref().filter(|_| provider == "openai");
        let usual = own.filter(|_| wanted.is_none() && matches!(capability, Capability::Text | Capability::Vision));
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
        None => format!("this needs a provider of {what}, and none is configured; set its key, such as OPENAI_API_KEY"),
    };
    Failure::non_retryable("provider_not_configured", message)
}
