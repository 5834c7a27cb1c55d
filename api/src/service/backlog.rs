//! `/api/v1/tenants/{tenant}/backlog` and `/api/v1/queue/backlog`: how much of the queue a tenant has, and may have.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::{Bound, MAX_BACKLOG, Queue, USUAL_BACKLOG_BYTES, USUAL_BACKLOG_TASKS};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{BacklogView, Problem};

use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::{Mistake, Mistakes, Refusal};
use crate::http::query::Query;
use crate::service::rules::{known_tenant, operator, visible_tenant};
use crate::submit::request;

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show_backlog, bound_backlog))
        .routes(routes!(show_usual_backlog, bound_usual_backlog))
}

/// What a tenant may have; both are replaced.
#[derive(ToSchema)]
#[schema(as = BacklogBound)]
#[expect(dead_code, reason = "the document's description of what `bound` reads")]
struct BoundFields {
    /// Tasks that have not ended; 0 refuses every new one, absent or null is as many as is usual.
    #[schema(maximum = 1_125_899_906_842_624_u64, example = 10_000)]
    most_tasks: Option<u64>,
    /// Bytes of them; absent or null is as many as is usual.
    #[schema(maximum = 1_125_899_906_842_624_u64)]
    most_bytes: Option<u64>,
}

/// Show a tenant's backlog
///
/// What it has in the queue, and what it may have. A tenant's own, or any for an admin of the tenant `default`.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/backlog", tag = "operations",
    params(("tenant" = String, Path, description = "The tenant")),
    responses(
        (status = 200, description = "The backlog", body = BacklogView),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn show_backlog(
    State(app): State<App>,
    identity: Identity,
    Path(tenant): Path<String>,
    uri: Uri,
) -> Result<Json<BacklogView>, Refusal> {
    Query::of(&uri, &[])?;
    let tenant = visible_tenant(&identity, &tenant)?;
    of_tenant(app.link.queue()?, &tenant).await
}

/// Bound a tenant's backlog
///
/// From the next submit on: beyond it submits are refused with `queue_full`. What is there already stays.
#[utoipa::path(put, path = "/api/v1/tenants/{tenant}/backlog", tag = "operations", request_body = BoundFields,
    params(("tenant" = String, Path, description = "The tenant")),
    responses(
        (status = 200, description = "The backlog, under the new bound", body = BacklogView),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn bound_backlog(
    State(app): State<App>,
    identity: Identity,
    Path(tenant): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<BacklogView>, Refusal> {
    Query::of(&uri, &[])?;
    operator(&identity)?;
    let tenant = known_tenant(&tenant)?;
    let queue = set(&app, &identity, Some(tenant.as_str()), &headers, body).await?;
    of_tenant(queue, &tenant).await
}

/// Show what each tenant may have
///
/// As far as it has no bound of its own.
#[utoipa::path(get, path = "/api/v1/queue/backlog", tag = "operations",
    responses(
        (status = 200, description = "The bound of each tenant", body = BacklogView),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn show_usual_backlog(
    State(app): State<App>,
    identity: Identity,
    uri: Uri,
) -> Result<Json<BacklogView>, Refusal> {
    Query::of(&uri, &[])?;
    operator(&identity)?;
    usual(app.link.queue()?).await
}

/// Bound each tenant's backlog
///
/// As far as it has no bound of its own; from the next submit on.
#[utoipa::path(put, path = "/api/v1/queue/backlog", tag = "operations", request_body = BoundFields,
    responses(
        (status = 200, description = "The bound of each tenant", body = BacklogView),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn bound_usual_backlog(
    State(app): State<App>,
    identity: Identity,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<BacklogView>, Refusal> {
    Query::of(&uri, &[])?;
    operator(&identity)?;
    usual(set(&app, &identity, None, &headers, body).await?).await
}

async fn set<'a>(
    app: &'a App,
    identity: &Identity,
    tenant: Option<&str>,
    headers: &HeaderMap,
    body: Body,
) -> Result<&'a Queue, Refusal> {
    let bound = bound(request::read_fields(app, headers, body).await?)?;
    let queue = app.link.queue()?;
    queue.set_bound(tenant, bound).await?;
    tracing::info!(?tenant, ?bound, key_id = identity.key, "api.queue.bound");
    Ok(queue)
}

fn bound(mut fields: Map<String, Value>) -> Result<Bound, Refusal> {
    let mut mistakes = Mistakes::at("");
    let mut take = |name: &str| {
        let value = fields.remove(name).filter(|value| !value.is_null())?;
        let number = value.as_u64().filter(|number| *number <= MAX_BACKLOG);
        if number.is_none() {
            let detail = format!("use an integer from 0 to {MAX_BACKLOG}");
            mistakes.push(Mistake::invalid(format!("/{name}"), detail));
        }
        number
    };
    let bound = Bound {
        tasks: take("most_tasks"),
        bytes: take("most_bytes"),
    };
    for name in fields.keys() {
        mistakes.unknown(name, "a bound has the fields most_tasks and most_bytes");
    }
    mistakes.into_result()?;
    Ok(bound)
}

async fn of_tenant(queue: &Queue, tenant: &Tenant) -> Result<Json<BacklogView>, Refusal> {
    let backlog = queue.backlog(tenant.as_str()).await?;
    Ok(Json(BacklogView {
        tenant: Some(tenant.to_string()),
        tasks: Some(backlog.tasks),
        bytes: Some(backlog.bytes),
        most_tasks: backlog.most_tasks,
        most_bytes: backlog.most_bytes,
    }))
}

async fn usual(queue: &Queue) -> Result<Json<BacklogView>, Refusal> {
    let each = queue.bounds().await?.remove(&None).unwrap_or_default();
    Ok(Json(BacklogView {
        tenant: None,
        tasks: None,
        bytes: None,
        most_tasks: each.tasks.unwrap_or(USUAL_BACKLOG_TASKS),
        most_bytes: each.bytes.unwrap_or(USUAL_BACKLOG_BYTES),
    }))
}
