//! `GET /api/v1/tasks`: a tenant's tasks, filtered, page by page.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::{ListQuery, MAX_PAGE, QueueError, State as TaskState};
use zoetrope_shared::wire::{Problem, TaskPage};

use crate::app::App;
use crate::http::duration;
use crate::http::problem::Refusal;
use crate::http::query::{self, Query};
use crate::limits::DEFAULT_PAGE;
use crate::tasks::view;
use crate::tenant::Caller;

const FILTERS: [&str; 9] = [
    "state",
    "kind",
    "tag",
    "batch_id",
    "fairness_key",
    "created_after",
    "q",
    "limit",
    "cursor",
];

/// Longest text of a filter, bytes.
const MAX_FILTER_BYTES: usize = 256;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_tasks))
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
        ("fairness_key" = Option<String>, Query, description = "Only tasks with this fairness key"),
        ("created_after" = Option<String>, Query, description = "Only tasks created at or after this RFC 3339 instant"),
        ("q" = Option<String>, Query, description = "Only tasks whose id, kind, tags or metadata contain this text"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "1 to 200, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "One page", body = TaskPage),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn list_tasks(State(app): State<App>, Caller(tenant): Caller, uri: Uri) -> Result<Json<TaskPage>, Refusal> {
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
    let next_cursor = page.next_cursor;
    Ok(Json(TaskPage { items, next_cursor }))
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
        fairness_key: query.read("fairness_key", short)?,
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
