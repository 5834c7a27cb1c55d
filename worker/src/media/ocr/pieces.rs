//! Connected pieces of ink, and pieces put together to lines of text by where they stand.

use super::ink::Ink;

/// Left, top, width, height.
pub(super) type Bounds = [u32; 4];

/// More pieces than this are no text that was overlooked but a picture.
const MOST_PIECES: usize = 4_000;
/// More runs of ink than this in all rows are a picture, too.
const MOST_RUNS: usize = 2_000_000;
/// Heights of letters, pixels.
const LETTER_HEIGHTS: std::ops::RangeInclusive<u32> = 2..=70;
/// A letter, or letters that touch.
const MOST_LETTER_WIDTH: u32 = 160;
/// Least pixels of a piece.
const LEAST_AREA: u32 = 3;
/// Height taken for the letters' where there are none to ask.
const USUAL_LETTER_HEIGHT: u32 = 10;
/// Heights of lines, pixels.
const LINE_HEIGHTS: std::ops::RangeInclusive<u32> = 5..=80;

/// Boxes of lines of text in the ink, in no particular order; empty if it looks like a picture.
pub(super) fn lines(ink: &Ink) -> Vec<Bounds> {
    let pieces = connected(ink).unwrap_or_default();
    let letters: Vec<Bounds> = pieces.into_iter().filter(is_letter).map(|piece| piece.bounds).collect();
    if letters.len() > MOST_PIECES {
        return Vec::new();
    }
    let mut boxes = letters;
    boxes.sort_unstable();
    let usual = usual_height(&boxes);
    loop {
        let before = boxes.len();
        boxes = join_once(boxes, usual);
        if boxes.len() == before {
            break;
        }
    }
    boxes.retain(|[.., width, height]| LINE_HEIGHTS.contains(height) && *width >= 4);
    boxes
}

struct Piece {
    bounds: Bounds,
    area: u32,
}

fn is_letter(piece: &Piece) -> bool {
    let [.., width, height] = piece.bounds;
    let rule = (width > 30 && height <= 3) || (height > 26 && width <= 3);
    LETTER_HEIGHTS.contains(&height) && width <= MOST_LETTER_WIDTH && piece.area >= LEAST_AREA && !rule
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

/// Puts each box to the first one that it belongs to.
fn join_once(boxes: Vec<Bounds>, usual: u32) -> Vec<Bounds> {
    let mut joined: Vec<Bounds> = Vec::new();
    for bounds in boxes {
        match joined
            .iter_mut()
            .rev()
            .find(|other| belong_together(other, &bounds, usual))
        {
            Some(other) => *other = union(*other, bounds),
            None => joined.push(bounds),
        }
    }
    joined
}

/// Side by side in one line, or a dot or accent above or below its letter.
fn belong_together(a: &Bounds, b: &Bounds, usual: u32) -> bool {
    let low = a[3].min(b[3]);
    let high = a[3].max(b[3]);
    let overlap = (a[1] + a[3]).min(b[1] + b[3]).saturating_sub(a[1].max(b[1]));
    let height = (a[1] + a[3]).max(b[1] + b[3]) - a[1].min(b[1]);
    let gap = i64::from(a[0].max(b[0])) - i64::from((a[0] + a[2]).min(b[0] + b[2]));
    let reach = i64::from(high.min(low * 5 / 2)).max(i64::from(usual)) * 6 / 5;
    let in_line = overlap * 2 >= low && low * 5 >= high * 2 && gap <= reach && height * 5 <= high * 7 && high <= 80;
    let distance = i64::from(a[1].max(b[1])) - i64::from((a[1] + a[3]).min(b[1] + b[3]));
    let dot = gap <= 0 && low * 20 < high * 9 && high <= 60 && distance * 20 <= i64::from(high) * 7;
    // Commas, hyphens and points: small, and within the height of what they follow.
    let mark = overlap == low && low * 5 < high * 2 && gap <= reach / 2 && high <= 60;
    in_line || dot || mark
}

fn union(a: Bounds, b: Bounds) -> Bounds {
    let (x, y) = (a[0].min(b[0]), a[1].min(b[1]));
    [
        x,
        y,
        (a[0] + a[2]).max(b[0] + b[2]) - x,
        (a[1] + a[3]).max(b[1] + b[3]) - y,
    ]
}

/// Pieces whose pixels touch, corners included: runs of each row joined with those of the row above. `None` if there
/// are more runs than any text has.
fn connected(ink: &Ink) -> Option<Vec<Piece>> {
    let (_, height) = ink.size();
    let mut pieces: Vec<Piece> = Vec::new();
    // Where a piece has gone that was joined to another one.
    let mut parents: Vec<usize> = Vec::new();
    let mut above: Vec<(u32, u32, usize)> = Vec::new();
    for y in 0..height {
        let mut here = Vec::new();
        let mut first = 0;
        for (start, end) in runs(ink.row(y)) {
            let piece = pieces.len();
            pieces.push(Piece {
                bounds: [start, y, end - start, 1],
                area: end - start,
            });
            parents.push(piece);
            // Both rows run from left to right: what ended before this run touches no later one either.
            first += above[first..].iter().take_while(|(_, right, _)| *right < start).count();
            for (_, _, other) in above[first..].iter().take_while(|(left, ..)| *left <= end) {
                join(&mut pieces, &mut parents, *other, piece);
            }
            here.push((start, end, piece));
        }
        if pieces.len() > MOST_RUNS {
            return None;
        }
        above = here;
    }
    let roots = pieces
        .into_iter()
        .enumerate()
        .filter(|(index, _)| parents[*index] == *index);
    Some(roots.map(|(_, piece)| piece).collect())
}

/// Runs of ink as start and end, the end excluded.
fn runs(row: &[bool]) -> impl Iterator<Item = (u32, u32)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + row[at..].iter().position(|mark| *mark)?;
        let end = row[start..]
            .iter()
            .position(|mark| !mark)
            .map_or(row.len(), |length| start + length);
        at = end;
        Some((start as u32, end as u32))
    })
}

fn join(pieces: &mut [Piece], parents: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(parents, a), root(parents, b));
    if a != b {
        let (first, second) = (a.min(b), a.max(b));
        pieces[first].bounds = union(pieces[first].bounds, pieces[second].bounds);
        pieces[first].area += pieces[second].area;
        parents[second] = first;
    }
}

fn root(parents: &mut [usize], mut piece: usize) -> usize {
    while parents[piece] != piece {
        parents[piece] = parents[parents[piece]];
        piece = parents[piece];
    }
    piece
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma};

    use super::*;

    fn page_with(boxes: &[Bounds]) -> Ink {
        let mut page = GrayImage::from_pixel(400, 120, Luma([255]));
        for [x, y, width, height] in boxes {
            (0..*width).for_each(|dx| (0..*height).for_each(|dy| page.put_pixel(x + dx, y + dy, Luma([0]))));
        }
        Ink::of(&page)
    }

    #[test]
    fn letters_in_a_row_make_a_line_and_rows_stay_apart() {
        let letters: Vec<Bounds> = (0..6).map(|n| [20 + n * 10, 20, 5, 10]).collect();
        let below: Vec<Bounds> = (0..3).map(|n| [20 + n * 10, 50, 5, 10]).collect();
        let mut found = lines(&page_with(&[letters, below].concat()));
        found.sort_unstable_by_key(|[_, y, ..]| *y);
        assert_eq!(found, [[20, 20, 55, 10], [20, 50, 25, 10]]);
    }

    #[test]
    fn a_dot_belongs_to_its_letter_and_a_rule_to_nothing() {
        let found = lines(&page_with(&[[20, 24, 4, 10], [20, 20, 4, 2], [10, 60, 300, 2]]));
        assert_eq!(found, [[20, 20, 4, 14]]);
    }

    #[test]
    fn pixels_that_touch_at_a_corner_are_one_piece() {
        let mut page = GrayImage::from_pixel(40, 40, Luma([255]));
        (0..8).for_each(|n| page.put_pixel(10 + n, 10 + n, Luma([0])));
        let pieces = connected(&Ink::of(&page)).expect("eight runs are few");
        assert_eq!(
            pieces
                .iter()
                .map(|piece| (piece.bounds, piece.area))
                .collect::<Vec<_>>(),
            [([10, 10, 8, 8], 8)]
        );
    }
}
