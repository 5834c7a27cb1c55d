//! A task, a page of tasks and a batch as the api shows them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;
use zoetrope_queue::{Priority, Reason, State, Task};

use super::problem::ProblemCode;
use super::time::rfc3339_ms;
use super::words::{TaskPriority, TaskReason, TaskState};
use crate::offload;

/// A task. In a terminal state exactly one of `result` and `error` is set.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TaskView {
    /// Opaque id.
    pub id: String,
    /// Kind, such as `ocr`.
    pub kind: String,
    /// `scheduled`, `waiting`, `queued`, `running`, `succeeded`, `failed`, `canceled` or `expired`.
    #[schema(value_type = TaskState)]
    pub state: State,
    /// Why it is in its state, where the state alone does not say, such as `retries_exhausted`.
    #[schema(value_type = Option<TaskReason>)]
    pub reason: Option<Reason>,
    /// `realtime`, `high`, `normal` or `low`.
    #[schema(value_type = TaskPriority)]
    pub priority: Priority,
    /// Whose turn it is among the tasks of its tenant.
    #[serde(default)]
    pub fairness_key: Option<String>,
    /// No other task of its kind with this key is made before it has ended.
    #[serde(default)]
    pub unique_key: Option<String>,
    /// Executions begun; 0 before the first.
    pub attempt: u32,
    /// Executions allowed before a retryable failure becomes final.
    pub max_attempts: u32,
    /// How far the running attempt has come.
    pub progress: Option<ProgressView>,
    /// Tasks ahead of it while queued: of its kind, or of its fairness key once several have tasks.
    pub queue_position: Option<u64>,
    /// Whether somebody asked to cancel the running attempt.
    #[serde(default)]
    pub cancel_requested: bool,
    /// When it was submitted, RFC 3339 with milliseconds, as every instant here.
    pub created_at: String,
    /// When it becomes claimable, while scheduled.
    pub run_at: Option<String>,
    /// When it ends as `expired` if it does not run by then; from `expires_in`.
    #[serde(default)]
    pub deadline_at: Option<String>,
    /// When the running or last attempt started.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// When it will be forgotten, once it ended.
    pub expires_at: Option<String>,
    /// The kind's output; in lists `{"artifact": id}` if it is large.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Box<RawValue>>,
    /// Why it did not succeed.
    pub error: Option<ErrorView>,
    /// Labels.
    pub tags: Vec<String>,
    /// The client's own object, as it came.
    #[schema(value_type = Object)]
    pub metadata: Box<RawValue>,
    /// The batch it was submitted with.
    pub batch_id: Option<String>,
    /// The workflow it is part of.
    pub workflow_id: Option<String>,
    /// Where to go from here.
    pub urls: TaskUrls,
}

impl TaskView {
    /// The view of a task. `result` replaces its result: what [`offload::load`] made of a large one. Without it a
    /// large result is shown as `{"artifact": id}`.
    pub fn from_task(task: &Task, result: Option<Box<RawValue>>) -> Self {
        let stored = || task.result.as_deref().map(shown);
        Self {
            id: task.id.to_string(),
            kind: task.kind.clone(),
            state: task.state,
            reason: task.reason,
            priority: task.priority,
            fairness_key: task.fairness_key.clone(),
            unique_key: task.unique_key.clone(),
            attempt: task.attempt,
            max_attempts: task.max_attempts,
            progress: task.progress.as_ref().map(|progress| ProgressView {
                percent: progress.percent,
                message: progress.message.clone(),
            }),
            queue_position: task.queue_position,
            cancel_requested: task.cancel_requested,
            created_at: rfc3339_ms(task.created_at_ms),
            run_at: task.run_at_ms.map(rfc3339_ms),
            deadline_at: task.deadline_ms.map(rfc3339_ms),
            started_at: task.started_at_ms.map(rfc3339_ms),
            finished_at: task.finished_at_ms.map(rfc3339_ms),
            expires_at: task.expires_at_ms.map(rfc3339_ms),
            result: result.or_else(stored),
            error: task.error.as_ref().map(|error| ErrorView {
                code: error.code.clone(),
                class: error.class.clone(),
                message: error.message.clone(),
                retryable: error.retryable,
                attempt: error.attempt,
                provider: error.provider.clone(),
            }),
            tags: task.tags.clone(),
            metadata: task.metadata.clone().unwrap_or_else(|| raw(&json!({}))),
            batch_id: None,
            workflow_id: None,
            urls: TaskUrls::of(&task.id.to_string()),
        }
    }
}

fn shown(result: &RawValue) -> Box<RawValue> {
    match offload::pointed_at(result) {
        Some(id) => raw(&json!({"artifact": id.as_str()})),
        None => result.to_owned(),
    }
}

fn raw(value: &serde_json::Value) -> Box<RawValue> {
    to_raw_value(value).expect("a JSON value should be JSON")
}

/// How far an attempt has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgressView {
    /// 0 to 100.
    #[schema(maximum = 100)]
    pub percent: u8,
    /// What it is doing.
    pub message: String,
}

/// Why a task did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorView {
    /// Stable `snake_case` word to branch on.
    pub code: String,
    /// `retryable`, `non_retryable` or `rate_limited`.
    pub class: String,
    /// One sentence for people.
    pub message: String,
    /// Whether submitting the same task again may help.
    pub retryable: bool,
    /// The attempt that failed.
    pub attempt: u32,
    /// The provider that failed, if one did.
    pub provider: Option<String>,
}

/// Where a task can be read and cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskUrls {
    /// GET answers the task.
    #[serde(rename = "self")]
    pub this: String,
    /// DELETE cancels it.
    pub cancel: String,
    /// GET follows it: server-sent events.
    #[serde(default)]
    pub events: String,
    /// GET says why it does not run, or who runs it.
    #[serde(default)]
    pub why: String,
}

impl TaskUrls {
    fn of(id: &str) -> Self {
        let this = format!("/api/v1/tasks/{id}");
        Self {
            cancel: this.clone(),
            events: format!("{this}/events"),
            why: format!("{this}/why"),
            this,
        }
    }
}

/// One page of a listing.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TaskPage {
    /// Tasks, newest first; may be shorter than the limit although more follow.
    pub items: Vec<TaskView>,
    /// Send it as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// What became of a batch.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BatchView {
    /// Opaque id.
    pub id: String,
    /// How far it is.
    pub state: BatchState,
    /// Tasks submitted in it, refused ones included.
    pub total: u64,
    /// Tasks by state; states without a task are left out.
    pub counts: BTreeMap<String, u64>,
    /// One answer per task of the request, in its order.
    pub items: Vec<BatchItem>,
    /// Where to go from here.
    pub urls: BatchUrls,
}

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// Takes more tasks.
    Open,
    /// Some task has not ended.
    Running,
    /// Every task has ended.
    Finished,
}

/// The answer to one task of a batch: `task_id` or `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchItem {
    /// Its place in the request, from 0.
    pub index: usize,
    /// The task that was made, or the one that was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// True if none was made because this task holds the item's `unique_key`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub existing: bool,
    /// Why none was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<BatchItemError>,
}

/// Why a task of a batch was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchItemError {
    /// As in a problem.
    pub code: ProblemCode,
    /// One sentence for people.
    pub detail: String,
    /// What is wrong, field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<super::ProblemField>,
}

/// Where a batch can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchUrls {
    /// GET answers the batch.
    #[serde(rename = "self")]
    pub this: String,
}
