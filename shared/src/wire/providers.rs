//! Providers that workers have, as they are shown. Keys and addresses are not.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Every provider that a live worker has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProviderPage {
    /// In the order in which `auto` asks them, by capability.
    pub items: Vec<ProviderView>,
}

/// A provider in one capability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProviderView {
    /// The name that tasks give.
    pub provider: String,
    /// `text`, `vision`, `speech`, `transcription` or `detection`.
    pub capability: String,
    /// Workers that have it.
    pub workers: u32,
    /// How many of their circuits stand how. Each worker has its own.
    pub circuits: CircuitCounts,
    /// What all workers together ask of the provider at the most; null without a limit.
    pub limits: Option<ProviderLimitView>,
    /// Models that the list names; others may be asked for too.
    pub models: Vec<ModelView>,
}

/// Circuits by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CircuitCounts {
    /// Calls go through.
    pub closed: u32,
    /// One call tries.
    pub half_open: u32,
    /// No call goes through.
    pub open: u32,
}

impl CircuitCounts {
    /// Counts one more.
    pub fn add(&mut self, circuit: CircuitName) {
        let count = match circuit {
            CircuitName::Closed => &mut self.closed,
            CircuitName::HalfOpen => &mut self.half_open,
            CircuitName::Open => &mut self.open,
        };
        *count += 1;
    }
}

/// How a circuit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitName {
    /// Calls go through.
    Closed,
    /// One call tries.
    HalfOpen,
    /// No call goes through.
    Open,
}

/// What is asked of a provider at the most, by all workers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderLimitView {
    /// Requests a minute.
    pub requests_a_minute: Option<u64>,
    /// Tokens a minute.
    pub tokens_a_minute: Option<u64>,
}

/// A model of the list. Prices are US dollars; null where the list has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelView {
    /// As the provider calls it.
    pub name: String,
    /// `mini`, `basic`, `pro` or `ultra`: what a task may name instead.
    pub tier: Option<String>,
    /// For a million tokens read.
    pub input_usd: Option<f64>,
    /// For a million tokens written.
    pub output_usd: Option<f64>,
    /// For a million characters spoken.
    pub characters_usd: Option<f64>,
    /// For a minute heard.
    pub minute_usd: Option<f64>,
    /// For a picture looked at.
    pub image_usd: Option<f64>,
}
