//! What every answer has in common: the request id, security headers, problem+json for whatever went wrong, a count
//! and a log line. It is the outermost layer; nothing reaches a client that has not passed here.

use std::any::Any;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tracing::Instrument;
use zoetrope_shared::telemetry::{self, Span};
use zoetrope_shared::wire::{Problem, ProblemCode};

use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::request_id::{self, RequestId};

/// Content type of every refusal.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Pages load nothing from elsewhere and are framed by nobody. `/docs` brings its own policy.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Marks an answer of a surface whose clients know another form of error: its body stays as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnForm;

/// Asked every few seconds by machines: spans of them would bury the others.
const UNTRACED: [&str; 4] = ["/livez", "/readyz", "/health", "/metrics"];

/// A path may have kilobytes; this much of it is repeated.
const MAX_INSTANCE_CHARS: usize = 256;

/// Completes an answer.
pub(crate) async fn complete(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let (span, log) = traced(&request, &id);
    app.metrics.in_flight.inc();
    let answering = Answering(&app);
    let mut response = span.cover(next.run(request)).instrument(log.clone()).await;
    drop(answering);

    let matched = response.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("none", MatchedPath::as_str).to_owned();
    if let Some(refusal) = refusal_in(&mut response) {
        app.metrics
            .refusals
            .with_label_values(&[refusal.problem.code.as_str()])
            .inc();
        response = render(response, refusal, &path, &id);
    }
    add_headers(&mut response, &id);
    let status = response.status().as_u16();
    span.answered(known_method(&method), matched.as_ref().map(MatchedPath::as_str), status);
    let seconds = began.elapsed().as_secs_f64();
    app.metrics
        .requests
        .with_label_values(&[known_method(&method), &route, response.status().as_str()])
        .inc();
    app.metrics
        .request_seconds
        .with_label_values(&[known_method(&method), &route])
        .observe(seconds);
    log.in_scope(|| tracing::debug!(%method, route, status, request_id = id.0, seconds, "api.request.answered"));
    response
}

/// The request's span, and what its log lines say of it. Both are nothing where there are no traces.
fn traced(request: &Request, id: &RequestId) -> (Span, tracing::Span) {
    if UNTRACED.contains(&request.uri().path()) {
        return (Span::default(), tracing::Span::none());
    }
    let span = Span::of_request(telemetry::Request {
        method: known_method(request.method()),
        headers: request.headers(),
        id: &id.0,
    });
    let log = span.trace_id().map_or_else(tracing::Span::none, |trace_id| {
        tracing::info_span!("request", trace_id, request_id = id.0)
    });
    (span, log)
}

/// Puts the matched route where [`complete`] finds it: the router knows it, the layer around the router does not.
pub(crate) async fn tell_route(route: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// The answer to a request whose handler panicked.
#[expect(clippy::needless_pass_by_value, reason = "the layer gives the panic away")]
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    Refusal::internal("finish a request: its handler panicked", &text.unwrap_or("no message")).into_response()
}

/// Counts a request as open until it is answered or its client is gone.
struct Answering<'a>(&'a App);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.metrics.in_flight.dec();
    }
}

/// The refusal that an answer carries, or the one that stands for an error of the framework.
fn refusal_in(response: &mut Response) -> Option<Refusal> {
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        return Some(refusal);
    }
    let status = response.status();
    let is_own = response.extensions().get::<OwnForm>().is_some();
    if is_own || (!status.is_client_error() && !status.is_server_error()) {
        return None;
    }
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => (ProblemCode::NotFound, "no such route: see /docs"),
        StatusCode::METHOD_NOT_ALLOWED => (
            ProblemCode::NotFound,
            "this route does not take this method: see the Allow header",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (ProblemCode::BodyTooLarge, "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (ProblemCode::UnsupportedMediaType, "the body's type is not taken here"),
        status if status.is_client_error() => (ProblemCode::InvalidInput, "the request is not understood"),
        _ => (
            ProblemCode::Internal,
            "something went wrong here; the request id leads to the cause in the log",
        ),
    };
    let title = status.canonical_reason().unwrap_or("Error");
    Some(Refusal::new(code, detail).with_status(status, title, status.is_server_error()))
}

fn render(response: Response, refusal: Refusal, path: &str, id: &RequestId) -> Response {
    let instance = Some(path.chars().take(MAX_INSTANCE_CHARS).collect());
    let problem = Problem {
        instance,
        request_id: Some(id.0.clone()),
        ..*refusal.problem
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    let body = serde_json::to_vec(&problem).expect("a problem should be JSON");
    Response::from_parts(parts, Body::from(body))
}

fn add_headers(response: &mut Response, id: &RequestId) {
    let headers = response.headers_mut();
    headers.insert(request_id::HEADER, id.header());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers
        .entry("cross-origin-resource-policy")
        .or_insert(HeaderValue::from_static("same-origin"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// Labels are a closed list; a client may invent methods.
fn known_method(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
