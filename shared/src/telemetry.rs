//! Logs: to standard error, as text or JSON. What is logged is decided where it is handled.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

use crate::config::{LogFormat, Settings};

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `RUST_LOG` cannot be read.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// This process has logging already.
    #[error("logging was already started: {0}")]
    AlreadyStarted(#[from] TryInitError),
}

/// Starts logging, once in a process. `service` is the executable's name.
pub fn init(settings: &Settings, service: &'static str) -> Result<(), TelemetryError> {
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
    Ok(())
}
