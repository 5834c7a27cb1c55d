//! Which pictures of a running stream are wanted: the first of each interval of 1/fps seconds of stream time.

use std::collections::VecDeque;

/// Intervals are counted from time 0, so that whoever goes on elsewhere samples the same pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampler {
    /// First moment at which a picture is wanted again.
    due_ms: u64,
}

impl Sampler {
    /// Wants a picture from this moment on.
    pub(super) fn from(due_ms: u64) -> Self {
        Self { due_ms }
    }

    /// First moment at which a picture is wanted.
    pub(super) fn due_ms(self) -> u64 {
        self.due_ms
    }

    /// Whether a picture of this time is wanted.
    pub(super) fn wants(self, t_ms: u64) -> bool {
        t_ms >= self.due_ms
    }

    /// Notes that a picture of this time was taken.
    pub(super) fn take(&mut self, t_ms: u64, fps: f64) {
        let next = ((interval(t_ms, fps) + 1.0) * 1000.0 / fps - ROUNDING).ceil() as u64;
        self.due_ms = next.max(t_ms.saturating_add(1));
    }
}

/// Intervals for which a packet was sent whose picture is not out yet. Packets come in decoding order, so the newest
/// time alone does not tell.
#[derive(Debug, Default)]
pub(super) struct Claims {
    fps: f64,
    intervals: VecDeque<f64>,
}

impl Claims {
    /// Whether this is the first packet of its interval.
    pub(super) fn claim(&mut self, t_ms: u64, fps: f64) -> bool {
        if self.fps != fps {
            *self = Self { fps, ..Self::default() };
        }
        let interval = interval(t_ms, fps);
        if self.intervals.contains(&interval) {
            return false;
        }
        if self.intervals.len() >= MOST_CLAIMS {
            self.intervals.pop_front();
        }
        self.intervals.push_back(interval);
        true
    }
}

/// A decoder holds back at most 16 pictures.
const MOST_CLAIMS: usize = 32;

fn interval(t_ms: u64, fps: f64) -> f64 {
    (t_ms as f64 * fps / 1000.0 + ROUNDING).floor()
}

/// Keeps a time that stands on an interval's border, such as 333 ms of 1/3 s, on its right side.
const ROUNDING: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(fps: f64, times: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut sampler = Sampler::from(0);
        let wanted = times.filter(|t_ms| {
            let wanted = sampler.wants(*t_ms);
            if wanted {
                sampler.take(*t_ms, fps);
            }
            wanted
        });
        wanted.collect()
    }

    #[test]
    fn one_picture_of_each_interval_is_taken() {
        assert_eq!(taken(1.0, (0..40).map(|index| index * 100)), [0, 1000, 2000, 3000]);
        assert_eq!(
            taken(0.5, (0..10).map(|index| 300 + index * 900)),
            [300, 2100, 4800, 6600, 8400]
        );
        assert_eq!(taken(25.0, (0..10).map(|index| index * 40)).len(), 10);
    }

    #[test]
    fn each_interval_is_claimed_once_in_whatever_order_its_packets_come() {
        let mut claims = Claims::default();
        let order = [0, 120, 40, 80, 240, 160, 200, 1040, 1000];
        assert!(order.iter().all(|t_ms| claims.claim(*t_ms, 25.0)));
        assert!(!order.iter().any(|t_ms| claims.claim(*t_ms, 25.0)));
        let claimed = order.iter().filter(|t_ms| claims.claim(**t_ms, 1.0));
        assert_eq!(claimed.collect::<Vec<_>>(), [&0, &1040]);
    }

    #[test]
    fn more_than_there_is_takes_everything_and_time_that_stands_still_one_picture() {
        assert_eq!(taken(1000.0, (0..10).map(|index| index * 33)).len(), 10);
        assert_eq!(taken(1000.0, std::iter::repeat_n(7, 50)), [7]);
        assert_eq!(taken(1.0, [u64::MAX - 1, u64::MAX - 1, 0].into_iter()), [u64::MAX - 1]);
    }
}
