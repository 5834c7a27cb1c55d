//! What this worker tells of its providers: at the start, whenever a circuit opens, tries or closes, and now and then, so
//! that it is not forgotten.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use zoetrope_shared::provider_reports::{EngineReport, ProviderReport, ProviderReports, REPORT_LIFE};
use zoetrope_shared::wire::{CircuitName, ModelView, ProviderLimitView};

use super::capability::Engine;
use super::catalogue::{Capability, Model, Tier};
use super::circuit::CircuitState;
use super::configured::Providers;

/// Longest that ending takes its report back.
const FAREWELL: Duration = Duration::from_secs(2);

/// Tells until `shutdown`, then takes the report back. What cannot be told now is told the next time.
pub async fn run(providers: Providers, reports: ProviderReports, worker: String, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        if let Err(error) = reports.publish(&worker, &report(&providers)).await {
            tracing::debug!("the report of providers is told later: {error}");
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = providers.caller.circuits.changed() => {}
            () = tokio::time::sleep(REPORT_LIFE / 3) => {}
        }
    }
    // Silence takes it back as well, only later.
    let _ = tokio::time::timeout(FAREWELL, reports.withdraw(&worker)).await;
}

fn report(providers: &Providers) -> ProviderReport {
    let mut engines = Vec::new();
    let mut add =
        |capability, engine: &dyn Engine| engines.push(engine_report(providers, capability, engine.provider()));
    providers
        .text
        .iter()
        .for_each(|engine| add(Capability::Text, &**engine));
    providers
        .vision
        .iter()
        .for_each(|engine| add(Capability::Vision, &**engine));
    providers
        .speech
        .iter()
        .for_each(|engine| add(Capability::Speech, &**engine));
    let transcribers = providers.transcribers.iter();
    transcribers.for_each(|engine| add(Capability::Transcription, &**engine));
    let detectors = providers.detectors.iter();
    detectors.for_each(|engine| add(Capability::Detection, &**engine));
    ProviderReport { engines }
}

fn engine_report(providers: &Providers, capability: Capability, provider: &'static str) -> EngineReport {
    let caller = &providers.caller;
    let models = caller.catalogue.of_provider(provider);
    EngineReport {
        provider: provider.to_owned(),
        capability: capability.as_str().to_owned(),
        models: models
            .filter(|model| model.can.contains(&capability))
            .map(shown)
            .collect(),
        circuit: match caller.circuits.state(provider, capability) {
            CircuitState::Closed => CircuitName::Closed,
            CircuitState::HalfOpen => CircuitName::HalfOpen,
            CircuitState::Open => CircuitName::Open,
        },
        limits: caller.limits.of(provider).map(|limit| ProviderLimitView {
            requests_a_minute: limit.requests_a_minute,
            tokens_a_minute: limit.tokens_a_minute,
        }),
    }
}

fn shown(model: &Model) -> ModelView {
    ModelView {
        name: model.name.clone(),
        tier: model.tier.map(Tier::as_str).map(str::to_owned),
        input_usd: model.input_usd,
        output_usd: model.output_usd,
        characters_usd: model.characters_usd,
        minute_usd: model.minute_usd,
        image_usd: model.image_usd,
    }
}
