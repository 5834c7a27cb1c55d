//! `zoetrope doctor`: looks at everything that Zoetrope needs and says what is wrong and what would help.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use comfy_table::Table;
use serde::Serialize;
use tokio::process::Command;
use url::Url;
use zoetrope_queue::{ConnectOptions, Queue, RedisHealth, SystemClock};
use zoetrope_shared::artifacts::{Artifacts, NewArtifact};
use zoetrope_shared::config::Settings;
use zoetrope_shared::tenant::Tenant;

use crate::args::Output;
use crate::client::Client;
use crate::configuration::Configuration;
use crate::exit::{CliError, Exit};
use crate::plain::plain;
use crate::up::{beside, redis};
use crate::{out, show};

/// Share of Redis' memory limit from which on it is a warning.
const MEMORY_WARNING: f64 = 0.8;
const PROBE_TTL: Duration = Duration::from_secs(60);

/// What was found about one thing.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    status: Status,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    Warning,
    Failed,
}

#[derive(Debug, Serialize)]
struct Report {
    checks: Vec<Finding>,
    configuration: BTreeMap<&'static str, String>,
}

/// Runs every check, prints them with the configuration, and fails if one of them did.
pub(crate) async fn doctor(client: &Client, configuration: &Configuration, output: Output) -> Result<Exit, CliError> {
    let settings = &configuration.settings;
    let mut checks = vec![server(client, settings).await];
    checks.extend(redis_checks(configuration).await);
    checks.push(artifacts(settings).await);
    checks.extend(["zoetrope-api", "zoetrope-worker", "zoetrope-media"].map(executable));
    checks.push(tesseract(&["eng"]).await);
    let failed = checks.iter().any(|check| check.status == Status::Failed);
    let mut effective: BTreeMap<_, _> = settings.redacted().into_iter().collect();
    if !configuration.names_redis {
        effective.insert("REDIS_URL", "a private server of `zoetrope up`".to_owned());
    }
    let report = Report {
        checks,
        configuration: effective,
    };
    match output {
        Output::Json => out::json(&report)?,
        Output::Table | Output::Id => {
            out::data(&findings_table(&report.checks).to_string())?;
            out::data(&configuration_table(&report.configuration).to_string())?;
        }
    }
    Ok(if failed { Exit::Unavailable } else { Exit::Done })
}

fn findings_table(checks: &[Finding]) -> Table {
    let mut table = show::table(&["check", "", "found"]);
    for check in checks {
        let status = match check.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Failed => "FAILED",
        };
        table.add_row([check.name, status, &plain(&check.detail)]);
    }
    table
}

fn configuration_table(configuration: &BTreeMap<&'static str, String>) -> Table {
    let mut table = show::table(&["setting", "value"]);
    for (name, value) in configuration {
        table.add_row([name, plain(value).as_str()]);
    }
    table
}

fn ok(name: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        name,
        status: Status::Ok,
        detail: detail.into(),
    }
}

fn warning(name: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        name,
        status: Status::Warning,
        detail: detail.into(),
    }
}

fn failure(name: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        name,
        status: Status::Failed,
        detail: detail.into(),
    }
}

/// A server that runs, or a port that is free for one.
async fn server(client: &Client, settings: &Settings) -> Finding {
    const NAME: &str = "server";
    let (host, port) = (settings.host, settings.port);
    if client.is_ready().await {
        return ok(NAME, format!("serving at {}", settings.server_url));
    }
    if client.is_alive().await {
        return failure(
            NAME,
            format!("{} runs but is not ready: see its /readyz", settings.server_url),
        );
    }
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

async fn redis_checks(configuration: &Configuration) -> Vec<Finding> {
    const NAME: &str = "redis";
    let settings = &configuration.settings;
    let socket = redis::socket_below(&settings.data_dir);
    let url = if configuration.names_redis {
        settings.redis_url.clone()
    } else if let Some(socket) = socket
        .canonicalize()
        .ok()
        .filter(|_| std::os::unix::net::UnixStream::connect(&socket).is_ok())
    {
        format!("redis+unix://{}", socket.display())
    } else {
        return vec![match redis::find_program().await {
            Ok(program) => ok(
                NAME,
                format!(
                    "REDIS_URL is not set; `zoetrope up` will start {} {}",
                    program.name, program.version
                ),
            ),
            Err(error) => failure(NAME, error.message),
        }];
    };
    let options = ConnectOptions {
        clock: Arc::new(SystemClock),
        ..ConnectOptions::new(url)
    };
    let health = async { Queue::connect(options).await?.health().await };
    match health.await {
        Ok(health) => redis_findings(&health),
        Err(error) => vec![failure(NAME, error.to_string())],
    }
}

fn redis_findings(health: &RedisHealth) -> Vec<Finding> {
    let mut findings = vec![
        ok(
            "redis",
            format!("version {}, answers in {:.1} ms", health.version, health.latency_ms),
        ),
        if health.maxmemory_policy == "noeviction" {
            ok("redis policy", "noeviction")
        } else {
            failure(
                "redis policy",
                format!(
                    "maxmemory-policy {} may evict tasks; set noeviction",
                    health.maxmemory_policy
                ),
            )
        },
        durability(&health.durability),
    ];
    let share = health.used_memory_bytes as f64 / health.maxmemory_bytes.max(1) as f64;
    if health.maxmemory_bytes > 0 && share > MEMORY_WARNING {
        findings.push(warning(
            "redis memory",
            format!("{:.0} % of maxmemory is used", share * 100.0),
        ));
    }
    findings.extend(health.warnings.iter().map(|text| warning("redis", text.as_str())));
    findings
}

fn durability(tier: &str) -> Finding {
    const NAME: &str = "redis durability";
    match tier {
        "fast" => ok(NAME, "fast: AOF everysec, up to 2 s of submits are lost with the power"),
        "safe" | "strict" => ok(NAME, tier),
        "none" => warning(
            NAME,
            "none: without AOF every task is lost when Redis ends; set appendonly yes",
        ),
        other => warning(NAME, format!("{other}: Redis does not tell")),
    }
}

/// Writes and deletes a byte where artifacts are kept.
async fn artifacts(settings: &Settings) -> Finding {
    const NAME: &str = "artifacts";
    let url = &settings.artifacts_url;
    // Looking must not make a folder in whatever place this is run.
    if Url::parse(url)
        .ok()
        .and_then(|url| url.to_file_path().ok())
        .is_some_and(|folder| !folder.exists())
    {
        return ok(NAME, format!("{url} will be made by the first start"));
    }
    let probe = async {
        let store = Artifacts::open(url, Arc::new(SystemClock))?;
        let tenant = Tenant::default_tenant();
        let new = NewArtifact {
            content_type: "text/plain".to_owned(),
            filename: None,
            ttl: PROBE_TTL,
        };
        let stored = store.put(&tenant, new, b"x".as_slice().into()).await?;
        store.delete(&tenant, &stored.artifact).await?;
        anyhow::Ok(())
    };
    match probe.await {
        Ok(()) => ok(NAME, format!("{url} is writable")),
        Err(error) => failure(NAME, format!("{url}: {error:#}")),
    }
}

fn executable(name: &'static str) -> Finding {
    match beside(name) {
        Ok(path) => ok(name, path.display().to_string()),
        Err(error) => failure(name, error.message),
    }
}

/// Which of Tesseract's language models are installed.
async fn tesseract(needed: &[&str]) -> Finding {
    const NAME: &str = "tesseract";
    let languages = match Command::new("tesseract").arg("--list-langs").output().await {
        Ok(output) => language_list(&String::from_utf8_lossy(&output.stdout)),
        Err(_) => models_in("/usr/share/tesseract-ocr/5/tessdata"),
    };
    if let Some(missing) = needed
        .iter()
        .find(|language| !languages.iter().any(|known| known == *language))
    {
        return failure(
            NAME,
            format!("the model `{missing}` is missing; on Debian or Ubuntu: apt-get install tesseract-ocr-{missing}"),
        );
    }
    ok(NAME, format!("languages: {}", languages.join(" ")))
}

/// The lines after the heading.
fn language_list(text: &str) -> Vec<String> {
    text.lines()
        .skip(1)
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

fn models_in(dir: impl AsRef<Path>) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter_map(|name| name.strip_suffix(".traineddata").map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> RedisHealth {
        RedisHealth {
            version: "7.0.15".to_owned(),
            durability: "fast".to_owned(),
            maxmemory_policy: "noeviction".to_owned(),
            used_memory_bytes: 90,
            maxmemory_bytes: 100,
            aof_write_ok: true,
            replicas: 0,
            latency_ms: 0.2,
            warnings: vec![],
        }
    }

    #[test]
    fn an_evicting_redis_is_a_failure_and_a_full_one_a_warning() {
        let found = |health: &RedisHealth| {
            redis_findings(health)
                .iter()
                .map(|finding| finding.status)
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&health()), [Status::Ok, Status::Ok, Status::Ok, Status::Warning]);
        let evicting = RedisHealth {
            maxmemory_policy: "allkeys-lru".to_owned(),
            maxmemory_bytes: 0,
            ..health()
        };
        assert_eq!(found(&evicting), [Status::Ok, Status::Failed, Status::Ok]);
    }

    #[test]
    fn a_redis_without_a_log_is_a_warning() {
        assert_eq!(
            (durability("none").status, durability("safe").status),
            (Status::Warning, Status::Ok)
        );
    }

    #[test]
    fn languages_are_what_follows_the_heading() {
        assert_eq!(
            language_list("List of available languages in \"/x\" (2):\neng\nosd\n"),
            ["eng", "osd"]
        );
    }
}
