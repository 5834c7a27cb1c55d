//! What people and autoscalers ask of a queue: counts by kind, the workers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::Value;
use serde::{Deserialize, Serialize};

use crate::client::Queue;
use crate::error::QueueError;
use crate::id::TaskId;
use crate::reading::read;

/// Entries of a shared index that are told apart by kind, fewer where records are large; larger indexes are scaled up from this sample.
const SAMPLE: usize = 1_000;
/// Seconds over which rates are averaged; the scripts count per 10 s.
const RATE_SECONDS: f64 = 60.0;

/// Most fairness keys that a status names of a kind: those with the most queued tasks.
pub const MAX_KEYS_NAMED: usize = 100;

/// What is queued of one fairness key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyStatus {
    /// Whose key it is.
    pub tenant: String,
    /// The key; `None` for tasks without.
    pub fairness_key: Option<String>,
    /// Tasks of the kind that wait for a worker or for their turn.
    pub queued: u64,
}

/// Counts of one kind.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct KindStatus {
    /// Kind.
    pub kind: String,
    /// Tasks that wait for a worker or for their turn; exact up to 1,000 fairness keys.
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
    /// Whether its own rule keeps its tasks from being begun.
    pub paused: bool,
    /// Tenants and keys with queued tasks, the longest first, at most `MAX_KEYS_NAMED`; exact up to 1,000 keys.
    pub keys: Vec<KeyStatus>,
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

/// Kind, queued, oldest id, enqueued and ended in the last minute, whether it is paused, queued by `tenant:key`.
type Row = (String, u64, String, f64, f64, u8, Vec<(String, u64)>);

/// Of one shard: now, queued tasks by kind, samples of its indexes, the workers.
type Answer = (u64, Vec<Row>, Vec<Vec<Value>>, HashMap<String, String>);

impl Queue {
    /// Counts by kind, and the workers.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn status(&self) -> Result<QueueStatus, QueueError> {
        let sample = [SAMPLE.to_string()];
        let asking = self
            .link
            .shards()
            .map(|shard| self.link.call(shard, &self.link.scripts.status, &sample));
        let mut kinds: BTreeMap<String, KindStatus> = BTreeMap::new();
        let mut workers: BTreeMap<String, WorkerStatus> = BTreeMap::new();
        for answer in try_join_all(asking).await? {
            let (now, rows, shared, registry): Answer = answer;
            rows.into_iter().for_each(|row| add_queued(&mut kinds, now, row));
            for index in &shared {
                add_shared(&mut kinds, index)?;
            }
            let told = registry
                .into_iter()
                .filter_map(|(name, info)| worker_status(now, name, &info));
            // A worker speaks in every shard; the newest word counts.
            for worker in told {
                let known = workers.entry(worker.name.clone()).or_insert_with(|| worker.clone());
                if worker.seen_ms_ago < known.seen_ms_ago {
                    *known = worker;
                }
            }
        }
        Ok(QueueStatus {
            kinds: kinds.into_values().collect(),
            workers: workers.into_values().collect(),
        })
    }

    /// Leases that ran out because their worker died or was cut off, as far as this handle's own workers found them:
    /// one worker at a time looks, so the sum over all processes is the whole.
    pub fn leases_expired(&self) -> u64 {
        self.link.leases_expired.load(Ordering::Relaxed)
    }
}

/// Adds what is queued in one shard. A tenant is in one alone, so no key comes twice.
fn add_queued(kinds: &mut BTreeMap<String, KindStatus>, now: u64, row: Row) {
    let (kind, queued, oldest, enqueued, finished, paused, lanes) = row;
    let status = kinds.entry(kind.clone()).or_insert_with(|| KindStatus {
        kind,
        ..KindStatus::default()
    });
    let age = oldest
        .parse::<TaskId>()
        .ok()
        .map(|id| now.saturating_sub(id.made_at_ms()));
    status.queued += queued;
    status.oldest_age_ms = status.oldest_age_ms.max(age);
    status.enqueued_per_s += enqueued / RATE_SECONDS;
    status.finished_per_s += finished / RATE_SECONDS;
    status.paused |= paused == 1;
    status.keys.extend(lanes.into_iter().filter_map(key_status));
    status.keys.sort_by_key(|key| Reverse(key.queued));
    status.keys.truncate(MAX_KEYS_NAMED);
}

fn key_status((lane, queued): (String, u64)) -> Option<KeyStatus> {
    let (tenant, key) = lane.split_once(':')?;
    Some(KeyStatus {
        tenant: tenant.to_owned(),
        fairness_key: Some(key.to_owned()).filter(|key| !key.is_empty()),
        queued,
    })
}

/// Adds the running, scheduled, waiting and dead tasks: `{index, size, looked at, kind, sampled, kind, sampled, ...}`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate"
)]
fn add_shared(kinds: &mut BTreeMap<String, KindStatus>, index: &[Value]) -> Result<(), QueueError> {
    let [name, size, looked_at, sampled @ ..] = index else {
        return Err(QueueError::Other("status answered an empty index".to_owned()));
    };
    let (name, size, looked_at): (String, u64, u64) = (read(name)?, read(size)?, read(looked_at)?);
    let scale = (size as f64 / looked_at.max(1) as f64).max(1.0);
    for pair in sampled.chunks_exact(2) {
        let (kind, count): (String, u64) = (read(&pair[0])?, read(&pair[1])?);
        let count = (count as f64 * scale).round() as u64;
        let status = kinds.entry(kind.clone()).or_insert_with(|| KindStatus {
            kind,
            ..KindStatus::default()
        });
        match name.as_str() {
            "lease" => status.running += count,
            "tm" => status.scheduled += count,
            "wait" => status.waiting += count,
            _ => status.dead += count,
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
