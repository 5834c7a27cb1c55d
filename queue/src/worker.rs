//! skeleton, being written
#![allow(clippy::todo, clippy::unused_async, missing_docs, dead_code)]
use std::time::Duration;
use std::sync::Arc;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;
use crate::*;

/// One class of slots: its name (`cpu`, `io`, `stream`) and units.
#[derive(Debug, Clone)]
pub struct SlotClass { pub name: &'static str, pub units: u32 }
/// One kind that this worker runs.
#[derive(Debug, Clone)]
pub struct KindSlot { pub kind: String, /** index into `WorkerConfig::classes` */ pub class: usize, pub cost: u32, pub lease: Duration, /** may be claimed ahead when its runs are short; never for cpu kinds */ pub claim_ahead: bool }
#[derive(Debug, Clone)]
pub struct WorkerConfig { /** unique per process, `[a-zA-Z0-9_-]{1,40}` */ pub name: String, pub classes: Vec<SlotClass>, pub kinds: Vec<KindSlot>, /** after shutdown, how long attempts may go on before they are released */ pub drain_grace: Duration,
  /** runtime that handlers run on; `None`: the one that `Worker::run` runs on */ pub handlers_on: Option<tokio::runtime::Handle> }
/// Does the work of one attempt.
pub trait Handler: Send + Sync + 'static { fn run(&self, attempt: Attempt) -> BoxFuture<'static, Outcome>; }
/// Why a running attempt should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason { Canceled, TimedOut, LeaseLost, Draining }
/// One execution of a task. Dropping the handler's future must end its work (children are killed on drop).
#[derive(Debug, Clone)]
pub struct Attempt { pub id: TaskId, pub tenant: String, pub kind: String, pub input: Box<RawValue>, pub number: u32, pub max_attempts: u32, pub priority: Priority, pub created_at_ms: u64, pub lease_token: String, pub metadata: Option<Box<RawValue>>, pub tags: Vec<String>, }
impl Attempt {
    /// Resolves when the attempt should stop, with the reason. A handler that ignores it is dropped: at once on Canceled, TimedOut and LeaseLost, after the grace on Draining.
    pub async fn stopped(&self) -> StopReason { todo!() }
    /// The token behind `stopped`.
    pub fn stop_token(&self) -> CancellationToken { todo!() }
    /// Publishes progress; cheap, keeps only the newest (sent at most every 100 ms).
    pub fn progress(&self, _percent: u8, _message: &str) { todo!() }
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReport { pub finished: u64, pub released: u64, pub abandoned: u64 }
pub struct Worker {}
impl Worker {
    pub fn new(_queue: Queue, _config: WorkerConfig, _handler: Arc<dyn Handler>) -> Self { todo!() }
    /// Claims and runs until `shutdown`, then drains. Survives Redis outages.
    pub async fn run(self, _shutdown: CancellationToken) -> Result<StopReport, QueueError> { todo!() }
}
