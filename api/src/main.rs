//! `zoetrope-api`: the HTTP process. `zoetrope-api openapi` prints the `OpenAPI` document instead of serving, and
//! `zoetrope-api --healthcheck` asks the one that serves here whether it lives.

use std::io::Write;

use anyhow::Context;
use tokio::net::TcpListener;
use zoetrope_shared::config::Settings;
use zoetrope_shared::probe;
use zoetrope_shared::shutdown::Shutdown;
use zoetrope_shared::telemetry;

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => run(),
        Some("openapi") => std::io::stdout()
            .write_all(zoetrope_api::openapi_json().as_bytes())
            .context("print the document"),
        Some("--healthcheck") => check_health(),
        Some(other) => {
            anyhow::bail!(
                "unknown argument {other:?}; there are `openapi` and `--healthcheck`, settings are environment variables"
            )
        }
    }
}

fn check_health() -> anyhow::Result<()> {
    let settings = Settings::load().context("read the settings")?;
    probe::ask(settings.host, settings.port)
}

#[tokio::main]
async fn run() -> anyhow::Result<()> {
    let settings = Settings::load().context("read the settings")?;
    let telemetry = telemetry::init(&settings, "zoetrope-api").context("start logs and traces")?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let shutdown = Shutdown::listen().context("listen for signals")?;
    let address = (settings.host, settings.port);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on HOST {} PORT {}", address.0, address.1))?;
    tracing::info!(address = %listener.local_addr().context("read the address")?, "api.listening");
    let served = zoetrope_api::serve(settings, listener, shutdown.token()).await;
    telemetry.close().await;
    served
}
