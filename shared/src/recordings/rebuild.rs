//! The rows of an index from the names of segments, beside those that are known. Pure.

use super::row::{Gap, GapCause, Row, Segment};

/// What an index has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rebuilt {
    /// Oldest first.
    pub(super) rows: Vec<Row>,
    /// Segments that get a row.
    pub(super) adopted: Vec<Segment>,
    /// Segments of a worker that was given up, of a time that another one has recorded.
    pub(super) nobodys: Vec<Segment>,
}

/// Adds segments that are stored and have no row to the rows that are known. Known rows stay, but for gaps in which something is recorded
/// after all. A gap that is not known shows in the numbers: it has taken one, or the segment behind it is of another epoch.
pub(super) fn rebuild(known: &[Row], mut stored: Vec<Segment>) -> Rebuilt {
    stored.sort_by_key(|segment| (segment.start_ms, segment.epoch, segment.seq));
    let mut all = Rebuilt::default();
    let indexed: Vec<Segment> = segments_of(known).collect();
    for segment in stored {
        // They follow each other: of those that begin before its end the last one ends last.
        let begun = indexed.partition_point(|known| known.start_ms < segment.end_ms());
        if begun
            .checked_sub(1)
            .is_some_and(|last| overlap(&indexed[last], &segment))
        {
            all.nobodys.push(segment);
            continue;
        }
        // Of two that recorded at a time the later claim's counts.
        match all.adopted.last() {
            Some(last) if overlap(last, &segment) && last.epoch >= segment.epoch => all.nobodys.push(segment),
            Some(last) if overlap(last, &segment) => {
                all.nobodys.extend(all.adopted.pop());
                all.adopted.push(segment);
            }
            _ => all.adopted.push(segment),
        }
    }
    if all.adopted.is_empty() {
        all.rows = known.to_vec();
        return all;
    }
    let (refuted, gaps): (Vec<Gap>, Vec<Gap>) = known
        .iter()
        .filter_map(|row| match row {
            Row::Gap(gap) => Some(*gap),
            Row::Segment(_) => None,
        })
        .partition(|gap| {
            all.adopted
                .iter()
                .any(|segment| covers(gap, segment.start_ms, segment.end_ms()))
        });
    let mut segments: Vec<Segment> = all.adopted.clone();
    segments.extend(indexed);
    segments.sort_by_key(|segment| (segment.start_ms, segment.epoch, segment.seq));
    let missing = segments
        .windows(2)
        .filter_map(|pair| missing_gap(&pair[0], &pair[1], &gaps, &refuted));
    all.rows = missing.chain(gaps.iter().copied()).map(Row::Gap).collect();
    all.rows.extend(segments.into_iter().map(Row::Segment));
    // A gap and what follows it never begin at one time, unless one of them is empty.
    all.rows.sort_by_key(|row| (row.start_ms(), row.end_ms()));
    all
}

/// The segments of these rows.
pub(super) fn segments_of(rows: &[Row]) -> impl Iterator<Item = Segment> {
    rows.iter().filter_map(|row| match row {
        Row::Segment(segment) => Some(*segment),
        Row::Gap(_) => None,
    })
}

/// The gap between two segments that nobody has written down, if there is one.
fn missing_gap(before: &Segment, after: &Segment, known: &[Gap], refuted: &[Gap]) -> Option<Gap> {
    let (start_ms, end_ms) = (before.end_ms(), after.start_ms);
    let is_known = known.iter().any(|gap| covers(gap, start_ms, end_ms));
    let continues = before.epoch == after.epoch && before.seq.checked_add(1) == Some(after.seq);
    if start_ms >= end_ms || is_known {
        return None;
    }
    let cause = match refuted.iter().find(|gap| covers(gap, start_ms, end_ms)) {
        Some(gap) => gap.cause,
        None if continues => return None,
        None if before.epoch == after.epoch => GapCause::Source,
        None => GapCause::Worker,
    };
    Some(Gap {
        start_ms,
        duration_ms: u32::try_from(end_ms - start_ms).unwrap_or(u32::MAX),
        cause,
        epoch: after.epoch,
        seq: after.seq.saturating_sub(1),
    })
}

fn overlap(one: &Segment, other: &Segment) -> bool {
    one.start_ms < other.end_ms() && other.start_ms < one.end_ms()
}

fn covers(gap: &Gap, start_ms: u64, end_ms: u64) -> bool {
    gap.start_ms < end_ms && start_ms < gap.start_ms + u64::from(gap.duration_ms)
}

#[cfg(test)]
mod tests {
    use super::super::name::InitName;
    use super::*;

    fn segment(start_s: u64, epoch: u32, seq: u32) -> Segment {
        Segment {
            start_ms: start_s * 1_000,
            duration_ms: 4_000,
            bytes: 10,
            epoch,
            seq,
            init: InitName::of(b""),
            new_stretch: false,
            starts_with_key: true,
        }
    }

    fn gap(start_s: u64, seconds: u32, cause: GapCause, epoch: u32, seq: u32) -> Row {
        Row::Gap(Gap {
            start_ms: start_s * 1_000,
            duration_ms: seconds * 1_000,
            cause,
            epoch,
            seq,
        })
    }

    /// Two segments, a source that was away, another worker, and what the first one left behind.
    fn recorded() -> Vec<Row> {
        vec![
            Row::Segment(segment(100, 1, 0)),
            Row::Segment(segment(104, 1, 1)),
            gap(108, 2, GapCause::Source, 1, 2),
            Row::Segment(segment(110, 1, 3)),
            Row::Segment(segment(114, 1, 4)),
            gap(118, 5, GapCause::Worker, 2, 1),
            Row::Segment(segment(123, 2, 2)),
            Row::Segment(segment(127, 2, 3)),
        ]
    }

    #[test]
    fn an_index_that_is_gone_is_made_anew_from_names() {
        let mut stored: Vec<Segment> = segments_of(&recorded()).collect();
        stored.reverse();
        let rebuilt = rebuild(&[], stored);
        assert_eq!(rebuilt.rows, recorded());
        assert_eq!((rebuilt.adopted.len(), rebuilt.nobodys.len()), (6, 0));
    }

    #[test]
    fn rows_that_are_missing_are_added_and_the_others_stay_as_they_are() {
        for left_out in 0..recorded().len() {
            let mut known = recorded();
            let Row::Segment(missing) = known.remove(left_out) else {
                continue;
            };
            let rebuilt = rebuild(&known, vec![missing]);
            assert_eq!(rebuilt.rows, recorded(), "without {left_out}");
            assert_eq!(rebuilt.adopted, [missing]);
        }
        assert_eq!(rebuild(&recorded(), Vec::new()).rows, recorded());
    }

    #[test]
    fn a_gap_in_which_something_is_recorded_after_all_gets_smaller() {
        let known = [
            Row::Segment(segment(100, 1, 0)),
            gap(104, 20, GapCause::Stopped, 2, 0),
            Row::Segment(segment(124, 2, 1)),
        ];
        let rebuilt = rebuild(&known, vec![segment(110, 1, 2)]);
        let expected = [
            Row::Segment(segment(100, 1, 0)),
            gap(104, 6, GapCause::Stopped, 1, 1),
            Row::Segment(segment(110, 1, 2)),
            gap(114, 10, GapCause::Stopped, 2, 0),
            Row::Segment(segment(124, 2, 1)),
        ];
        assert_eq!(rebuilt.rows, expected);
    }

    #[test]
    fn of_a_time_that_two_workers_recorded_the_later_claim_counts() {
        let (late, winner) = (segment(118, 1, 5), segment(120, 2, 0));
        let rebuilt = rebuild(&[], vec![segment(114, 1, 4), late, winner, segment(124, 2, 1)]);
        assert_eq!(rebuilt.nobodys, [late]);
        let kept: Vec<Segment> = segments_of(&rebuilt.rows).collect();
        assert_eq!(kept, [segment(114, 1, 4), winner, segment(124, 2, 1)]);
        let known = [Row::Segment(winner)];
        assert_eq!(rebuild(&known, vec![late]).nobodys, [late]);
    }
}
