//! What people and autoscalers ask of a queue: counts by kind, the workers.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::Value;
use serde::{Deserialize, Serialize};

use crate::client::Queue;
use crate::error::QueueError;
use crate::id::TaskId;
use crate::reading::read;

/// Entries of a shared index that are told apart by kind; larger indexes are scaled up from this sample.
const SAMPLE: usize = 1_000;
/// Seconds over which rates are averaged; the scripts count per 10 s.
const RATE_SECONDS: f64 = 60.0;

/// Counts of one kind.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct KindStatus {
    /// Kind.
    pub kind: String,
    /// Claimable tasks; exact.
    pub queued: u64,
    /// Tasks under a lease; exact up to 1,000 over all kinds, as are the next three.
    pub running: u64,
    /// Tasks that wait for their time.
    pub scheduled: u64,
    /// Tasks that wait for their parents.
    pub waiting: u64,
    /// Dead letters.
    pub dead: u64,
    /// Age of the oldest of the first 1,000 queued tasks; `None` if none is queued.
    pub oldest_age_ms: Option<u64>,
    /// Tasks enqueued a second, averaged over the last minute.
    pub enqueued_per_s: f64,
    /// Tasks ended by workers a second, averaged over the last minute.
    pub finished_per_s: f64,
}

/// A worker as it last described itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkerStatus {
    /// Its name.
    pub name: String,
    /// Milliseconds since it was last heard of; it speaks every 5 s.
    pub seen_ms_ago: u64,
    /// Kinds that it runs.
    pub kinds: Vec<String>,
    /// Attempts that it runs.
    pub running: u64,
    /// Whether it claims no more.
    pub draining: bool,
}

/// The queue at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueStatus {
    /// By kind, in alphabetical order.
    pub kinds: Vec<KindStatus>,
    /// Workers heard of in the last minute.
    pub workers: Vec<WorkerStatus>,
}

/// What a worker says of itself in the registry, as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WorkerInfo {
    pub(crate) kinds: Vec<String>,
    pub(crate) running: u64,
    pub(crate) draining: bool,
}

impl Queue {
    /// Counts by kind, and the workers.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn status(&self) -> Result<QueueStatus, QueueError> {
        type Reply = (
            u64,
            Vec<(String, u64, String, f64, f64)>,
            Vec<Vec<Value>>,
            HashMap<String, String>,
        );
        let (now, rows, shared, registry): Reply =
            self.link.call(&self.link.scripts.status, &[SAMPLE.to_string()]).await?;
        let mut kinds: BTreeMap<String, KindStatus> = BTreeMap::new();
        for (kind, queued, oldest, enqueued, finished) in rows {
            let oldest_age_ms = oldest
                .parse::<TaskId>()
                .ok()
                .map(|id| now.saturating_sub(id.made_at_ms()));
            let (enqueued_per_s, finished_per_s) = (enqueued / RATE_SECONDS, finished / RATE_SECONDS);
            let status = KindStatus {
                kind: kind.clone(),
                queued,
                oldest_age_ms,
                enqueued_per_s,
                finished_per_s,
                ..KindStatus::default()
            };
            kinds.insert(kind, status);
        }
        for index in &shared {
            add_shared(&mut kinds, index)?;
        }
        let mut workers: Vec<WorkerStatus> = registry
            .into_iter()
            .filter_map(|(name, info)| worker_status(now, name, &info))
            .collect();
        workers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(QueueStatus {
            kinds: kinds.into_values().collect(),
            workers,
        })
    }

    /// Leases that ran out because their worker died or was cut off, as far as this handle's own workers found them:
    /// one worker at a time looks, so the sum over all processes is the whole.
    pub fn leases_expired(&self) -> u64 {
        self.link.leases_expired.load(Ordering::Relaxed)
    }
}

/// Adds the running, scheduled, waiting and dead tasks: `{index, size, kind, sampled, kind, sampled, ...}`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate"
)]
fn add_shared(kinds: &mut BTreeMap<String, KindStatus>, index: &[Value]) -> Result<(), QueueError> {
    let [name, size, sampled @ ..] = index else {
        return Err(QueueError::Other("status answered an empty index".to_owned()));
    };
    let (name, size): (String, u64) = (read(name)?, read(size)?);
    let scale = (size as f64 / SAMPLE as f64).max(1.0);
    for pair in sampled.chunks_exact(2) {
        let (kind, count): (String, u64) = (read(&pair[0])?, read(&pair[1])?);
        let count = (count as f64 * scale).round() as u64;
        let status = kinds.entry(kind.clone()).or_insert_with(|| KindStatus {
            kind,
            ..KindStatus::default()
        });
        match name.as_str() {
            "lease" => status.running = count,
            "tm" => status.scheduled = count,
            "wait" => status.waiting = count,
            _ => status.dead = count,
        }
    }
    Ok(())
}

fn worker_status(now: u64, name: String, entry: &str) -> Option<WorkerStatus> {
    let (seen, info) = entry.split_once(' ')?;
    let info: WorkerInfo = serde_json::from_str(info).ok()?;
    let seen_ms_ago = now.saturating_sub(seen.parse().ok()?);
    let heard_of = seen_ms_ago <= Duration::from_secs(60).as_millis() as u64;
    heard_of.then_some(WorkerStatus {
        name,
        seen_ms_ago,
        kinds: info.kinds,
        running: info.running,
        draining: info.draining,
    })
}
