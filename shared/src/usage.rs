//! What a provider's work used and cost, and who was asked in vain before, as results say it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the calls behind a result used. Fields that do not apply are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Tokens read, cached ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens written, reasoning included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Characters spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characters: Option<u64>,
    /// Audio heard, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_ms: Option<u64>,
    /// Pictures looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<u64>,
    /// Cost by the list of prices in force, US dollars; left out where the list has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Whether the provider told no figures and these are estimates.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// Whether all of it was remembered from earlier calls and none was made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
}

impl Usage {
    /// Adds what another call used. Costs add up only while both are known.
    pub fn add(&mut self, other: &Self) {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        let is_first = *self == Self::default();
        self.input_tokens = sum(self.input_tokens, other.input_tokens);
        self.output_tokens = sum(self.output_tokens, other.output_tokens);
        self.characters = sum(self.characters, other.characters);
        self.audio_ms = sum(self.audio_ms, other.audio_ms);
        self.images = sum(self.images, other.images);
        self.cost_usd = match (self.cost_usd, other.cost_usd) {
            (None, cost) if is_first => cost,
            (Some(a), Some(b)) => Some(a + b),
            _ => None,
        };
        self.estimated |= other.estimated;
        self.cached = other.cached && (self.cached || is_first);
    }
}

/// A provider that was asked before the one that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FellBack {
    /// Who it was.
    pub provider: String,
    /// Code of its failure, such as `provider_unavailable`.
    pub code: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: u64, cost: Option<f64>) -> Usage {
        Usage {
            input_tokens: Some(input),
            cost_usd: cost,
            ..Usage::default()
        }
    }

    #[test]
    fn a_sum_is_cached_only_if_all_of_it_is() {
        let remembered = Usage {
            cached: true,
            cost_usd: Some(0.0),
            ..Usage::default()
        };
        let mut usage = Usage::default();
        usage.add(&remembered);
        usage.add(&remembered);
        assert!(usage.cached);
        usage.add(&tokens(5, Some(0.5)));
        assert_eq!((usage.cached, usage.cost_usd), (false, Some(0.5)));
        usage.add(&remembered);
        assert!(!usage.cached);
    }

    #[test]
    fn calls_add_up_and_a_cost_that_is_not_known_makes_the_sum_unknown() {
        let mut usage = Usage::default();
        usage.add(&tokens(5, Some(0.5)));
        usage.add(&tokens(7, Some(0.25)));
        assert_eq!((usage.input_tokens, usage.cost_usd), (Some(12), Some(0.75)));
        usage.add(&tokens(1, None));
        assert_eq!(
            (usage.input_tokens, usage.cost_usd, usage.output_tokens),
            (Some(13), None, None)
        );
    }
}
