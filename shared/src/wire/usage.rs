//! What calls to providers used and cost, and what they may cost, as they are shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::rfc3339_ms;
use crate::ledger::{Day, Figures, Spend, usd_of};
use crate::tenant::Tenant;

/// What was used in a range of days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageView {
    /// First day, UTC, as `2026-11-01`.
    pub from: String,
    /// Last day, included.
    pub to: String,
    /// What `items` are told apart by.
    pub group: Vec<String>,
    /// What was used, dearest first; with `day` in the group by day.
    pub items: Vec<UsageItem>,
    /// All of it together.
    pub total: UsageFigures,
}

/// What was used by one group. What `group` does not name is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageItem {
    /// The day, UTC.
    pub day: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
    /// The provider.
    pub provider: Option<String>,
    /// What for: `text`, `vision`, `speech`, `transcription` or `detection`.
    pub capability: Option<String>,
    /// The model that answered; of failed calls the one that was asked; `(other)` beyond some 250 of a day.
    pub model: Option<String>,
    /// How much.
    pub figures: UsageFigures,
}

/// Figures that add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageFigures {
    /// Calls that were answered.
    pub calls: u64,
    /// Calls that failed; they count as free.
    pub failed_calls: u64,
    /// Answers from the cache, for which no call was made.
    pub cached_answers: u64,
    /// Tokens read, cached ones included.
    pub input_tokens: u64,
    /// Tokens written, reasoning included.
    pub output_tokens: u64,
    /// Characters spoken.
    pub characters: u64,
    /// Audio heard, milliseconds.
    pub audio_ms: u64,
    /// Pictures looked at.
    pub images: u64,
    /// Cost by the prices in force when the calls were made, US dollars.
    pub cost_usd: f64,
    /// Answered calls without a known price; they count as free.
    pub unpriced_calls: u64,
}

impl From<Figures> for UsageFigures {
    fn from(figures: Figures) -> Self {
        Self {
            calls: figures.calls,
            failed_calls: figures.failed,
            cached_answers: figures.cached,
            input_tokens: figures.input_tokens,
            output_tokens: figures.output_tokens,
            characters: figures.characters,
            audio_ms: figures.audio_ms,
            images: figures.images,
            cost_usd: usd_of(figures.cost_nano_usd),
            unpriced_calls: figures.unpriced,
        }
    }
}

/// What a tenant's calls have cost in a period, and may cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpendView {
    /// The tenant.
    pub tenant: String,
    /// The most that its calls may cost in the period, US dollars; null without a cap.
    pub cap_usd: Option<f64>,
    /// `day` or `month`, by the calendar in UTC.
    pub period: String,
    /// What they have cost in this one, US dollars.
    pub spent_usd: f64,
    /// What is held for calls under way, US dollars.
    pub held_usd: f64,
    /// When the next period begins.
    pub renews_at: String,
}

impl SpendView {
    /// How a tenant stands on a day.
    pub fn of(tenant: &Tenant, spend: &Spend, today: Day) -> Self {
        Self {
            tenant: tenant.to_string(),
            cap_usd: spend.cap.map(|cap| usd_of(cap.nano_usd)),
            period: spend.period.as_str().to_owned(),
            spent_usd: usd_of(spend.spent_nano_usd),
            held_usd: usd_of(spend.held_nano_usd),
            renews_at: rfc3339_ms(today.end_of(spend.period)),
        }
    }
}
