//! How calls are made: again after a pause while that helps, by the next provider when it does not, within a deadline,
//! counted and priced. What is asked belongs to the handlers, how it is said to the adapters.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use zoetrope_queue::Failure;
use zoetrope_shared::ledger::{Ending, Hold};
use zoetrope_shared::telemetry::{ProviderCall, Span};
use zoetrope_shared::usage::{FellBack, Usage};

use super::account::{Account, Made};
use super::capability::{Call, Engine, Finish, Matter, Measured, Pieces};
use super::catalogue::{Capability, Catalogue, Model};
use super::circuit::Circuits;
use super::fault::{Class, Fault, NO_SEAT};
use super::limits::Limits;
use super::seats::Seats;
use crate::metrics::Metrics;

/// How often and how long a provider is called for one answer.
#[derive(Debug, Clone, Copy)]
pub struct CallPolicy {
    /// Calls, the first included.
    pub calls: u32,
    /// Pause before the second call; doubles.
    pub first_pause: Duration,
    /// Longest pause of our own.
    pub max_pause: Duration,
    /// Longest pause that is waited for in place. For a longer one the task goes back to the queue and frees its slot.
    pub max_wait: Duration,
    /// The most time that all calls to one provider may take together.
    pub deadline: Duration,
}

impl Default for CallPolicy {
    fn default() -> Self {
        Self {
            calls: 3,
            first_pause: Duration::from_millis(500),
            max_pause: Duration::from_secs(8),
            max_wait: Duration::from_secs(10),
            deadline: Duration::from_secs(120),
        }
    }
}

/// An engine that may answer, with the model it is asked for.
#[derive(Debug)]
pub struct Candidate<T: ?Sized> {
    /// Who.
    pub engine: Arc<T>,
    /// With which model.
    pub model: Model,
}

/// An answer, and who was asked in vain before.
#[derive(Debug)]
pub struct Answered<A> {
    /// The answer, its cost filled in.
    pub answer: A,
    /// Who gave it.
    pub provider: &'static str,
    /// Who did not.
    pub fell_back: Vec<FellBack>,
}

/// Nobody answered.
#[derive(Debug, Default)]
pub struct Unanswered {
    /// The last fault; `None` if there was nobody to ask.
    pub fault: Option<Fault>,
    /// Who was asked.
    pub fell_back: Vec<FellBack>,
}

impl Unanswered {
    /// Leaves the work to the local engine; who was asked in vain.
    ///
    /// # Errors
    /// The last fault, where there is no local engine or the fault lets nobody else try.
    pub fn or_local(self, ends_local: bool) -> Result<Vec<FellBack>, Failure> {
        match self.fault {
            // A moment's crowd is no reason for another sort of answer: the task comes again.
            Some(fault) if !ends_local || !fault.lets_others_try() || fault.code == NO_SEAT => Err(fault.into()),
            _ => Ok(self.fell_back),
        }
    }
}

/// What calls are made with.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(super) policy: CallPolicy,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) circuits: Arc<Circuits>,
    pub(super) metrics: Metrics,
    pub(super) limits: Limits,
    pub(super) seats: Seats,
    /// Who pays; nobody in tests of adapters.
    pub(super) account: Option<Account>,
    /// What the next calls are about.
    pub(super) matter: Matter,
}

impl Caller {
    /// The same, within these limits.
    #[must_use]
    pub fn within(&self, limits: Limits, seats: Seats) -> Self {
        Self {
            limits,
            seats,
            ..self.clone()
        }
    }

    /// The same, with this patience.
    #[must_use]
    pub fn with_patience(&self, policy: CallPolicy) -> Self {
        Self { policy, ..self.clone() }
    }

    /// What a use of a candidate's model costs, US dollars; `None` if it has no price.
    pub fn cost_of<T: Engine + ?Sized>(&self, candidate: &Candidate<T>, usage: &Usage) -> Option<f64> {
        let (provider, model) = (candidate.engine.provider(), &candidate.model);
        self.catalogue.priced(provider, &model.name, model).cost(usage)
    }

    /// Whether a candidate's model has a price, if only that it costs nothing.
    pub fn knows_price<T: Engine + ?Sized>(&self, candidate: &Candidate<T>) -> bool {
        let (provider, model) = (candidate.engine.provider(), &candidate.model);
        self.catalogue.priced(provider, &model.name, model).is_priced()
    }

    /// The same, on an account.
    #[must_use]
    pub fn on_account(&self, account: Account) -> Self {
        Self {
            account: Some(account),
            ..self.clone()
        }
    }

    /// The same, for calls about this.
    #[must_use]
    pub fn about(&self, matter: Matter) -> Self {
        Self { matter, ..self.clone() }
    }

    /// The first answer of the candidates, in their order.
    ///
    /// # Errors
    /// When a fault lets no other try, or all have failed.
    pub async fn first_answer<'a, T: Engine + ?Sized, A: Measured>(
        &self,
        capability: Capability,
        candidates: &'a [Candidate<T>],
        pieces: &Pieces,
        ask: impl Fn(&'a Candidate<T>) -> Call<'a, A>,
    ) -> Result<Answered<A>, Unanswered> {
        let mut fell_back = Vec::new();
        let mut last = None;
        for candidate in candidates {
            let provider = candidate.engine.provider();
            if last.is_some() {
                pieces.anew().await;
            }
            if let Some(answer) = Box::pin(self.recall::<T, A>(capability, candidate)).await {
                pieces.text(answer.text()).await;
                return Ok(Answered {
                    answer,
                    provider,
                    fell_back,
                });
            }
            let fault = match self.ask_until_answered(capability, candidate, pieces, &ask).await {
                Ok(answer) => {
                    Box::pin(self.remember(capability, candidate, &answer)).await;
                    return Ok(Answered {
                        answer,
                        provider,
                        fell_back,
                    });
                }
                Err(fault) => fault,
            };
            fell_back.push(FellBack {
                provider: provider.to_owned(),
                code: fault.code.to_owned(),
            });
            let is_final = !fault.lets_others_try();
            last = Some(fault);
            if is_final {
                break;
            }
        }
        Err(Unanswered { fault: last, fell_back })
    }

    async fn ask_until_answered<'a, T: Engine + ?Sized, A: Measured>(
        &self,
        capability: Capability,
        candidate: &'a Candidate<T>,
        pieces: &Pieces,
        ask: &impl Fn(&'a Candidate<T>) -> Call<'a, A>,
    ) -> Result<A, Fault> {
        let deadline = Instant::now() + self.policy.deadline;
        let mut call = 1;
        loop {
            // Boxed, as what a call meets on its way is: small beside the call, and large beside its caller.
            let fault = match Box::pin(self.ask_once(capability, candidate, ask, deadline)).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            let Some(pause) = self
                .pause_after(&fault, call)
                .filter(|pause| Instant::now() + *pause < deadline)
            else {
                return Err(fault);
            };
            tracing::debug!(
                provider = fault.provider,
                code = fault.code,
                ?pause,
                "asking again: {fault}"
            );
            tokio::time::sleep(pause).await;
            pieces.anew().await;
            call += 1;
        }
    }

    /// The answer that a candidate gave to the same request before, for a task that takes it.
    async fn recall<T: Engine + ?Sized, A: Measured>(
        &self,
        capability: Capability,
        candidate: &Candidate<T>,
    ) -> Option<A> {
        let (account, request) = (self.account.as_ref()?, self.matter.request?);
        let nothing = Usage::default();
        let made = Made {
            provider: candidate.engine.provider(),
            capability,
            model: &candidate.model.name,
            ending: Ending::Cached,
            usage: &nothing,
        };
        let answer = A::recalled(&account.recall(made, request).await?)?;
        account.settle(made, None).await;
        Some(answer)
    }

    async fn remember<T: Engine + ?Sized, A: Measured>(
        &self,
        capability: Capability,
        candidate: &Candidate<T>,
        answer: &A,
    ) {
        let (Some(account), Some(request), Some(kept)) = (&self.account, self.matter.request, answer.kept()) else {
            return;
        };
        let made = Made {
            provider: candidate.engine.provider(),
            capability,
            model: &candidate.model.name,
            ending: Ending::Answered,
            usage: answer.usage(),
        };
        account.remember(made, request, &kept).await;
    }

    /// The pause before the next call; `None` if there is none.
    fn pause_after(&self, fault: &Fault, call: u32) -> Option<Duration> {
        if !fault.is_transient() || call >= self.policy.calls {
            return None;
        }
        let doubled = self
            .policy
            .first_pause
            .saturating_mul(1 << (call - 1).min(16))
            .min(self.policy.max_pause);
        match fault.class {
            Class::RetryAfter(pause) => Some(pause).filter(|pause| *pause <= self.policy.max_wait),
            // Three quarters to all of it, so that a herd spreads.
            _ => Some(doubled.mul_f64(0.75 + 0.25 * random_share())),
        }
    }

    /// One call, on the tenant's account and in a span of its own.
    async fn ask_once<'a, T: Engine + ?Sized, A: Measured>(
        &self,
        capability: Capability,
        candidate: &'a Candidate<T>,
        ask: &impl Fn(&'a Candidate<T>) -> Call<'a, A>,
        deadline: Instant,
    ) -> Result<A, Fault> {
        let provider = candidate.engine.provider();
        let Some(passage) = self.circuits.pass(provider, capability) else {
            // No call was made, so none is counted.
            return Err(Fault::circuit_open(provider));
        };
        let seat = Box::pin(self.seats.take(provider, self.policy.max_wait)).await;
        let _seat = seat.map_err(|pause| Fault::no_seat(provider, pause))?;
        let expected = &self.matter.expected;
        let taken = Box::pin(self.limits.wait(provider, expected, self.policy.max_wait)).await?;
        let hold = Box::pin(self.hold(candidate)).await?;
        let outcome = self.timed(capability, candidate, ask, deadline).await;
        match &outcome {
            Err(fault) if fault.is_outage() => passage.failed(),
            _ => passage.answered(),
        }
        let nothing = Usage::default();
        let (ending, model, usage) = match &outcome {
            Ok(answer) => (Ending::Answered, answer.model(), answer.usage()),
            Err(_) => (Ending::Failed, candidate.model.name.as_str(), &nothing),
        };
        if let Some(taken) = taken {
            Box::pin(self.limits.settle(provider, taken, usage)).await;
        }
        if let Some(account) = &self.account {
            let made = Made {
                provider,
                capability,
                model,
                ending,
                usage,
            };
            Box::pin(account.settle(made, hold.as_ref())).await;
        }
        outcome
    }

    /// What the call is expected to cost, held.
    async fn hold<T: Engine + ?Sized>(&self, candidate: &Candidate<T>) -> Result<Option<Hold>, Fault> {
        let Some(account) = &self.account else { return Ok(None) };
        let (provider, model) = (candidate.engine.provider(), &candidate.model);
        let priced = self.catalogue.priced(provider, &model.name, model);
        account
            .hold(provider, priced, &self.matter.expected, self.policy.deadline)
            .await
    }

    /// The call itself: within the deadline, counted, traced and priced.
    async fn timed<'a, T: Engine + ?Sized, A: Measured>(
        &self,
        capability: Capability,
        candidate: &'a Candidate<T>,
        ask: &impl Fn(&'a Candidate<T>) -> Call<'a, A>,
        deadline: Instant,
    ) -> Result<A, Fault> {
        let provider = candidate.engine.provider();
        let (host, port) = candidate.engine.address();
        let span = Span::of_call(ProviderCall {
            capability: capability.as_str(),
            provider,
            model: &candidate.model.name,
            server: (&host, port),
            max_tokens: self.matter.expected.output_tokens,
            temperature: self.matter.temperature.filter(|_| candidate.model.takes_temperature),
            streams: self.matter.streams,
        });
        let started = Instant::now();
        let mut outcome = timeout_at(deadline, span.cover(ask(candidate)))
            .await
            .unwrap_or_else(|_| Err(Fault::timeout(provider, "it took too long")));
        let seconds = started.elapsed().as_secs_f64();
        let word = match &mut outcome {
            Ok(answer) => {
                let priced = self.catalogue.priced(provider, answer.model(), &candidate.model);
                if answer.usage().cost_usd.is_none() {
                    answer.usage_mut().cost_usd = priced.cost(answer.usage());
                }
                span.told(answer.model(), answer.finish().map(Finish::as_str), answer.usage());
                "answered"
            }
            Err(fault) => {
                span.failed(fault.code);
                fault.code
            }
        };
        self.metrics
            .provider_called(provider, capability.as_str(), word, seconds);
        outcome
    }
}

/// Uniform in 0 to 1.
fn random_share() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness the pause is its shortest.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
