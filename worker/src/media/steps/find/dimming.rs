//! Dimming: what opens in front of a page may darken the rest of it, at once or fading.

use zoetrope_shared::tasks::step_detection::StepDetail;

use super::super::changes::CHANGED;
use super::super::geometry::Rect;
use super::super::screen::Screen;
use super::surfaces::Around;

/// Share of the screen that dimming changes, and the ratio of the levels.
const DIMMED_SHARE: f32 = 0.4;
const DIMMED: std::ops::Range<f32> = 0.15..0.94;
/// What dimming does not explain differs by more, levels.
const UNEXPLAINED: f32 = 20.0;
/// Least width and height of a dialog.
const LEAST_DIALOG: (i32, i32) = (150, 80);

/// The median ratio of the levels after to those before, if most of the screen became darker.
pub(super) fn ratio(around: &Around<'_>) -> Option<f32> {
    /// Every pixel of this many each way is asked.
    const STEP: i32 = 9;
    const OFFSET: f32 = 8.0;
    let (mut ratios, mut changed) = (Vec::new(), 0);
    for y in (0..around.after.height()).step_by(STEP as usize) {
        for x in (0..around.after.width()).step_by(STEP as usize) {
            let (before, after) = (around.before.luma_at(x, y), around.after.luma_at(x, y));
            changed += u32::from(before.abs_diff(after) > 3);
            ratios.push((f32::from(after) + OFFSET) / (f32::from(before) + OFFSET));
        }
    }
    if (changed as f32) < DIMMED_SHARE * ratios.len() as f32 {
        return None;
    }
    let middle = ratios.len() / 2;
    let ratio = *ratios.select_nth_unstable_by(middle, f32::total_cmp).1;
    DIMMED.contains(&ratio).then_some(ratio)
}

/// The largest part that dimming the page does not explain, and what it is.
pub(super) fn dialog(around: &Around<'_>, ratio: f32) -> Option<(Rect, StepDetail)> {
    const CELL: i32 = 8;
    let (width, height) = (around.after.width(), around.after.height());
    let (columns, rows) = (width / CELL, height / CELL);
    let mut unexplained = vec![false; (columns * rows) as usize];
    let mut dimmed = 0;
    for row in 0..rows {
        for column in 0..columns {
            let points = [(1, 1), (5, 2), (2, 5), (6, 6), (4, 4)];
            let miss = points.iter().filter(|(dx, dy)| {
                let (x, y) = (column * CELL + dx, row * CELL + dy);
                let expected = (f32::from(around.before.luma_at(x, y)) + 8.0) * ratio - 8.0;
                (f32::from(around.after.luma_at(x, y)) - expected).abs() > UNEXPLAINED
            });
            let miss = miss.count() >= 3;
            unexplained[(row * columns + column) as usize] = miss;
            dimmed += i32::from(!miss);
        }
    }
    // A page that merely became darker explains nothing.
    if dimmed * 10 < columns * rows * 4 {
        return None;
    }
    let rect = largest(&unexplained, columns, rows)?;
    let rect = Rect::new(rect.x * CELL, rect.y * CELL, rect.w * CELL, rect.h * CELL);
    let is_large = rect.w > LEAST_DIALOG.0 && rect.h > LEAST_DIALOG.1;
    is_large.then(|| (rect, kind(rect, around.after)))
}

/// Whether most of what changed is explained by the page having become darker, or darker still: dimming may take its time.
pub(super) fn is_only_darker(around: &Around<'_>, ratio: f32) -> bool {
    /// Every pixel of this many each way is asked.
    const STEP: usize = 3;
    const MOST_ELSE: f32 = 0.15;
    let (mut changed, mut others) = (0_u32, 0_u32);
    for y in (0..around.after.height()).step_by(STEP) {
        for x in (0..around.after.width()).step_by(STEP) {
            let (before, after) = (around.before.luma_at(x, y), around.after.luma_at(x, y));
            if before.abs_diff(after) > CHANGED {
                let expected = (f32::from(before) + 8.0) * ratio - 8.0;
                changed += 1;
                others += u32::from((f32::from(after) - expected).abs() > UNEXPLAINED);
            }
        }
    }
    others as f32 <= MOST_ELSE * changed as f32
}

fn kind(rect: Rect, screen: &Screen) -> StepDetail {
    let at_side = rect.x <= 8 || rect.right() >= screen.width() - 8;
    if at_side && rect.h * 10 >= screen.height() * 7 {
        StepDetail::Drawer
    } else {
        StepDetail::Dialog
    }
}

/// The box of the largest set of marked cells that touch.
fn largest(cells: &[bool], columns: i32, rows: i32) -> Option<Rect> {
    let mut seen = vec![false; cells.len()];
    let mut best: Option<(usize, Rect)> = None;
    for first in 0..cells.len() {
        if !cells[first] || seen[first] {
            continue;
        }
        seen[first] = true;
        let (mut stack, mut count, mut rect) = (vec![first as i32], 0, None::<Rect>);
        while let Some(cell) = stack.pop() {
            count += 1;
            let (x, y) = (cell % columns, cell / columns);
            let one = Rect::new(x, y, 1, 1);
            rect = Some(rect.map_or(one, |rect| rect.union(one)));
            for (nx, ny) in [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)] {
                let inside = nx >= 0 && ny >= 0 && nx < columns && ny < rows;
                let next = (ny * columns + nx) as usize;
                if inside && cells[next] && !seen[next] {
                    seen[next] = true;
                    stack.push(next as i32);
                }
            }
        }
        if let Some(rect) = rect.filter(|_| best.is_none_or(|(most, _)| count > most)) {
            best = Some((count, rect));
        }
    }
    best.map(|(_, rect)| rect)
}
