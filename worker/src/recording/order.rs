//! Decode times for pictures that come without any: RTP tells when a picture is shown, and pictures come in the order in
//! which they are decoded.
//!
//! A codec says how many pictures may come before another one and be shown after it, at most. With `depth` of them, all but
//! the latest `depth` shown ones of the pictures that have come are shown before every picture to come. So the decode time of
//! a picture is the show time that is `depth` places before its own in the sorted order: it rises, nothing is held back, and
//! no picture is shown before it is decoded.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Gives decode times. Ticks of any length.
#[derive(Debug, Clone)]
pub struct DecodeOrder {
    depth: usize,
    waiting: BinaryHeap<Reverse<i64>>,
    last: Option<i64>,
}

impl DecodeOrder {
    /// For a codec that holds back at most `depth` pictures.
    pub fn new(depth: usize) -> Self {
        Self {
            depth,
            waiting: BinaryHeap::with_capacity(depth + 1),
            last: None,
        }
    }

    /// The decode time of the next picture, which is shown at `shown`. Later than that of the one before, always; not after
    /// `shown` as long as the stream holds back no more than it said.
    pub fn next(&mut self, shown: i64) -> i64 {
        self.waiting.push(Reverse(shown));
        let due = if self.waiting.len() > self.depth {
            self.waiting.pop().map_or(shown, |Reverse(due)| due)
        } else {
            // The first ones have nothing before them: a tick each is enough.
            let earliest = self.waiting.peek().map_or(shown, |Reverse(earliest)| *earliest);
            earliest - (self.depth + 1 - self.waiting.len()) as i64
        };
        let due = self.last.map_or(due, |last| due.max(last + 1));
        self.last = Some(due);
        due
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times(depth: usize, shown: &[i64]) -> Vec<i64> {
        let mut order = DecodeOrder::new(depth);
        shown.iter().map(|shown| order.next(*shown)).collect()
    }

    #[test]
    fn without_reordering_pictures_are_decoded_when_they_are_shown() {
        assert_eq!(times(0, &[0, 3_000, 6_000]), [0, 3_000, 6_000]);
    }

    #[test]
    fn pictures_that_others_refer_to_are_decoded_early() {
        // I P B B P B B, shown I B B P B B P.
        let shown = [0, 9, 3, 6, 18, 12, 15];
        assert_eq!(times(1, &shown), [-1, 0, 3, 6, 9, 12, 15]);
    }

    #[test]
    fn a_stream_that_holds_back_more_than_it_said_keeps_its_order_all_the_same() {
        assert_eq!(times(0, &[0, 9, 3, 6, 18]), [0, 9, 10, 11, 18]);
    }

    proptest! {
        #[test]
        fn decode_times_rise_whatever_comes(depth in 0_usize..=16, shown in proptest::collection::vec(-1_000_000_i64..1_000_000, 1..200)) {
            let times = times(depth, &shown);
            prop_assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", times);
        }

        #[test]
        fn no_picture_is_shown_before_it_is_decoded(depth in 0_usize..=8, leaps in proptest::collection::vec(0_usize..5, 1..150)) {
            // Each picture is the next to be shown, or a later one as long as at most `depth` later ones have come before.
            let mut left: Vec<i64> = (0..leaps.len() as i64).map(|number| number * 1_000).collect();
            let (mut shown, mut early) = (Vec::new(), Vec::new());
            // Decoding begins with a picture that is shown first: a key frame.
            for leap in std::iter::once(0).chain(leaps.into_iter().skip(1)) {
                early.retain(|picture| *picture > left[0]);
                let leap = if early.len() < depth { leap.min(left.len() - 1) } else { 0 };
                let picture = left.remove(leap);
                early.extend((leap > 0).then_some(picture));
                shown.push(picture);
            }
            for (decoded, shown) in times(depth, &shown).into_iter().zip(&shown) {
                prop_assert!(decoded <= *shown, "{shown} at {decoded}");
            }
        }
    }
}
