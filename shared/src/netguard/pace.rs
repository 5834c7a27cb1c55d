//! The slowest a server may send. Pure: waiting times and bytes in, a verdict out.

use std::time::Duration;

/// The least that must arrive in each window of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinRate {
    /// Bytes a second, on average over one window.
    pub bytes_per_second: u64,
    /// How much waiting is judged at a time. A body that ends within its first window is never too slow.
    pub window: Duration,
}

impl Default for MinRate {
    fn default() -> Self {
        Self {
            bytes_per_second: 4 * 1024,
            window: Duration::from_secs(10),
        }
    }
}

/// Judges the windows of one body. Only time spent waiting for the server counts, not that of a slow reader.
#[derive(Debug)]
pub(super) struct Pace {
    rate: MinRate,
    waited: Duration,
    received: u64,
}

/// The window that just ended brought too little.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooSlow;

impl Pace {
    pub(super) fn new(rate: MinRate) -> Self {
        Self {
            rate,
            waited: Duration::ZERO,
            received: 0,
        }
    }

    /// How long to wait before the window must be judged, even if nothing arrives.
    pub(super) fn patience(&self) -> Duration {
        self.rate.window.saturating_sub(self.waited)
    }

    /// Notes a wait and what it brought, and judges the window when it is over.
    pub(super) fn note(&mut self, waited: Duration, bytes: u64) -> Result<(), TooSlow> {
        self.waited += waited;
        self.received += bytes;
        if self.waited < self.rate.window {
            return Ok(());
        }
        let floor = u128::from(self.rate.bytes_per_second) * self.waited.as_millis() / 1000;
        let enough = u128::from(self.received) >= floor;
        self.waited = Duration::ZERO;
        self.received = 0;
        if enough { Ok(()) } else { Err(TooSlow) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: MinRate = MinRate {
        bytes_per_second: 100,
        window: Duration::from_secs(10),
    };
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_drip_below_the_rate_is_refused_at_the_end_of_the_first_window() {
        let mut pace = Pace::new(RATE);
        let verdicts: Vec<bool> = (0..10).map(|_| pace.note(SECOND, 99).is_ok()).collect();
        assert_eq!(verdicts, [[true; 9].as_slice(), &[false]].concat());
    }

    #[test]
    fn a_steady_stream_at_the_rate_is_never_refused() {
        let mut pace = Pace::new(RATE);
        assert!((0..1000).all(|_| pace.note(SECOND, 100) == Ok(())));
    }

    #[test]
    fn a_burst_does_not_pay_for_a_later_silence() {
        let mut pace = Pace::new(RATE);
        assert_eq!(pace.note(RATE.window, 1_000_000), Ok(()));
        assert_eq!(pace.patience(), RATE.window);
        assert_eq!(pace.note(RATE.window, 0), Err(TooSlow));
    }

    #[test]
    fn patience_shrinks_with_the_window() {
        let mut pace = Pace::new(RATE);
        assert_eq!(pace.note(SECOND * 4, 1), Ok(()));
        assert_eq!(pace.patience(), SECOND * 6);
    }
}
