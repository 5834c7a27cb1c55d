//! The spans that there are: a request, the creation of a task, an attempt at it; a call to a provider is in `call`. Names and attributes follow
//! OpenTelemetry's conventions for HTTP and messaging; nothing that a client wrote beyond ids gets in, so that no secret does.
//!
//! Without a collector none is made: each function is then one look at a static.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{FutureExt, Link, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;
use reqwest::header::HeaderMap;
use zoetrope_queue::TaskId;

const TRACEPARENT: &str = "traceparent";
/// `messaging.system` of our queue.
const SYSTEM: &str = "zoetrope";

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Makes spans count from now on; `false` if they do already.
pub(super) fn record_with(tracer: SdkTracer) -> bool {
    TRACER.set(tracer).is_ok()
}

/// A request as its span tells it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// One of a closed list.
    pub method: &'static str,
    /// Its `traceparent` is continued.
    pub headers: &'a HeaderMap,
    /// As the log has it.
    pub id: &'a str,
}

/// A task whose creation or attempt is told.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// Kind.
    pub kind: &'a str,
    /// Owner.
    pub tenant: &'a str,
}

/// A span while it lasts; it ends when dropped. Most often there is none, see the module.
#[derive(Debug, Default)]
pub struct Span(Option<Context>);

impl Span {
    /// A request begins. Its route is told by [`Span::answered`], because only the router knows it.
    pub fn of_request(request: Request<'_>) -> Self {
        let begin = |tracer: &SdkTracer| {
            let caller =
                TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(request.headers));
            let span = tracer
                .span_builder(request.method)
                .with_kind(SpanKind::Server)
                .with_attributes([
                    KeyValue::new("http.request.method", request.method),
                    KeyValue::new("url.scheme", "http"),
                    KeyValue::new("zoetrope.request.id", request.id.to_owned()),
                ]);
            start(tracer, span, &caller)
        };
        Self(TRACER.get().map(begin))
    }

    /// A task is about to be enqueued, as part of the request at hand if there is one.
    pub fn of_creation(work: Work<'_>) -> Self {
        let begin = |tracer: &SdkTracer| {
            let span = messaging(tracer, "create", work).with_kind(SpanKind::Producer);
            start(tracer, span, &Context::current())
        };
        Self(TRACER.get().map(begin))
    }

    /// An attempt begins. `traceparent` is what its task carries.
    pub fn of_attempt(work: Work<'_>, task: TaskId, number: u32, traceparent: Option<&str>) -> Self {
        let begin = |tracer: &SdkTracer| {
            let creation = remote(traceparent);
            let mut span = messaging(tracer, "process", work).with_kind(SpanKind::Consumer);
            let created = creation.span().span_context().clone();
            if created.is_valid() {
                span = span.with_links(vec![Link::with_context(created)]);
            }
            start(tracer, span, &creation)
        };
        let span = Self(TRACER.get().map(begin));
        span.about(task);
        span.set("zoetrope.task.attempt", i64::from(number));
        span
    }

    /// Whether it is recorded or only passed on, its trace: 32 hexadecimal digits. None without a collector.
    pub fn trace_id(&self) -> Option<String> {
        let context = self.0.as_ref()?;
        Some(context.span().span_context().trace_id().to_string())
    }

    /// What a task carries to its attempts: the `traceparent` of this span.
    pub fn traceparent(&self) -> Option<String> {
        let mut carrier = HashMap::new();
        TraceContextPropagator::new().inject_context(self.0.as_ref()?, &mut carrier);
        carrier.remove(TRACEPARENT)
    }

    /// Runs work as part of this span: what it creates becomes its child.
    pub async fn cover<F: Future>(&self, work: F) -> F::Output {
        match &self.0 {
            None => work.await,
            Some(context) => work.with_context(context.clone()).await,
        }
    }

    /// The task that it is about.
    pub fn about(&self, task: TaskId) {
        if self.0.is_some() {
            self.set("messaging.message.id", task.to_string());
        }
    }

    /// How it ended, by a word of a closed list.
    pub fn outcome(&self, outcome: &'static str) {
        self.set("zoetrope.outcome", outcome);
    }

    /// It failed, for a reason that has this code.
    pub fn failed(&self, code: impl Into<Cow<'static, str>>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new("error.type", code.into()));
            context.span().set_status(Status::error(""));
        }
    }

    /// The request was answered by this route, if by any.
    pub fn answered(&self, method: &'static str, route: Option<&str>, status: u16) {
        if let (Some(context), Some(route)) = (&self.0, route) {
            context.span().update_name(format!("{method} {route}"));
            self.set("http.route", route.to_owned());
        }
        self.set("http.response.status_code", i64::from(status));
        if status >= 500 {
            self.failed(status.to_string());
        }
    }

    pub(super) fn set(&self, name: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(name, value));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }
}

/// Who makes spans, if anybody does.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// A span of `span` and below `parent`.
pub(super) fn begun(tracer: &SdkTracer, span: SpanBuilder, parent: &Context) -> Span {
    Span(Some(start(tracer, span, parent)))
}

fn start(tracer: &SdkTracer, span: SpanBuilder, parent: &Context) -> Context {
    parent.with_span(tracer.build_with_context(span, parent))
}

fn messaging(tracer: &SdkTracer, operation: &'static str, work: Work<'_>) -> SpanBuilder {
    tracer
        .span_builder(format!("{operation} {}", work.kind))
        .with_attributes([
            KeyValue::new("messaging.system", SYSTEM),
            KeyValue::new("messaging.operation.name", operation),
            KeyValue::new("messaging.operation.type", operation),
            KeyValue::new("messaging.destination.name", work.kind.to_owned()),
            KeyValue::new("zoetrope.tenant", work.tenant.to_owned()),
        ])
}

/// The context that a `traceparent` names; an empty one for none or nonsense.
fn remote(traceparent: Option<&str>) -> Context {
    let carrier: HashMap<String, String> = traceparent
        .map(|text| (TRACEPARENT.to_owned(), text.to_owned()))
        .into_iter()
        .collect();
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}
