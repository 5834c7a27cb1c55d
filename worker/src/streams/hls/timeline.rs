//! Times of segments as one line: each says its own, in ticks of 90 kHz whose 33 bits turn over after a day, and may begin anew.

use crate::protocol_sources::UNIT_RATE as RATE;

/// Bits of a time in MPEG-TS.
const TURN: i64 = 1 << 33;
/// A segment whose times lie further than this from the end of the one before begins anew, whether it says so or not.
const MAX_LEAP: i64 = 10 * RATE;
/// So does one that begins so much before it.
const MAX_OVERLAP: i64 = RATE;

/// Where segments lie, ticks from the first.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// What is added to the times of the newest segment, and where it ends.
    newest: Option<(i64, i64)>,
}

impl Timeline {
    /// A segment begins with this time. What is to be added to its times.
    pub(super) fn begin(&mut self, first: i64, discontinuity: bool) -> i64 {
        let Some((offset, end)) = self.newest else {
            return self.set(-first, 0);
        };
        // As many turns as bring it nearest to where it is expected.
        let told = first + offset - end;
        let leap = apart(end, first + offset);
        let offset = offset + leap - told;
        if discontinuity || !(-MAX_OVERLAP..=MAX_LEAP).contains(&leap) {
            self.set(end - first, end)
        } else {
            self.set(offset, end)
        }
    }

    /// The newest segment has a picture that ends here, ticks from the first segment.
    pub(super) fn reach(&mut self, end: i64) {
        if let Some((_, newest)) = &mut self.newest {
            *newest = (*newest).max(end);
        }
    }

    /// A segment of this length is not there.
    pub(super) fn pass(&mut self, length: i64) {
        if let Some((_, newest)) = &mut self.newest {
            *newest += length;
        }
    }

    /// Where the newest segment ends, ticks from the first.
    pub(super) fn end(&self) -> i64 {
        self.newest.map_or(0, |(_, end)| end)
    }

    fn set(&mut self, offset: i64, end: i64) -> i64 {
        self.newest = Some((offset, end));
        offset
    }
}

/// How far apart two times are, whatever turns lie between them.
pub(super) fn apart(from: i64, to: i64) -> i64 {
    (to - from + TURN / 2).rem_euclid(TURN) - TURN / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Begins segments at these times, each two seconds long; when they are shown.
    fn shown(segments: &[(i64, bool)]) -> Vec<i64> {
        let mut timeline = Timeline::default();
        let place = |(first, discontinuity): &(i64, bool)| {
            let at = first + timeline.begin(*first, *discontinuity);
            timeline.reach(at + 2 * RATE);
            at / RATE
        };
        segments.iter().map(place).collect()
    }

    #[test]
    fn segments_follow_each_other_over_the_turn_of_their_bits_and_where_they_begin_anew() {
        let turn = TURN - 2 * RATE;
        assert_eq!(shown(&[(turn, false), (0, false), (2 * RATE, false)]), [0, 2, 4]);
        assert_eq!(
            shown(&[(50 * RATE, false), (7 * RATE, true), (9 * RATE, false)]),
            [0, 2, 4]
        );
        let leaps = [(0, false), (5 * RATE, false), (500 * RATE, false), (498 * RATE, false)];
        assert_eq!(shown(&leaps), [0, 5, 7, 9], "a hole stays, a leap does not");
    }

    #[test]
    fn segments_that_are_missing_leave_their_time() {
        let mut timeline = Timeline::default();
        timeline.begin(7 * RATE, false);
        timeline.reach(6 * RATE);
        timeline.pass(6 * RATE);
        timeline.pass(6 * RATE);
        let first = 25 * RATE;
        assert_eq!(
            (first + timeline.begin(first, false), timeline.end()),
            (18 * RATE, 18 * RATE)
        );
        assert_eq!(3 * RATE + timeline.begin(3 * RATE, true), 18 * RATE);
    }

    proptest! {
        #[test]
        fn no_times_break_it(segments in prop::collection::vec((-TURN..2 * TURN, any::<bool>()), 1..20)) {
            let mut timeline = Timeline::default();
            for (first, discontinuity) in segments {
                let at = first + timeline.begin(first, discontinuity);
                timeline.reach(at + RATE);
                prop_assert!(at.abs() <= (MAX_LEAP + RATE) * 20);
            }
        }
    }
}
