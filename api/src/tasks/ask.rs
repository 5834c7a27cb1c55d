//! A task whose output a request waits for, so that it looks like a plain answer.

use std::time::Duration;

use serde::de::DeserializeOwned;
use zoetrope_queue::{Enqueued, NewTask, State as TaskState, Task, TaskId};
use zoetrope_shared::offload;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::ProblemCode;

use crate::app::App;
use crate::http::problem::Refusal;
use crate::submit::enqueue;
use crate::tasks::wait::Wait;

/// The output of one task, within the time that a caller waits.
pub(crate) async fn outcome<T: DeserializeOwned>(
    app: &App,
    tenant: &Tenant,
    task: NewTask,
    limit: Duration,
) -> Result<T, Refusal> {
    let queue = app.link.queue()?;
    let (Enqueued::Created(id) | Enqueued::Replayed(id) | Enqueued::Conflict(id) | Enqueued::Exists(id)) =
        enqueue::one(queue, task).await?;
    let mut awaited = Awaited::new(app, tenant, id);
    let wait = Wait {
        limit,
        preferred: false,
    };
    let task = wait.task(app, tenant, id, |task| task.state.is_terminal()).await?;
    awaited.ended = task.as_ref().is_none_or(|task| task.state.is_terminal());
    match task {
        Some(task) if task.state == TaskState::Succeeded => output(app, tenant, &task).await,
        Some(Task { error: Some(error), .. }) if error.code.starts_with("media_") => {
            Err(Refusal::bad_request(error.message))
        }
        Some(Task { error: Some(error), .. }) if error.code == ProblemCode::UrlForbidden.as_str() => {
            Err(Refusal::new(ProblemCode::UrlForbidden, error.message))
        }
        Some(Task { error: Some(error), .. }) if error.code == ProblemCode::NotFound.as_str() => {
            Err(Refusal::new(ProblemCode::NotFound, error.message))
        }
        Some(Task { error: Some(error), .. }) => Err(Refusal::overloaded(error.message)),
        _ => Err(Refusal::overloaded("no worker has answered in time")),
    }
}

async fn output<T: DeserializeOwned>(app: &App, tenant: &Tenant, task: &Task) -> Result<T, Refusal> {
    let unreadable = |error: &dyn std::fmt::Display| Refusal::internal("read the result of a task", error);
    let stored = task.result.clone().ok_or_else(|| unreadable(&"there is none"))?;
    let result = offload::load(&app.artifacts, tenant, stored).await;
    let result = result.map_err(|error| unreadable(&error))?;
    serde_json::from_str(result.get()).map_err(|error| unreadable(&error))
}

/// A task while its request waits for it: canceled when that ends before the task does, be it that the
/// time is over, that Redis went away, or that the client did.
struct Awaited {
    app: App,
    tenant: Tenant,
    id: TaskId,
    ended: bool,
}

impl Awaited {
    fn new(app: &App, tenant: &Tenant, id: TaskId) -> Self {
        Self {
            app: app.clone(),
            tenant: tenant.clone(),
            id,
            ended: false,
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.ended {
            return;
        }
        let (app, tenant, id) = (self.app.clone(), self.tenant.clone(), self.id);
        let give_up = async move {
            let Ok(queue) = app.link.queue() else { return };
            if let Err(error) = queue.cancel(tenant.as_str(), id).await {
                tracing::debug!(%error, task = %id, "api.ask.uncanceled");
            }
        };
        self.app.removals.spawn_on(give_up, &runtime);
    }
}
