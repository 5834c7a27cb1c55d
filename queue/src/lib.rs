//! skeleton, being written
mod client;
mod clock;
mod error;
mod failure;
mod id;
mod task;
mod worker;

pub use client::{ConnectOptions, KindStatus, Queue, QueueStatus, RedisHealth, Watch, Watcher};
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::QueueError;
pub use failure::{ErrorClass, Failure, Outcome, TaskError};
pub use id::{InvalidTaskId, TaskId};
pub use task::{
    CancelOutcome, Enqueued, Idempotency, ListQuery, LossPolicy, NewTask, Page, Priority, Progress, Reason, State, Task,
};
pub use worker::{Attempt, Handler, KindSlot, SlotClass, StopReason, StopReport, Worker, WorkerConfig};

/// Largest packed task spec, bytes. Larger inputs belong in an artifact.
pub const MAX_SPEC_BYTES: usize = 64 * 1024;
/// Largest result, bytes. Larger results belong in an artifact.
pub const MAX_RESULT_BYTES: usize = 64 * 1024;
/// Most tasks in one `enqueue_batch`.
pub const MAX_BATCH: usize = 1_000;
/// Largest `ListQuery::limit`.
pub const MAX_PAGE: usize = 200;
