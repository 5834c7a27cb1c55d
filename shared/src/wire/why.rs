//! Why a task does not run, as it is answered.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zoetrope_queue::{Cause, State, Why};

use super::{TaskState, rfc3339_ms};

/// Why a task is where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyView {
    /// The task.
    pub task_id: String,
    /// Its state.
    #[schema(value_type = TaskState)]
    pub state: State,
    /// Every reason why it is not begun, while it is queued: at least one then.
    pub causes: Vec<CauseView>,
    /// When it becomes claimable, while it is scheduled.
    pub run_at: Option<String>,
    /// When it ends as `expired`, while it waits and has a queue deadline.
    #[serde(default)]
    pub deadline_at: Option<String>,
    /// Who holds its lease, while it runs.
    pub worker: Option<String>,
    /// When the lease was last renewed.
    pub renewed_at: Option<String>,
    /// When another worker may take it if it is not renewed.
    pub lease_until: Option<String>,
    /// Whether its worker has been asked to stop.
    pub cancel_requested: bool,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CauseView {
    /// `kind_paused`, `tenant_paused`, `key_paused`, `kind_at_limit`, `key_at_limit`, `kind_rate`, `key_rate`, `no_worker`,
    /// `runs_alone`, `behind`, or `next` if nothing keeps it.
    pub code: String,
    /// The limit that is reached: tasks at once.
    pub limit: Option<u64>,
    /// When a rate allows for one more.
    pub until: Option<String>,
    /// Tasks ahead of it.
    pub tasks: Option<u64>,
}

impl WhyView {
    /// The view of what the queue found.
    pub fn of(task_id: &str, why: &Why, state: State) -> Self {
        Self {
            task_id: task_id.to_owned(),
            state,
            causes: why.causes.iter().map(CauseView::of).collect(),
            run_at: why.due_ms.map(rfc3339_ms),
            deadline_at: why.deadline_ms.map(rfc3339_ms),
            worker: why.worker.clone(),
            renewed_at: why.renewed_at_ms.map(rfc3339_ms),
            lease_until: why.lease_until_ms.map(rfc3339_ms),
            cancel_requested: why.cancel_requested,
        }
    }
}

impl CauseView {
    fn of(cause: &Cause) -> Self {
        let plain = |code: &str| Self {
            code: code.to_owned(),
            limit: None,
            until: None,
            tasks: None,
        };
        match *cause {
            Cause::KindPaused => plain("kind_paused"),
            Cause::TenantPaused => plain("tenant_paused"),
            Cause::KeyPaused => plain("key_paused"),
            Cause::KindAtLimit { limit } => Self {
                limit: Some(limit),
                ..plain("kind_at_limit")
            },
            Cause::KeyAtLimit { limit } => Self {
                limit: Some(limit),
                ..plain("key_at_limit")
            },
            Cause::KindRate { until_ms } => Self {
                until: Some(rfc3339_ms(until_ms)),
                ..plain("kind_rate")
            },
            Cause::KeyRate { until_ms } => Self {
                until: Some(rfc3339_ms(until_ms)),
                ..plain("key_rate")
            },
            Cause::NoWorker => plain("no_worker"),
            Cause::RunsAlone => plain("runs_alone"),
            Cause::Behind { tasks } => Self {
                tasks: Some(tasks),
                ..plain("behind")
            },
            _ => plain("next"),
        }
    }
}
