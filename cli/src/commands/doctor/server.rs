//! The server that the command talks to: whether it runs, takes the key, and has workers.

use std::net::TcpListener;

use zoetrope_shared::config::Settings;
use zoetrope_shared::wire::{HealthCheck, HealthStatus};

use super::{Finding, failure, ok, warning};
use crate::client::Client;
use crate::exit::Exit;

/// The check that only the server can make; the others are made here too.
const WORKERS: &str = "workers";

/// A server that runs, or a port that is free for one.
pub(super) async fn checks(client: &Client, settings: &Settings) -> Vec<Finding> {
    const NAME: &str = "server";
    if !client.is_alive().await {
        return vec![free_port(settings)];
    }
    let mut findings = vec![if client.is_ready().await {
        ok(NAME, format!("serving at {}", client.server()))
    } else {
        failure(
            NAME,
            format!("{} runs but is not ready: see its /readyz", client.server()),
        )
    }];
    // What is known of workers may be asked from this machine without a key; most else may not.
    if let Err(error) = client.queue_status().await
        && error.exit == Exit::Auth
    {
        findings.push(failure("key", error.message));
    }
    match client.health().await {
        Ok(health) => findings.extend(
            health
                .checks
                .into_iter()
                .filter(|check| check.name == WORKERS)
                .map(finding),
        ),
        Err(error) => findings.push(warning(WORKERS, error.message)),
    }
    findings
}

fn finding(check: HealthCheck) -> Finding {
    match check.status {
        HealthStatus::Ok => ok(WORKERS, check.detail),
        HealthStatus::Degraded => warning(WORKERS, check.detail),
        HealthStatus::Down => failure(WORKERS, check.detail),
    }
}

fn free_port(settings: &Settings) -> Finding {
    const NAME: &str = "server";
    let (host, port) = (settings.host, settings.port);
    match TcpListener::bind((host, port)) {
        Ok(_) => ok(
            NAME,
            format!("none is running; port {port} on {host} is free for `zoetrope up`"),
        ),
        Err(error) => failure(
            NAME,
            format!("none is running, and {host}:{port} cannot be used: {error}"),
        ),
    }
}
