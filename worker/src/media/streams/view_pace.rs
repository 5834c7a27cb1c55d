//! Which pictures of a watched stream are shown: as many a second as wanted, evenly, whatever comes.
//!
//! Unlike the sampler's, these intervals are not a grid: a camera of exactly the wanted rate whose times jitter has all of its
//! pictures shown.

/// A picture may be this share of an interval early.
const EARLY: f64 = 0.25;

/// Where the next picture is due.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Pace {
    due_ms: Option<f64>,
}

impl Pace {
    /// Whether a picture of this time is to be shown.
    pub(super) fn wants(self, t_ms: u64, fps: f64) -> bool {
        self.due_ms
            .is_none_or(|due_ms| t_ms as f64 >= due_ms - EARLY * interval_ms(fps))
    }

    /// The same, and if so counts it as shown.
    pub(super) fn take(&mut self, t_ms: u64, fps: f64) -> bool {
        let (t, interval) = (t_ms as f64, interval_ms(fps));
        // Time that jumps back begins anew.
        if self.due_ms.is_some_and(|due_ms| due_ms - t > 2.0 * interval) {
            self.due_ms = None;
        }
        if !self.wants(t_ms, fps) {
            return false;
        }
        // After a pause the pace begins anew: nothing is made up for.
        let next = self.due_ms.map_or(t, |due_ms| due_ms.max(t - interval)) + interval;
        self.due_ms = Some(next);
        true
    }
}

fn interval_ms(fps: f64) -> f64 {
    1_000.0 / fps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of these pictures are shown at 15 a second.
    fn shown(times: impl Iterator<Item = u64>) -> usize {
        let mut pace = Pace::default();
        times.filter(|t_ms| pace.take(*t_ms, 15.0)).count()
    }

    #[test]
    fn a_camera_of_the_wanted_rate_has_every_picture_shown_although_its_times_jitter() {
        for phase in 0..70 {
            let times = (0..300_u64).map(|n| phase + n * 1_000 / 15 + [0, 7, 3, 11][n as usize % 4]);
            assert_eq!(shown(times), 300, "{phase}");
        }
    }

    #[test]
    fn faster_cameras_are_shown_at_the_wanted_rate() {
        for fps in [20, 24, 25, 30, 50, 60, 120] {
            let count = shown((0..fps * 20).map(|n| n * 1_000 / fps));
            assert!((295..=301).contains(&count), "{fps} a second: {count}");
        }
    }

    #[test]
    fn slower_ones_have_all_shown_and_a_pause_is_not_made_up_for() {
        assert_eq!(shown((0..100).map(|n| n * 200)), 100);
        let after_a_pause = (0..30).map(|n| 60_000 + n * 20);
        let count = shown((0..10).map(|n| n * 100).chain(after_a_pause));
        assert!((19..=21).contains(&count), "10, and 0.6 s of the rate: {count}");
    }

    #[test]
    fn time_that_jumps_back_is_shown_on() {
        assert_eq!(shown([10_000, 10_100, 0, 100, 200].into_iter()), 5);
        assert_eq!(shown(std::iter::repeat_n(7, 50)), 1);
    }
}
