//! `zoetrope-worker`: settings, logs, signals, and the worker. `zoetrope-worker --healthcheck` asks the one that works
//! here whether it lives.

use std::process::ExitCode;

use anyhow::Context;
use zoetrope_shared::config::Settings;
use zoetrope_shared::probe;
use zoetrope_shared::shutdown::Shutdown;
use zoetrope_shared::telemetry;

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        None => work(),
        Some("--healthcheck") => check_health(),
        Some(other) => Err(anyhow::anyhow!(
            "unknown argument {other:?}; there is `--healthcheck`, settings are environment variables"
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            // Logging may be what failed.
            let _ = writeln!(std::io::stderr(), "zoetrope-worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check_health() -> anyhow::Result<()> {
    let settings = Settings::load().context("read the settings")?;
    probe::ask(settings.host, settings.worker_port)
}

#[tokio::main]
async fn work() -> anyhow::Result<()> {
    let settings = Settings::load().context("read the settings")?;
    let telemetry = telemetry::init(&settings, "zoetrope-worker").context("start logs and traces")?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let shutdown = Shutdown::listen().context("listen for signals")?;
    let ran = zoetrope_worker::process::run(settings, shutdown.token()).await;
    telemetry.close().await;
    let report = ran?;
    let left = report.released + report.abandoned;
    tracing::info!(
        finished = report.finished,
        left,
        "worker stopped: {} finished, {left} left",
        report.finished
    );
    Ok(())
}
