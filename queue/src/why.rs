//! Why a task does not run, as data: what `lua/why.lua` found at one moment.

use redis::Value;
use serde::{Deserialize, Serialize};

use crate::client::Queue;
use crate::error::QueueError;
use crate::id::TaskId;
use crate::reading::read;
use crate::record;
use crate::task::State;

/// Something that keeps a queued task from being begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code")]
#[non_exhaustive]
pub enum Cause {
    /// Its kind is paused.
    KindPaused,
    /// Its tenant is paused.
    TenantPaused,
    /// Its fairness key is paused.
    KeyPaused,
    /// As many tasks of its kind run as may.
    KindAtLimit {
        /// Tasks at once.
        limit: u64,
    },
    /// As many tasks of its fairness key run as may.
    KeyAtLimit {
        /// Tasks at once.
        limit: u64,
    },
    /// The rate of its kind is used up.
    KindRate {
        /// When one more may begin, Unix milliseconds.
        until_ms: u64,
    },
    /// The rate of its fairness key is used up.
    KeyRate {
        /// When one more may begin, Unix milliseconds.
        until_ms: u64,
    },
    /// No live worker runs its kind.
    NoWorker,
    /// It cost two workers: it waits for one that runs nothing else.
    RunsAlone,
    /// Others go first: of its kind, or of its fairness key once several have tasks.
    Behind {
        /// Tasks ahead.
        tasks: u64,
    },
    /// Nothing: the next worker with room takes it.
    Next,
}

/// Why a task is where it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Why {
    /// Where it is.
    pub state: Option<State>,
    /// Every reason why it is not begun, while it is queued; at least one then.
    pub causes: Vec<Cause>,
    /// When it becomes claimable, Unix milliseconds, while it is scheduled.
    pub due_ms: Option<u64>,
    /// When it ends as `expired`, Unix milliseconds, while it waits and has a queue deadline.
    pub deadline_ms: Option<u64>,
    /// Who holds its lease, while it runs.
    pub worker: Option<String>,
    /// When the lease was last renewed, Unix milliseconds.
    pub renewed_at_ms: Option<u64>,
    /// When another worker may take it if it is not renewed.
    pub lease_until_ms: Option<u64>,
    /// Whether its worker has been asked to stop.
    pub cancel_requested: bool,
}

impl Queue {
    /// Why a task does not run, or who runs it; `None` if this tenant has no such task.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn why(&self, tenant: &str, id: TaskId) -> Result<Option<Why>, QueueError> {
        if !self.link.holds(id) {
            return Ok(None);
        }
        let reply: Value = self
            .link
            .call(id.shard(), &self.link.scripts.why, &[id.as_str(), tenant])
            .await?;
        let Value::Array(fields) = reply else {
            return Ok(None);
        };
        let [state, words] = &fields[..] else {
            return Err(QueueError::Other(format!("why answered {} fields", fields.len())));
        };
        let (letter, words): (String, Vec<String>) = (read(state)?, read(words)?);
        let mut why = Why {
            state: record::state_from_letter(&letter),
            ..Why::default()
        };
        for pair in words.chunks_exact(2) {
            why.note(&pair[0], &pair[1]);
        }
        if why.state == Some(State::Queued) && why.causes.is_empty() {
            why.causes.push(Cause::Next);
        }
        Ok(Some(why))
    }
}

impl Why {
    fn note(&mut self, word: &str, text: &str) {
        // Redis writes some numbers as fractions or with exponents.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "milliseconds and counts"
        )]
        let number = text.parse::<f64>().unwrap_or_default() as u64;
        match word {
            "due" => self.due_ms = Some(number),
            "deadline" => self.deadline_ms = Some(number),
            "worker" => self.worker = Some(text.to_owned()),
            "renewed" => self.renewed_at_ms = Some(number),
            "until" => self.lease_until_ms = Some(number),
            "cancel" => self.cancel_requested = true,
            _ => self.causes.extend(cause(word, number)),
        }
    }
}

fn cause(word: &str, number: u64) -> Option<Cause> {
    Some(match word {
        "kind_paused" => Cause::KindPaused,
        "tenant_paused" => Cause::TenantPaused,
        "key_paused" => Cause::KeyPaused,
        "kind_limit" => Cause::KindAtLimit { limit: number },
        "key_limit" => Cause::KeyAtLimit { limit: number },
        "kind_rate" => Cause::KindRate { until_ms: number },
        "key_rate" => Cause::KeyRate { until_ms: number },
        "workers" if number == 0 => Cause::NoWorker,
        "alone" => Cause::RunsAlone,
        "behind" if number > 0 => Cause::Behind { tasks: number },
        _ => return None,
    })
}
