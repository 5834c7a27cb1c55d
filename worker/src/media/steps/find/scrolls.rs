//! Scrolling is measured, not guessed: the rows of a part are those of the picture before, moved.

use zoetrope_shared::tasks::step_detection::StepType;

use super::super::geometry::{Rect, union_of};
use super::super::screen::Grey;
use super::{Draft, Label, Scene};

/// Least size of what scrolls, pixels.
const LEAST_SIDES: (i32, i32) = (120, 90);
/// Shares of the screen that can change by scrolling.
const SHARES: std::ops::Range<f32> = 0.012..0.97;
/// Bands that a row is told by, and how much their means may differ, levels.
const BANDS: usize = 24;
const SAME_BAND: f32 = 6.0;
/// A row with less texture than this can be any row.
const TEXTURE: f32 = 8.0;
const LEAST_ROWS: usize = 12;
/// Shares of the rows, and of the pixels, that must be found again.
const ROWS_FOUND: f32 = 0.55;
const PIXELS_FOUND: f32 = 0.84;
const PIXEL_SAME: u8 = 16;
/// By how much moving must explain the pixels better than standing still.
const BETTER: f32 = 0.02;
/// Least move, pixels; and how long a scroll may pause, ms.
const LEAST_MOVE: i32 = 3;
const PAUSE_MS: u64 = 350;

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
    let large = |rect: &Rect| rect.w > LEAST_SIDES.0 && rect.h > LEAST_SIDES.1;
    let rect = union_of(changes.parts.iter().map(|part| part.rect).filter(large))?;
    let (before, after) = (
        scene.timeline.screen(index - 1).luma(rect),
        scene.timeline.screen(index).luma(rect),
    );
    let down = moved(&before, &after);
    if let Some(moved) = down {
        return Some((rect, moved, false));
    }
    let across = moved(&turned(&before), &turned(&after))?;
    Some((rect, across, true))
}

/// By how many rows the content moved up, if most of it did.
fn moved(before: &Grey, after: &Grey) -> Option<i32> {
    let (height, width) = (before.place.h, before.place.w);
    let (old, new) = (signatures(before), signatures(after));
    let textured: Vec<bool> = old
        .windows(2)
        .map(|rows| distance_sum(&rows[0], &rows[1]) > TEXTURE)
        .collect();
    let most = (height * 3 / 4).min(height - 40);
    let mut best = (0.0_f32, 0);
    for by in (-most..=most).filter(|by| by.abs() >= LEAST_MOVE) {
        let (mut found, mut all) = (0, 0);
        for y in by.max(0)..(height + by.min(0)).min(height - 1) {
            if textured[y as usize] {
                all += 1;
                found += usize::from(same_row(&old[y as usize], &new[(y - by) as usize]));
            }
        }
        let score = found as f32 / all.max(1) as f32;
        if all >= LEAST_ROWS && score > best.0 {
            best = (score, by);
        }
    }
    let (score, by) = best;
    if score < ROWS_FOUND {
        return None;
    }
    let same = |from: i32, to: i32, rows: i32| {
        let at = |grey: &Grey, y: i32| {
            (y * width) as usize..((y + rows) * width) as usize + usize::from(grey.levels.is_empty())
        };
        let (a, b) = (&before.levels[at(before, from)], &after.levels[at(after, to)]);
        let same = a.iter().zip(b).filter(|(a, b)| a.abs_diff(**b) < PIXEL_SAME).count();
        same as f32 / a.len().max(1) as f32
    };
    let rows = height - by.abs();
    let moved = same(by.max(0), (-by).max(0), rows);
    (moved > PIXELS_FOUND && moved > same(0, 0, height) + BETTER).then_some(by)
}

type Signature = [f32; BANDS];

fn signatures(grey: &Grey) -> Vec<Signature> {
    let band = (grey.place.w as usize / BANDS).max(1);
    let signature = |row: &[u8]| {
        let mut means = [0.0; BANDS];
        for (mean, levels) in means.iter_mut().zip(row.chunks_exact(band)) {
            *mean = levels.iter().map(|level| u32::from(*level)).sum::<u32>() as f32 / band as f32;
        }
        means
    };
    grey.rows().map(signature).collect()
}

fn same_row(a: &Signature, b: &Signature) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < SAME_BAND)
}

fn distance_sum(a: &Signature, b: &Signature) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

/// Rows and columns exchanged.
fn turned(grey: &Grey) -> Grey {
    let (w, h) = (grey.place.w, grey.place.h);
    let levels = (0..w)
        .flat_map(|x| (0..h).map(move |y| (y * w + x) as usize))
        .map(|index| grey.levels[index]);
    Grey {
        levels: levels.collect(),
        place: Rect::new(grey.place.y, grey.place.x, h, w),
    }
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

    #[test]
    fn a_scroll_is_measured_to_the_pixel_in_both_directions() {
        assert_eq!(moved(&page(100), &page(160)), Some(60));
        assert_eq!(moved(&page(160), &page(100)), Some(-60));
        assert_eq!(moved(&turned(&turned(&page(100))), &page(160)), Some(60));
    }

    #[test]
    fn a_page_that_stands_still_or_is_another_one_did_not_scroll() {
        let other = (0..12).fold(Drawing::new(400, 300, 245), |page, line| {
            page.text(200 - line * 9, line * 23, 20, line * 5 + 3)
        });
        assert_eq!(moved(&page(100), &page(100)), None);
        assert_eq!(moved(&page(100), &other.screen().luma(Rect::new(0, 0, 400, 300))), None);
    }
}
