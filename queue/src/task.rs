//! The words of the queue: what a task is when it goes in and when it is read back.
//! How either is laid out in Redis is the business of `record.rs`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::failure::TaskError;
use crate::id::TaskId;

/// How long a task may be overtaken: the class adds a constant to the time it was enqueued, so a task is overtaken
/// only by tasks that arrive within the difference of the two classes. Nothing starves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Now: somebody waits for the answer.
    Realtime,
    /// 15 seconds behind `realtime`.
    High,
    /// 60 seconds behind `realtime`.
    #[default]
    Normal,
    /// 15 minutes behind `realtime`.
    Low,
}

impl Priority {
    /// All classes, most urgent first.
    pub const ALL: [Self; 4] = [Self::Realtime, Self::High, Self::Normal, Self::Low];

    /// Milliseconds added to the enqueue time to give the score in the queue.
    pub const fn offset_ms(self) -> u64 {
        match self {
            Self::Realtime => 0,
            Self::High => 15_000,
            Self::Normal => 60_000,
            Self::Low => 900_000,
        }
    }
}

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for its time: a delay, `run_at`, or the pause before a retry (then `attempt >= 1`).
    Scheduled,
    /// Waits for its parents.
    Waiting,
    /// Claimable.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Ended with a result.
    Succeeded,
    /// Ended with an error; kept as a dead letter.
    Failed,
    /// Ended on request.
    Canceled,
    /// Ended because its queue deadline passed while it did not run.
    Expired,
}

impl State {
    /// Whether the task has ended.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled | Self::Expired)
    }

    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }
}

/// Why a task is in its state, where the state alone does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The attempt ran longer than its timeout, and no attempt was left.
    Timeout,
    /// Workers died holding it three times in a row.
    WorkerLost,
    /// Its handler said that another attempt cannot help.
    NonRetryable,
    /// Every attempt failed.
    RetriesExhausted,
    /// Somebody asked for it.
    CancelRequested,
    /// Its queue deadline passed before an attempt, or another one, could begin.
    DeadlineBeforeStart,
}

/// What happens to a task whose workers die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LossPolicy {
    /// Re-run at once, then alone after 5 s, then a dead letter with reason `worker_lost`.
    #[default]
    DeadLetter,
    /// For live streams: re-run at once, after 5 s, then every 30 s, for ever.
    Live,
}

/// A client's key that makes repeated submits one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's key, any text; only its hash is stored.
    pub key: String,
    /// Hash of the request: the same key with another fingerprint is a conflict.
    pub fingerprint: String,
}

/// A task to enqueue.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Owner; `[a-zA-Z0-9_-]{1,64}`. Chooses the shard.
    pub tenant: String,
    /// Kind; `[a-z0-9_]{1,48}`.
    pub kind: String,
    /// Whose turn it is among the tasks of a tenant: tasks of several keys are claimed in turns, `[a-zA-Z0-9_.:@/+-]{1,64}`.
    pub fairness_key: Option<String>,
    /// The handler's input, any JSON.
    pub input: Box<RawValue>,
    /// Priority class.
    pub priority: Priority,
    /// Wait before it becomes claimable; counted by Redis' clock from the moment of enqueueing.
    pub delay: Option<Duration>,
    /// Unix milliseconds before which it is not claimable; `delay` wins if both are set.
    pub run_at_ms: Option<u64>,
    /// From its enqueueing on: no attempt begins later, and a task that does not run then ends as `expired`. Longer than
    /// `delay`; not for live kinds.
    pub expires_in: Option<Duration>,
    /// Executions allowed before a retryable failure becomes final; at least 1.
    pub max_attempts: u32,
    /// Longest time an attempt may take; `None` for live kinds.
    pub timeout: Option<Duration>,
    /// First pause between attempts; doubles with each (full jitter), at most `MAX_BACKOFF`.
    pub backoff: Duration,
    /// What happens when workers die holding it.
    pub losses: LossPolicy,
    /// How long a result is kept once it succeeded or was canceled.
    pub result_ttl: Duration,
    /// Makes repeated submits one task.
    pub idempotency: Option<Idempotency>,
    /// At most one task of its tenant and kind with this key has not ended: 1 to 128 bytes, no control characters.
    pub unique_key: Option<String>,
    /// Labels for listing.
    pub tags: Vec<String>,
    /// The client's own JSON object, returned as it came.
    pub metadata: Option<Box<RawValue>>,
    /// Where the submit is in a distributed trace: a `traceparent` as W3C Trace Context writes it, 55 characters.
    pub traceparent: Option<String>,
}

impl NewTask {
    /// A task with the defaults: normal priority, 3 attempts, 300 s each, results kept for 24 h.
    pub fn new(tenant: impl Into<String>, kind: impl Into<String>, input: Box<RawValue>) -> Self {
        Self {
            tenant: tenant.into(),
            kind: kind.into(),
            fairness_key: None,
            input,
            priority: Priority::default(),
            delay: None,
            run_at_ms: None,
            expires_in: None,
            max_attempts: 3,
            timeout: Some(Duration::from_secs(300)),
            backoff: Duration::from_secs(2),
            losses: LossPolicy::default(),
            result_ttl: Duration::from_secs(24 * 3600),
            idempotency: None,
            unique_key: None,
            tags: Vec::new(),
            metadata: None,
            traceparent: None,
        }
    }
}

/// What became of an enqueue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// A new task.
    Created(TaskId),
    /// The idempotency key was used before with the same fingerprint: the task that it made.
    Replayed(TaskId),
    /// The idempotency key was used before with another fingerprint: nothing was enqueued.
    Conflict(TaskId),
    /// Another task of this kind with the same unique key has not ended: that one. Nothing was enqueued.
    Exists(TaskId),
}

/// What became of a request to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The task is canceled, by this call or by an earlier one.
    Canceled,
    /// A worker holds it and has been told.
    Requested,
    /// It had already ended in this state.
    AlreadyFinished(State),
    /// No such task of this tenant.
    NotFound,
}

/// How far an attempt has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// 0 to 100.
    pub percent: u8,
    /// What it is doing, at most 56 bytes.
    pub message: String,
}

/// A task as it stands in Redis.
#[derive(Debug, Clone)]
pub struct Task {
    /// Id.
    pub id: TaskId,
    /// Owner.
    pub tenant: String,
    /// Kind.
    pub kind: String,
    /// Fairness key.
    pub fairness_key: Option<String>,
    /// Unique key.
    pub unique_key: Option<String>,
    /// State.
    pub state: State,
    /// Why, where the state alone does not say.
    pub reason: Option<Reason>,
    /// Priority class.
    pub priority: Priority,
    /// Executions begun and not given back.
    pub attempt: u32,
    /// Executions allowed.
    pub max_attempts: u32,
    /// Workers that died holding it, in a row.
    pub losses: u32,
    /// Progress of the running attempt.
    pub progress: Option<Progress>,
    /// Tasks ahead of it while queued: of its kind, and once several tenants or keys have tasks, of its key.
    pub queue_position: Option<u64>,
    /// Worker of the running or last attempt.
    pub worker: Option<String>,
    /// Whether somebody asked to cancel the running attempt.
    pub cancel_requested: bool,
    /// Unix milliseconds, by Redis' clock.
    pub created_at_ms: u64,
    /// When it becomes claimable, while scheduled.
    pub run_at_ms: Option<u64>,
    /// When it ends as `expired` if it does not run by then.
    pub deadline_ms: Option<u64>,
    /// Start of the running or last attempt.
    pub started_at_ms: Option<u64>,
    /// When it ended.
    pub finished_at_ms: Option<u64>,
    /// When it will be pruned, once it ended.
    pub expires_at_ms: Option<u64>,
    /// The handler's input.
    pub input: Box<RawValue>,
    /// Set exactly when `state` is `succeeded`.
    pub result: Option<Box<RawValue>>,
    /// Set in every other terminal state.
    pub error: Option<TaskError>,
    /// Labels.
    pub tags: Vec<String>,
    /// The client's own JSON object.
    pub metadata: Option<Box<RawValue>>,
    /// The `traceparent` of its submit.
    pub traceparent: Option<String>,
}

/// Which tasks of a tenant to list, newest first. An empty filter matches everything.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only this state.
    pub state: Option<State>,
    /// Only this kind.
    pub kind: Option<String>,
    /// Only tasks that carry this tag.
    pub tag: Option<String>,
    /// Only tasks with this fairness key.
    pub fairness_key: Option<String>,
    /// Only tasks created at or after this, Unix milliseconds.
    pub created_after_ms: Option<u64>,
    /// Only tasks whose id, kind, tags or metadata contain this text, ignoring case.
    pub text: Option<String>,
    /// Where the last page ended: its `next_cursor`.
    pub cursor: Option<String>,
    /// Most tasks to return, 1 to 200.
    pub limit: usize,
}

/// One page of a listing.
#[derive(Debug, Clone)]
pub struct Page {
    /// Tasks, newest first. May be shorter than the limit although more follow: a page scans a bounded number.
    pub items: Vec<Task>,
    /// Give it to the next call; `None` at the end.
    pub next_cursor: Option<String>,
}
