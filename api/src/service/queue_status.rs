//! `GET /api/v1/queue/status`: how busy each kind is, for people and autoscalers.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::KindStatus;
use zoetrope_shared::tasks::KINDS;
use zoetrope_shared::wire::{KindStatusView, Problem, QueueStatusView, RedisStatusView};

use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::Refusal;
use crate::http::query::Query;

/// Fairness keys named of a kind.
const MAX_KEYS_SHOWN: usize = 20;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(queue_status))
}

/// How busy the queue is
///
/// Every kind of this version is listed, idle ones with zeros, and of each the longest backlogs by fairness key; figures
/// are at most a second old.
#[utoipa::path(get, path = "/api/v1/queue/status", tag = "operations",
    responses(
        (status = 200, description = "Counts by kind", body = QueueStatusView),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn queue_status(State(app): State<App>, identity: Identity, uri: Uri) -> Result<Json<QueueStatusView>, Refusal> {
    Query::of(&uri, &[])?;
    let (status, health) = tokio::join!(app.queue_status(), app.redis_health());
    let status = status.map_err(|error| Refusal::shared(&error))?;
    let health = health.map_err(|error| Refusal::shared(&error))?;
    let idle = KINDS
        .iter()
        .filter(|kind| status.kinds.iter().all(|known| known.kind != kind.name));
    let idle = idle.map(|kind| KindStatus {
        kind: kind.name.to_owned(),
        ..KindStatus::default()
    });
    let kinds = status
        .kinds
        .iter()
        .cloned()
        .chain(idle)
        .map(|kind| seen_by(&identity, kind))
        .collect();
    Ok(Json(QueueStatusView {
        kinds,
        workers: status.workers.len() as u64,
        redis: RedisStatusView {
            durability: health.durability,
            used_memory_bytes: health.used_memory_bytes,
        },
    }))
}

/// Names of other tenants and of their customers are for operators alone.
fn seen_by(identity: &Identity, mut kind: KindStatus) -> KindStatusView {
    let all = identity.is_operator();
    kind.keys.retain(|key| all || key.tenant == identity.tenant.as_str());
    kind.keys.truncate(MAX_KEYS_SHOWN);
    KindStatusView::from(kind)
}
