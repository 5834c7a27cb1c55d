//! The worker's own port: is it alive, is it ready, what has it counted. Liveness asks nobody: a Redis that is away
//! must not have every worker restarted.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::Queue;

use crate::metrics::Metrics;

/// Longest wait for Redis before the worker calls itself not ready.
const REDIS_PATIENCE: Duration = Duration::from_secs(2);

/// Where the worker is in its life.
#[derive(Debug, Clone)]
pub enum Phase {
    /// Redis has not answered yet.
    Connecting,
    /// It claims tasks.
    Running(Queue),
    /// It claims no more.
    Draining,
}

/// What the port tells about.
#[derive(Debug, Clone)]
pub struct Health {
    /// Follows the worker.
    pub phase: watch::Receiver<Phase>,
    /// What is counted.
    pub metrics: Metrics,
}

/// Routes of the port.
pub fn app(health: Health) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health)
}

/// Serves until `shutdown`.
pub async fn serve(listener: TcpListener, health: Health, shutdown: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, app(health))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

/// Binds the port; the error names the setting.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        anyhow::anyhow!("WORKER_PORT: listen on {address}: {error}; several workers on a machine take WORKER_PORT=0")
    })
}

async fn readyz(State(health): State<Health>) -> Response {
    let phase = health.phase.borrow().clone();
    let (status, detail) = match phase {
        Phase::Connecting => (StatusCode::SERVICE_UNAVAILABLE, "waiting for redis".to_owned()),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining".to_owned()),
        Phase::Running(queue) => match tokio::time::timeout(REDIS_PATIENCE, queue.health()).await {
            Ok(Ok(redis)) => {
                let (form, durability) = (redis.form, redis.durability);
                (
                    StatusCode::OK,
                    format!("claiming tasks; redis by {form}, durability {durability}"),
                )
            }
            Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "redis does not answer".to_owned()),
        },
    };
    (
        status,
        axum::Json(json!({"ready": status == StatusCode::OK, "detail": detail})),
    )
        .into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    if let Phase::Running(queue) = &*health.phase.borrow() {
        health.metrics.leases_expired_so_far(queue.leases_expired());
    }
    match health.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
