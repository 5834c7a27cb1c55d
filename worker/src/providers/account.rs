//! On whose account calls are made: what they may cost is held before each, what they used is written down after it. The
//! sums are the ledger's.

use std::time::Duration;

use zoetrope_queue::QueueError;
use zoetrope_shared::ledger::{Ending, Entry, Hold, Ledger, Spend, Verdict, nano_of, usd_of};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::usage::Usage;

use super::answers::{Answers, Asked, RequestHash};
use super::catalogue::{Capability, Model};
use super::fault::Fault;
use crate::metrics::Metrics;

/// How long a hold outlives the deadline of its call: for what comes between the two.
const HOLD_GRACE: Duration = Duration::from_secs(60);
/// How often an entry is written again while Redis is away, and the pause before it.
const REPEATS: u32 = 4;
const REPEAT_PAUSE: Duration = Duration::from_millis(250);

/// A tenant's account.
#[derive(Debug, Clone)]
pub struct Account {
    tenant: Tenant,
    ledger: Ledger,
    answers: Answers,
    metrics: Metrics,
}

/// A call as its entry names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made<'a> {
    pub(super) provider: &'static str,
    pub(super) capability: Capability,
    pub(super) model: &'a str,
    pub(super) ending: Ending,
    pub(super) usage: &'a Usage,
}

impl Account {
    /// The account of a tenant.
    pub fn new(tenant: Tenant, ledger: Ledger, answers: Answers, metrics: Metrics) -> Self {
        Self {
            tenant,
            ledger,
            answers,
            metrics,
        }
    }

    /// Holds what a call is expected to cost. Nobody knows what calls of models without a price cost: under a cap none is made.
    ///
    /// # Errors
    /// When the spend cap is reached, or may be by calls under way, or nobody can keep it with this model, or nobody knows
    /// because Redis is away.
    pub(super) async fn hold(
        &self,
        provider: &'static str,
        priced: &Model,
        expected: &Usage,
        deadline: Duration,
    ) -> Result<Option<Hold>, Fault> {
        if !priced.is_priced() {
            return match self.ledger.spend(&self.tenant).await {
                Ok(spend) if spend.cap.is_some() => Err(Fault::model_unpriced(provider, &priced.name)),
                Ok(_) => Ok(None),
                Err(error) => Err(Fault::redis_unavailable(provider, error.to_string())),
            };
        }
        if !priced.has_price() {
            return Ok(None);
        }
        let nano_usd = priced.cost(expected).map_or(0, nano_of);
        match self.ledger.hold(&self.tenant, nano_usd, deadline + HOLD_GRACE).await {
            Ok(Verdict::Free) => Ok(None),
            Ok(Verdict::Held(hold)) => Ok(Some(hold)),
            Ok(Verdict::Reached(spend)) => Err(Fault::spend_cap_reached(provider, said(&spend))),
            Ok(Verdict::Crowded(spend)) => {
                let message = format!("{}, and calls under way may cost the rest", said(&spend));
                Err(Fault::spend_cap_near(provider, message))
            }
            Err(error) => Err(Fault::redis_unavailable(provider, error.to_string())),
        }
    }

    /// The answer to the same request of this tenant to the same model, if one is remembered.
    pub(super) async fn recall(&self, made: Made<'_>, request: RequestHash) -> Option<String> {
        self.answers.recall(self.asked(made, request)).await
    }

    /// Remembers the answer to a request.
    pub(super) async fn remember(&self, made: Made<'_>, request: RequestHash, answer: &str) {
        self.answers.remember(self.asked(made, request), answer).await;
    }

    fn asked<'a>(&'a self, made: Made<'a>, request: RequestHash) -> Asked<'a> {
        Asked {
            tenant: &self.tenant,
            provider: made.provider,
            capability: made.capability,
            model: made.model,
            request,
        }
    }

    /// Writes down a call. What cannot be written is counted and logged: the task has its answer.
    pub(super) async fn settle(&self, made: Made<'_>, hold: Option<&Hold>) {
        let entry = Entry {
            provider: made.provider,
            capability: made.capability.as_str(),
            model: made.model,
            ending: made.ending,
            usage: made.usage,
        };
        let mut repeats = 0;
        let error = loop {
            match self.ledger.settle(&self.tenant, &entry, hold).await {
                Ok(()) => return,
                Err(QueueError::Unavailable(_)) if repeats < REPEATS => repeats += 1,
                Err(error) => break error,
            }
            tokio::time::sleep(REPEAT_PAUSE).await;
        };
        self.metrics.ledger_entry_lost();
        tracing::warn!(
            tenant = %self.tenant,
            provider = made.provider,
            model = made.model,
            "what a call used could not be written down: {error}"
        );
    }
}

fn said(spend: &Spend) -> String {
    let cap = spend.cap.map_or(0, |cap| cap.nano_usd);
    format!(
        "calls of this tenant have cost {:.6} of {:.6} US dollars a {}",
        usd_of(spend.spent_nano_usd),
        usd_of(cap),
        spend.period.as_str()
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zoetrope_queue::{ConnectOptions, ErrorClass, Failure, SystemClock};
    use zoetrope_shared::redis_link::RedisLink;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_redis_no_call_of_a_price_is_made_and_what_one_used_is_counted_as_lost() {
        let metrics = Metrics::new().expect("the names are valid");
        let nowhere = RedisLink::at(ConnectOptions::new("redis+unix:///nonexistent/redis.sock"));
        let ledger = Ledger::new(nowhere.clone(), Arc::new(SystemClock), None);
        let account = Account::new(Tenant::default_tenant(), ledger, Answers::new(nowhere), metrics.clone());
        let (life, used) = (Duration::from_secs(1), Usage::default());
        let unpriced = Model::unlisted("openai", "own");
        let free = Model {
            output_usd: Some(0.0),
            ..unpriced.clone()
        };
        assert_eq!(
            account.hold("openai", &free, &used, life).await,
            Ok(None),
            "nobody counts what is free"
        );
        let priced = Model {
            output_usd: Some(1.0),
            ..free
        };
        for unaffordable in [priced, unpriced] {
            let fault = account
                .hold("openai", &unaffordable, &used, life)
                .await
                .expect_err("nobody knows the cap");
            let failure = Failure::from(fault);
            assert_eq!(
                (failure.code.as_str(), failure.class),
                ("redis_unavailable", ErrorClass::Retryable)
            );
        }
        let made = Made {
            provider: "openai",
            capability: Capability::Text,
            model: "own",
            ending: Ending::Answered,
            usage: &used,
        };
        account.settle(made, None).await;
        let request = RequestHash::of([]);
        account.remember(made, request, "{}").await;
        assert_eq!(account.recall(made, request).await, None);
        let text = metrics.render().expect("metrics are text");
        assert!(text.contains("zoetrope_ledger_entries_lost_total 1\n"), "{text}");
    }
}
