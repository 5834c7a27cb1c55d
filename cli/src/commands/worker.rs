//! `zoetrope worker`: who works, and telling one to finish and leave.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use zoetrope_shared::wire::WorkerView;

use crate::args::{Output, WorkerCommand, WorkerDrainArgs};
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::plain::{one_line, plain};
use crate::{out, show};

const KINDS_WIDTH: usize = 80;
/// The server's list is a second old at most.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Runs one of the subcommands.
pub(crate) async fn worker(client: &Client, command: &WorkerCommand, output: Output) -> Result<Exit, CliError> {
    match command {
        WorkerCommand::List => {
            let page = client.workers().await?;
            match output {
                Output::Json => out::json(&page)?,
                _ => print(&page.items, output)?,
            }
            Ok(Exit::Done)
        }
        WorkerCommand::Drain(args) => drain(client, args, output).await,
    }
}

/// Tells every worker named, also after one could not be told; the last trouble decides the exit code.
async fn drain(client: &Client, args: &WorkerDrainArgs, output: Output) -> Result<Exit, CliError> {
    let mut exit = Exit::Done;
    let mut told = Vec::new();
    for name in &args.names {
        match client.drain_worker(name).await {
            Ok(worker) => told.push(worker),
            Err(error) => {
                out::note(&format!("zoetrope: {}: {}", plain(name), error.message));
                exit = error.exit;
            }
        }
    }
    if args.wait {
        until_gone(client, &told, args.timeout).await?;
        out::note(&format!("zoetrope: {} gone", told.len()));
    }
    match output {
        Output::Json => out::json(&told)?,
        _ => print(&told, output)?,
    }
    Ok(exit)
}

/// Waits until none of them is listed any more.
async fn until_gone(client: &Client, told: &[WorkerView], limit: Option<Duration>) -> Result<(), CliError> {
    let give_up = limit.map(|limit| Instant::now() + limit);
    loop {
        let listed = client.workers().await?.items;
        let left: Vec<_> = told
            .iter()
            .filter(|told| listed.iter().any(|one| one.name == told.name))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        if give_up.is_some_and(|give_up| Instant::now() >= give_up) {
            let names: Vec<_> = left.iter().map(|worker| plain(&worker.name)).collect();
            return Err(CliError {
                exit: Exit::Timeout,
                message: format!("timeout; still finishing: {}", names.join(" ")),
            });
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn print(workers: &[WorkerView], output: Output) -> Result<(), CliError> {
    if output == Output::Id {
        let names: Vec<_> = workers.iter().map(|worker| plain(&worker.name)).collect();
        return if names.is_empty() {
            Ok(())
        } else {
            out::data(&names.join("\n"))
        };
    }
    let mut table = show::table(&["name", "state", "running", "last heard", "kinds"]);
    for worker in workers {
        table.add_row([
            plain(&worker.name),
            if worker.draining { "draining" } else { "working" }.to_owned(),
            worker.running.to_string(),
            format!("{} ago", show::span(Duration::from_millis(worker.seen_ms_ago))),
            one_line(&worker.kinds.join(" "), KINDS_WIDTH),
        ]);
    }
    out::data(&table.to_string())
}
