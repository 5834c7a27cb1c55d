//! Scrolling is measured, not guessed: the rows of a part are those of the picture before, moved.

use zoetrope_shared::tasks::step_detection::StepType;

use super::super::geometry::{Rect, union_of};
use super::super::screen::Grey;
use super::{Draft, Label, Scene};

/// Least size of what scrolls, pixels.
const LEAST_SIDES: (i32, i32) = (120, 90);
/// Shares of the screen that can change by scrolling.
const SHARES: std::ops::Range<f32> = 0.012..0.97;
/// Bands that a row is told by, and how much their means may differ.
const BANDS: usize = 24;
const SAME_BAND: u16 = 6 * PARTS as u16;
/// A row with less texture than this can be any row.
const TEXTURE: u32 = 8 * PARTS;
/// Parts of a level in which means are told: whole numbers are compared faster.
const PARTS: u32 = 32;
const LEAST_ROWS: usize = 12;
/// Shares of the rows, and of the pixels, that must be found again.
const ROWS_FOUND: f32 = 0.55;
const PIXELS_FOUND: f32 = 0.84;
const PIXEL_SAME: u8 = 16;
/// Share of the replaced pixels that must be found again.
const CHANGED_FOUND: f32 = 0.7;
/// Least move, pixels; and how long a scroll may pause, ms.
const LEAST_MOVE: i32 = 3;
const PAUSE_MS: u64 = 350;
/// How soon after a click what it does is seen, ms.
const CLICKED_MS: u64 = 300;

struct Run {
    start: usize,
    end: usize,
    moved: i32,
    across: bool,
    rect: Rect,
    pictures: usize,
}

/// Finds runs of scrolling and marks their pictures.
pub(super) fn find(scene: &mut Scene<'_>) -> Vec<Draft> {
    let pause = scene.timeline.pictures_in(PAUSE_MS);
    let mut runs: Vec<Run> = Vec::new();
    for index in 1..scene.len() {
        let Some((rect, moved, across)) = shift(scene, index) else {
            continue;
        };
        match runs.last_mut() {
            Some(run)
                if index - run.end <= pause
                    && run.across == across
                    && run.moved.signum() == moved.signum()
                    && run.rect.common(rect).is_some() =>
            {
                run.end = index;
                run.moved += moved;
                run.rect = run.rect.union(rect);
                run.pictures += 1;
            }
            _ => runs.push(Run {
                start: index,
                end: index,
                moved,
                across,
                rect,
                pictures: 1,
            }),
        }
    }
    // A click moves what is below something that unfolds, at once; nobody scrolls in the moment of a click.
    let soon = scene.timeline.pictures_in(CLICKED_MS);
    let clicked = |run: &Run| {
        scene
            .ripples
            .iter()
            .any(|ripple| (ripple.at..=ripple.at + soon).contains(&run.start))
    };
    runs.retain(|run| run.pictures > 1 || !clicked(run));
    for run in &runs {
        scene.mark(run.start.saturating_sub(1), run.end + 1);
    }
    runs.iter().map(draft).collect()
}

fn draft(run: &Run) -> Draft {
    Draft {
        step: StepType::Scroll,
        detail: None,
        start: run.start,
        end: run.end,
        rect: run.rect,
        label: Label::None,
        amount: Some(run.moved),
        across: run.across,
        surface: None,
        confidence: (0.5 + 0.1 * run.pictures as f32).min(0.98),
    }
}

/// What moved into this picture, by how many pixels (up or left is positive: the content went on), and whether across.
fn shift(scene: &Scene<'_>, index: usize) -> Option<(Rect, i32, bool)> {
    let changes = scene.timeline.changes(index);
    if !SHARES.contains(&changes.share) {
        return None;
    }
    let mut candidates = candidates(scene, index).into_iter().flatten();
    candidates.find_map(|rect| {
        let (before, after) = (
            scene.timeline.screen(index - 1).luma(rect),
            scene.timeline.screen(index).luma(rect),
        );
        let down = moved(&before, &after, Along::Rows).map(|moved| (rect, moved, false));
        down.or_else(|| moved(&before, &after, Along::Columns).map(|moved| (rect, moved, true)))
    })
}

/// What may have scrolled: all that is large; or, where rows stand too far apart to be one part, all that is neither the
/// pointer nor restless.
fn candidates(scene: &Scene<'_>, index: usize) -> [Option<Rect>; 2] {
    /// Parts that rows make at least.
    const ROWS: usize = 3;
    let large = |rect: &Rect| rect.w > LEAST_SIDES.0 && rect.h > LEAST_SIDES.1;
    let parts = scene.timeline.changes(index).parts.iter();
    let of_large = union_of(parts.map(|part| part.rect).filter(large));
    let rows = &scene.content[index];
    let of_rows = union_of(rows.iter().map(|part| part.rect)).filter(|rect| rows.len() >= ROWS && large(rect));
    [of_large, of_rows.filter(|rect| of_large != Some(*rect))]
}

/// What a part may have moved along: its rows went up or down, or its columns left or right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Along {
    Rows,
    Columns,
}

/// By how many rows the content moved up, or columns left, if most of it did.
fn moved(before: &Grey, after: &Grey, along: Along) -> Option<i32> {
    let (old, new) = (signatures(before, along), signatures(after, along));
    let by = best_move(&old, &new)?;
    let moved = Found::of(before, after, along, by);
    (moved.all > PIXELS_FOUND && moved.changed > CHANGED_FOUND).then_some(by)
}

/// The move at which most of the rows that have any texture are found again.
fn best_move(old: &[Signature], new: &[Signature]) -> Option<i32> {
    let length = old.len() as i32;
    let textured: Vec<usize> = (0..old.len().saturating_sub(1))
        .filter(|row| distance_sum(&old[*row], &old[row + 1]) > TEXTURE)
        .collect();
    let most = (length * 3 / 4).min(length - 40);
    let mut best = (0.0_f32, 0);
    for by in (-most..=most).filter(|by| by.abs() >= LEAST_MOVE) {
        let first = textured.partition_point(|row| (*row as i32) < by);
        let end = textured.partition_point(|row| (*row as i32) < length + by);
        let rows = &textured[first.min(end)..end];
        if rows.len() < LEAST_ROWS {
            continue;
        }
        // Most moves are given up long before the last row.
        let wanted = (rows.len() as f32 * best.0.max(ROWS_FOUND)) as usize;
        let mut left_out = rows.len() - wanted + 1;
        let found = rows.iter().take_while(|row| {
            let found = same_row(&old[**row], &new[(**row as i32 - by) as usize]);
            left_out = left_out.saturating_sub(usize::from(!found));
            left_out > 0
        });
        if found.count() < rows.len() {
            continue;
        }
        let found = rows
            .iter()
            .filter(|row| same_row(&old[**row], &new[(**row as i32 - by) as usize]));
        let score = found.count() as f32 / rows.len() as f32;
        if score > best.0 {
            best = (score, by);
        }
    }
    (best.0 >= ROWS_FOUND).then_some(best.1)
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
            assert_eq!(moved(&before, &after, Along::Rows), Some(to - from));
            assert_eq!(moved(&before, &after, Along::Columns), None);
            let (before, after) = (turned(&before), turned(&after));
            assert_eq!(moved(&before, &after, Along::Columns), Some(to - from));
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
