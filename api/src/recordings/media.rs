//! `GET /api/v1/streams/{id}/segments/{name}` and `/init/{name}`: what playlists name.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::recordings::{InitName, SegmentName};
use zoetrope_shared::wire::Problem;

use super::grant::{self, Allowed};
use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::http::range::{self, Wanted};
use crate::tenant::Caller;

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_segment))
        .routes(routes!(get_init))
}

/// A segment of a recording
///
/// Fragmented MP4, which is played behind its init segment. One `Range` of bytes is served; several are answered with everything.
#[utoipa::path(get, path = "/api/v1/streams/{id}/segments/{name}", tag = "streams",
    params(
        ("id" = String, Path, description = "The stream"),
        ("name" = String, Path, description = "As a playlist names it"),
        ("grant" = Option<String>, Query, description = "Of a signed URL, instead of a key"),
        ("Range" = Option<String>, Header, description = "Such as `bytes=0-1023`"),
    ),
    responses(
        (status = 200, description = "All bytes", content_type = "video/mp4", body = Vec<u8>),
        (status = 206, description = "The bytes of the range", content_type = "video/mp4", body = Vec<u8>),
        (status = 404, description = "No such segment", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "The range begins behind the end", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_segment(
    State(app): State<App>,
    Caller(tenant): Caller,
    allowed: Allowed,
    Path((id, name)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    Query::of(&uri, &[grant::PARAMETER])?;
    let missing = || Refusal::not_found("segment");
    let name = SegmentName::parse(&name)
        .filter(|_| is_stream_id(&id))
        .ok_or_else(missing)?;
    allowed.covers(name.0.start_ms, name.0.end_ms())?;
    let size = u64::from(name.0.bytes);
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, part) = match range::wanted(asked, size) {
        Wanted::All => (StatusCode::OK, 0..size),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Unsatisfiable => {
            let refusal = Refusal::bad_request(format!("the range begins behind the segment's {size} bytes"));
            return Err(refusal.with_status(StatusCode::RANGE_NOT_SATISFIABLE, "Range not satisfiable", false));
        }
    };
    let bytes = app.recordings.read_range(&tenant, &id, name, part.clone()).await?;
    let mut response = (status, Body::from_stream(bytes.ok_or_else(missing)?)).into_response();
    let headers = response.headers_mut();
    describe(&allowed, headers);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let place = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        headers.extend(
            HeaderValue::try_from(place)
                .ok()
                .map(|place| (header::CONTENT_RANGE, place)),
        );
    }
    Ok(response)
}

/// An init segment of a recording
///
/// What a player has to know before the segments that name it.
#[utoipa::path(get, path = "/api/v1/streams/{id}/init/{name}", tag = "streams",
    params(
        ("id" = String, Path, description = "The stream"),
        ("name" = String, Path, description = "As a playlist names it"),
        ("grant" = Option<String>, Query, description = "Of a signed URL, instead of a key"),
    ),
    responses(
        (status = 200, description = "All bytes", content_type = "video/mp4", body = Vec<u8>),
        (status = 404, description = "No such init segment", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_init(
    State(app): State<App>,
    Caller(tenant): Caller,
    allowed: Allowed,
    Path((id, name)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Refusal> {
    Query::of(&uri, &[grant::PARAMETER])?;
    let missing = || Refusal::not_found("init segment");
    let name = InitName::parse(&name)
        .filter(|_| is_stream_id(&id))
        .ok_or_else(missing)?;
    let bytes = app.recordings.init(&tenant, &id, name).await?.ok_or_else(missing)?;
    let mut response = Body::from(bytes).into_response();
    describe(&allowed, response.headers_mut());
    Ok(response)
}

/// Signed URLs may be played by any page: whoever has one may read what it leads to, and nothing else comes along.
pub(crate) fn open_to_all(allowed: &Allowed, headers: &mut HeaderMap) {
    if allowed.0.is_some() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    }
}

/// Whether a text is the id of a stream: it becomes a folder's name.
pub(crate) fn is_stream_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=zoetrope_queue::MAX_JOURNAL_NAME).contains(&text.len()) && text.bytes().all(plain)
}

fn describe(allowed: &Allowed, headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Bytes never change under a name, and belong to one tenant.
    let kept = HeaderValue::from_static("private, max-age=3600, immutable");
    headers.insert(header::CACHE_CONTROL, kept);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    open_to_all(allowed, headers);
}
