//! The exporter: a bounded queue of finished spans, a thread that sends them in batches, and the words about a collector
//! that does not take them. Nothing here makes a request or a task wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};
use tokio_util::sync::CancellationToken;

use super::collector::{Collector, REQUEST_TIMEOUT};
use super::span;
use crate::config::{TraceSampler, TraceSettings};
use crate::shutdown::ShutdownSteps;

/// Finished spans that wait to be sent; more are dropped.
const QUEUED_SPANS: usize = 8_192;
/// Spans in a request.
const BATCH_SPANS: usize = 512;
/// Longest wait of a finished span for others to travel with.
const BATCH_DELAY: Duration = Duration::from_secs(2);
/// How long the end of the process may wait for a collector.
const FLUSH: Duration = Duration::from_secs(3);
/// What the exporter's thread may take after that to notice that it is over.
const GIVING_UP: Duration = Duration::from_secs(3);

/// Why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The settings make no exporter.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// There is no HTTP client.
    #[error("make an HTTP client for traces: {0}")]
    Client(#[from] reqwest::Error),
    /// This process exports traces already.
    #[error("traces were already started")]
    AlreadyStarted,
}

/// The running exporter.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
    give_up: CancellationToken,
}

/// Starts it if there is a collector; from now on [`span::Span`]s are recorded.
pub(super) fn start(settings: &TraceSettings, service: &'static str) -> Result<Option<Traces>, TracesError> {
    let Some(endpoint) = &settings.endpoint else {
        return Ok(None);
    };
    let give_up = CancellationToken::new();
    let headers: HashMap<String, String> = settings
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.expose().to_owned()))
        .collect();
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(Collector::new(give_up.clone())?)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(REQUEST_TIMEOUT)
        .with_headers(headers)
        .build()?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUED_SPANS)
        .with_max_export_batch_size(BATCH_SPANS)
        .with_scheduled_delay(BATCH_DELAY);
    let processor = BatchSpanProcessor::builder(Telling::new(exporter)).with_batch_config(batches.build());
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler(settings))
        .with_resource(resource(settings, service))
        .with_span_processor(processor.build())
        .build();
    if !span::record_with(provider.tracer("zoetrope")) {
        return Err(TracesError::AlreadyStarted);
    }
    tracing::info!("telemetry.traces.on: traces go to OTEL_EXPORTER_OTLP_ENDPOINT");
    Ok(Some(Traces { provider, give_up }))
}

impl Traces {
    pub(super) async fn close(self) {
        let Self { provider, give_up } = self;
        let flush = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH + GIVING_UP));
        let in_time = async {
            tokio::pin!(flush);
            if tokio::time::timeout(FLUSH, &mut flush).await.is_err() {
                give_up.cancel();
                // Its thread uses this runtime, which must not go first.
                let _ = flush.await;
                return 1;
            }
            0
        };
        let mut steps = ShutdownSteps::new();
        steps
            .step("send the last spans", FLUSH + GIVING_UP + GIVING_UP, in_time)
            .await;
    }
}

fn sampler(settings: &TraceSettings) -> Sampler {
    let share = Sampler::TraceIdRatioBased(settings.sampler_share);
    match settings.sampler {
        TraceSampler::AlwaysOn => Sampler::AlwaysOn,
        TraceSampler::AlwaysOff => Sampler::AlwaysOff,
        TraceSampler::TraceIdRatio => share,
        TraceSampler::ParentBasedAlwaysOn => Sampler::ParentBased(Box::new(Sampler::AlwaysOn)),
        TraceSampler::ParentBasedAlwaysOff => Sampler::ParentBased(Box::new(Sampler::AlwaysOff)),
        TraceSampler::ParentBasedTraceIdRatio => Sampler::ParentBased(Box::new(share)),
    }
}

/// What is told of this process.
fn resource(settings: &TraceSettings, service: &'static str) -> Resource {
    let told = settings
        .resource_attributes
        .iter()
        .map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder()
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("process.pid", i64::from(std::process::id())),
        ])
        .with_attributes(told)
        .with_service_name(settings.service_name.clone().unwrap_or_else(|| service.to_owned()))
        .build()
}

/// An exporter that logs once when its collector stops taking spans, and once when it takes them again.
#[derive(Debug)]
struct Telling<E> {
    exporter: E,
    failing: AtomicBool,
}

impl<E> Telling<E> {
    fn new(exporter: E) -> Self {
        Self {
            exporter,
            failing: AtomicBool::new(false),
        }
    }
}

impl<E: SpanExporter> SpanExporter for Telling<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.exporter.export(batch).await;
        let was_failing = self.failing.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !was_failing => tracing::warn!(
                spans,
                %error,
                "telemetry.traces.dropped: the collector takes no spans, they are dropped until it does"
            ),
            Ok(()) if was_failing => tracing::info!("telemetry.traces.resumed: the collector takes spans again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
