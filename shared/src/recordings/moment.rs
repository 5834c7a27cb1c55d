//! What has to be read for the picture that was shown at a moment. Pure.

use super::row::Segment;
use super::timeline::Timeline;

/// Pictures that are shown in the end of a segment may be stored in the next one, behind the key frame that it begins with:
/// so much of the end, milliseconds. It is as many pictures as a codec holds back, 16, at 16 a second.
const HELD_BACK_MS: u64 = 1_000;

/// A moment of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Of one stretch, oldest first, at least one: the first begins with a key frame, and the last may be the one after the
    /// moment's.
    pub segments: Vec<Segment>,
    /// Which of them is the moment's.
    pub within: usize,
    /// Whether more is recorded since: what is shown at the moment does not change any more.
    pub is_settled: bool,
}

/// Nothing was recorded at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unrecorded {
    /// The last time before it that was, Unix milliseconds, as far as is known.
    pub before_ms: Option<u64>,
    /// The first time after it that was.
    pub after_ms: Option<u64>,
}

impl Timeline {
    /// What shows a moment, Unix milliseconds. The end of a stretch is part of it: its last picture is still shown.
    ///
    /// # Errors
    /// When nothing was recorded then.
    pub fn moment(&self, at_ms: u64) -> Result<Moment, Unrecorded> {
        let covers = |place: &usize| {
            let stretch = &self.stretches[*place];
            (stretch.start_ms()..=stretch.end_ms()).contains(&at_ms)
        };
        // Where one ends and another begins, the later one is shown.
        let place = (0..self.stretches.len()).rev().find(covers);
        let place = place.ok_or_else(|| self.nearest(at_ms))?;
        let segments = &self.stretches[place].segments;
        // By their starts alone: clocks may leave a millisecond between two segments.
        let target = segments.partition_point(|segment| segment.start_ms <= at_ms) - 1;
        let first = segments[..=target]
            .iter()
            .rposition(|segment| segment.starts_with_key)
            .unwrap_or(target);
        let next = segments.get(target + 1);
        let may_hold_some = next.is_some_and(|next| at_ms + HELD_BACK_MS >= next.start_ms);
        let last = if may_hold_some { target + 1 } else { target };
        Ok(Moment {
            segments: segments[first..=last].to_vec(),
            within: target - first,
            is_settled: next.is_some() || place + 1 < self.stretches.len(),
        })
    }

    fn nearest(&self, at_ms: u64) -> Unrecorded {
        let ends = self.stretches.iter().map(super::timeline::Stretch::end_ms);
        let starts = self.stretches.iter().map(super::timeline::Stretch::start_ms);
        Unrecorded {
            before_ms: ends.filter(|end| *end < at_ms).max(),
            after_ms: starts.filter(|start| *start > at_ms).min(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::{Gap, GapCause, Row};
    use super::super::timeline::tests::segment_at as segment;
    use super::*;

    /// 100 to 112 s with a millisecond between the first two, 114 to 122 s, and from there on others.
    fn recorded() -> Timeline {
        let gap = Row::Gap(Gap {
            start_ms: 112_000,
            duration_ms: 2_000,
            cause: GapCause::Source,
            epoch: 1,
            seq: 0,
        });
        Timeline::of(&[
            segment(99_999, true, true),
            segment(104_000, false, true),
            segment(108_000, false, false),
            gap,
            segment(114_000, true, true),
            segment(118_000, false, true),
            segment(122_000, true, true),
        ])
    }

    /// Starts of the segments, in seconds, which of them is the moment's, and whether it is settled.
    fn moment(at_ms: u64) -> Option<(Vec<u64>, usize, bool)> {
        let found = recorded().moment(at_ms).ok()?;
        let starts = found.segments.iter().map(|segment| segment.start_ms.div_ceil(1_000));
        Some((starts.collect(), found.within, found.is_settled))
    }

    #[test]
    fn a_moment_is_in_the_last_segment_that_has_begun() {
        assert_eq!(moment(99_999), Some((vec![100], 0, true)));
        assert_eq!(moment(102_000), Some((vec![100], 0, true)));
        assert_eq!(moment(104_000), Some((vec![104], 0, true)));
        assert_eq!(moment(114_500), Some((vec![114], 0, true)));
    }

    #[test]
    fn decoding_starts_at_a_key_frame_though_it_is_in_an_earlier_segment() {
        assert_eq!(moment(109_000), Some((vec![104, 108], 1, true)));
    }

    #[test]
    fn the_end_of_a_segment_may_be_stored_in_the_next_one() {
        assert_eq!(moment(102_999), Some((vec![100], 0, true)));
        assert_eq!(moment(103_000), Some((vec![100, 104], 0, true)));
        assert_eq!(moment(103_999), Some((vec![100, 104], 0, true)));
        // Where it does not continue, it holds nothing of it.
        assert_eq!(moment(121_900), Some((vec![118], 0, true)));
    }

    #[test]
    fn a_stretch_is_shown_to_its_end_unless_another_has_begun() {
        assert_eq!(moment(112_000), Some((vec![104, 108], 1, true)));
        assert_eq!(moment(122_000), Some((vec![122], 0, false)));
        assert_eq!(moment(126_000), Some((vec![122], 0, false)));
    }

    #[test]
    fn outside_of_all_stretches_the_nearest_times_are_named() {
        let nearest = |at_ms| {
            recorded()
                .moment(at_ms)
                .map_err(|nearest| (nearest.before_ms, nearest.after_ms))
        };
        assert_eq!(nearest(99_998), Err((None, Some(99_999))));
        assert_eq!(nearest(112_001), Err((Some(112_000), Some(114_000))));
        assert_eq!(nearest(126_001), Err((Some(126_000), None)));
        assert!(Timeline::default().moment(0).is_err());
    }
}
