//! How calls are made: again after a pause while that helps, by the next provider when it does not, within a deadline,
//! counted and priced. What is asked belongs to the handlers, how it is said to the adapters.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::Instrument;
use zoetrope_queue::Failure;
use zoetrope_shared::usage::FellBack;

use super::capability::{Call, Engine, Measured, Pieces};
use super::catalogue::{Capability, Catalogue, Model};
use super::circuit::Circuits;
use super::fault::{Class, Fault};
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
            Some(fault) if !ends_local || !fault.lets_others_try() => Err(fault.into()),
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
}

impl Caller {
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
            let fault = match self.ask_until_answered(capability, candidate, pieces, &ask).await {
                Ok(answer) => {
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
            let fault = match self.ask_once(capability, candidate, ask, deadline).await {
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

    /// One call, in a span with the attributes of OpenTelemetry's conventions for generative AI.
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
        let span = call_span(capability, &candidate.engine.address(), provider, &candidate.model.name);
        let started = Instant::now();
        let work = timeout_at(deadline, ask(candidate)).instrument(span.clone());
        let outcome = work
            .await
            .unwrap_or_else(|_| Err(Fault::timeout(provider, "it took too long")));
        let seconds = started.elapsed().as_secs_f64();
        match &outcome {
            Err(fault) if fault.is_outage() => passage.failed(),
            _ => passage.answered(),
        }
        match outcome {
            Ok(mut answer) => {
                let priced = self.catalogue.priced(provider, answer.model(), &candidate.model);
                if answer.usage().cost_usd.is_none() {
                    answer.usage_mut().cost_usd = priced.cost(answer.usage());
                }
                span.record("gen_ai.response.model", answer.model());
                span.record("gen_ai.usage.input_tokens", answer.usage().input_tokens);
                span.record("gen_ai.usage.output_tokens", answer.usage().output_tokens);
                self.metrics
                    .provider_called(provider, capability.as_str(), "answered", seconds);
                Ok(answer)
            }
            Err(fault) => {
                span.record("error.type", fault.code);
                self.metrics
                    .provider_called(provider, capability.as_str(), fault.code, seconds);
                Err(fault)
            }
        }
    }
}

fn call_span(capability: Capability, (host, port): &(String, u16), provider: &str, model: &str) -> tracing::Span {
    let operation = match capability {
        Capability::Text | Capability::Vision => "chat",
        Capability::Speech => "speech",
        Capability::Transcription => "transcription",
        Capability::Detection => "detection",
    };
    tracing::info_span!(
        "provider call",
        otel.name = format!("{operation} {model}"),
        otel.kind = "client",
        gen_ai.operation.name = operation,
        gen_ai.provider.name = provider_name(provider),
        gen_ai.request.model = model,
        gen_ai.response.model = tracing::field::Empty,
        gen_ai.usage.input_tokens = tracing::field::Empty,
        gen_ai.usage.output_tokens = tracing::field::Empty,
        server.address = host.as_str(),
        server.port = port,
        error.type = tracing::field::Empty,
    )
}

/// The name by OpenTelemetry's conventions.
fn provider_name(provider: &str) -> &str {
    match provider {
        "gemini" => "gcp.gemini",
        other => other,
    }
}

/// Uniform in 0 to 1.
fn random_share() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness the pause is its shortest.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
