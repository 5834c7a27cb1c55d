//! The worker side: claims tasks, runs their handlers, keeps their leases, reports what became of them.
//! `engine/` decides without any I/O; `run.rs` moves its values; `step.rs` is the wire form of the one round trip.

mod attempt;
pub(crate) mod engine;
mod mailbox;
mod run;
mod running;
pub(crate) mod step;
pub(crate) mod ticker;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub use attempt::{Attempt, StopReason};

use crate::client::Queue;
use crate::error::QueueError;
use crate::failure::Outcome;

/// One class of slots.
#[derive(Debug, Clone)]
pub struct SlotClass {
    /// `cpu`, `io` or `stream`.
    pub name: &'static str,
    /// Units that attempts of this class may use together.
    pub units: u32,
    /// Whether tasks of this class are spread over the workers: one at a time goes to whoever holds the least. For those that
    /// stay for long, such as live streams.
    pub spread: bool,
}

/// One kind that a worker runs.
#[derive(Debug, Clone)]
pub struct KindSlot {
    /// Kind.
    pub kind: String,
    /// Index into `WorkerConfig::classes`.
    pub class: usize,
    /// Units of the class that one attempt uses; at least 1.
    pub cost: u32,
    /// Time without a renewal after which another worker may take the task.
    pub lease: Duration,
    /// Whether tasks may be claimed before there is room for them while their runs last under 2 ms. Never for `cpu`.
    pub claim_ahead: bool,
}

/// What a worker runs, and how much at once.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Unique among the running processes, `[a-zA-Z0-9_-]{1,40}`.
    pub name: String,
    /// Slot classes.
    pub classes: Vec<SlotClass>,
    /// Kinds; others stay queued for workers that know them.
    pub kinds: Vec<KindSlot>,
    /// After the shutdown signal, time for attempts to end before they are given back.
    pub drain_grace: Duration,
    /// Runtime for handlers; `None`: the one that `Worker::run` runs on. One that blocks its thread there may stop the worker
    /// too, and its lease renewals.
    pub handlers_on: Option<tokio::runtime::Handle>,
}

/// Does the work of one attempt. Dropping the future must end the work: that is how cancel and timeout end it.
/// A task may run more than once (a worker that dies is replaced), so effects outside must be safe to repeat.
pub trait Handler: Send + Sync + 'static {
    /// Runs one attempt to its outcome.
    fn run(&self, attempt: Attempt) -> BoxFuture<'static, Outcome>;
}

/// What a worker did, and what it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StopReport {
    /// Attempts whose outcome was accepted.
    pub finished: u64,
    /// Attempts given back at the end, to be run by others at once.
    pub released: u64,
    /// Attempts whose lease was lost: another worker runs them.
    pub abandoned: u64,
}

/// Claims tasks of its kinds and runs them until told to stop.
pub struct Worker {
    queue: Queue,
    config: WorkerConfig,
    handler: Arc<dyn Handler>,
}

impl Worker {
    /// A worker that is not running yet.
    pub fn new(queue: Queue, config: WorkerConfig, handler: Arc<dyn Handler>) -> Self {
        Self { queue, config, handler }
    }

    /// Claims and runs tasks until `shutdown`, then drains: claims no more, waits up to `drain_grace` for running
    /// attempts, gives the rest back, signs off. Outlives outages of Redis; attempts whose lease cannot be renewed
    /// for two thirds of its length are abandoned.
    ///
    /// # Errors
    /// `Invalid` for a configuration that cannot work; `Unavailable` if Redis was away while it signed off.
    pub async fn run(self, shutdown: CancellationToken) -> Result<StopReport, QueueError> {
        check(&self.config)?;
        run::run(self.queue, self.config, self.handler, shutdown).await
    }
}

fn check(config: &WorkerConfig) -> Result<(), QueueError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if config.name.is_empty() || config.name.len() > 40 || !config.name.chars().all(plain) {
        return Err(QueueError::invalid("name", "must be 1 to 40 of a-z, A-Z, 0-9, _ and -"));
    }
    for slot in &config.kinds {
        if !crate::limits::is_kind(&slot.kind) {
            return Err(QueueError::invalid("kinds", format!("{:?} is not a kind", slot.kind)));
        }
        let Some(class) = config.classes.get(slot.class) else {
            return Err(QueueError::invalid(
                "kinds",
                format!("{} names a class that is not there", slot.kind),
            ));
        };
        if slot.cost == 0 || slot.cost > class.units {
            return Err(QueueError::invalid(
                "kinds",
                format!("{} can never run in {} units", slot.kind, class.units),
            ));
        }
        if slot.lease < Duration::from_millis(300) {
            return Err(QueueError::invalid(
                "kinds",
                format!("the lease of {} is under 300 ms", slot.kind),
            ));
        }
    }
    Ok(())
}
