//! How much processor time a live stream may take for reading text: a bucket that fills with time and is charged with
//! what media children say they used. A film has no budget, somebody waits for it.

use std::time::Duration;

use tokio::time::Instant;

/// Share of a core that a live stream may use.
pub const SHARE: f64 = 0.1;
/// What may be saved up.
const MOST: Duration = Duration::from_millis(500);

/// A bucket.
#[derive(Debug, Clone)]
pub struct Budget {
    share: f64,
    balance_us: f64,
    last: Instant,
}

impl Budget {
    /// The full bucket of one stream.
    pub fn new(now: Instant) -> Self {
        Self::of(SHARE, now)
    }

    /// A full bucket that fills with this share of a core.
    pub fn of(share: f64, now: Instant) -> Self {
        Self {
            share,
            balance_us: MOST.as_secs_f64() * 1e6,
            last: now,
        }
    }

    /// Whether an expensive look is affordable now. What it really costs is charged afterwards, so that one may cost
    /// more than there is; the next one waits longer then.
    pub fn allows(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.last);
        self.last = now;
        self.balance_us = (self.balance_us + passed.as_secs_f64() * 1e6 * self.share).min(MOST.as_secs_f64() * 1e6);
        self.balance_us > 0.0
    }

    /// Charges what was used, microseconds.
    pub fn charge(&mut self, cpu_us: u64) {
        self.balance_us -= cpu_us as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn over_a_long_time_a_tenth_of_a_core_is_used() {
        let mut now = Instant::now();
        let mut budget = Budget::new(now);
        let mut used_us = 0;
        for _ in 0..600 {
            now += Duration::from_secs(1);
            if budget.allows(now) {
                budget.charge(400_000);
                used_us += 400_000;
            }
        }
        let share = used_us as f64 / 600e6;
        assert!((0.09..=0.11).contains(&share), "{share}");
    }
}
