//! A collector of traces of the test's own: takes OTLP over HTTP and decodes it, or takes connections and never answers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running collector.
#[derive(Debug)]
pub struct Collector {
    endpoint: String,
    seen: watch::Receiver<Seen>,
    _server: JoinSet<()>,
}

/// What arrived.
#[derive(Debug, Default, Clone)]
struct Seen {
    spans: Vec<SeenSpan>,
    bytes: Vec<u8>,
    requests: Vec<HeaderMap>,
}

/// A span as it arrived; ids in hexadecimal digits.
#[derive(Debug, Clone)]
pub struct SeenSpan {
    /// `service.name` of its process.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Its trace.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// Its parent's id, empty if it has none.
    pub parent: String,
    /// `SPAN_KIND_...`
    pub kind: &'static str,
    /// Whether its status is an error.
    pub failed: bool,
    /// Spans that it links to.
    pub links: Vec<String>,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
}

impl Collector {
    /// Starts one that takes spans.
    pub async fn start() -> Self {
        let (listener, endpoint) = listen().await;
        let (tell, seen) = watch::channel(Seen::default());
        let routes = Router::new().route("/v1/traces", post(take)).with_state(tell);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("the collector should serve") });
        Self {
            endpoint,
            seen,
            _server: server,
        }
    }

    /// Starts one that takes connections and says nothing, ever.
    pub async fn start_hanging() -> Self {
        let (listener, endpoint) = listen().await;
        let (tell, seen) = watch::channel(Seen::default());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut held = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                held.push(connection);
                tell.send_modify(|seen| seen.requests.push(HeaderMap::new()));
            }
        });
        Self {
            endpoint,
            seen,
            _server: server,
        }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Waits until somebody has called.
    pub async fn until_called(&mut self) {
        let called = timeout(PATIENCE, self.seen.wait_for(|seen| !seen.requests.is_empty())).await;
        drop(
            called
                .expect("somebody should call in time")
                .expect("the collector should run on"),
        );
    }

    /// Every span so far.
    pub fn spans(&self) -> Vec<SeenSpan> {
        self.seen.borrow().spans.clone()
    }

    /// Whether a text is anywhere in what arrived.
    pub fn saw(&self, text: &str) -> bool {
        let seen = self.seen.borrow();
        seen.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// The values of a header, one a request.
    pub fn headers(&self, name: &str) -> Vec<String> {
        let seen = self.seen.borrow();
        let values = seen.requests.iter().filter_map(|headers| headers.get(name));
        values
            .map(|value| value.to_str().expect("the header should be text").to_owned())
            .collect()
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("some port should be free");
    let address = listener.local_addr().expect("a bound listener should know its address");
    (listener, format!("http://{address}"))
}

async fn take(State(tell): State<watch::Sender<Seen>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body.clone()) else {
        return StatusCode::BAD_REQUEST;
    };
    tell.send_modify(|seen| {
        seen.bytes.extend_from_slice(&body);
        seen.requests.push(headers);
        for process in request.resource_spans {
            let told = attributes(&process.resource.unwrap_or_default().attributes);
            let service = told.get("service.name").cloned().unwrap_or_default();
            let spans = process.scope_spans.into_iter().flat_map(|scope| scope.spans);
            seen.spans.extend(spans.map(|span| read(&service, &span)));
        }
    });
    StatusCode::OK
}

fn read(service: &str, span: &Span) -> SeenSpan {
    SeenSpan {
        service: service.to_owned(),
        name: span.name.clone(),
        trace: digits(&span.trace_id),
        id: digits(&span.span_id),
        parent: digits(&span.parent_span_id),
        kind: span.kind().as_str_name(),
        failed: span.status.as_ref().is_some_and(|status| status.code == 2),
        links: span.links.iter().map(|link| digits(&link.span_id)).collect(),
        attributes: attributes(&span.attributes),
    }
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(&pair.value))).collect()
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
