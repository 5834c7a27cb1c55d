//! How long to wait before a source is connected to again: exponential with full jitter, so that a hundred cameras
//! behind a switch that restarts do not all come back in the same millisecond.

use std::time::Duration;

use super::cause::Cause;

/// Upper bound of the first pause.
pub const FIRST: Duration = Duration::from_millis(500);
/// Upper bound of every pause.
pub const LONGEST: Duration = Duration::from_secs(30);
/// Bounds of pauses where a person has to change something first: locked-out accounts are no help to anybody.
pub const SLOW_FIRST: Duration = Duration::from_secs(30);
/// Upper bound of those.
pub const SLOW_LONGEST: Duration = Duration::from_mins(5);
/// A connection that lived this long was a good one: the next failure starts from the beginning.
pub const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// A number for [`Backoff::after`].
///
/// # Errors
/// The system's random generator fails.
pub fn random() -> Result<f64, getrandom::Error> {
    let mut bytes = [0_u8; 4];
    getrandom::fill(&mut bytes)?;
    Ok(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

/// Pauses between connections of one source.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after a connection that gave pictures for `lived` and then ended. `random` is uniform in 0..=1.
    pub fn after(&mut self, cause: Cause, lived: Duration, random: f64) -> Duration {
        if lived >= HEALTHY_AFTER {
            self.failures = 0;
        }
        let (first, longest) = if cause.is_slow() {
            (SLOW_FIRST, SLOW_LONGEST)
        } else {
            (FIRST, LONGEST)
        };
        let doubled = first.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let bound = doubled.min(longest);
        // Slow causes wait at least half: zero would be another wrong password at once.
        let share = if cause.is_slow() {
            0.5 + random.clamp(0.0, 1.0) / 2.0
        } else {
            random.clamp(0.0, 1.0)
        };
        bound.mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_jittered_down_to_nothing() {
        let mut backoff = Backoff::default();
        let longest: Vec<_> = (0..9)
            .map(|_| backoff.after(Cause::Refused, Duration::ZERO, 1.0))
            .collect();
        assert_eq!(longest[..3], [FIRST, FIRST * 2, FIRST * 4]);
        assert_eq!(longest[8], LONGEST);
        assert_eq!(backoff.after(Cause::Refused, Duration::ZERO, 0.0), Duration::ZERO);
        assert_eq!(backoff.after(Cause::Refused, Duration::ZERO, 0.5), LONGEST / 2);
    }

    #[test]
    fn a_connection_that_lived_makes_the_next_failure_the_first() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.after(Cause::Network, Duration::ZERO, 1.0);
        }
        assert_eq!(backoff.after(Cause::Network, HEALTHY_AFTER, 1.0), FIRST);
    }

    #[test]
    fn refused_credentials_and_codecs_wait_for_minutes_and_never_for_nothing() {
        for cause in [Cause::Auth, Cause::Codec] {
            let mut backoff = Backoff::default();
            assert_eq!(backoff.after(cause, Duration::ZERO, 0.0), SLOW_FIRST / 2);
            let last = (0..40).map(|_| backoff.after(cause, Duration::ZERO, 1.0)).last();
            assert_eq!(last, Some(SLOW_LONGEST));
        }
    }
}
