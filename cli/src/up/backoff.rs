//! How long to wait before a child that ended is started again: longer each time, and never in step with others.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(15);
/// A child that lived this long is taken for healthy again.
const HEALTHY: Duration = Duration::from_secs(30);
const DOUBLINGS: u32 = 6;

/// Counts a child's deaths in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    deaths: u32,
}

impl Backoff {
    /// The pause after a life of this length.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        self.after_with(lived, getrandom::u32().unwrap_or(u32::MAX / 2))
    }

    fn after_with(&mut self, lived: Duration, random: u32) -> Duration {
        if lived >= HEALTHY {
            self.deaths = 0;
        }
        let longest = (FIRST * 2_u32.pow(self.deaths.min(DOUBLINGS))).min(LONGEST);
        self.deaths = self.deaths.saturating_add(1);
        // Half of it is fixed, half is chance.
        longest.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_start_over_after_a_healthy_life() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..8)
            .map(|_| backoff.after_with(Duration::ZERO, u32::MAX).as_millis())
            .collect();
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
        assert_eq!(backoff.after_with(HEALTHY, u32::MAX).as_millis(), 250);
    }

    #[test]
    fn chance_takes_away_at_most_half() {
        assert_eq!(Backoff::default().after_with(Duration::ZERO, 0).as_millis(), 125);
    }
}
