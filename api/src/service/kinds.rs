//! `GET /api/v1/kinds`: the registry, with JSON Schemas and examples.

use axum::Json;
use axum::extract::Path;
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::tasks::KINDS;
use zoetrope_shared::wire::{KindView, Problem};

use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::submit::request::find_kind;

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_kinds))
        .routes(routes!(get_kind))
}

/// Every kind.
#[derive(Serialize, ToSchema)]
struct KindList {
    /// In the order of the documentation.
    items: Vec<KindView>,
}

/// List the kinds of tasks
#[utoipa::path(get, path = "/api/v1/kinds", tag = "kinds", responses((status = 200, description = "Every kind", body = KindList)))]
async fn list_kinds(uri: Uri) -> Result<Json<KindList>, Refusal> {
    Query::of(&uri, &[])?;
    let items = KINDS.iter().map(KindView::from).collect();
    Ok(Json(KindList { items }))
}

/// Read one kind
#[utoipa::path(get, path = "/api/v1/kinds/{kind}", tag = "kinds",
    params(("kind" = String, Path, description = "Its name, in either spelling")),
    responses(
        (status = 200, description = "The kind with its JSON Schemas and an example", body = KindView),
        (status = 404, description = "No such kind", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_kind(Path(kind): Path<String>, uri: Uri) -> Result<Json<KindView>, Refusal> {
    Query::of(&uri, &[])?;
    Ok(Json(KindView::from(find_kind(&kind)?)))
}
