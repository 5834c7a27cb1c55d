//! Logs and traces of a process. Logs: to standard error, as text or JSON; what is logged is decided where it is
//! handled. Traces: to a collector, if one is configured; what they tell is in [`Span`].

mod call;
mod collector;
mod export;
mod span;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

use crate::config::{LogFormat, Settings};

pub use call::ProviderCall;
pub use export::TracesError;
pub use span::{Request, Span, Work};

/// Why telemetry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `RUST_LOG` cannot be read.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// This process has logging already.
    #[error("logging was already started: {0}")]
    AlreadyStarted(#[from] TryInitError),
    /// Traces cannot be exported as configured.
    #[error(transparent)]
    Traces(#[from] TracesError),
}

/// What has to be closed when the process ends.
#[derive(Debug)]
#[must_use = "the last spans are sent by `close`"]
pub struct Telemetry {
    traces: Option<export::Traces>,
}

/// Starts logging, and traces where a collector is configured; once in a process, within a Tokio runtime. `service` is
/// the executable's name.
pub fn init(settings: &Settings, service: &'static str) -> Result<Telemetry, TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt;
    let filter = EnvFilter::builder().parse(&settings.log_filter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).finish().try_init()?,
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    tracing::info!(
        service,
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        "{service} starts"
    );
    let traces = export::start(&settings.traces, service)?;
    Ok(Telemetry { traces })
}

impl Telemetry {
    /// The last step of a shutdown: sends the spans that are left, for a few seconds at most.
    pub async fn close(self) {
        if let Some(traces) = self.traces {
            traces.close().await;
        }
    }
}
