//! The span of a call to a provider, by OpenTelemetry's conventions for generative AI. What was asked and answered is not
//! in it, only how much.

use opentelemetry::trace::{SpanKind, Tracer};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};

use super::span::{self, Span};
use crate::usage::Usage;

/// A call as its span tells it.
#[derive(Debug, Clone, Copy)]
pub struct ProviderCall<'a> {
    /// What is asked for: `text`, `vision`, `speech`, `transcription`, `detection`.
    pub capability: &'a str,
    /// The provider, as in results.
    pub provider: &'a str,
    /// The model that is asked.
    pub model: &'a str,
    /// Host and port of the server.
    pub server: (&'a str, u16),
    /// Most tokens of the answer.
    pub max_tokens: Option<u64>,
    /// Randomness.
    pub temperature: Option<f64>,
    /// Whether the answer comes in pieces.
    pub streams: bool,
}

impl Span {
    /// A call begins, as part of the attempt at hand.
    pub fn of_call(call: ProviderCall<'_>) -> Self {
        let Some(tracer) = span::tracer() else {
            return Self::default();
        };
        let (operation, output) = operation_of(call.capability, call.provider);
        let builder = tracer
            .span_builder(format!("{operation} {}", call.model))
            .with_kind(SpanKind::Client)
            .with_attributes([
                KeyValue::new("gen_ai.operation.name", operation),
                KeyValue::new("gen_ai.provider.name", provider_name(call.provider).to_owned()),
                KeyValue::new("gen_ai.request.model", call.model.to_owned()),
                KeyValue::new("gen_ai.output.type", output),
                KeyValue::new("server.address", call.server.0.to_owned()),
                KeyValue::new("server.port", i64::from(call.server.1)),
            ]);
        let span = span::begun(tracer, builder, &Context::current());
        span.count("gen_ai.request.max_tokens", call.max_tokens);
        if let Some(temperature) = call.temperature {
            span.set("gen_ai.request.temperature", temperature);
        }
        if call.streams {
            span.set("gen_ai.request.stream", true);
        }
        span
    }

    /// The call was answered, by this model and for this reason not longer.
    pub fn told(&self, model: &str, finish: Option<&'static str>, usage: &Usage) {
        self.set("gen_ai.response.model", model.to_owned());
        if let Some(finish) = finish {
            let reasons = Array::String(vec![StringValue::from(finish)]);
            self.set("gen_ai.response.finish_reasons", Value::Array(reasons));
        }
        self.count("gen_ai.usage.input_tokens", usage.input_tokens);
        self.count("gen_ai.usage.output_tokens", usage.output_tokens);
    }

    fn count(&self, name: &'static str, count: Option<u64>) {
        if let Some(count) = count.and_then(|count| i64::try_from(count).ok()) {
            self.set(name, count);
        }
    }
}

/// The conventions' word for a capability, or one of ours where they have none; and what comes out.
fn operation_of(capability: &str, provider: &str) -> (&'static str, &'static str) {
    match (capability, provider) {
        ("speech", _) => ("speech", "speech"),
        ("transcription", _) => ("transcription", "text"),
        ("detection", _) => ("detection", "json"),
        (_, "gemini") => ("generate_content", "text"),
        _ => ("chat", "text"),
    }
}

/// The conventions' name of a provider.
fn provider_name(provider: &str) -> &str {
    match provider {
        "gemini" => "gcp.gemini",
        other => other,
    }
}
