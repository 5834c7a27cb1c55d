//! Notices that something which used to come has stopped coming: a frozen server raises no error by itself.

use std::time::Duration;

use tokio::time::Instant;

/// Patience is never shorter.
pub const LEAST_PATIENCE: Duration = Duration::from_secs(5);
/// Patience in multiples of the longest usual gap.
const GAPS: u32 = 4;
/// Longest gap between pictures that is learned from a source that sends few, after it was taken for frozen.
pub const SLOWEST_SOURCE: Duration = Duration::from_secs(30);
/// What is learned from the first such mistake.
pub const SLOW_SOURCE: Duration = Duration::from_millis(2_500);
/// Gaps that are remembered: the newest.
const REMEMBERED: usize = 256;
/// The usual gap is worked out anew after this many.
const RECKON_EVERY: usize = 32;

/// Watches one sequence of arrivals.
#[derive(Debug, Clone)]
pub struct Watchdog {
    least: Duration,
    last: Instant,
    gaps: Vec<Duration>,
    next: usize,
    usual: Duration,
}

impl Watchdog {
    /// Starts to wait at `now`. `expected` is the gap that is normal before any was seen.
    pub fn new(expected: Duration, now: Instant) -> Self {
        Self {
            least: LEAST_PATIENCE.max(expected * GAPS),
            last: now,
            gaps: Vec::new(),
            next: 0,
            usual: Duration::ZERO,
        }
    }

    /// Something came.
    pub fn seen(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.last);
        self.last = now;
        if self.gaps.len() < REMEMBERED {
            self.gaps.push(gap);
        } else {
            self.gaps[self.next % REMEMBERED] = gap;
        }
        self.next += 1;
        if self.next.is_multiple_of(RECKON_EVERY) {
            self.usual = p99(&self.gaps);
        }
    }

    /// When it is stalled unless something comes.
    pub fn deadline(&self) -> Instant {
        self.last + self.least.max(self.usual * GAPS)
    }

    /// Whether it is stalled.
    pub fn is_stalled(&self, now: Instant) -> bool {
        now >= self.deadline()
    }
}

/// The gap to expect of a source that was taken for frozen, although it may only send few.
pub fn slower(expected: Duration) -> Duration {
    (expected * 2).clamp(SLOW_SOURCE, SLOWEST_SOURCE)
}

fn p99(gaps: &[Duration]) -> Duration {
    let mut sorted = gaps.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn patience_is_five_seconds_for_what_usually_comes_fast() {
        let mut now = Instant::now();
        let mut dog = Watchdog::new(Duration::ZERO, now);
        for _ in 0..100 {
            now += 66 * MS;
            dog.seen(now);
        }
        assert!(!dog.is_stalled(now + LEAST_PATIENCE - MS));
        assert!(dog.is_stalled(now + LEAST_PATIENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_grows_with_the_gaps_of_a_slow_source() {
        let mut now = Instant::now();
        let mut dog = Watchdog::new(Duration::ZERO, now);
        for _ in 0..64 {
            now += 4_000 * MS;
            dog.seen(now);
        }
        assert_eq!(dog.deadline() - now, 16_000 * MS);
        let dog = Watchdog::new(3_000 * MS, now);
        assert_eq!(dog.deadline() - now, 12_000 * MS);
    }

    #[tokio::test(start_paused = true)]
    async fn one_long_gap_in_a_hundred_does_not_change_patience() {
        let mut now = Instant::now();
        let mut dog = Watchdog::new(Duration::ZERO, now);
        for index in 0..256 {
            now += if index == 17 { 4_900 * MS } else { 40 * MS };
            dog.seen(now);
        }
        assert_eq!(dog.deadline() - now, LEAST_PATIENCE);
    }
}
