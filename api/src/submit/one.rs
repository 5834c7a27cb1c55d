//! `POST /api/v1/tasks/{kind}`: one task from JSON or from a form.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::{Enqueued, QueueError, Task};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{Problem, TaskView};

use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::submit::enqueue;
use crate::submit::idempotency::{self, EXISTING, REPLAYED};
use crate::submit::intake::{self, Ready};
use crate::submit::request;
use crate::tasks::view;
use crate::tasks::wait::Wait;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(submit))
}

/// Submit a task
///
/// The body is `{"input": {...}}` with the envelope's fields beside `input`; without `input` the input's own fields
/// stand beside the envelope's. As `multipart/form-data`, the part `file` fills the kind's media field, `input` is
/// the rest of the input and `task` the envelope, both JSON.
///
/// Answers 202 with the task, or 200 if it has ended within `wait`.
#[utoipa::path(post, path = "/api/v1/tasks/{id}", tag = "tasks",
    params(
        ("wait" = Option<String>, Query, description = "Wait this long for the end, such as `30s`; at most 60 s"),
        ("Prefer" = Option<String>, Header, description = "`wait=30` is the same as `?wait=30`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeating a request with the same key makes no second task"),
        ("id" = String, Path, description = "The kind"),
    ),
    responses(
        (status = 200, description = "The task has ended within `wait`, or an earlier request with this Idempotency-Key made it and it has ended", body = TaskView),
        (status = 202, description = "The task is queued, or the one that holds its `unique_key` has not ended", body = TaskView, headers(
            ("Location" = String, description = "Where the task can be read"),
            ("Unique-Existing" = String, description = "`true` if another task holds the `unique_key`: this one, as it is"),
            ("Retry-After" = u64, description = "Seconds after which to ask"),
        )),
        (status = "4XX", description = "Refused; nothing was stored", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away or full, or the tenant has as much in the queue as it may", body = Problem, content_type = "application/problem+json"),
    ))]
async fn submit(
    State(app): State<App>,
    identity: Identity,
    Path(kind): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let kind = request::find_kind(&kind)?;
    identity.may_submit(kind)?;
    let tenant = identity.tenant;
    let refused = |refusal| {
        app.metrics.submits.with_label_values(&[kind.name, "refused"]).inc();
        refusal
    };
    let query = Query::of(&uri, &["wait"])?;
    let wait = Wait::of(&query, &headers)?;
    let key = idempotency::key_of(&headers)?;
    let (submission, fingerprint) = request::read(&app, kind, &headers, body).await.map_err(refused)?;
    let Ready { mut task, held } = intake::settle(&app, &tenant, submission).await.map_err(refused)?;
    let route = format!("POST /tasks/{}", kind.name);
    task.idempotency = key.map(|key| intake::idempotency(&route, &key, &fingerprint));
    let enqueued = add(&app, Ready { task, held }).await?;
    answer(&app, &tenant, enqueued, wait).await
}

/// A task that is in the queue.
struct InQueue {
    /// As it went in; it may be elsewhere by now.
    task: Task,
    /// The header that says so if it was there before.
    before: Option<HeaderName>,
}

/// Adds a task. Its artifacts stay exactly if it was made, or may have been.
async fn add(app: &App, ready: Ready) -> Result<InQueue, Refusal> {
    let Ready { task, mut held } = ready;
    let kind = task.kind.clone();
    let count = |outcome: &str| app.metrics.submits.with_label_values(&[kind.as_str(), outcome]).inc();
    let as_sent = intake::outline(&task, app.clock.now_ms());
    let queue = app.link.queue()?;
    held.let_go();
    match enqueue::one(queue, task).await {
        Ok(Enqueued::Created(id)) => {
            count("created");
            Ok(InQueue {
                task: as_sent(id),
                before: None,
            })
        }
        Ok(Enqueued::Replayed(id)) => {
            held.discard().await;
            count("replayed");
            Ok(InQueue {
                task: as_sent(id),
                before: Some(REPLAYED),
            })
        }
        Ok(Enqueued::Exists(id)) => {
            held.discard().await;
            count("exists");
            Ok(InQueue {
                task: as_sent(id),
                before: Some(EXISTING),
            })
        }
        Ok(Enqueued::Conflict(_)) => {
            held.discard().await;
            count("conflict");
            Err(idempotency::conflict())
        }
        // The task may be there after all, and would need its artifacts. If not, they go when they expire.
        Err(error @ QueueError::Unavailable(_)) => Err(error.into()),
        Err(error) => {
            held.discard().await;
            count("refused");
            Err(error.into())
        }
    }
}

async fn answer(app: &App, tenant: &Tenant, enqueued: InQueue, wait: Wait) -> Result<Response, Refusal> {
    let InQueue { task, before } = enqueued;
    let id = task.id;
    let task = match wait.task(app, tenant, id, |task| task.state.is_terminal()).await {
        Ok(Some(task)) => task,
        Ok(None) => {
            return Err(Refusal::not_found("task: the one that is there already has expired"));
        }
        // It is in the queue, and a refusal would make its client send it again.
        Err(_) if before.is_none() => task,
        Err(refusal) => return Err(refusal),
    };
    let status = if task.state.is_terminal() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let mut response = view::answer(app, tenant, status, &task).await?;
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/tasks/{id}")) {
        headers.insert(header::LOCATION, location);
    }
    if let Some(before) = before {
        headers.insert(before, HeaderValue::from_static("true"));
    }
    if let Some(applied) = wait.applied() {
        headers.insert("preference-applied", applied);
    }
    Ok(response)
}
