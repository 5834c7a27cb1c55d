//! The rates of a provider without Redis: what `limit.lua` does for all workers, for one. Only while Redis is away.

use std::time::Duration;

use tokio::time::Instant;

/// A rate as a call meets it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    /// Its name in Redis.
    pub(super) name: &'static str,
    /// Time for each unit.
    pub(super) step: Duration,
    /// Units of this call.
    pub(super) units: u32,
    /// Units that may be taken at once.
    pub(super) burst: u32,
}

/// When the next unit of each rate may come.
#[derive(Debug, Default)]
pub(super) struct Pace(Vec<(&'static str, Instant)>);

impl Pace {
    /// How long a call waits, its place taken; or, as an error, the pause after which there may be a place.
    pub(super) fn take(&mut self, rates: &[Rate], longest: Duration, now: Instant) -> Result<Duration, Duration> {
        let next = |rate: &Rate| self.of(rate.name).map_or(now, |at| at.max(now));
        let wait = rates.iter().map(|rate| {
            let room = rate.step * (rate.burst - rate.units.min(rate.burst));
            (next(rate) - now).saturating_sub(room)
        });
        let wait = wait.max().unwrap_or_default();
        if wait > longest {
            return Err(wait);
        }
        let taken: Vec<_> = rates
            .iter()
            .map(|rate| (rate.name, next(rate) + rate.step * rate.units))
            .collect();
        self.0 = taken;
        Ok(wait)
    }

    fn of(&self, name: &str) -> Option<Instant> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(units: u32) -> Rate {
        Rate {
            name: "requests",
            step: Duration::from_secs(1),
            units,
            burst: 3,
        }
    }

    #[test]
    fn a_burst_passes_at_once_then_one_after_each_step_and_nobody_waits_too_long() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let mut take = |rate| {
            pace.take(&[rate], Duration::from_secs(2), now)
                .map_err(|pause| pause.as_secs())
        };
        let waits: Vec<_> = (0..5).map(|_| take(rate(1)).map(|wait| wait.as_secs())).collect();
        assert_eq!(waits, [Ok(0), Ok(0), Ok(0), Ok(1), Ok(2)]);
        assert_eq!(take(rate(1)), Err(3));
        let later = now + Duration::from_secs(60);
        assert_eq!(
            pace.take(&[rate(9)], Duration::ZERO, later),
            Ok(Duration::ZERO),
            "more than a burst passes too"
        );
        let owed = pace.take(&[rate(1)], Duration::from_mins(1), later);
        assert_eq!(owed, Ok(Duration::from_secs(7)), "and owes the rest");
    }
}
