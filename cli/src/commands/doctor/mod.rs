//! `zoetrope doctor`: looks at everything that Zoetrope needs and says what is wrong and what would help.

mod machine;
mod redis;
mod server;

use std::collections::BTreeMap;

use comfy_table::Table;
use serde::Serialize;

use crate::args::Output;
use crate::client::Client;
use crate::configuration::Configuration;
use crate::exit::{CliError, Exit};
use crate::plain::plain;
use crate::{out, show};

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
    let mut checks = server::checks(client, settings).await;
    checks.extend(redis::checks(configuration).await);
    checks.extend(machine::checks(settings).await);
    checks.extend(settings.warnings.iter().map(|text| warning("settings", text.as_str())));
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
