//! Whether key frames alone are enough: judged by the distance between those seen so far.

/// Key frames may come this much later than wanted, a share of the wanted interval.
const TOLERANCE: f64 = 0.05;

/// The distance between a file's key frames as it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Pace {
    newest_key_ms: Option<u64>,
    distance_ms: Option<u64>,
    /// A packet since the newest key frame was left out, so none before the next can be decoded.
    broken: bool,
}

impl Pace {
    /// Whether a packet can be left out, because key frames alone give as many frames as are wanted.
    pub(super) fn can_leave_out(&mut self, key: bool, t_ms: u64, fps: f64) -> bool {
        if key {
            self.distance_ms = self.newest_key_ms.map(|newest| t_ms.saturating_sub(newest));
            self.newest_key_ms = Some(t_ms);
            self.broken = false;
            return false;
        }
        let enough = |distance: u64| distance as f64 <= 1000.0 / fps * (1.0 + TOLERANCE);
        // A key frame that is overdue ends it at the next one: what came since cannot be decoded any more.
        self.broken |= self.distance_ms.is_some_and(enough);
        self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(fps: f64, keys_each: u64) -> usize {
        let mut pace = Pace::default();
        let packets = (0..200).map(|index| (index % keys_each == 0, index * 40));
        packets
            .filter(|(key, t_ms)| pace.can_leave_out(*key, *t_ms, fps))
            .count()
    }

    #[test]
    fn key_frames_every_two_seconds_are_enough_for_one_frame_in_two_seconds_and_not_for_one_a_second() {
        // The first group shows the distance, so everything after its second key frame is left out.
        assert_eq!(left_out(0.5, 50), 3 * 49);
        assert_eq!(left_out(1.0, 50), 0);
    }

    #[test]
    fn a_stream_of_key_frames_loses_none() {
        assert_eq!(left_out(0.01, 1), 0);
    }
}
