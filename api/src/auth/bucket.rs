//! Token buckets: how many requests a key may send. One process counts by itself.

use std::time::Duration;

use tokio::time::Instant;

/// How fast a bucket fills and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
}

impl Rate {
    /// So many a second, twice as many at once.
    pub(crate) fn of(per_second: u32) -> Self {
        let per_second = per_second.max(1);
        Self {
            per_second,
            burst: per_second.saturating_mul(2),
        }
    }
}

/// What is left of a rate.
#[derive(Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    at: Instant,
}

/// What a bucket said to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Took {
    /// Whether there was a token for it.
    pub(crate) granted: bool,
    /// Whole tokens that are left.
    pub(crate) left: u32,
    /// When there is a token again: zero if there is one.
    pub(crate) next_in: Duration,
}

impl Bucket {
    /// Full.
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        Self {
            tokens: f64::from(rate.burst),
            at: now,
        }
    }

    /// Takes one token if there is one.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> Took {
        let per_second = f64::from(rate.per_second);
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * per_second;
        self.tokens = (self.tokens + earned).min(f64::from(rate.burst));
        self.at = now;
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most the burst, and not negative"
        )]
        let left = self.tokens as u32;
        Took {
            granted,
            left,
            next_in: Duration::from_secs_f64((1.0 - self.tokens).max(0.0) / per_second),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let (rate, start) = (Rate::of(100), Instant::now());
        let mut bucket = Bucket::full(rate, start);
        let granted = |bucket: &mut Bucket, now| (0..500).filter(|_| bucket.take(rate, now).granted).count();
        assert_eq!(granted(&mut bucket, start), 200);
        let refused = bucket.take(rate, start);
        assert_eq!(
            (refused.granted, refused.left, refused.next_in),
            (false, 0, Duration::from_millis(10))
        );
        assert_eq!(granted(&mut bucket, start + Duration::from_millis(105)), 10);
        assert_eq!(granted(&mut bucket, start + Duration::from_mins(10)), 200);
    }
}
