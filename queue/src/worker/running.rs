//! One claimed task inside a worker: from its claim to the attempt for the handler, from its outcome to a verdict.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::MAX_RESULT_BYTES;
use crate::error::QueueError;
use crate::failure::{Failure, Outcome, TaskError};
use crate::id::TaskId;
use crate::policy::{self, Decision};
use crate::record::{self, DEAD_LETTER_TTL_MS, Ending, millis};
use crate::task::{Reason, State};
use crate::worker::attempt::{Attempt, Control, StopReason};
use crate::worker::step::{Claim, Verdict};

/// A claimed task, running or claimed ahead.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) attempt: Attempt,
    /// Index into the worker's kinds.
    pub(crate) slot: usize,
    /// Index into the worker's classes: whose units it has.
    pub(crate) class: usize,
    pub(crate) lease: Duration,
    pub(crate) live: bool,
    pub(crate) losses: u32,
    /// Start of the attempt by Redis' clock.
    started_at_ms: u64,
    backoff: Duration,
    result_ttl_ms: u64,
    /// The task's record, kept to be written back behind its outcome.
    record: String,
    /// When the request that last confirmed the lease was sent.
    pub(crate) confirmed: Instant,
    /// Whether a handler has it; otherwise it was claimed ahead and waits for room.
    pub(crate) begun: Option<Instant>,
    pub(crate) renewing: bool,
}

/// What a claim was asked with.
pub(crate) struct ClaimContext {
    pub(crate) token: Arc<str>,
    pub(crate) slot: usize,
    pub(crate) class: usize,
    pub(crate) lease: Duration,
    pub(crate) now_ms: u64,
    pub(crate) sent: Instant,
    pub(crate) progressed: Arc<Notify>,
}

impl Running {
    pub(crate) fn new(claim: Claim, context: ClaimContext) -> Result<Self, QueueError> {
        let live = record::decode_live(&claim.record)?;
        let attempt = Attempt {
            id: claim.id,
            tenant: live.tenant.to_owned(),
            kind: live.kind.to_owned(),
            fairness_key: live.fairness_key.map(str::to_owned),
            input: record::raw(live.input)?,
            number: claim.attempt,
            max_attempts: live.options.max_attempts,
            priority: live.priority,
            created_at_ms: live.created_at_ms,
            lease_token: context.token,
            tags: live.options.tags.iter().map(|tag| tag.clone().into_owned()).collect(),
            metadata: live.options.metadata.map(ToOwned::to_owned),
            traceparent: live.options.traceparent.map(ToOwned::to_owned),
            timeout: (live.options.timeout_ms > 0).then(|| Duration::from_millis(live.options.timeout_ms)),
            control: Arc::new(Control::new(context.progressed)),
            link: None,
        };
        Ok(Self {
            attempt,
            slot: context.slot,
            class: context.class,
            lease: context.lease,
            live: live.live,
            losses: claim.losses,
            started_at_ms: context.now_ms,
            backoff: Duration::from_millis(live.options.backoff_ms),
            result_ttl_ms: live.result_ttl_ms,
            record: claim.record,
            confirmed: context.sent,
            begun: None,
            renewing: false,
        })
    }

    pub(crate) fn id(&self) -> TaskId {
        self.attempt.id
    }

    /// When the lease must be abandoned: a third of it is left for the worker to notice and stop.
    pub(crate) fn abandon_at(&self) -> Instant {
        self.confirmed + self.lease * 2 / 3
    }

    pub(crate) fn renew_at(&self) -> Instant {
        self.confirmed + self.lease / 3
    }

    pub(crate) fn is_renewal_due(&self, now: Instant) -> bool {
        now >= self.renew_at() && self.may_renew(now)
    }

    /// A handler that hangs past its timeout would keep its task for ever if its lease were renewed.
    pub(crate) fn may_renew(&self, now: Instant) -> bool {
        !self.renewing && !self.is_lost() && !self.is_overtime(now)
    }

    fn is_overtime(&self, now: Instant) -> bool {
        let ends = self.begun.zip(self.attempt.timeout).map(|(begun, limit)| begun + limit);
        ends.is_some_and(|ends| now >= ends)
    }

    /// When its lease next needs a look; `None` once it is lost.
    pub(crate) fn look_at(&self, now: Instant) -> Option<Instant> {
        let next = if self.renewing || self.is_overtime(now.max(self.renew_at())) {
            self.abandon_at()
        } else {
            self.renew_at()
        };
        (!self.is_lost()).then_some(next)
    }

    /// Whether its lease was given up: renewing it would keep the task from others.
    pub(crate) fn is_lost(&self) -> bool {
        self.attempt.control.stop_reason() == Some(StopReason::LeaseLost)
    }

    /// What to tell the queue; `None` for an abandoned attempt, of which nothing may be said.
    pub(crate) fn verdict(&self, outcome: Outcome, worker: &str, random: u64) -> Option<Verdict> {
        let stopped = self.attempt.control.stop_reason();
        match (stopped, outcome) {
            (Some(StopReason::LeaseLost), _) => None,
            (_, Outcome::Succeeded(result)) => Some(self.succeeded(&result, worker)),
            (Some(StopReason::Canceled), _) => Some(self.canceled(worker)),
            (_, Outcome::Failed(failure)) => Some(self.failed(&failure, worker, random)),
            (_, Outcome::Snoozed(pause)) => Some(Verdict::Snooze {
                delay_ms: millis(pause),
            }),
            (_, Outcome::Released) => Some(Verdict::Release),
        }
    }

    fn succeeded(&self, result: &RawValue, worker: &str) -> Verdict {
        if result.get().len() > MAX_RESULT_BYTES {
            let message = format!(
                "the result is {} bytes, over the limit of {MAX_RESULT_BYTES}",
                result.get().len()
            );
            return self.failed(&Failure::non_retryable("result_too_large", message), worker, 0);
        }
        self.end(State::Succeeded, None, self.result_ttl_ms, result.get(), worker)
    }

    fn canceled(&self, worker: &str) -> Verdict {
        let failure = Failure::non_retryable("canceled", "canceled on request");
        self.end(
            State::Canceled,
            Some(Reason::CancelRequested),
            self.result_ttl_ms,
            &self.error(&failure),
            worker,
        )
    }

    fn failed(&self, failure: &Failure, worker: &str, random: u64) -> Verdict {
        let attempt = &self.attempt;
        match policy::decide(failure, attempt.number, attempt.max_attempts, self.backoff, random) {
            Decision::Retry(pause) => Verdict::Retry {
                delay_ms: millis(pause),
            },
            Decision::Fail(reason) => self.end(
                State::Failed,
                Some(reason),
                DEAD_LETTER_TTL_MS,
                &self.error(failure),
                worker,
            ),
        }
    }

    fn error(&self, failure: &Failure) -> String {
        let error = TaskError::from_failure(failure, self.attempt.number);
        serde_json::to_string(&error).expect("strings and numbers always serialise")
    }

    fn end(&self, state: State, reason: Option<Reason>, ttl_ms: u64, outcome: &str, worker: &str) -> Verdict {
        let ending = Ending {
            state,
            reason,
            attempt: self.attempt.number,
            losses: self.losses,
            started_after_ms: self.started_at_ms.saturating_sub(self.attempt.created_at_ms),
            worker,
            token: &self.attempt.lease_token,
            outcome,
        };
        Verdict::End {
            letter: record::state_letter(state),
            ttl_ms,
            tenant: self.attempt.tenant.clone(),
            bytes: self.record.len(),
            record: ending.encode(&self.record),
        }
    }
}
