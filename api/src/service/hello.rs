//! `GET /`: who answers here, and where to go. The dashboard will be served here.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(hello))
}

/// Who answers, and where to go.
#[derive(Serialize, ToSchema)]
struct Hello {
    /// `zoetrope`.
    name: &'static str,
    /// Version of the api.
    version: &'static str,
    /// `ok`.
    status: &'static str,
    /// Where to go.
    links: Links,
}

/// Where to go.
#[derive(Serialize, ToSchema)]
struct Links {
    /// The documentation, to be read and tried.
    docs: &'static str,
    /// The `OpenAPI` document.
    openapi: &'static str,
    /// The kinds of tasks.
    kinds: &'static str,
    /// The tasks.
    tasks: &'static str,
    /// How busy the queue is.
    queue_status: &'static str,
    /// How each dependency is.
    health: &'static str,
    /// Prometheus metrics.
    metrics: &'static str,
}

/// Who answers here
#[utoipa::path(get, path = "/", tag = "operations", responses((status = 200, description = "Names and links", body = Hello)))]
async fn hello() -> Json<Hello> {
    Json(Hello {
        name: "zoetrope",
        version: env!("CARGO_PKG_VERSION"),
        status: "ok",
        links: Links {
            docs: "/docs/",
            openapi: "/api/v1/openapi.json",
            kinds: "/api/v1/kinds",
            tasks: "/api/v1/tasks",
            queue_status: "/api/v1/queue/status",
            health: "/api/v1/health/detailed",
            metrics: "/metrics",
        },
    })
}
