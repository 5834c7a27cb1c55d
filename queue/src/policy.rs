//! Whether a failed attempt is followed by another, and when: pure functions, so that the rules are a table of tests.
//! The scripts only move tasks; they decide nothing of this.

use std::time::Duration;

use crate::failure::{ErrorClass, Failure};
use crate::task::Reason;

/// Longest pause between two attempts.
pub const MAX_BACKOFF: Duration = Duration::from_secs(3_600);

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Retry(Duration),
    Fail(Reason),
}

/// Decides by the failure's class, the attempts used and allowed, and the first pause; `random` supplies the jitter.
pub(crate) fn decide(failure: &Failure, attempt: u32, max_attempts: u32, backoff: Duration, random: u64) -> Decision {
    if failure.class == ErrorClass::NonRetryable {
        return Decision::Fail(Reason::NonRetryable);
    }
    if attempt >= max_attempts {
        let timed_out = failure.code == TIMEOUT_CODE;
        return Decision::Fail(if timed_out {
            Reason::Timeout
        } else {
            Reason::RetriesExhausted
        });
    }
    Decision::Retry(match failure.class {
        ErrorClass::RateLimited(Some(retry_after)) => retry_after.min(MAX_BACKOFF) + jitter(backoff, random),
        ErrorClass::RateLimited(None) | ErrorClass::Retryable => pause(attempt, backoff, random),
        ErrorClass::NonRetryable => unreachable!("answered above"),
    })
}

/// Code of the failure that the engine itself reports when an attempt outlives its timeout.
pub(crate) const TIMEOUT_CODE: &str = "timeout";

/// Exponential with full jitter: uniform between nothing and `backoff * 2^(attempt - 1)`, capped. Full jitter spreads
/// a herd of failures best (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
fn pause(attempt: u32, backoff: Duration, random: u64) -> Duration {
    let doubled = backoff.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    jitter(doubled.min(MAX_BACKOFF), random)
}

/// A fraction of `limit`, in whole milliseconds.
pub(crate) fn jitter(limit: Duration, random: u64) -> Duration {
    let limit_ms = crate::record::millis(limit);
    Duration::from_millis(if limit_ms == 0 { 0 } else { random % (limit_ms + 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_retryable_failure_is_retried_until_the_attempts_are_used_up() {
        let failure = Failure::retryable("upstream", "no answer");
        assert!(matches!(decide(&failure, 1, 3, SECOND, 7), Decision::Retry(_)));
        assert!(matches!(decide(&failure, 2, 3, SECOND, 7), Decision::Retry(_)));
        assert_eq!(
            decide(&failure, 3, 3, SECOND, 7),
            Decision::Fail(Reason::RetriesExhausted)
        );
    }

    #[test]
    fn a_non_retryable_failure_is_final_at_once() {
        let failure = Failure::non_retryable("media_invalid", "not an image");
        assert_eq!(decide(&failure, 1, 3, SECOND, 7), Decision::Fail(Reason::NonRetryable));
    }

    #[test]
    fn the_last_timeout_is_told_apart_from_other_failures() {
        let failure = Failure::retryable(TIMEOUT_CODE, "took too long");
        assert_eq!(decide(&failure, 3, 3, SECOND, 7), Decision::Fail(Reason::Timeout));
    }

    #[test]
    fn a_rate_limit_waits_at_least_as_long_as_it_was_told() {
        let mut failure = Failure::retryable("rate_limited", "slow down");
        failure.class = ErrorClass::RateLimited(Some(Duration::from_secs(20)));
        for random in [0, 1, u64::MAX] {
            let Decision::Retry(pause) = decide(&failure, 1, 3, SECOND, random) else {
                panic!("should retry")
            };
            assert!((20..=21).contains(&pause.as_secs()), "{pause:?}");
        }
    }

    #[test]
    fn pauses_double_with_each_attempt_and_stop_growing_at_the_cap() {
        let longest = |attempt| {
            (0..10_000)
                .map(|random| pause(attempt, SECOND, random * 7919))
                .max()
                .unwrap()
        };
        assert!(longest(1) <= SECOND && longest(2) > SECOND && longest(2) <= 2 * SECOND);
        assert!(pause(400, SECOND, u64::MAX) <= MAX_BACKOFF);
    }
}
