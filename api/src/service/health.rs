//! Whether this process lives (`/health`, `/livez`), can serve (`/readyz`), and how each dependency is
//! (`/api/v1/health/detailed`). Liveness asks nobody: a restart cures no Redis.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use tokio::time::Instant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::{QueueError, QueueStatus, RedisHealth};
use zoetrope_shared::tasks::KINDS;
use zoetrope_shared::wire::{CircuitCounts, HealthCheck, HealthStatus, HealthView, Problem, ProviderView};

use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::limits::HEALTH_TIMEOUT;
use crate::service::providers;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A worker that was silent for this long is not counted on.
const WORKER_SILENT: Duration = Duration::from_secs(30);

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(livez))
        .routes(routes!(readyz))
        .routes(routes!(detailed))
}

/// Whether the process lives
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, description = "It lives", body = HealthView)))]
async fn health() -> Json<HealthView> {
    Json(HealthView::of(VERSION, Vec::new()))
}

/// Whether the process lives
#[utoipa::path(get, path = "/livez", tag = "operations", responses((status = 200, description = "It lives", body = HealthView)))]
async fn livez() -> Json<HealthView> {
    Json(HealthView::of(VERSION, Vec::new()))
}

/// Whether the process can serve
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses(
        (status = 200, description = "It can", body = HealthView),
        (status = 503, description = "It cannot; `detail` says why", body = Problem, content_type = "application/problem+json"),
    ))]
async fn readyz(State(app): State<App>) -> Result<Json<HealthView>, Refusal> {
    if app.stopping.is_cancelled() {
        return Err(Refusal::overloaded("the process is stopping"));
    }
    let redis = redis_check(app.redis_health().await);
    if redis.status == HealthStatus::Down {
        let mut refusal = Refusal::redis_unavailable();
        refusal.problem.detail = redis.detail;
        return Err(refusal);
    }
    let artifacts = artifacts_check(&app).await;
    if artifacts.status == HealthStatus::Down {
        return Err(Refusal::overloaded(artifacts.detail));
    }
    Ok(Json(HealthView::of(VERSION, vec![redis, artifacts])))
}

/// How each dependency is
#[utoipa::path(get, path = "/api/v1/health/detailed", tag = "operations",
    responses((status = 200, description = "One check per dependency; the worst is `status`", body = HealthView)))]
async fn detailed(State(app): State<App>, uri: Uri) -> Result<Json<HealthView>, Refusal> {
    Query::of(&uri, &[])?;
    let (redis, queue, artifacts, reports) = tokio::join!(
        app.redis_health(),
        app.queue_status(),
        artifacts_check(&app),
        in_time(app.provider_reports.all())
    );
    let mut checks = vec![
        redis_check(redis),
        artifacts,
        workers_check(queue.as_ref().map_err(Arc::as_ref)),
    ];
    // While Redis is away nobody knows them.
    checks.extend(
        reports
            .map(providers::together)
            .unwrap_or_default()
            .iter()
            .map(provider_check),
    );
    Ok(Json(HealthView::of(VERSION, checks)))
}

/// An answer of the queue, or `Unavailable` after `HEALTH_TIMEOUT`: a probe must not wait as long as a request.
pub(crate) async fn in_time<T>(asked: impl Future<Output = Result<T, QueueError>>) -> Result<T, Arc<QueueError>> {
    let too_late = |_| {
        Err(QueueError::Unavailable(format!(
            "no answer within {} s",
            HEALTH_TIMEOUT.as_secs()
        )))
    };
    tokio::time::timeout(HEALTH_TIMEOUT, asked)
        .await
        .unwrap_or_else(too_late)
        .map_err(Arc::new)
}

fn redis_check(health: Result<RedisHealth, Arc<QueueError>>) -> HealthCheck {
    match health {
        Err(error) => check("redis", HealthStatus::Down, error.to_string(), None),
        Ok(health) => {
            let megabytes = health.used_memory_bytes / (1024 * 1024);
            let mut detail = format!(
                "Redis {} by {}, durability {}, {megabytes} MiB in use, {} replicas",
                health.version, health.form, health.durability, health.replicas
            );
            for warning in &health.warnings {
                detail.push_str("; ");
                detail.push_str(warning);
            }
            let status = if health.warnings.is_empty() {
                HealthStatus::Ok
            } else {
                HealthStatus::Degraded
            };
            check("redis", status, detail, Some(health.latency_ms))
        }
    }
}

async fn artifacts_check(app: &App) -> HealthCheck {
    let began = Instant::now();
    let latency_ms = || Some(began.elapsed().as_secs_f64() * 1_000.0);
    match tokio::time::timeout(HEALTH_TIMEOUT, app.artifacts.probe()).await {
        Ok(Ok(())) => check("artifacts", HealthStatus::Ok, "the store answers", latency_ms()),
        Ok(Err(error)) => check("artifacts", HealthStatus::Down, error.to_string(), latency_ms()),
        Err(_) => check(
            "artifacts",
            HealthStatus::Down,
            "the store does not answer",
            latency_ms(),
        ),
    }
}

fn workers_check(status: Result<&QueueStatus, &QueueError>) -> HealthCheck {
    let Ok(status) = status else {
        return check("workers", HealthStatus::Degraded, "unknown while Redis is away", None);
    };
    let live: Vec<_> = status
        .workers
        .iter()
        .filter(|worker| !worker.draining && u128::from(worker.seen_ms_ago) < WORKER_SILENT.as_millis())
        .collect();
    let runs = |kind: &str| {
        live.iter()
            .filter(|worker| worker.kinds.iter().any(|known| known == kind))
            .count()
    };
    let by_kind: Vec<_> = KINDS.iter().map(|kind| (kind.name, runs(kind.name))).collect();
    let told: Vec<_> = by_kind
        .iter()
        .map(|(kind, workers)| format!("{kind}: {workers}"))
        .collect();
    let complete = by_kind.iter().all(|(_, workers)| *workers > 0);
    let status = if complete {
        HealthStatus::Ok
    } else {
        HealthStatus::Degraded
    };
    check(
        "workers",
        status,
        format!("{} live; by kind: {}", live.len(), told.join(", ")),
        None,
    )
}

/// A provider that fails stops nothing else, so it is never down.
fn provider_check(provider: &ProviderView) -> HealthCheck {
    let CircuitCounts { closed, .. } = provider.circuits;
    let status = if closed == provider.workers {
        HealthStatus::Ok
    } else {
        HealthStatus::Degraded
    };
    let detail = format!(
        "{}: {closed} of {} workers call it, others leave it alone while it fails",
        provider.capability, provider.workers
    );
    check(&format!("provider:{}", provider.provider), status, detail, None)
}

fn check(name: &str, status: HealthStatus, detail: impl Into<String>, latency_ms: Option<f64>) -> HealthCheck {
    HealthCheck {
        name: name.to_owned(),
        status,
        detail: detail.into(),
        latency_ms,
    }
}
