//! Settings of what calls to providers are bounded by: what they may cost, and how many there may be a minute.

use super::error::ConfigError;
use super::reader::Reader;
use super::value;
use crate::ledger::{Cap, MAX_CAP_USD, Period, usd_of};

/// What calls to providers are bounded by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderBounds {
    /// `SPEND_CAP_USD` in a `SPEND_CAP_PERIOD`: the most that the calls of each tenant may cost, unless it has a cap of its
    /// own. Default: no cap; a month.
    pub spend_cap: Option<Cap>,
    period: Period,
    /// `PROVIDER_LIMITS`: the most that all workers together ask of a provider, such as
    /// `openai:requests=500:tokens=200000`, between commas. Default: none.
    pub limits: Vec<ProviderLimit>,
}

/// The most that is asked of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderLimit {
    /// Its name.
    pub provider: String,
    /// Requests a minute.
    pub requests_a_minute: Option<u64>,
    /// Tokens a minute, those read and those written.
    pub tokens_a_minute: Option<u64>,
}

impl ProviderLimit {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':').map(str::trim);
        let provider = parts.next().unwrap_or_default();
        if !PROVIDERS.contains(&provider) {
            return Err(format!("`{provider}` is none of {}", PROVIDERS.join(", ")));
        }
        let mut limit = Self {
            provider: provider.to_owned(),
            requests_a_minute: None,
            tokens_a_minute: None,
        };
        for part in parts {
            let (name, number) = part.split_once('=').unwrap_or((part, ""));
            let number = value::number(1..=MOST_A_MINUTE)(number)?;
            match name {
                "requests" => limit.requests_a_minute = Some(number),
                "tokens" => limit.tokens_a_minute = Some(number),
                _ => return Err(format!("`{name}` is no limit; write requests=500 or tokens=200000")),
            }
        }
        if limit.requests_a_minute.or(limit.tokens_a_minute).is_none() {
            return Err(format!(
                "`{text}` has no limit; write openai:requests=500:tokens=200000"
            ));
        }
        Ok(limit)
    }

    fn text(&self) -> String {
        let part = |name, number: Option<u64>| number.map_or_else(String::new, |number| format!(":{name}={number}"));
        let requests = part("requests", self.requests_a_minute);
        format!("{}{requests}{}", self.provider, part("tokens", self.tokens_a_minute))
    }
}

/// Providers that may be limited.
const PROVIDERS: [&str; 6] = ["openai", "anthropic", "gemini", "elevenlabs", "roboflow", "deepgram"];
/// Largest limit.
const MOST_A_MINUTE: u64 = 1_000_000_000;

pub(super) fn read(from: &Reader<'_>) -> Result<ProviderBounds, ConfigError> {
    let usd = from.optional("SPEND_CAP_USD", value::number(0.0..=MAX_CAP_USD))?;
    let words = &[("day", Period::Day), ("month", Period::Month)];
    let period = from.or("SPEND_CAP_PERIOD", Period::Month, value::word(words))?;
    Ok(ProviderBounds {
        spend_cap: usd.map(|usd| Cap::of_usd(usd, period)),
        period,
        limits: limits(from)?,
    })
}

fn limits(from: &Reader<'_>) -> Result<Vec<ProviderLimit>, ConfigError> {
    from.or("PROVIDER_LIMITS", Vec::new(), |text| {
        let limits = value::list(ProviderLimit::parse)(text)?;
        let mut seen = std::collections::HashSet::new();
        match limits.iter().find(|limit| !seen.insert(limit.provider.clone())) {
            Some(twice) => Err(format!("`{}` is limited twice", twice.provider)),
            None => Ok(limits),
        }
    })
}

/// Every setting with its value.
pub(super) fn redacted(bounds: &ProviderBounds) -> Vec<(&'static str, String)> {
    let cap = bounds.spend_cap.map(|cap| usd_of(cap.nano_usd).to_string());
    vec![
        ("SPEND_CAP_USD", cap.unwrap_or_default()),
        ("SPEND_CAP_PERIOD", bounds.period.as_str().to_owned()),
        (
            "PROVIDER_LIMITS",
            bounds
                .limits
                .iter()
                .map(ProviderLimit::text)
                .collect::<Vec<_>>()
                .join(","),
        ),
    ]
}
