//! `/api/v1/workers`: who works, and asking one to end. Workers serve every tenant, so that only an operator may.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::wire::{Problem, WorkerPage, WorkerView};

use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::Refusal;
use crate::http::query::Query;

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_workers))
        .routes(routes!(drain_worker))
}

/// List the workers
///
/// Those heard of in the last minute, by name; at most a second old. Takes an admin of the tenant `default`.
#[utoipa::path(get, path = "/api/v1/workers", tag = "operations",
    responses(
        (status = 200, description = "The workers", body = WorkerPage),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn list_workers(State(app): State<App>, identity: Identity, uri: Uri) -> Result<Json<WorkerPage>, Refusal> {
    Query::of(&uri, &[])?;
    operator(&identity)?;
    let status = app.queue_status().await.map_err(|error| Refusal::shared(&error))?;
    let items = status.workers.into_iter().map(WorkerView::from).collect();
    Ok(Json(WorkerPage { items }))
}

/// Drain a worker
///
/// It claims no more, finishes what it can within its `DRAIN_SECONDS`, gives back the rest, signs off and exits with 0:
/// it is gone once it is no longer listed. Whatever supervises it may start another. Repeating it changes nothing. Takes
/// an admin of the tenant `default`.
#[utoipa::path(post, path = "/api/v1/workers/{name}/drain", tag = "operations",
    params(("name" = String, Path, description = "The worker's name")),
    responses(
        (status = 202, description = "It has been told", body = WorkerView),
        (status = 404, description = "No such worker", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn drain_worker(
    State(app): State<App>,
    identity: Identity,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<(StatusCode, Json<WorkerView>), Refusal> {
    Query::of(&uri, &[])?;
    operator(&identity)?;
    let queue = app.link.queue()?;
    let missing = || Refusal::not_found("worker");
    // Not the shared answer: this worker may have come a moment ago.
    let workers = queue.status().await?.workers;
    let worker = workers
        .into_iter()
        .find(|worker| worker.name == name)
        .ok_or_else(missing)?;
    if !queue.drain_worker(&name).await? {
        return Err(missing());
    }
    app.forget_queue_status().await;
    tracing::info!(
        worker = name,
        key_id = identity.key,
        "api.worker.drain: told {name} to drain"
    );
    let view = WorkerView {
        draining: true,
        ..WorkerView::from(worker)
    };
    Ok((StatusCode::ACCEPTED, Json(view)))
}

fn operator(identity: &Identity) -> Result<(), Refusal> {
    identity.must_be_operator("workers serve every tenant")
}
