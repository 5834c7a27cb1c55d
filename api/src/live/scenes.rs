//! `GET /api/v1/tasks/{id}/scenes`: what a stream has shown so far, page by page, while it runs and afterwards.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::{MAX_PAGE, TaskId};
use zoetrope_shared::tasks::stream_ingest::{self, Scene};
use zoetrope_shared::wire::Problem;

use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::limits::DEFAULT_PAGE;
use crate::live::events::position;
use crate::tenant::Caller;

/// Scenes of a stream, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScenePage {
    /// At most `limit`.
    #[schema(value_type = Vec<Scene>)]
    items: Vec<Box<RawValue>>,
    /// Send it as `after` for the next page; null if these were the last so far.
    next_cursor: Option<String>,
}

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(task_scenes))
}

/// Scenes of a stream
///
/// Of a `stream_ingest` task, oldest first, while it runs and after. The newest 10,000 of the last 24 h are kept.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/scenes", tag = "live",
    params(
        ("id" = String, Path, description = "The task"),
        ("after" = Option<u64>, Query, description = "Only scenes whose `seq` is higher"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "1 to 200, default 50"),
    ),
    responses(
        (status = 200, description = "One page", body = ScenePage),
        (status = 404, description = "No such task, or it is not a stream", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn task_scenes(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<ScenePage>, Refusal> {
    let missing = || Refusal::not_found("task");
    let id: TaskId = id.parse().map_err(|_| missing())?;
    let query = Query::of(&uri, &["after", "limit"])?;
    let after = query.read("after", position)?.unwrap_or(0);
    let limit = query.read("limit", limit)?.unwrap_or(DEFAULT_PAGE);
    let queue = app.link.queue()?;
    let task = queue.get(tenant.as_str(), id).await?.ok_or_else(missing)?;
    if task.kind != stream_ingest::KIND.name {
        return Err(Refusal::not_found("stream: tasks of this kind have no scenes"));
    }
    let chunks = queue.read_output(tenant.as_str(), id, after, limit).await?;
    let chunks = chunks.ok_or_else(missing)?;
    let last = chunks.last().filter(|_| chunks.len() >= limit);
    Ok(Json(ScenePage {
        next_cursor: last.map(|chunk| chunk.seq.to_string()),
        items: chunks.into_iter().map(|chunk| chunk.json).collect(),
    }))
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
    limit.ok_or_else(|| format!("use an integer from 1 to {MAX_PAGE}"))
}
