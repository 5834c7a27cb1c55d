#![doc = include_str!("../README.md")]

mod backlog;
mod client;
mod clock;
mod connection;
mod durability;
mod error;
mod failure;
mod fsck;
mod gather;
mod health;
mod id;
mod journal;
mod journal_keep;
mod keys;
mod limits;
mod listing;
mod output;
mod policy;
#[cfg(test)]
mod proof;
mod reading;
mod record;
mod rules;
mod scripts;
mod status;
mod submission;
mod task;
mod watch;
mod why;
mod worker;

pub use backlog::{Backlog, Bound, MAX_BACKLOG, USUAL_BACKLOG_BYTES, USUAL_BACKLOG_TASKS};
pub use client::Queue;
pub use clock::{Clock, ManualClock, SystemClock};
pub use connection::{Address, Certificates, ConnectOptions, Connection, Login, Pem};
pub use durability::Durability;
pub use error::QueueError;
pub use failure::{ErrorClass, Failure, Outcome, TaskError};
pub use fsck::{Fault, Finding, FsckMode, FsckReport, MAX_FINDINGS};
pub use health::RedisHealth;
pub use id::{InvalidTaskId, TaskId};
pub use journal::{Journal, JournalHead, MAX_JOURNAL_NAME, MAX_JOURNAL_NOTE};
pub use limits::{is_fairness_key, is_unique_key};
pub use output::{Appended, MAX_CHUNK_BYTES, MAX_OUTPUT_CHUNKS, Output, OutputChunk};
pub use policy::MAX_BACKOFF;
pub use rules::{Flow, MAX_LIMIT, MAX_RATE_PERIOD, Rate, Rule, Subject};
pub use status::{KeyStatus, KindStatus, MAX_KEYS_NAMED, QueueStatus, WorkerStatus};
pub use task::{
    CancelOutcome, Enqueued, Idempotency, ListQuery, LossPolicy, NewTask, Page, Priority, Progress, Reason, State, Task,
};
pub use watch::{Changes, Watch, Watcher};
pub use why::{Cause, Why};
pub use worker::{Attempt, Handler, KindSlot, SlotClass, StopReason, StopReport, Worker, WorkerConfig};

/// Largest body of a task (input, tags, metadata), bytes. Larger inputs belong in an artifact.
pub const MAX_SPEC_BYTES: usize = 64 * 1024;
/// Largest result, bytes. Larger results belong in an artifact.
pub const MAX_RESULT_BYTES: usize = 64 * 1024;
/// Most tasks in one `enqueue_batch`.
pub const MAX_BATCH: usize = 1_000;
/// Largest `ListQuery::limit`.
pub const MAX_PAGE: usize = 200;
