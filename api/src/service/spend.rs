//! `/api/v1/tenants/{tenant}/spend`: what a tenant's calls to providers have cost in a period, and may cost.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::ledger::{Cap, MAX_CAP_USD, Period};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{Problem, SpendView};

use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::{Mistake, Mistakes, Refusal};
use crate::http::query::Query;
use crate::service::rules::{known_tenant, operator, visible_tenant};
use crate::submit::request;

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show_spend, cap_spend))
}

/// A tenant's spend cap; both fields are replaced.
#[derive(ToSchema)]
#[schema(as = SpendCap)]
#[expect(dead_code, reason = "the document's description of what `cap` reads")]
struct CapFields {
    /// US dollars that its calls may cost in a period; 0 stops every call that has a price, absent or null is as usual.
    #[schema(minimum = 0, maximum = 1_000_000, example = 25.0)]
    cap_usd: Option<f64>,
    /// `day` or `month` (default), by the calendar in UTC.
    #[schema(example = "month")]
    period: Option<String>,
}

/// Show what a tenant's calls to providers cost
///
/// In the period of its cap, or in this month. A tenant's own, or any for an admin of the tenant `default`.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/spend", tag = "operations",
    params(("tenant" = String, Path, description = "The tenant")),
    responses(
        (status = 200, description = "How it stands", body = SpendView),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn show_spend(
    State(app): State<App>,
    identity: Identity,
    Path(tenant): Path<String>,
    uri: Uri,
) -> Result<Json<SpendView>, Refusal> {
    Query::of(&uri, &[])?;
    let tenant = visible_tenant(&identity, &tenant)?;
    stand(&app, &tenant).await
}

/// Cap what a tenant's calls to providers cost
///
/// From the next call on. At the cap tasks that would call a provider fail with `spend_cap_reached`.
#[utoipa::path(put, path = "/api/v1/tenants/{tenant}/spend", tag = "operations", request_body = CapFields,
    params(("tenant" = String, Path, description = "The tenant")),
    responses(
        (status = 200, description = "How it stands, under the new cap", body = SpendView),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn cap_spend(
    State(app): State<App>,
    identity: Identity,
    Path(tenant): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<SpendView>, Refusal> {
    Query::of(&uri, &[])?;
    operator(&identity)?;
    let tenant = known_tenant(&tenant)?;
    let cap = cap(request::read_fields(&app, &headers, body).await?)?;
    app.ledger.set_cap(&tenant, cap).await?;
    tracing::info!(%tenant, ?cap, key_id = identity.key, "api.spend.cap");
    stand(&app, &tenant).await
}

async fn stand(app: &App, tenant: &Tenant) -> Result<Json<SpendView>, Refusal> {
    let (today, spend) = (app.ledger.today(), app.ledger.spend(tenant).await?);
    Ok(Json(SpendView::of(tenant, &spend, today)))
}

fn cap(mut fields: Map<String, Value>) -> Result<Option<Cap>, Refusal> {
    let mut mistakes = Mistakes::at("");
    let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_null());
    let (usd, period) = (take("cap_usd"), take("period"));
    for name in fields.keys() {
        mistakes.unknown(name, "a cap has the fields cap_usd and period");
    }
    let usd = usd.map(|value| {
        let fits = value.as_f64().filter(|usd| (0.0..=MAX_CAP_USD).contains(usd));
        fits.unwrap_or_else(|| {
            let detail = format!("use a number from 0 to {MAX_CAP_USD}");
            mistakes.push(Mistake::invalid("/cap_usd", detail));
            0.0
        })
    });
    let period = period.map_or(Period::Month, |value| {
        let known = value.as_str().and_then(Period::of_word);
        known.unwrap_or_else(|| {
            mistakes.push(Mistake::invalid("/period", "use day or month"));
            Period::Month
        })
    });
    mistakes.into_result()?;
    Ok(usd.map(|usd| Cap::of_usd(usd, period)))
}
