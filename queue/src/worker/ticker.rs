//! Background duties: promote due timers, reap expired leases, prune old results, repeat lost wake-ups. Every worker
//! offers itself; one at a time does them, under a short lease on the duty.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::connection::Link;
use crate::error::QueueError;

/// Time between two rounds, by the holder of the duty and by those who would take it over. With the lease on the
/// duty this bounds how long an expired lease goes unnoticed: 1.7 s if the holder died, else half a second.
const PERIOD: Duration = Duration::from_millis(500);
/// Lease on the duty.
const DUTY: Duration = Duration::from_millis(1_200);

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Round {
    /// Whether this worker has the duty.
    pub(crate) on_duty: bool,
    pub(crate) now_ms: u64,
    /// When the next timer is due, Unix milliseconds.
    pub(crate) next_timer_ms: Option<u64>,
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
    let [1, now_ms, next_timer, more, expired, promoted, pruned] = reply[..] else {
        return Ok(Round::default());
    };
    let next_timer_ms = (next_timer > 0).then_some(next_timer);
    Ok(Round {
        on_duty: true,
        now_ms,
        next_timer_ms,
        more: more == 1,
        expired,
        promoted,
        pruned,
    })
}

fn pause_after(round: &Round) -> Duration {
    if round.more {
        return Duration::ZERO;
    }
    let until_timer = round
        .next_timer_ms
        .map(|due| Duration::from_millis(due.saturating_sub(round.now_ms)));
    until_timer.map_or(PERIOD, |until| until.clamp(Duration::from_millis(1), PERIOD))
}
