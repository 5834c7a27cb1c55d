//! `GET /api/v1/tasks/{id}/why`: why a task does not run, or who runs it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::TaskId;
use zoetrope_shared::wire::{Problem, WhyView};

use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::tenant::Caller;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(why))
}

/// Ask why a task does not run
///
/// While it is queued, every reason there is; while it runs, who holds its lease and when that was last renewed.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/why", tag = "tasks", operation_id = "task_why",
    params(("id" = String, Path, description = "Id of the task")),
    responses(
        (status = 200, description = "Why it is where it is", body = WhyView),
        (status = 404, description = "No such task", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn why(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<WhyView>, Refusal> {
    Query::of(&uri, &[])?;
    let missing = || Refusal::not_found("task");
    let known: TaskId = id.parse().map_err(|_| missing())?;
    let why = app
        .link
        .queue()?
        .why(tenant.as_str(), known)
        .await?
        .ok_or_else(missing)?;
    let state = why.state.ok_or_else(missing)?;
    Ok(Json(WhyView::of(&id, &why, state)))
}
