//! How far the content of a part moved from a picture to the next: the rows or columns of the one are looked for in the
//! other, and the move at which most are found is verified pixel by pixel.

use super::super::screen::Grey;

/// Bands that a row is told by, and how much their means may differ.
const BANDS: usize = 24;
const SAME_BAND: u16 = 6 * PARTS as u16;
/// A row with less texture than this can be any row.
const TEXTURE: u32 = 8 * PARTS;
/// Parts of a level in which means are told: whole numbers are compared faster.
const PARTS: u32 = 32;
const LEAST_ROWS: usize = 12;
/// What must be found again where a picture alone shows that something scrolled.
const SURE: Wanted = Wanted {
    rows: 0.55,
    pixels: 0.84,
    changed: 0.7,
};
/// The same where a codec has no time to draw fast rows well: fewer of them, but more of the pixels; and by how much more
/// rows than at any other move.
const LIKELY: Wanted = Wanted {
    rows: 0.34,
    pixels: 0.93,
    changed: 0.75,
};
const LIKELY_LEAD: f32 = 0.05;
const PIXEL_SAME: u8 = 16;
/// Least move, pixels.
const LEAST_MOVE: i32 = 3;

/// Shares of what has any texture, of all pixels, and of those that another level replaced, that must be found again.
struct Wanted {
    rows: f32,
    pixels: f32,
    changed: f32,
}

/// A move from a picture to the next: how far (up or left is positive, the content went on), along what, and whether this
/// picture alone shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) by: i32,
    pub(super) along: Along,
    pub(super) sure: bool,
}

/// What a part may have moved along: its rows went up or down, or its columns left or right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Along {
    Rows,
    Columns,
}

/// How the content moved, if most of it did.
pub(super) fn moved(before: &Grey, after: &Grey, along: Along) -> Option<Move> {
    let (old, new) = (signatures(before, along), signatures(after, along));
    let best = best_move(&old, &new)?;
    let found = Found::of(before, after, along, best.by);
    let meets =
        |wanted: &Wanted| best.rows >= wanted.rows && found.all > wanted.pixels && found.changed > wanted.changed;
    let sure = meets(&SURE);
    (sure || (best.lead >= LIKELY_LEAD && meets(&LIKELY))).then_some(Move {
        by: best.by,
        along,
        sure,
    })
}

/// The move at which most rows are found again.
struct Best {
    by: i32,
    /// Share of the rows found, and how much more that is than at any other move.
    rows: f32,
    lead: f32,
}

/// The move at which most of the rows that have any texture are found again.
fn best_move(old: &[Signature], new: &[Signature]) -> Option<Best> {
    /// Moves as near as this find nearly the same rows, pixels.
    const BESIDE: i32 = 4;
    let length = old.len() as i32;
    let textured: Vec<usize> = (0..old.len().saturating_sub(1))
        .filter(|row| distance_sum(&old[*row], &old[row + 1]) > TEXTURE)
        .collect();
    let most = (length * 3 / 4).min(length - 40);
    let mut scores: Vec<(f32, i32)> = Vec::new();
    let mut best = LIKELY.rows;
    for by in (-most..=most).filter(|by| by.abs() >= LEAST_MOVE) {
        let first = textured.partition_point(|row| (*row as i32) < by);
        let end = textured.partition_point(|row| (*row as i32) < length + by);
        let rows = &textured[first.min(end)..end];
        if rows.len() < LEAST_ROWS {
            continue;
        }
        let is_found = |row: usize| same_row(&old[row], &new[(row as i32 - by) as usize]);
        // Most moves are given up long before the last row.
        let wanted = (rows.len() as f32 * (best - LIKELY_LEAD)) as usize;
        let mut left_out = rows.len() - wanted + 1;
        let tried = rows.iter().take_while(|row| {
            left_out = left_out.saturating_sub(usize::from(!is_found(**row)));
            left_out > 0
        });
        let tried = tried.count();
        if tried == rows.len() {
            let found = wanted + left_out - 1;
            let score = found as f32 / rows.len() as f32;
            scores.push((score, by));
            best = best.max(score);
        }
    }
    let (rows, by) = scores.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0))?;
    let others = scores.iter().filter(|(_, other)| (other - by).abs() > BESIDE);
    let second = others.map(|(score, _)| *score).fold(0.0, f32::max);
    (rows >= LIKELY.rows).then_some(Best {
        by,
        rows,
        lead: rows - second,
    })
}

/// Shares of the pixels that are found again so many rows higher, or columns further left.
struct Found {
    all: f32,
    /// Of those that another level replaced where they were: most of a page is ground, which is found anywhere.
    changed: f32,
}

impl Found {
    fn of(before: &Grey, after: &Grey, along: Along, by: i32) -> Self {
        let (width, height) = (before.place.w, before.place.h);
        let (dx, dy) = match along {
            Along::Rows => (0, by),
            Along::Columns => (by, 0),
        };
        let (columns, rows) = ((width - dx.abs()) as usize, height - dy.abs());
        let row = |grey: &'_ Grey, x: i32, y: i32| (y * grey.place.w + x) as usize;
        let (mut same, mut changed, mut changed_same) = (0_u32, 0_u32, 0_u32);
        for y in 0..rows {
            let from = row(before, dx.max(0), y + dy.max(0));
            let to = row(after, (-dx).max(0), y + (-dy).max(0));
            let was = &before.levels[from..from + columns];
            let (here, there) = (&after.levels[from..from + columns], &after.levels[to..to + columns]);
            for ((was, here), there) in was.iter().zip(here).zip(there) {
                let found = u32::from(was.abs_diff(*there) < PIXEL_SAME);
                let replaced = u32::from(was.abs_diff(*here) >= PIXEL_SAME);
                same += found;
                changed += replaced;
                changed_same += found & replaced;
            }
        }
        Self {
            all: same as f32 / (columns as i32 * rows).max(1) as f32,
            changed: changed_same as f32 / changed.max(1) as f32,
        }
    }
}

/// Means of the bands of a row or column. Those at both ends are left out: there is the scroll bar, which goes the other
/// way.
type Signature = [u16; BANDS];

fn signatures(grey: &Grey, along: Along) -> Vec<Signature> {
    match along {
        Along::Rows => row_signatures(grey),
        Along::Columns => column_signatures(grey),
    }
}

fn row_signatures(grey: &Grey) -> Vec<Signature> {
    let band = (grey.place.w as usize / (BANDS + 2)).max(1);
    let signature = |row: &[u8]| {
        let mut means = [0; BANDS];
        for (mean, levels) in means.iter_mut().zip(row.chunks_exact(band).skip(1)) {
            *mean = mean_of(levels.iter().map(|level| u32::from(*level)).sum(), band);
        }
        means
    };
    grey.rows().map(signature).collect()
}

fn column_signatures(grey: &Grey) -> Vec<Signature> {
    let (width, band) = (grey.place.w as usize, (grey.place.h as usize / (BANDS + 2)).max(1));
    let mut means = vec![[0; BANDS]; width];
    let bands = grey.levels.chunks_exact(band * width.max(1)).skip(1).take(BANDS);
    for (index, rows) in bands.enumerate() {
        let mut sums = vec![0_u32; width];
        for row in rows.chunks_exact(width) {
            sums.iter_mut()
                .zip(row)
                .for_each(|(sum, level)| *sum += u32::from(*level));
        }
        for (means, sum) in means.iter_mut().zip(sums) {
            means[index] = mean_of(sum, band);
        }
    }
    means
}

fn mean_of(sum: u32, count: usize) -> u16 {
    (sum * PARTS / count as u32) as u16
}

fn same_row(a: &Signature, b: &Signature) -> bool {
    let far = a.iter().zip(b).map(|(a, b)| u16::from(a.abs_diff(*b) >= SAME_BAND));
    far.sum::<u16>() == 0
}

fn distance_sum(a: &Signature, b: &Signature) -> u32 {
    a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
}

#[cfg(test)]
mod tests {
    use super::super::super::drawn::Drawing;
    use super::super::super::geometry::Rect;
    use super::*;

    fn page(scrolled: i32) -> Grey {
        let lines = (0..30).fold(Drawing::new(400, 300, 245), |page, line| {
            page.text(20 + line % 3 * 10, line * 26 - scrolled, 12 + line % 7 * 3, line)
        });
        lines.screen().luma(Rect::new(0, 0, 400, 300))
    }

    /// The same picture with rows and columns exchanged.
    fn turned(grey: &Grey) -> Grey {
        let (w, h) = (grey.place.w, grey.place.h);
        let pixels = (0..w).flat_map(|x| (0..h).map(move |y| (y * w + x) as usize));
        Grey {
            levels: pixels.map(|index| grey.levels[index]).collect(),
            place: Rect::new(grey.place.y, grey.place.x, h, w),
        }
    }

    #[test]
    fn a_scroll_is_measured_to_the_pixel_in_all_four_directions() {
        for (from, to) in [(100, 160), (160, 100), (60, 203)] {
            let (before, after) = (page(from), page(to));
            let by = |along| moved(&before, &after, along).map(|moved| (moved.by, moved.sure));
            assert_eq!(by(Along::Rows), Some((to - from, true)));
            assert_eq!(by(Along::Columns), None);
            let (before, after) = (turned(&before), turned(&after));
            let by = moved(&before, &after, Along::Columns).map(|moved| (moved.by, moved.sure));
            assert_eq!(by, Some((to - from, true)));
        }
    }

    #[test]
    fn a_page_that_stands_still_or_is_another_one_did_not_scroll() {
        let other = (0..12).fold(Drawing::new(400, 300, 245), |page, line| {
            page.text(200 - line * 9, line * 23, 20, line * 5 + 3)
        });
        let other = other.screen().luma(Rect::new(0, 0, 400, 300));
        assert_eq!(moved(&page(100), &page(100), Along::Rows), None);
        assert_eq!(moved(&page(100), &other, Along::Rows), None);
    }
}
