//! The service about itself: its kinds, its queue, its health.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use zoetrope_queue::{KeyStatus, KindStatus, WorkerStatus};

use crate::tasks::Kind;

/// A task kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KindView {
    /// Wire name.
    pub kind: String,
    /// One sentence for people.
    pub summary: String,
    /// The class of worker slot that an attempt takes: `cpu`, `io` or `stream`.
    pub slot: String,
    /// How many slots an attempt takes.
    pub cost: u32,
    /// Executions before a retryable failure becomes final.
    pub max_attempts: u32,
    /// Deadline of an attempt, milliseconds; null for the service's default, and for live kinds, which have none.
    pub timeout_ms: Option<u64>,
    /// How long a result is kept, milliseconds.
    pub result_ttl_ms: u64,
    /// Whether a task of this kind runs until it is cancelled.
    pub live: bool,
    /// The field that a multipart `file` part fills.
    pub media: Option<MediaFieldView>,
    /// JSON Schema (2020-12) of the input.
    #[schema(value_type = Object)]
    pub input_schema: Value,
    /// JSON Schema (2020-12) of the result.
    #[schema(value_type = Object)]
    pub output_schema: Value,
    /// A valid input.
    #[schema(value_type = Object)]
    pub example: Value,
}

/// The media field of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MediaFieldView {
    /// Name of the field.
    pub field: String,
    /// Content types it takes.
    pub accepts: Vec<String>,
    /// Largest media, bytes.
    pub max_bytes: u64,
}

impl From<&Kind> for KindView {
    fn from(kind: &Kind) -> Self {
        let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            kind: kind.name.to_owned(),
            summary: kind.summary.to_owned(),
            slot: kind.slot.as_str().to_owned(),
            cost: kind.cost,
            max_attempts: kind.policy.max_attempts,
            timeout_ms: kind.policy.timeout.map(ms),
            result_ttl_ms: ms(kind.policy.result_ttl),
            live: kind.policy.live,
            media: kind.media.map(|media| MediaFieldView {
                field: media.name.to_owned(),
                accepts: media
                    .accepts
                    .iter()
                    .map(|accepted| accepted.content_type().to_owned())
                    .collect(),
                max_bytes: media.max_bytes,
            }),
            input_schema: (kind.input_schema)(),
            output_schema: (kind.output_schema)(),
            example: (kind.example)(),
        }
    }
}

/// How busy the queue is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueueStatusView {
    /// Every kind that has or had tasks.
    pub kinds: Vec<KindStatusView>,
    /// Live workers.
    pub workers: u64,
    /// Redis' own condition.
    pub redis: RedisStatusView,
}

/// How busy one kind is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KindStatusView {
    /// Wire name.
    pub kind: String,
    /// Claimable tasks.
    pub queued: u64,
    /// Tasks that a worker holds.
    pub running: u64,
    /// Tasks that wait for their time.
    pub scheduled: u64,
    /// Tasks that wait for other tasks.
    pub waiting: u64,
    /// Tasks that failed for good and are kept.
    pub dead: u64,
    /// Age of the oldest claimable task, milliseconds; null if there is none.
    pub oldest_age_ms: Option<u64>,
    /// Tasks submitted a second, lately.
    pub enqueued_per_s: f64,
    /// Tasks ended a second, lately.
    pub finished_per_s: f64,
    /// Whether claiming is paused.
    pub paused: bool,
    /// The longest backlogs by tenant and fairness key, at most 20: of your own tenant, for admins of the tenant `default` of all.
    #[serde(default)]
    pub keys: Vec<KeyStatusView>,
}

/// What is queued of one fairness key of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyStatusView {
    /// Whose key it is.
    pub tenant: String,
    /// The key; null for tasks without.
    pub fairness_key: Option<String>,
    /// Claimable tasks.
    pub queued: u64,
}

impl From<KindStatus> for KindStatusView {
    fn from(status: KindStatus) -> Self {
        Self {
            kind: status.kind,
            queued: status.queued,
            running: status.running,
            scheduled: status.scheduled,
            waiting: status.waiting,
            dead: status.dead,
            oldest_age_ms: status.oldest_age_ms,
            enqueued_per_s: status.enqueued_per_s,
            finished_per_s: status.finished_per_s,
            paused: status.paused,
            keys: status.keys.into_iter().map(KeyStatusView::from).collect(),
        }
    }
}

impl From<KeyStatus> for KeyStatusView {
    fn from(status: KeyStatus) -> Self {
        Self {
            tenant: status.tenant,
            fairness_key: status.fairness_key,
            queued: status.queued,
        }
    }
}

/// Redis' own condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RedisStatusView {
    /// The durability tier in force: `fast`, `safe`, `strict`, `none` or `unknown`.
    pub durability: String,
    /// Memory in use, bytes.
    pub used_memory_bytes: u64,
}

/// The workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerPage {
    /// By name.
    pub items: Vec<WorkerView>,
}

/// A worker as it last described itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerView {
    /// Its name: unique among running processes.
    pub name: String,
    /// Kinds that it claims.
    pub kinds: Vec<String>,
    /// Tasks that it holds.
    pub running: u64,
    /// Whether it has been told to end: it claims no more.
    pub draining: bool,
    /// Time since it was last heard of, milliseconds: a live one speaks every 5 s, one that is silent for a minute is gone.
    pub seen_ms_ago: u64,
}

impl From<WorkerStatus> for WorkerView {
    fn from(status: WorkerStatus) -> Self {
        Self {
            name: status.name,
            kinds: status.kinds,
            running: status.running,
            draining: status.draining,
            seen_ms_ago: status.seen_ms_ago,
        }
    }
}

/// How well the service is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// The worst of its checks.
    pub status: HealthStatus,
    /// Version of the api.
    pub version: String,
    /// One check per dependency.
    pub checks: Vec<HealthCheck>,
}

impl HealthView {
    /// The health that these checks make.
    pub fn of(version: &str, checks: Vec<HealthCheck>) -> Self {
        let status = checks
            .iter()
            .map(|check| check.status)
            .max()
            .unwrap_or(HealthStatus::Ok);
        Self {
            status,
            version: version.to_owned(),
            checks,
        }
    }
}

/// How well something is; the worse the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// As it should be.
    Ok,
    /// It works, a person should look.
    Degraded,
    /// It does not work.
    Down,
}

/// The health of one dependency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HealthCheck {
    /// `redis`, `artifacts`, `workers`, `provider:openai`, ...
    pub name: String,
    /// How well it is.
    pub status: HealthStatus,
    /// One sentence for people.
    pub detail: String,
    /// How long it took to answer, milliseconds, if it was asked.
    pub latency_ms: Option<f64>,
}
