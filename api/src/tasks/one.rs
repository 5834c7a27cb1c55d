//! `/api/v1/tasks/{id}`: read a task, cancel it.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::{CancelOutcome, State as TaskState, Task, TaskId};
use zoetrope_shared::wire::{Problem, ProblemCode, TaskView};

use crate::app::App;
use crate::http::etag;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::tasks::view;
use crate::tasks::wait::Wait;
use crate::tenant::Caller;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_task, cancel_task))
}

/// Read a task
///
/// With `wait` the answer comes when the task ends, at the latest after that time; with `wait` and `If-None-Match` it
/// comes when the task changes. A task that failed answers 200 and says why in `error`.
#[utoipa::path(get, path = "/api/v1/tasks/{id}", tag = "tasks",
    params(
        ("id" = String, Path, description = "The task"),
        ("wait" = Option<String>, Query, description = "Wait this long, such as `30s`; at most 60 s"),
        ("Prefer" = Option<String>, Header, description = "`wait=30` is the same as `?wait=30`"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of an earlier answer"),
    ),
    responses(
        (status = 200, description = "The task", body = TaskView, headers(
            ("ETag" = String, description = "Changes when the task does"),
            ("Retry-After" = Option<u64>, description = "Seconds after which to ask again, unless the task has ended"),
        )),
        (status = 304, description = "It has not changed"),
        (status = 404, description = "No such task", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_task(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let id = parse_id(&id)?;
    let wait = Wait::of(&Query::of(&uri, &["wait"])?, &headers)?;
    let conditional = headers.contains_key(header::IF_NONE_MATCH);
    let done = |task: &Task| {
        if conditional {
            !etag::matches(&headers, &etag::of(task))
        } else {
            task.state.is_terminal()
        }
    };
    let task = wait
        .task(&app, &tenant, id, done)
        .await?
        .ok_or_else(|| Refusal::not_found("task"))?;
    let mut response = if conditional && etag::matches(&headers, &etag::of(&task)) {
        let mut unchanged = view::hints(&app, &task);
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        unchanged
    } else {
        view::answer(&app, &tenant, StatusCode::OK, &task).await?
    };
    if let Some(applied) = wait.applied() {
        response.headers_mut().insert("preference-applied", applied);
    }
    Ok(response)
}

/// Cancel a task
///
/// A task that does not run is canceled at once. The worker of one that does is told, and ends it.
#[utoipa::path(delete, path = "/api/v1/tasks/{id}", tag = "tasks",
    params(("id" = String, Path, description = "The task")),
    responses(
        (status = 200, description = "It is canceled, by this request or an earlier one", body = TaskView),
        (status = 202, description = "It runs; its worker has been told", body = TaskView),
        (status = 404, description = "No such task", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It had ended already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn cancel_task(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let id = parse_id(&id)?;
    Query::of(&uri, &[])?;
    let queue = app.link.queue()?;
    let status = match queue.cancel(tenant.as_str(), id).await? {
        CancelOutcome::Canceled => StatusCode::OK,
        CancelOutcome::Requested => StatusCode::ACCEPTED,
        CancelOutcome::AlreadyFinished(state) => {
            let detail = format!("the task has already ended: {}", state.as_str());
            return Err(Refusal::new(ProblemCode::AlreadyFinished, detail));
        }
        CancelOutcome::NotFound => return Err(Refusal::not_found("task")),
    };
    let task = queue
        .get(tenant.as_str(), id)
        .await?
        .ok_or_else(|| Refusal::not_found("task"))?;
    // Its worker may have been faster than this reading.
    let status = if task.state == TaskState::Canceled {
        StatusCode::OK
    } else {
        status
    };
    view::answer(&app, &tenant, status, &task).await
}

/// Text that is no id cannot name a task: the answer is the same as for one that is not there.
fn parse_id(text: &str) -> Result<TaskId, Refusal> {
    text.parse().map_err(|_| Refusal::not_found("task"))
}
