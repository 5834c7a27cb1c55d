//! What becomes of windows of a stream that a model is to describe, as scenes say it. Part of [`crate::tasks::stream_ingest`].

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Windows that a model was to describe, by what became of them; all 0 where none was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StreamModelCounts {
    /// Described by a model.
    pub described: u64,
    /// Described locally, as they showed nothing new.
    pub still: u64,
    /// Described locally, as a newer one took their place while the model was busy.
    pub replaced: u64,
    /// Described locally, as the budget was used up.
    pub over_budget: u64,
    /// Described locally, as no provider answered.
    pub failed: u64,
    /// What the models' answers cost, US dollars, as far as they have a price.
    pub cost_usd: f64,
}

/// Why a window that a model was to describe is described locally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhyLocal {
    /// It shows nothing that a model has not described.
    Still,
    /// A newer window took its place while the model was busy.
    Replaced,
    /// The stream's budget is used up for now.
    OverBudget,
    /// No provider answered; `fell_back` says why.
    Failed,
}

impl WhyLocal {
    /// The word on the wire and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Still => "still",
            Self::Replaced => "replaced",
            Self::OverBudget => "over_budget",
            Self::Failed => "failed",
        }
    }
}
