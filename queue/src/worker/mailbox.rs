//! A worker's mailbox: wake-ups, cancels and drains, read by blocking pops on a connection of their own.

use std::time::Duration;

use redis::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::connection::Link;
use crate::error::QueueError;
use crate::id::TaskId;

/// Longest block. After a failover a blocked connection can stay silent for ever, so blocks are short and watched.
const BLOCK: Duration = Duration::from_secs(5);
/// Pause before a broken connection is tried again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
/// Items taken by one pop.
const ITEMS: usize = 64;

/// One item. Whatever it says, a step follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mail {
    Wake,
    Tick,
    Cancel(TaskId),
    Drain,
}

/// Reads a shard's mailbox until `shutdown`, through lost connections.
pub(crate) async fn run(
    link: &Link,
    shard: u16,
    worker: &str,
    mail: mpsc::Sender<(u16, Mail)>,
    shutdown: CancellationToken,
) {
    loop {
        let read = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            read = read_all(link, shard, worker, &mail) => read,
        };
        let Err(error) = read else { return };
        tracing::debug!(worker, "read the mailbox: {error:#}");
        // The pop that broke may have taken an item with it: look for work as if it had been a wake-up.
        if mail.send((shard, Mail::Wake)).await.is_err() || timeout(RECONNECT_PAUSE, shutdown.cancelled()).await.is_ok()
        {
            return;
        }
    }
}

async fn read_all(link: &Link, shard: u16, worker: &str, mail: &mpsc::Sender<(u16, Mail)>) -> Result<(), QueueError> {
    let key = link.keys(shard).mailbox(worker);
    let mut connection = link.blocking_connection(&key).await?;
    loop {
        let mut pop = redis::cmd("BLMPOP");
        pop.arg(BLOCK.as_secs())
            .arg(1)
            .arg(&key)
            .arg("LEFT")
            .arg("COUNT")
            .arg(ITEMS);
        let popped: Result<Option<(Value, Vec<String>)>, _> =
            timeout(BLOCK + Duration::from_secs(1), pop.query_async(&mut connection))
                .await
                .map_err(|_| QueueError::Unavailable("no answer to a blocking pop".to_owned()))?;
        for item in popped?.into_iter().flat_map(|(_, items)| items) {
            if mail.send((shard, parse(&item))).await.is_err() {
                return Ok(());
            }
        }
    }
}

fn parse(item: &str) -> Mail {
    match item.split_at_checked(1) {
        Some(("c", id)) => id.parse().map_or(Mail::Wake, Mail::Cancel),
        Some(("d", "")) => Mail::Drain,
        Some(("t", "")) => Mail::Tick,
        _ => Mail::Wake,
    }
}
