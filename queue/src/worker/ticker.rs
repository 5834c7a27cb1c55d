//! Background duties: promote due timers, reap expired leases, prune old results, repeat lost wake-ups. Every worker
//! offers itself; one at a time does them, under a short lease on the duty. An offer finds out, too, whether something is
//! overdue that nobody attends to.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::connection::{Link, random_u64};
use crate::error::QueueError;
use crate::policy::jitter;

/// Longest time between two rounds by the holder of the duty, which comes in time for the next timer and the next lease that
/// lapses. Others offer themselves after half of it to all of it, and not all at once: if the holder dies, what is
/// overdue is noticed within this time and a tenth of a second.
const PERIOD: Duration = Duration::from_millis(500);
/// Lease on the duty: a wake-up that was lost, which nothing shows to be overdue, waits no longer for the next holder.
const DUTY: Duration = Duration::from_millis(1_000);

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Round {
    /// Whether this worker has the duty.
    pub(crate) on_duty: bool,
    pub(crate) now_ms: u64,
    /// When the next timer is due or the next lease lapses, Unix milliseconds; without the duty, when that lapses.
    pub(crate) due_ms: Option<u64>,
    /// Bounded work was cut short.
    pub(crate) more: bool,
    pub(crate) expired: u64,
    pub(crate) promoted: u64,
    pub(crate) pruned: u64,
}

/// Does a shard's rounds until `shutdown`; `poke` brings the next one forward.
pub(crate) async fn run(link: &Link, shard: u16, worker: &str, poke: &Notify, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let pause = match run_once(link, shard, worker).await {
            Ok(round) => {
                link.leases_expired.fetch_add(round.expired, Ordering::Relaxed);
                pause_after(&round)
            }
            Err(error) => {
                tracing::debug!(worker, "do the background duties: {error:#}");
                PERIOD
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = timeout(pause, poke.notified()) => {}
        }
    }
}

/// One round.
pub(crate) async fn run_once(link: &Link, shard: u16, worker: &str) -> Result<Round, QueueError> {
    let duty_ms = DUTY.as_millis().to_string();
    let reply: Vec<u64> = link
        .call(shard, &link.scripts.tick, &[worker, duty_ms.as_str()])
        .await?;
    let round = match reply[..] {
        [0, now_ms, lapses_ms] => Round {
            now_ms,
            due_ms: Some(lapses_ms),
            ..Round::default()
        },
        [1, now_ms, due_ms, more, expired, promoted, pruned] => Round {
            on_duty: true,
            now_ms,
            due_ms: (due_ms > 0).then_some(due_ms),
            more: more == 1,
            expired,
            promoted,
            pruned,
        },
        _ => return Err(QueueError::Other(format!("unexpected reply: {reply:?}"))),
    };
    Ok(round)
}

fn pause_after(round: &Round) -> Duration {
    if round.more {
        return Duration::ZERO;
    }
    let longest = if round.on_duty {
        PERIOD
    } else {
        PERIOD / 2 + jitter(PERIOD / 2, random_u64())
    };
    let until_due = round
        .due_ms
        .map(|due| Duration::from_millis(due.saturating_sub(round.now_ms)));
    until_due.map_or(longest, |until| until.clamp(Duration::from_millis(1), longest))
}
