//! `zoetrope queue`: how busy the queue is, and what may run.

use std::time::Duration;

use zoetrope_shared::wire::{KindStatusView, QueueStatusView};

use super::rules;
use crate::args::{Output, QueueCommand, WhomArgs};
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::plain::plain;
use crate::{out, show};

const MIB: f64 = 1_048_576.0;

/// Runs one of the subcommands.
pub(crate) async fn queue(client: &Client, command: &QueueCommand, output: Output) -> Result<Exit, CliError> {
    match command {
        QueueCommand::Status => status(client, output).await,
        QueueCommand::Rules => rules::list(client, output).await,
        QueueCommand::Limit(args) => rules::limit(client, args, output).await,
        QueueCommand::Backlog(args) => rules::backlog(client, args, output).await,
        QueueCommand::Pause(whom) => rules::steer(client, whom, "pause", output).await,
        QueueCommand::Resume(whom) => rules::steer(client, whom, "resume", output).await,
        QueueCommand::Drain { kind } => {
            let whom = WhomArgs {
                kind: Some(kind.clone()),
                tenant: None,
                fairness_key: None,
            };
            rules::steer(client, &whom, "drain", output).await
        }
    }
}

async fn status(client: &Client, output: Output) -> Result<Exit, CliError> {
    let status = client.queue_status().await?;
    match output {
        Output::Json => out::json(&status)?,
        Output::Id => {
            let kinds: Vec<_> = status.kinds.iter().map(|kind| plain(&kind.kind)).collect();
            out::data(&kinds.join("\n"))?;
        }
        Output::Table => {
            out::data(&table(&status.kinds))?;
            if status.kinds.iter().any(|kind| kind.keys.len() > 1) {
                out::data(&keys(&status.kinds))?;
            }
            out::note(&summary(&status));
        }
    }
    Ok(Exit::Done)
}

fn table(kinds: &[KindStatusView]) -> String {
    let header = [
        "kind",
        "queued",
        "oldest",
        "running",
        "scheduled",
        "waiting",
        "dead",
        "in/s",
        "done/s",
    ];
    let mut table = show::table(&header);
    for kind in kinds {
        table.add_row([
            plain(&kind.kind),
            kind.queued.to_string(),
            kind.oldest_age_ms
                .map(|age| show::span(Duration::from_millis(age)))
                .unwrap_or_default(),
            kind.running.to_string(),
            kind.scheduled.to_string(),
            kind.waiting.to_string(),
            kind.dead.to_string(),
            format!("{:.1}", kind.enqueued_per_s),
            format!("{:.1}", kind.finished_per_s),
        ]);
    }
    table.to_string()
}

/// Who waits, of kinds with several tenants or keys.
fn keys(kinds: &[KindStatusView]) -> String {
    let mut table = show::table(&["kind", "tenant", "fairness key", "queued"]);
    for kind in kinds.iter().filter(|kind| kind.keys.len() > 1) {
        for key in &kind.keys {
            table.add_row([
                plain(&kind.kind),
                plain(&key.tenant),
                plain(key.fairness_key.as_deref().unwrap_or_default()),
                key.queued.to_string(),
            ]);
        }
    }
    table.to_string()
}

fn summary(status: &QueueStatusView) -> String {
    let workers = match status.workers {
        0 => "no live worker: nothing is worked on".to_owned(),
        1 => "1 live worker".to_owned(),
        n => format!("{n} live workers"),
    };
    let redis = &status.redis;
    let memory = redis.used_memory_bytes as f64 / MIB;
    format!(
        "{workers}; redis uses {memory:.0} MiB, durability {}",
        plain(&redis.durability)
    )
}
