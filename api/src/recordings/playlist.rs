//! `GET /api/v1/streams/{id}/playlist.m3u8`: HLS of any part of a recording at once, and of what is going on now.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::Problem;

use super::grant::{Allowed, Grant};
use super::range::{self, Range};
use super::{hls, media};
use crate::app::App;
use crate::http::problem::Refusal;
use crate::limits::{GRANT_TTL, LIVE_PLAYLIST, PLAYED_RECORDING};
use crate::tenant::Caller;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_playlist))
}

/// HLS of a recording
///
/// With `start`, of that part: it begins with the key frame at or before `start`, and plays at once, however much was recorded
/// since. Without, of what is going on now. Parts that do not continue each other are marked as discontinuities.
#[utoipa::path(get, path = "/api/v1/streams/{id}/playlist.m3u8", tag = "streams",
    params(
        ("id" = String, Path, description = "The stream"),
        ("start" = Option<f64>, Query, description = "Unix seconds; left out: what is going on now"),
        ("end" = Option<f64>, Query, description = "Unix seconds, at most 24 h after `start`; left out: now"),
        ("grant" = Option<String>, Query, description = "Of a signed URL, instead of a key"),
    ),
    responses(
        (status = 200, description = "The playlist", content_type = "application/vnd.apple.mpegurl", body = String),
        (status = 404, description = "No such recording, or nothing is recorded in that time", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_playlist(
    State(app): State<App>,
    Caller(tenant): Caller,
    allowed: Allowed,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let now_ms = app.clock.now_ms();
    let asked = Range::asked(&uri, now_ms, PLAYED_RECORDING)?;
    let range = allowed.within(asked.unwrap_or(Range {
        start_ms: now_ms.saturating_sub(LIVE_PLAYLIST.as_millis() as u64),
        end_ms: now_ms,
    }));
    allowed.covers(range.start_ms, range.end_ms)?;
    let timeline = range::timeline(&app, &tenant, &id, range).await?;
    let timeline = timeline.between(range.start_ms, range.end_ms);
    if timeline.stretches.is_empty() {
        return Err(Refusal::not_found("recording in that time"));
    }
    let query = media_query(&app, &tenant, &allowed, &id, asked.map(|_| range), now_ms);
    let text = match asked {
        Some(_) => hls::finished(&timeline, &query),
        None => hls::live(&timeline, &query),
    };
    let mut response = (
        [
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/vnd.apple.mpegurl"),
            ),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ],
        text,
    )
        .into_response();
    media::open_to_all(&allowed, response.headers_mut());
    Ok(response)
}

/// What follows the URLs of segments: the grant that the playlist was asked for with, or else one for what it names.
fn media_query(
    app: &App,
    tenant: &Tenant,
    allowed: &Allowed,
    stream: &str,
    part: Option<Range>,
    now_ms: u64,
) -> String {
    let Some(key) = &app.grant_key else {
        return String::new();
    };
    let ttl_ms = GRANT_TTL.as_millis() as u64;
    let live = Range {
        start_ms: now_ms.saturating_sub(ttl_ms),
        end_ms: now_ms + ttl_ms,
    };
    let grant = allowed.0.clone().unwrap_or_else(|| Grant {
        tenant: tenant.clone(),
        range: part.unwrap_or(live),
        expires_ms: now_ms + ttl_ms,
    });
    key.query(&grant, stream)
}
