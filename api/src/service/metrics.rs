//! What this process counts, for Prometheus. Every metric is declared here with its help text; labels hold only
//! words of closed lists, never ids, tenants or a client's text.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus::{
    Encoder, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::QueueStatus;

use crate::app::App;
use crate::condition::Condition;
use crate::live::buffered::LiveMetrics;
use crate::viewing::figures::ViewMetrics;

/// Answers come from a memory of microseconds, from Redis, or after a wait of up to a minute.
const DURATION_BUCKETS_SECONDS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0,
];

/// The counters of one api.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Requests answered, by method, route and status.
    pub(crate) requests: IntCounterVec,
    /// Time to the head of an answer, by method and route; waiting included.
    pub(crate) request_seconds: HistogramVec,
    /// Requests being answered.
    pub(crate) in_flight: IntGauge,
    /// Refused requests by problem code.
    pub(crate) refusals: IntCounterVec,
    /// Submits by kind and outcome.
    pub(crate) submits: IntCounterVec,
    /// Bytes stored from uploads and inline media.
    pub(crate) stored_bytes: IntCounter,
    /// Requests that wait for a task.
    pub(crate) long_polls: IntGauge,
    /// Event streams and web sockets.
    pub(crate) live: LiveMetrics,
    /// Viewers of streams.
    pub(crate) viewing: ViewMetrics,
    queue_tasks: GaugeVec,
    queue_oldest: GaugeVec,
    workers: IntGauge,
    redis_up: Gauge,
    condition: Condition,
}

impl Metrics {
    /// All at zero.
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let seconds = HistogramOpts::new(
            "zoetrope_http_request_seconds",
            "Time to the head of an answer, waiting included",
        )
        .buckets(DURATION_BUCKETS_SECONDS.to_vec());
        let metrics = Self {
            requests: counters(
                "zoetrope_http_requests_total",
                "Requests answered",
                &["method", "route", "status"],
            ),
            request_seconds: HistogramVec::new(seconds, &["method", "route"]).expect("the name should be valid"),
            in_flight: gauge("zoetrope_http_requests_in_flight", "Requests being answered"),
            refusals: counters(
                "zoetrope_http_refusals_total",
                "Refused requests by problem code",
                &["code"],
            ),
            submits: counters(
                "zoetrope_tasks_submitted_total",
                "Submitted tasks by kind and outcome: created, replayed, exists, conflict, refused",
                &["kind", "outcome"],
            ),
            stored_bytes: IntCounter::new(
                "zoetrope_artifact_bytes_stored_total",
                "Bytes stored from uploads and inline media",
            )
            .expect("the name should be valid"),
            long_polls: gauge("zoetrope_http_long_polls", "Requests that wait for a task"),
            queue_tasks: gauges("zoetrope_queue_tasks", "Tasks by kind and state", &["kind", "state"]),
            queue_oldest: gauges(
                "zoetrope_queue_oldest_seconds",
                "Age of the oldest queued task",
                &["kind"],
            ),
            workers: gauge("zoetrope_workers", "Workers seen lately"),
            redis_up: Gauge::new("zoetrope_redis_up", "1 if Redis answered the last question")
                .expect("the name should be valid"),
            live: LiveMetrics::new(&registry),
            viewing: ViewMetrics::new(&registry),
            condition: Condition::new(&registry),
            registry,
        };
        metrics.register();
        metrics
    }

    fn register(&self) {
        let all: [Box<dyn prometheus::core::Collector>; 11] = [
            Box::new(self.requests.clone()),
            Box::new(self.request_seconds.clone()),
            Box::new(self.in_flight.clone()),
            Box::new(self.refusals.clone()),
            Box::new(self.submits.clone()),
            Box::new(self.stored_bytes.clone()),
            Box::new(self.long_polls.clone()),
            Box::new(self.queue_tasks.clone()),
            Box::new(self.queue_oldest.clone()),
            Box::new(self.workers.clone()),
            Box::new(self.redis_up.clone()),
        ];
        for collector in all {
            self.registry
                .register(collector)
                .expect("every metric should be registered once");
        }
    }

    /// Takes over what the queue says about itself; `None` if it says nothing.
    fn observe_queue(&self, status: Option<&QueueStatus>) {
        self.queue_tasks.reset();
        self.queue_oldest.reset();
        self.redis_up.set(if status.is_some() { 1.0 } else { 0.0 });
        self.workers
            .set(status.map_or(0, |status| i64::try_from(status.workers.len()).unwrap_or(i64::MAX)));
        for kind in status.iter().flat_map(|status| &status.kinds) {
            let states = [
                ("queued", kind.queued),
                ("running", kind.running),
                ("scheduled", kind.scheduled),
                ("waiting", kind.waiting),
                ("dead", kind.dead),
            ];
            for (state, count) in states {
                self.queue_tasks
                    .with_label_values(&[kind.kind.as_str(), state])
                    .set(count as f64);
            }
            let oldest_ms = kind.oldest_age_ms.unwrap_or(0);
            self.queue_oldest
                .with_label_values(&[kind.kind.as_str()])
                .set(oldest_ms as f64 / 1_000.0);
        }
    }

    fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Metrics in Prometheus' text format
///
/// Answers while Redis is away too: `zoetrope_redis_up` is 0 then and the queue's own figures are absent.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "Prometheus text format 0.0.4", body = String, content_type = "text/plain")))]
async fn metrics(State(app): State<App>) -> Response {
    let (status, redis) = tokio::join!(app.queue_status(), app.redis_health());
    app.metrics.condition.observe(status.as_ref().ok(), redis.as_ref().ok());
    app.metrics.observe_queue(status.as_ref().ok());
    match app.metrics.text() {
        Ok(text) => (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
            text,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "api.metrics.unreadable: cannot write the metrics as text");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect("the name should be valid")
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    GaugeVec::new(Opts::new(name, help), labels).expect("the name should be valid")
}

fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::new(name, help).expect("the name should be valid")
}
