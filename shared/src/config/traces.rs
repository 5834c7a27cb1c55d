//! Where traces go: the standard settings of OpenTelemetry, as far as they mean something here.

use super::error::ConfigError;
use super::reader::Reader;
use super::secret::Secret;
use super::value;

/// What is exported, and where to.
#[derive(Debug, Clone)]
pub struct TraceSettings {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: a collector that takes OTLP over HTTP at `/v1/traces` below. Default: none, no traces.
    pub endpoint: Option<String>,
    /// `OTEL_EXPORTER_OTLP_HEADERS`: sent along, `name=value` between commas, values percent-encoded. Default: none.
    pub headers: Vec<(String, Secret)>,
    /// `OTEL_SERVICE_NAME`: what traces call this process. Default: the executable's name.
    pub service_name: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES`: told of this process, `name=value` between commas. Default: none.
    pub resource_attributes: Vec<(String, String)>,
    /// `OTEL_TRACES_SAMPLER`: which traces are recorded. Default `parentbased_always_on`.
    pub sampler: TraceSampler,
    /// `OTEL_TRACES_SAMPLER_ARG`: the share of traces that samplers with `traceidratio` in their names record. Default 1.
    pub sampler_share: f64,
}

/// Which traces are recorded, by the names of OpenTelemetry. `parentbased`: as the caller says, and by the rest of the
/// name where nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are OpenTelemetry's")]
pub enum TraceSampler {
    AlwaysOn,
    AlwaysOff,
    TraceIdRatio,
    ParentBasedAlwaysOn,
    ParentBasedAlwaysOff,
    ParentBasedTraceIdRatio,
}

const SAMPLERS: [(&str, TraceSampler); 6] = [
    ("always_on", TraceSampler::AlwaysOn),
    ("always_off", TraceSampler::AlwaysOff),
    ("traceidratio", TraceSampler::TraceIdRatio),
    ("parentbased_always_on", TraceSampler::ParentBasedAlwaysOn),
    ("parentbased_always_off", TraceSampler::ParentBasedAlwaysOff),
    ("parentbased_traceidratio", TraceSampler::ParentBasedTraceIdRatio),
];

impl TraceSampler {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        SAMPLERS
            .iter()
            .find(|(_, sampler)| *sampler == self)
            .map_or("", |(word, _)| word)
    }
}

pub(super) fn read(from: &Reader<'_>) -> Result<TraceSettings, ConfigError> {
    let headers = from.or("OTEL_EXPORTER_OTLP_HEADERS", Vec::new(), value::headers)?;
    Ok(TraceSettings {
        endpoint: from.optional("OTEL_EXPORTER_OTLP_ENDPOINT", value::url(&["http", "https"]))?,
        headers: headers
            .into_iter()
            .map(|(name, value)| (name, Secret::new(value)))
            .collect(),
        service_name: from.optional("OTEL_SERVICE_NAME", value::text)?,
        resource_attributes: from.or("OTEL_RESOURCE_ATTRIBUTES", Vec::new(), value::pairs)?,
        sampler: from.or(
            "OTEL_TRACES_SAMPLER",
            TraceSampler::ParentBasedAlwaysOn,
            value::word(&SAMPLERS),
        )?,
        sampler_share: from.or("OTEL_TRACES_SAMPLER_ARG", 1.0, value::number(0.0..=1.0))?,
    })
}
