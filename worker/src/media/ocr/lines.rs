//! Letters put together to lines of text by where they stand.

use super::pieces::{Bounds, union};

/// More letters than this are no text but a picture; on a large page, more than one on so many of its pixels: small print
/// with its spaces takes twice that.
const MOST_LETTERS: usize = 40_000;
const PIXELS_OF_A_LETTER: u64 = 50;
/// Height taken for the letters' where there are none to ask.
const USUAL_LETTER_HEIGHT: u32 = 10;
/// Heights of lines, pixels.
const LINE_HEIGHTS: std::ops::RangeInclusive<u32> = 5..=80;
/// Greatest height of what is joined side by side, pixels.
const MOST_HEIGHT: u32 = 80;
/// Lines are looked up by rows of this many pixels.
const SHELF: u32 = 16;

/// Boxes of lines of text on a page of so many pixels, in no particular order. A wide gap ends a line: columns and cells
/// stand apart.
pub(super) fn of_letters(letters: Vec<Bounds>, pixels: u64) -> Vec<Bounds> {
    if letters.len() > MOST_LETTERS.max((pixels / PIXELS_OF_A_LETTER) as usize) {
        return Vec::new();
    }
    let usual = usual_height(&letters);
    let mut boxes = letters;
    boxes.retain(|letter| !is_bar(letter, usual));
    loop {
        let before = boxes.len();
        boxes = join_once(boxes, usual);
        if boxes.len() == before {
            break;
        }
        boxes.sort_unstable();
    }
    boxes.retain(|[.., width, height]| LINE_HEIGHTS.contains(height) && *width >= 4);
    boxes
}

/// An upright piece of a frame: thinner than any letter of its height, and higher than the letters around it.
fn is_bar([.., width, height]: &Bounds, usual: u32) -> bool {
    *height > usual * 3 / 2 && width * 6 <= *height
}

/// Median height of what is not a dot.
fn usual_height(boxes: &[Bounds]) -> u32 {
    let mut heights: Vec<u32> = boxes
        .iter()
        .map(|[.., height]| *height)
        .filter(|height| *height >= 5)
        .collect();
    let middle = heights.len() / 2;
    if heights.is_empty() {
        USUAL_LETTER_HEIGHT
    } else {
        *heights.select_nth_unstable(middle).1
    }
}

/// Puts each box, from left to right, to the last one that it belongs to.
fn join_once(boxes: Vec<Bounds>, usual: u32) -> Vec<Bounds> {
    let mut joined: Vec<Bounds> = Vec::new();
    let mut shelves: Vec<Vec<usize>> = Vec::new();
    let farthest = reach(MOST_HEIGHT, usual);
    for bounds in boxes {
        // A dot or an accent stands a little above or below what it belongs to.
        let near = shelves_of(bounds, usual);
        // What ended too far to the left for this box did so for all later ones.
        let is_near = |other: &usize| i64::from(joined[*other][0] + joined[*other][2]) + farthest >= bounds[0].into();
        for shelf in near.clone() {
            if let Some(shelf) = shelves.get_mut(shelf) {
                shelf.retain(is_near);
            }
        }
        let candidates = near.filter_map(|shelf| shelves.get(shelf)).flatten();
        let partner = candidates
            .copied()
            .filter_map(|other| Some((bond(&joined[other], &bounds, usual)?, other)))
            .max()
            .map(|(_, other)| other);
        let index = partner.unwrap_or(joined.len());
        match partner {
            Some(other) => joined[other] = union(joined[other], bounds),
            None => joined.push(bounds),
        }
        for shelf in shelves_of(joined[index], 0) {
            if shelves.len() <= shelf {
                shelves.resize(shelf + 1, Vec::new());
            }
            if !shelves[shelf].contains(&index) {
                shelves[shelf].push(index);
            }
        }
    }
    joined
}

fn shelves_of([_, y, _, height]: Bounds, around: u32) -> std::ops::RangeInclusive<usize> {
    let (first, last) = (y.saturating_sub(around) / SHELF, (y + height + around) / SHELF);
    first as usize..=last as usize
}

/// How two boxes belong together, the stronger bond last: a comma stands near the line below it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    /// A dot or accent above or below its letter.
    Stacked,
    /// Side by side in one line.
    Beside,
}

/// How far apart boxes of a height may stand in one line, pixels.
fn reach(height: u32, usual: u32) -> i64 {
    i64::from(height.max(usual)) * 6 / 5
}

fn bond(a: &Bounds, b: &Bounds, usual: u32) -> Option<Bond> {
    let low = a[3].min(b[3]);
    let high = a[3].max(b[3]);
    let overlap = (a[1] + a[3]).min(b[1] + b[3]).saturating_sub(a[1].max(b[1]));
    let height = (a[1] + a[3]).max(b[1] + b[3]) - a[1].min(b[1]);
    let gap = i64::from(a[0].max(b[0])) - i64::from((a[0] + a[2]).min(b[0] + b[2]));
    let reach = reach(high.min(low * 5 / 2), usual);
    let low_enough = height * 5 <= high * 7 && high <= MOST_HEIGHT;
    let in_line = overlap * 2 >= low && low * 5 >= high * 2 && gap <= reach && low_enough;
    let distance = i64::from(a[1].max(b[1])) - i64::from((a[1] + a[3]).min(b[1] + b[3]));
    let small = if a[3] < b[3] { a } else { b };
    let dot = gap <= 0
        && low * 20 < high * 9
        && low * 2 <= usual
        && small[2] <= usual.max(high / 2)
        && high <= 60
        && distance * 20 <= i64::from(high.min(usual * 2)) * 7;
    // Commas, hyphens and points: small, and within the height of what they follow. In type of one width they stand off;
    // beside what is higher than letters, letters themselves are as small.
    let room = if high <= usual * 2 { reach * 3 / 4 } else { reach / 2 };
    let mark = overlap == low && low * 5 < high * 2 && gap <= room && high <= 60;
    if in_line || mark {
        return Some(Bond::Beside);
    }
    dot.then_some(Bond::Stacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 1280 * 720;

    #[test]
    fn a_large_page_may_be_full_of_small_print_and_a_small_one_is_a_picture_then() {
        let print = (0..250).flat_map(|line| (0..260).map(move |letter| [20 + letter * 13, 20 + line * 19, 8, 12]));
        let mut letters: Vec<Bounds> = print.collect();
        letters.sort_unstable();
        assert_eq!(of_letters(letters.clone(), PAGE), Vec::<Bounds>::new());
        let lines = of_letters(letters, 3508 * 4961);
        assert_eq!(lines.len(), 250);
        assert!(
            lines
                .iter()
                .all(|[x, _, width, height]| (*x, *width, *height) == (20, 259 * 13 + 8, 12))
        );
    }

    #[test]
    fn letters_in_a_row_make_a_line_and_rows_stay_apart() {
        let letters = (0..6).map(|n| [20 + n * 10, 20, 5, 10]);
        let below = (0..3).map(|n| [20 + n * 10, 50, 5, 10]);
        let mut all: Vec<Bounds> = letters.chain(below).collect();
        all.sort_unstable();
        let mut found = of_letters(all, PAGE);
        found.sort_unstable_by_key(|[_, y, ..]| *y);
        assert_eq!(found, [[20, 20, 55, 10], [20, 50, 25, 10]]);
    }

    #[test]
    fn a_dot_belongs_to_its_letter_and_a_wide_gap_ends_a_line() {
        assert_eq!(
            of_letters(vec![[20, 20, 4, 2], [20, 24, 4, 10]], PAGE),
            [[20, 20, 4, 14]]
        );
        let beside_frame = of_letters(
            vec![[10, 12, 2, 26], [20, 20, 8, 10], [30, 20, 8, 10], [40, 20, 8, 10]],
            PAGE,
        );
        assert_eq!(beside_frame, [[20, 20, 28, 10]]);
        let cells = of_letters(vec![[20, 20, 8, 10], [30, 20, 8, 10], [90, 20, 8, 10]], PAGE);
        assert_eq!(cells, [[20, 20, 18, 10], [90, 20, 8, 10]]);
        let call = of_letters(
            vec![[20, 20, 4, 12], [33, 23, 2, 2], [33, 29, 2, 2], [44, 20, 8, 12]],
            PAGE,
        );
        assert_eq!(call, [[20, 20, 32, 12]]);
    }
}
