//! How fast providers are called, over all workers: requests and tokens a minute as the settings have them. A call takes
//! its place in Redis and waits for it, once; one whose place would be too far off is sent away. Without Redis each worker
//! keeps the limits for itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use redis::Script;
use tokio::time::Instant;
use zoetrope_queue::QueueError;
use zoetrope_shared::config::ProviderLimit;
use zoetrope_shared::keys;
use zoetrope_shared::redis_link::{RedisLink, millis};
use zoetrope_shared::usage::Usage;

use super::fault::Fault;
use super::pace::{Pace, Rate};
use crate::metrics::Metrics;

const MINUTE: Duration = Duration::from_mins(1);
/// The part of a minute's worth that may be taken at once.
const BURST_SHARE: u64 = 10;
/// Tokens that an answer is taken to have before it is there: a cap says little of its length.
const USUAL_ANSWER_TOKENS: u64 = 500;
/// Longest pause that a call is sent away for.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);
/// How long what was taken is remembered: longer than anything that is owed.
const KEPT: Duration = Duration::from_hours(2);
const TOKENS: &str = "tokens";

static LIMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("limit.lua")));

/// The limits. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Limits(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    limits: Vec<ProviderLimit>,
    redis: RedisLink,
    metrics: Metrics,
    alone: Mutex<HashMap<&'static str, Pace>>,
    is_alone: AtomicBool,
}

/// What a call has taken of a provider's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    tokens: u64,
}

impl Limits {
    /// These limits, kept in this Redis.
    pub fn new(limits: Vec<ProviderLimit>, redis: RedisLink, metrics: Metrics) -> Self {
        if limits.is_empty() {
            return Self::default();
        }
        Self(Some(Arc::new(Inner {
            limits,
            redis,
            metrics,
            alone: Mutex::default(),
            is_alone: AtomicBool::new(false),
        })))
    }

    /// The limit of a provider.
    pub fn of(&self, provider: &str) -> Option<&ProviderLimit> {
        let limits = self.0.iter().flat_map(|inner| &inner.limits);
        limits.into_iter().find(|limit| limit.provider == provider)
    }

    /// Waits until a call may be made.
    ///
    /// # Errors
    /// When its place would be further off than `longest`.
    pub(super) async fn wait(
        &self,
        provider: &'static str,
        expected: &Usage,
        longest: Duration,
    ) -> Result<Option<Taken>, Fault> {
        let (Some(inner), Some(limit)) = (&self.0, self.of(provider)) else {
            return Ok(None);
        };
        let tokens =
            expected.input_tokens.unwrap_or(0) + expected.output_tokens.map_or(0, |most| most.min(USUAL_ANSWER_TOKENS));
        let rates = rates_of(limit, tokens);
        match inner.take(provider, &rates, longest).await {
            Ok(wait) => {
                tokio::time::sleep(wait).await;
                Ok(Some(Taken { tokens }))
            }
            Err(pause) => Err(Fault::limit_reached(provider, pause)),
        }
    }

    /// Puts what a call did use in place of what it was taken to use.
    pub(super) async fn settle(&self, provider: &'static str, taken: Taken, used: &Usage) {
        let (Some(inner), Some(limit)) = (&self.0, self.of(provider)) else {
            return;
        };
        let Some(rate) = rates_of(limit, 1).into_iter().find(|rate| rate.name == TOKENS) else {
            return;
        };
        let used = used.input_tokens.unwrap_or(0) + used.output_tokens.unwrap_or(0);
        let more = (used as f64 - taken.tokens as f64) * rate.step.as_secs_f64() * 1_000.0;
        let key = keys::provider_limits(provider);
        let correct = async {
            let mut pipe = redis::pipe();
            pipe.hincr(&key, TOKENS, more).ignore();
            pipe.cmd("PEXPIRE").arg(&key).arg(millis(KEPT)).ignore();
            Ok::<_, QueueError>(pipe.exec_async(&mut inner.redis.get().await?).await?)
        };
        if let Err(error) = correct.await {
            tracing::debug!(provider, "the tokens of a call are not corrected: {error}");
        }
    }
}

impl Inner {
    /// How long to wait; or the pause after which to come again.
    async fn take(&self, provider: &'static str, rates: &[Rate], longest: Duration) -> Result<Duration, Duration> {
        match self.ask(provider, rates, longest).await {
            Ok((passes, ms)) => {
                if self.is_alone.swap(false, Ordering::Relaxed) {
                    tracing::info!("the limits of providers are those of all workers again");
                }
                let time = Duration::from_millis(ms);
                if passes == 1 { Ok(time) } else { Err(time) }
            }
            Err(error) => {
                if !self.is_alone.swap(true, Ordering::Relaxed) {
                    tracing::warn!("redis does not keep the limits of providers, this worker does for itself: {error}");
                }
                self.metrics.provider_limited_alone();
                let mut alone = self.alone.lock().expect("no holder panics");
                alone.entry(provider).or_default().take(rates, longest, Instant::now())
            }
        }
    }

    async fn ask(&self, provider: &str, rates: &[Rate], longest: Duration) -> Result<(u8, u64), QueueError> {
        let mut call = LIMIT.prepare_invoke();
        call.key(keys::provider_limits(provider));
        call.arg(millis(longest)).arg(millis(LONGEST_PAUSE)).arg(millis(KEPT));
        for rate in rates {
            let step_ms = rate.step.as_secs_f64() * 1_000.0;
            call.arg(rate.name).arg(step_ms).arg(rate.units).arg(rate.burst);
        }
        Ok(call.invoke_async(&mut self.redis.get().await?).await?)
    }
}

fn rates_of(limit: &ProviderLimit, tokens: u64) -> Vec<Rate> {
    let rate = |name, a_minute: u64, units: u64| Rate {
        name,
        step: Duration::from_secs_f64(MINUTE.as_secs_f64() / a_minute as f64),
        units: u32::try_from(units).unwrap_or(u32::MAX),
        burst: u32::try_from((a_minute / BURST_SHARE).max(1)).unwrap_or(u32::MAX),
    };
    let requests = limit.requests_a_minute.map(|most| rate("requests", most, 1));
    let tokens = limit.tokens_a_minute.map(|most| rate(TOKENS, most, tokens.max(1)));
    requests.into_iter().chain(tokens).collect()
}

#[cfg(test)]
mod tests {
    use zoetrope_queue::ConnectOptions;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_redis_a_worker_keeps_the_limits_for_itself_and_counts_that() {
        let metrics = Metrics::new().expect("the names are valid");
        let nowhere = RedisLink::at(ConnectOptions::new("redis+unix:///nonexistent/redis.sock"));
        let limit = ProviderLimit {
            provider: "openai".to_owned(),
            requests_a_minute: Some(30),
            tokens_a_minute: None,
        };
        let limits = Limits::new(vec![limit], nowhere, metrics.clone());
        let (begin, longest) = (Instant::now(), Duration::from_secs(10));
        let nothing = Usage::default();
        let mut waited = Vec::new();
        for _ in 0..5 {
            limits
                .wait("openai", &nothing, longest)
                .await
                .expect("its place is near");
            waited.push(begin.elapsed().as_secs());
        }
        assert_eq!(
            waited,
            [0, 0, 0, 2, 4],
            "a tenth of a minute's worth at once, then one every two seconds"
        );
        let away = limits.wait("openai", &nothing, Duration::from_secs(1)).await;
        let away = away.expect_err("its place is too far off");
        assert_eq!(away.code, "provider_limit_reached");
        assert_eq!(
            limits.wait("anthropic", &nothing, longest).await,
            Ok(None),
            "another has no limit"
        );
        let text = metrics.render().expect("metrics are text");
        assert!(text.contains("zoetrope_provider_limits_alone_total 6\n"), "{text}");
    }
}
