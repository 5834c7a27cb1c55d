//! `GET /api/v1/artifacts/{id}`: stored bytes, whole or one range, always as a download.

use std::ops::Range;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::artifacts::{ArtifactInfo, plain_filename};
use zoetrope_shared::wire::Problem;

use crate::app::App;
use crate::http::etag;
use crate::http::filename;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::http::range::{self, Wanted};
use crate::tenant::Caller;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_artifact))
}

/// Download an artifact
///
/// HEAD answers the same without the bytes. One `Range` of bytes is served; several are answered with everything.
#[utoipa::path(get, path = "/api/v1/artifacts/{id}", tag = "artifacts",
    params(
        ("id" = String, Path, description = "The artifact"),
        ("Range" = Option<String>, Header, description = "Such as `bytes=0-1023`"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of an earlier answer"),
    ),
    responses(
        (status = 200, description = "All bytes, of the artifact's own type", content_type = "*/*", body = Vec<u8>),
        (status = 206, description = "The bytes of the range", content_type = "*/*", body = Vec<u8>),
        (status = 304, description = "It is the one you have"),
        (status = 404, description = "No such artifact, or it has expired", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "The range begins behind the end", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_artifact(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    Query::of(&uri, &[])?;
    let not_found = || Refusal::not_found("artifact");
    let info = app.artifacts.info(&tenant, &id).await?.ok_or_else(not_found)?;
    let tag = format!("\"{}\"", info.sha256);
    if headers.contains_key(header::IF_NONE_MATCH) && etag::matches(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, describe(&info, &tag)).into_response());
    }
    // A range of another version would not fit what the client has.
    let same_version = headers
        .get(header::IF_RANGE)
        .is_none_or(|wanted| wanted.as_bytes() == tag.as_bytes());
    let asked = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .filter(|_| same_version);
    let (status, part) = match range::wanted(asked, info.size) {
        Wanted::All => (StatusCode::OK, 0..info.size),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Unsatisfiable => return Ok(unsatisfiable(info.size)),
    };
    let bytes = app
        .artifacts
        .read_range(&tenant, &id, part.clone())
        .await?
        .ok_or_else(not_found)?;
    let mut response = (status, describe(&info, &tag), Body::from_stream(bytes)).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    if status == StatusCode::PARTIAL_CONTENT {
        insert(
            response.headers_mut(),
            header::CONTENT_RANGE,
            &content_range(&part, info.size),
        );
    }
    Ok(response)
}

fn describe(info: &ArtifactInfo, tag: &str) -> HeaderMap {
    let name = info
        .filename
        .as_deref()
        .and_then(plain_filename)
        .unwrap_or_else(|| info.artifact.clone());
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Bytes never change under an id, and belong to one tenant.
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=3600, immutable"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    insert(&mut headers, header::CONTENT_TYPE, &info.content_type);
    insert(&mut headers, header::CONTENT_DISPOSITION, &filename::attachment(&name));
    insert(&mut headers, header::ETAG, tag);
    headers
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end - 1)
}

fn unsatisfiable(size: u64) -> Response {
    let refusal = Refusal::bad_request(format!("the range begins behind the artifact's {size} bytes"));
    let refusal = refusal.with_status(StatusCode::RANGE_NOT_SATISFIABLE, "Range not satisfiable", false);
    let mut response = refusal.into_response();
    insert(
        response.headers_mut(),
        header::CONTENT_RANGE,
        &format!("bytes */{size}"),
    );
    response
}
