//! `GET /watch?stream=ID`: a page that shows a stream as it is. It holds nothing of any stream, and so is everybody's; its
//! script asks for an API key where one is needed.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::app::App;

const PAGE: &str = include_str!("../../assets/watch.html");
const SCRIPT: &str = include_str!("../../assets/watch.js");
const STYLE: &str = include_str!("../../assets/watch.css");
/// The page loads its own script and style and asks this server alone; pictures are drawn from what the script was sent.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page with its script and its style.
pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/watch", get(async || page()))
        .route(
            "/watch/watch.js",
            get(async || asset("text/javascript; charset=utf-8", SCRIPT)),
        )
        .route(
            "/watch/watch.css",
            get(async || asset("text/css; charset=utf-8", STYLE)),
        )
}

fn page() -> Response {
    let headers: [(HeaderName, &'static str); 2] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Html(PAGE)).into_response()
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // It changes with the program: asked for again each time, and small.
    let kept = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    ([kind, kept], text).into_response()
}
