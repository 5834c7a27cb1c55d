//! `GET /api/v1/streams/{id}/player`: a page that plays a recording, with hls.js where the browser plays no HLS by itself.
//! What it plays is told by its own parameters.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::wire::Problem;

use super::range::{self, Range};
use crate::app::App;
use crate::http::problem::Refusal;
use crate::limits::PLAYED_RECORDING;
use crate::tenant::Caller;

const PAGE: &str = include_str!("../../assets/player.html");
const SCRIPT: &str = include_str!("../../assets/player.js");
/// hls.js 1.7.4, Apache-2.0: see NOTICE.
const HLS: &str = include_str!("../../assets/hls.light.min.js");
/// The page loads our scripts and asks this server; hls.js plays what it has put together itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; \
                      media-src 'self' blob:; frame-ancestors 'none'";

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_player))
}

/// The page's scripts, which are the same for everybody.
pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/player/hls.js", get(async || script(HLS)))
        .route("/player/player.js", get(async || script(SCRIPT)))
}

/// A page that plays a recording
///
/// The part from `start` to `end`, or what is going on now without them.
#[utoipa::path(get, path = "/api/v1/streams/{id}/player", tag = "streams",
    params(
        ("id" = String, Path, description = "The stream"),
        ("start" = Option<f64>, Query, description = "Unix seconds; left out: what is going on now"),
        ("end" = Option<f64>, Query, description = "Unix seconds, at most 24 h after `start`; left out: now"),
        ("grant" = Option<String>, Query, description = "Of a signed URL, instead of a key"),
    ),
    responses(
        (status = 200, description = "The page", content_type = "text/html", body = String),
        (status = 404, description = "No such recording", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_player(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    Range::asked(&uri, app.clock.now_ms(), PLAYED_RECORDING)?;
    range::known(&app, &tenant, &id).await?;
    let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(([policy], Html(PAGE)).into_response())
}

fn script(text: &'static str) -> Response {
    let kind = (
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/javascript; charset=utf-8"),
    );
    let kept = (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    ([kind, kept], text).into_response()
}
