//! What was recorded when: stretches that play without a break, and the gaps between them. Pure.

use super::row::{Gap, Row, Segment};

/// Segments that continue each other and need one init segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// At least one, oldest first.
    pub segments: Vec<Segment>,
}

/// A recording, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    /// Oldest first.
    pub stretches: Vec<Stretch>,
    /// Oldest first.
    pub gaps: Vec<Gap>,
}

impl Stretch {
    /// Start, Unix milliseconds.
    pub fn start_ms(&self) -> u64 {
        self.segments.first().map_or(0, |segment| segment.start_ms)
    }

    /// End, Unix milliseconds.
    pub fn end_ms(&self) -> u64 {
        self.segments.last().map_or(0, Segment::end_ms)
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.bytes)).sum()
    }
}

impl Timeline {
    /// Of the rows of an index, oldest first.
    pub fn of(rows: &[Row]) -> Self {
        let mut timeline = Self::default();
        let mut broken = true;
        for row in rows {
            match row {
                Row::Gap(gap) => {
                    timeline.gaps.push(*gap);
                    broken = true;
                }
                Row::Segment(segment) => {
                    timeline.push(*segment, broken);
                    broken = false;
                }
            }
        }
        timeline
    }

    /// What covers `start_ms` to `end_ms`: the start is snapped back to where decoding can start, within its stretch, the end
    /// to the end of a segment.
    pub fn between(&self, start_ms: u64, end_ms: u64) -> Self {
        let cut = |stretch: &Stretch| {
            let overlap = |segment: &&Segment| segment.end_ms() > start_ms && segment.start_ms < end_ms;
            let first = stretch.segments.iter().position(|segment| overlap(&segment))?;
            let before = stretch.segments[..=first]
                .iter()
                .rposition(|segment| segment.starts_with_key);
            let segments: Vec<Segment> = stretch.segments[before.unwrap_or(first)..]
                .iter()
                .take_while(|segment| segment.start_ms < end_ms)
                .copied()
                .collect();
            (!segments.is_empty()).then_some(Stretch { segments })
        };
        let gaps = self.gaps.iter().filter(|gap| {
            let gap_end = gap.start_ms + u64::from(gap.duration_ms);
            gap_end > start_ms && gap.start_ms < end_ms
        });
        Self {
            stretches: self.stretches.iter().filter_map(cut).collect(),
            gaps: gaps.copied().collect(),
        }
    }

    /// The segments with whether a player has to begin anew with each.
    pub fn segments(&self) -> impl Iterator<Item = (Segment, bool)> + '_ {
        let each = |stretch: &Stretch| {
            let segments = stretch.segments.clone().into_iter().enumerate();
            segments.map(|(number, segment)| (segment, number == 0))
        };
        self.stretches.iter().flat_map(each)
    }

    fn push(&mut self, segment: Segment, broken: bool) {
        let last = self.stretches.last_mut();
        let fits = |stretch: &&mut Stretch| {
            let newest = stretch.segments.last();
            !broken && !segment.new_stretch && newest.is_some_and(|newest| newest.init == segment.init)
        };
        match last.filter(fits) {
            Some(stretch) => stretch.segments.push(segment),
            // What begins without a key frame shows nothing.
            None if segment.starts_with_key => self.stretches.push(Stretch {
                segments: vec![segment],
            }),
            None => {}
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::name::InitName;
    use super::super::row::GapCause;
    use super::*;

    fn segment(start_s: u64, new_stretch: bool, key: bool) -> Row {
        segment_at(start_s * 1_000, new_stretch, key)
    }

    /// One of four seconds.
    pub(crate) fn segment_at(start_ms: u64, new_stretch: bool, key: bool) -> Row {
        Row::Segment(Segment {
            start_ms,
            duration_ms: 4_000,
            bytes: 10,
            epoch: 1,
            seq: 0,
            init: InitName::of(b"one"),
            new_stretch,
            starts_with_key: key,
        })
    }

    fn gap(start_s: u64) -> Row {
        Row::Gap(Gap {
            start_ms: start_s * 1_000,
            duration_ms: 2_000,
            cause: GapCause::Source,
            epoch: 1,
            seq: 0,
        })
    }

    fn starts(timeline: &Timeline) -> Vec<Vec<u64>> {
        let of = |stretch: &Stretch| {
            stretch
                .segments
                .iter()
                .map(|segment| segment.start_ms / 1_000)
                .collect()
        };
        timeline.stretches.iter().map(of).collect()
    }

    fn recorded() -> Timeline {
        let rows = [
            segment(100, true, true),
            segment(104, false, true),
            segment(108, false, false),
            gap(112),
            segment(114, true, true),
            segment(118, false, true),
        ];
        Timeline::of(&rows)
    }

    #[test]
    fn gaps_and_new_beginnings_part_stretches() {
        let timeline = recorded();
        assert_eq!(starts(&timeline), [vec![100, 104, 108], vec![114, 118]]);
        assert_eq!((timeline.gaps.len(), timeline.stretches[0].end_ms()), (1, 112_000));
        let breaks: Vec<bool> = timeline.segments().map(|(_, begins)| begins).collect();
        assert_eq!(breaks, [true, false, false, true, false]);
    }

    #[test]
    fn a_start_is_snapped_back_to_a_key_frame_and_never_over_a_gap() {
        let timeline = recorded();
        assert_eq!(starts(&timeline.between(105_000, 106_000)), [vec![104]]);
        assert_eq!(starts(&timeline.between(109_000, 110_000)), [vec![104, 108]]);
        assert_eq!(starts(&timeline.between(112_500, 115_000)), [vec![114]]);
        assert_eq!(
            starts(&timeline.between(111_999, 119_000)),
            [vec![104, 108], vec![114, 118]]
        );
    }

    #[test]
    fn times_outside_of_the_recording_have_nothing() {
        let timeline = recorded();
        for (start, end) in [(0, 100_000), (122_000, 200_000), (112_100, 113_000)] {
            assert_eq!(timeline.between(start, end).stretches, [], "{start} {end}");
        }
        assert_eq!(timeline.between(112_100, 113_000).gaps.len(), 1);
    }

    #[test]
    fn what_cannot_be_decoded_from_its_start_begins_no_stretch() {
        let timeline = Timeline::of(&[segment(100, true, false), segment(104, false, true)]);
        assert_eq!(starts(&timeline), [vec![104]]);
    }
}
