//! skeleton, being written
#![allow(clippy::todo, clippy::unused_async, missing_docs, dead_code)]
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use crate::*;

/// How to reach Redis and what to insist on.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// `redis://[user:pass@]host:port[/db]` or `redis+unix:///path`.
    pub url: String,
    /// Source of ids' time.
    pub clock: Arc<dyn Clock>,
    /// First part of every key; tests use their own. Default `z`.
    pub namespace: String,
    /// Longest wait for an answer. Default 5 s.
    pub response_timeout: Duration,
}
impl ConnectOptions { pub fn new(url: impl Into<String>) -> Self { Self { url: url.into(), clock: Arc::new(SystemClock), namespace: "z".into(), response_timeout: Duration::from_secs(5) } } }

#[derive(Debug, Clone)]
pub struct Queue {}
#[derive(Debug, Clone, serde::Serialize)]
pub struct KindStatus { pub kind: String, pub queued: u64, pub running: u64, pub scheduled: u64, pub waiting: u64, pub dead: u64, pub oldest_age_ms: Option<u64>, pub enqueued_per_s: f64, pub finished_per_s: f64 }
#[derive(Debug, Clone, serde::Serialize)]
pub struct WorkerStatus { pub name: String, pub seen_ms_ago: u64, pub kinds: Vec<String>, pub running: u64 }
#[derive(Debug, Clone)]
pub struct QueueStatus { pub kinds: Vec<KindStatus>, pub workers: Vec<WorkerStatus> }
/// Redis' own condition. `durability`: `fast` (AOF everysec), `safe` (AOF always), `none` (no AOF), `unknown`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RedisHealth { pub version: String, pub durability: String, pub maxmemory_policy: String, pub used_memory_bytes: u64, pub maxmemory_bytes: u64, pub replicas: u64, pub latency_ms: f64, pub warnings: Vec<String> }

impl Queue {
    /// Connects, loads the scripts, checks version, eviction policy and key schema.
    pub async fn connect(_options: ConnectOptions) -> Result<Self, QueueError> { todo!() }
    pub async fn enqueue(&self, _task: NewTask) -> Result<Enqueued, QueueError> { todo!() }
    /// One answer per task, in order. Atomic per item, one script for all (same tenant or not).
    pub async fn enqueue_batch(&self, _tasks: Vec<NewTask>) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> { todo!() }
    pub async fn get(&self, _tenant: &str, _id: TaskId) -> Result<Option<Task>, QueueError> { todo!() }
    pub async fn cancel(&self, _tenant: &str, _id: TaskId) -> Result<CancelOutcome, QueueError> { todo!() }
    pub async fn list(&self, _tenant: &str, _query: &ListQuery) -> Result<Page, QueueError> { todo!() }
    pub async fn status(&self) -> Result<QueueStatus, QueueError> { todo!() }
    pub async fn health(&self) -> Result<RedisHealth, QueueError> { todo!() }
    /// Tells a worker to stop claiming and finish (its `run` returns); false if no such worker is registered.
    pub async fn drain_worker(&self, _worker: &str) -> Result<bool, QueueError> { todo!() }
    /// A feed of state-change hints. Give the `Watcher` to a JoinSet and clone the `Watch` handle freely.
    pub fn watch(&self) -> (Watch, Watcher) { todo!() }
}

/// Cloneable handle: wakes callers when a task's state changes.
#[derive(Debug, Clone)]
pub struct Watch {}
impl Watch {
    /// Reads the task until `done(&task)` or `timeout`; returns the last reading. Registers interest before each reading;
    /// hints only shorten the wait (re-reads at least every 2 s, so a lost hint costs no more).
    pub async fn wait_until(&self, _tenant: &str, _id: TaskId, _timeout: Duration, _done: impl Fn(&Task) -> bool) -> Result<Option<Task>, QueueError> { todo!() }
}
/// The reader of the feed; `run` until cancelled (reconnects by itself).
#[derive(Debug)]
pub struct Watcher {}
impl Watcher { pub async fn run(self, _shutdown: CancellationToken) { todo!() } }
