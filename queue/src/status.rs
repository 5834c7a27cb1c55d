//! What people and autoscalers ask of a queue: counts by kind, the workers, the condition of Redis.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::Value;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

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

/// Redis' own condition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RedisHealth {
    /// Server version.
    pub version: String,
    /// `fast` (AOF everysec: about 2 s lost on power loss), `safe` (AOF always), `none` (no AOF), `unknown`.
    pub durability: String,
    /// Must be `noeviction`.
    pub maxmemory_policy: String,
    /// Bytes in use.
    pub used_memory_bytes: u64,
    /// Bytes allowed; 0 without a limit.
    pub maxmemory_bytes: u64,
    /// Whether the last write of the append-only file succeeded; true without one.
    pub aof_write_ok: bool,
    /// Connected replicas.
    pub replicas: u64,
    /// Time of one round trip, milliseconds.
    pub latency_ms: f64,
    /// Sentences for people, empty when all is well.
    pub warnings: Vec<String>,
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

    /// Redis' condition, with one round trip timed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn health(&self) -> Result<RedisHealth, QueueError> {
        let before = Instant::now();
        let (): () = redis::cmd("PING").query_async(&mut self.link.connection()).await?;
        let latency_ms = before.elapsed().as_secs_f64() * 1e3;
        let info = self.link.info().await?;
        let text = |name: &str| info.get(name).cloned().unwrap_or_default();
        let count = |name: &str| info.get(name).and_then(|value| value.parse().ok()).unwrap_or(0_u64);
        let fsync = self.link.server_setting("appendfsync").await;
        let durability = match (text("aof_enabled").as_str(), fsync.as_deref()) {
            ("0", _) => "none",
            (_, Some("always")) => "safe",
            (_, Some("everysec")) => "fast",
            _ => "unknown",
        };
        let mut health = RedisHealth {
            version: text("redis_version"),
            durability: durability.to_owned(),
            maxmemory_policy: text("maxmemory_policy"),
            used_memory_bytes: count("used_memory"),
            maxmemory_bytes: count("maxmemory"),
            aof_write_ok: matches!(text("aof_last_write_status").as_str(), "ok" | ""),
            replicas: count("connected_slaves"),
            latency_ms,
            warnings: Vec::new(),
        };
        health.warnings = warnings(&health, &text("aof_last_write_status"));
        Ok(health)
    }
}

fn warnings(health: &RedisHealth, last_write: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    if health.maxmemory_policy != "noeviction" {
        warnings.push(format!(
            "maxmemory-policy is {}: it deletes tasks silently",
            health.maxmemory_policy
        ));
    }
    if health.durability == "none" {
        warnings.push("no append-only file: a restart of redis loses every task".to_owned());
    }
    if !health.aof_write_ok {
        warnings.push(format!("the last write of the append-only file failed: {last_write}"));
    }
    if health.maxmemory_bytes > 0 && health.used_memory_bytes * 10 > health.maxmemory_bytes * 8 {
        warnings.push("over 80 % of maxmemory is in use".to_owned());
    }
    warnings
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
