//! Arguments of what operators do: keys, the queue, workers.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::parse_duration;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key and print it, this once; the first one has to allow admin:*
    Create(KeyCreateArgs),
    /// List keys, newest first, without their secrets
    List,
    /// Revoke keys: they open nothing any more
    Revoke {
        /// Ids of the keys, the middle part of each
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct KeyCreateArgs {
    /// Name for people
    #[arg(long, default_value = "")]
    pub(crate) name: String,
    /// Whose tasks it opens [default: those of the key in use]
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// What it allows; may be repeated [default: tasks:read and tasks:write]
    #[arg(long, value_parser = ["tasks:read", "tasks:write", "streams:*", "admin:*"])]
    pub(crate) scope: Vec<String>,
    /// When it stops to work, such as 12h or 90d [default: never]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) expires_in: Option<Duration>,
    /// Requests a second, twice as many at once [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) requests_per_second: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Show for each kind what waits, what runs, and how old the oldest is
    Status,
    /// List the limits and pauses in force
    Rules,
    /// Limit a kind, a fairness key of a tenant, or each of its keys; a limit that is not given is lifted
    Limit(LimitArgs),
    /// Begin no more tasks of a kind, a tenant or a key; new ones are taken, running ones go on
    Pause(WhomArgs),
    /// End a pause or a drain
    Resume(WhomArgs),
    /// Show or set how many tasks and bytes a tenant may have in the queue
    Backlog(BacklogArgs),
    /// Refuse new tasks of a kind and let the others run
    Drain {
        /// The kind
        kind: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    #[command(flatten)]
    pub(crate) whom: WhomArgs,
    /// Most tasks that run at once
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<u64>,
    /// Most tasks begun in a period, such as 100/1m
    #[arg(long, value_name = "N/DURATION", value_parser = parse_rate)]
    pub(crate) rate: Option<Rated>,
}

#[derive(Debug, Args)]
pub(crate) struct BacklogArgs {
    /// The tenant [default: each that has no bound of its own]
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Most tasks that have not ended; the usual number unless given with --bytes
    #[arg(long, value_name = "N")]
    pub(crate) tasks: Option<u64>,
    /// Most bytes of them; the usual number unless given with --tasks
    #[arg(long, value_name = "N")]
    pub(crate) bytes: Option<u64>,
    /// Set both to the usual numbers
    #[arg(long, conflicts_with_all = ["tasks", "bytes"])]
    pub(crate) usual: bool,
}

/// Whom it is about.
#[derive(Debug, Args)]
#[group(required = true)]
pub(crate) struct WhomArgs {
    /// A kind
    #[arg(conflicts_with = "tenant")]
    pub(crate) kind: Option<String>,
    /// A tenant; with `limit` each of its keys
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// One fairness key of the tenant
    #[arg(long, value_name = "KEY", requires = "tenant")]
    pub(crate) fairness_key: Option<String>,
}

/// Tasks in a period.
#[derive(Debug, Clone)]
pub(crate) struct Rated {
    pub(crate) count: u64,
    pub(crate) period: Duration,
}

fn parse_rate(text: &str) -> Result<Rated, String> {
    let wrong = || format!("`{text}` is no rate; write 100/1m");
    let (count, period) = text.split_once('/').ok_or_else(wrong)?;
    Ok(Rated {
        count: count.parse().map_err(|_| wrong())?,
        period: parse_duration(period)?,
    })
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// List workers: those heard of in the last minute
    List,
    /// Tell workers to finish what they run and leave; whatever supervises one may start another
    Drain(WorkerDrainArgs),
}

#[derive(Debug, Args)]
pub(crate) struct WorkerDrainArgs {
    /// Names of the workers, as `zoetrope worker list` shows them
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Wait until they are gone
    #[arg(long, short)]
    pub(crate) wait: bool,
    /// With --wait: give up after this, such as 90s or 10m; they go on finishing
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "wait")]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct FsckArgs {
    /// Mend what can be mended; each task at one moment, while the queue works
    #[arg(long)]
    pub(crate) fix: bool,
    /// Look at recordings instead: whether their index and what is stored agree; --fix makes the index anew from the store
    #[arg(long)]
    pub(crate) recordings: bool,
}
