//! Connected pieces of ink, and which of them may be letters.

use super::ink::Ink;

/// Left, top, width, height.
pub(super) type Bounds = [u32; 4];

/// More runs of ink than this in all rows are a picture, not text.
const MOST_RUNS: usize = 4_000_000;
/// Heights of letters, pixels.
const LETTER_HEIGHTS: std::ops::RangeInclusive<u32> = 2..=70;
/// A letter, or letters that touch.
const MOST_LETTER_WIDTH: u32 = 160;
/// A wide piece that fills less than this of its box, in hundredths, is the frame of a button.
const FRAME_HUNDREDTHS: u32 = 15;
/// Least pixels of a piece.
const LEAST_AREA: u32 = 3;

/// Pixels that touch.
pub(super) struct Piece {
    pub(super) bounds: Bounds,
    pub(super) area: u32,
}

/// Boxes of what may be letters, from left to right: those lighter than their ground stand in other lines than those
/// darker than it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Letters {
    pub(super) dark: Vec<Bounds>,
    pub(super) light: Vec<Bounds>,
}

/// The letters of a page; none if it looks like a picture.
pub(super) fn letters(ink: &Ink) -> Letters {
    let (pieces, runs) = connected(ink.size().1, |y| ink.row(y)).unwrap_or_default();
    let mut lighter = vec![0_u32; pieces.len()];
    for run in &runs {
        let light = (run.start..run.end).filter(|x| ink.contrast().is_lighter(*x, run.y));
        lighter[run.piece] += light.count() as u32;
    }
    let mut letters = Letters::default();
    for (piece, lighter) in pieces.into_iter().zip(lighter).filter(|(piece, _)| is_letter(piece)) {
        if lighter * 2 > piece.area {
            letters.light.push(piece.bounds);
        } else {
            letters.dark.push(piece.bounds);
        }
    }
    letters.dark.sort_unstable();
    letters.light.sort_unstable();
    letters
}

fn is_letter(piece: &Piece) -> bool {
    let [.., width, height] = piece.bounds;
    if !LETTER_HEIGHTS.contains(&height) || width > MOST_LETTER_WIDTH || piece.area < LEAST_AREA {
        return false;
    }
    let rule = (width > 30 && height <= 3) || (height > 26 && width <= 3);
    let frame = width >= 2 * height && piece.area * 100 < width * height * FRAME_HUNDREDTHS;
    !rule && !frame
}

/// The box around two boxes.
pub(super) fn union(a: Bounds, b: Bounds) -> Bounds {
    let (x, y) = (a[0].min(b[0]), a[1].min(b[1]));
    [
        x,
        y,
        (a[0] + a[2]).max(b[0] + b[2]) - x,
        (a[1] + a[3]).max(b[1] + b[3]) - y,
    ]
}

/// A run of pixels in a row, the end excluded.
pub(super) struct Run {
    pub(super) y: u32,
    pub(super) start: u32,
    pub(super) end: u32,
    /// The piece that it is part of, by its place among all pieces.
    pub(super) piece: usize,
}

/// Pieces whose pixels touch, corners included: runs of each row joined with those of the row above. `None` if there
/// are more runs than any text has. Pieces that were joined to others are left without area.
pub(super) fn connected<'a>(height: u32, row: impl Fn(u32) -> &'a [bool]) -> Option<(Vec<Piece>, Vec<Run>)> {
    let mut pieces: Vec<Piece> = Vec::new();
    // Where a piece has gone that was joined to another one.
    let mut parents: Vec<usize> = Vec::new();
    let mut all: Vec<Run> = Vec::new();
    let mut above = 0..0;
    for y in 0..height {
        let first_here = all.len();
        let mut first = above.start;
        for (start, end) in runs(row(y)) {
            let piece = pieces.len();
            pieces.push(Piece {
                bounds: [start, y, end - start, 1],
                area: end - start,
            });
            parents.push(piece);
            // Both rows run from left to right: what ended before this run touches no later one either.
            first += all[first..above.end].iter().take_while(|run| run.end < start).count();
            for other in all[first..above.end].iter().take_while(|run| run.start <= end) {
                join(&mut pieces, &mut parents, other.piece, piece);
            }
            all.push(Run { y, start, end, piece });
        }
        if all.len() > MOST_RUNS {
            return None;
        }
        above = first_here..all.len();
    }
    for run in &mut all {
        run.piece = root(&mut parents, run.piece);
    }
    Some((pieces, all))
}

/// Runs of ink as start and end, the end excluded.
pub(super) fn runs(row: &[bool]) -> impl Iterator<Item = (u32, u32)> {
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
        pieces[first].area += std::mem::take(&mut pieces[second].area);
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

    use super::super::planes::Planes;
    use super::*;

    #[test]
    fn pixels_that_touch_at_a_corner_are_one_piece() {
        let mut page = GrayImage::from_pixel(40, 40, Luma([255]));
        (0..8).for_each(|n| page.put_pixel(10 + n, 10 + n, Luma([0])));
        assert_eq!(letters(&Ink::of(&Planes::grey(page))).dark, [[10, 10, 8, 8]]);
    }

    #[test]
    fn a_rule_and_a_speck_are_no_letters() {
        let mut page = GrayImage::from_pixel(400, 80, Luma([255]));
        (10..310).for_each(|x| page.put_pixel(x, 60, Luma([0])));
        page.put_pixel(30, 30, Luma([0]));
        assert_eq!(letters(&Ink::of(&Planes::grey(page))), Letters::default());
    }
}
