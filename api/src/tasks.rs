//! `/api/v1/tasks` and `/api/v1/tasks/{id}`: read one, list, cancel. Submitting is in `submit` and `batch`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::{CancelOutcome, ListQuery, MAX_PAGE, QueueError, State as TaskState, TaskId};
use zoetrope_shared::wire::{Problem, ProblemCode, TaskPage, TaskView};

use crate::app::App;
use crate::duration;
use crate::etag;
use crate::limits::DEFAULT_PAGE;
use crate::problem::Refusal;
use crate::query::{self, Query};
use crate::tenant::Caller;
use crate::view;
use crate::wait::Wait;

const FILTERS: [&str; 8] = [
    "state",
    "kind",
    "tag",
    "batch_id",
    "created_after",
    "q",
    "limit",
    "cursor",
];

/// Longest text of a filter, bytes.
const MAX_FILTER_BYTES: usize = 256;

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_task, cancel_task))
        .routes(routes!(list_tasks))
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
    let done = |task: &zoetrope_queue::Task| {
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
    view::answer(&app, &tenant, status, &task).await
}

/// List tasks
///
/// Newest first. A page may be shorter than `limit` although more follow: go on while `next_cursor` is not null.
#[utoipa::path(get, path = "/api/v1/tasks", tag = "tasks",
    params(
        ("state" = Option<String>, Query, description = "Only this state"),
        ("kind" = Option<String>, Query, description = "Only this kind"),
        ("tag" = Option<String>, Query, description = "Only tasks with this tag"),
        ("batch_id" = Option<String>, Query, description = "Only tasks of this batch; not with `tag`"),
        ("created_after" = Option<String>, Query, description = "Only tasks created at or after this RFC 3339 instant"),
        ("q" = Option<String>, Query, description = "Only tasks whose id, kind, tags or metadata contain this text"),
        ("limit" = Option<u32>, Query, description = "1 to 200, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "One page", body = TaskPage),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn list_tasks(State(app): State<App>, Caller(tenant): Caller, uri: Uri) -> Result<Response, Refusal> {
    let wanted = list_query(&Query::of(&uri, &FILTERS)?)?;
    let page = app
        .link
        .queue()?
        .list(tenant.as_str(), &wanted)
        .await
        .map_err(|error| match error {
            QueueError::Invalid { field, detail } => Refusal::invalid(query::pointer(field), detail),
            other => other.into(),
        })?;
    let items = page.items.iter().map(view::brief).collect();
    Ok(Json(TaskPage {
        items,
        next_cursor: page.next_cursor,
    })
    .into_response())
}

fn list_query(query: &Query) -> Result<ListQuery, Refusal> {
    let short = |text: &str| match text.len() {
        0..=MAX_FILTER_BYTES => Ok(text.to_owned()),
        _ => Err(format!("it is longer than {MAX_FILTER_BYTES} bytes")),
    };
    let tag = query.read("tag", |text| {
        if text.starts_with(view::OWN_TAGS) {
            Err("tags of this name are not yours".to_owned())
        } else {
            short(text)
        }
    })?;
    let batch = query.read("batch_id", short)?.map(|id| view::batch_tag(&id));
    if tag.is_some() && batch.is_some() {
        return Err(Refusal::invalid(
            query::pointer("batch_id"),
            "give `tag` or `batch_id`, not both",
        ));
    }
    Ok(ListQuery {
        state: query.read("state", state)?,
        kind: query.read("kind", |text| short(text).map(|kind| kind.replace('-', "_")))?,
        tag: tag.or(batch),
        created_after_ms: query.read("created_after", duration::instant_ms)?,
        text: query.read("q", short)?,
        cursor: query.read("cursor", short)?,
        limit: query.read("limit", limit)?.unwrap_or(DEFAULT_PAGE),
    })
}

fn state(text: &str) -> Result<TaskState, String> {
    let words = "use scheduled, waiting, queued, running, succeeded, failed, canceled or expired";
    serde_json::from_value(serde_json::Value::from(text)).map_err(|_| words.to_owned())
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
    limit.ok_or_else(|| format!("use an integer from 1 to {MAX_PAGE}"))
}

/// Text that is no id cannot name a task: the answer is the same as for one that is not there.
fn parse_id(text: &str) -> Result<TaskId, Refusal> {
    text.parse().map_err(|_| Refusal::not_found("task"))
}
