//! Dragging and selecting: what is under the pointer goes with it, or a line of text turns its colours along its way.

use zoetrope_shared::tasks::step_detection::{StepDetail, StepType};

use super::super::changes::CHANGED;
use super::super::geometry::{Point, Rect};
use super::{Control, Draft, Label, Scene};

/// Pictures that a drag takes at least.
const LEAST_MOVES: usize = 4;
/// Side of what is looked at around the pointer, pixels.
const PATCH: i32 = 34;
/// Share of the patch that must go with the pointer, and of the pictures in which it must.
const SAME_PATCH: f32 = 0.86;
const SAME_PICTURES: f32 = 0.7;
/// Changed pixels beside the pointer, where it began, that show that something left.
const LEAST_LEFT: usize = 24;
/// Pictures before the pointer came that show what was there.
const BEFORE: usize = 2;
/// Half the height of a line of text around the pointer, pixels; least length of a selection.
const LINE: i32 = 7;
const LEAST_SELECTED: i32 = 24;
/// Share of the line's columns that turned.
const TURNED: f32 = 0.8;

/// Finds drags and selections and marks their pictures.
pub(super) fn find(scene: &mut Scene<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut index = 1;
    while index < scene.len() {
        if !scene.track.moved(index) || scene.used[index] {
            index += 1;
            continue;
        }
        let start = index;
        let mut rest = 0;
        let mut end = index;
        // A hand that drags may pause for a picture.
        while index < scene.len() && !scene.used[index] && rest <= 1 {
            if scene.track.moved(index) {
                (end, rest) = (index, 0);
            } else {
                rest += 1;
            }
            index += 1;
        }
        if let Some(draft) = selected(scene, start, end).or_else(|| moved_with(scene, start, end)) {
            scene.mark(start.saturating_sub(1), end + 1);
            drafts.push(draft);
        }
    }
    drafts
}

/// Something small that went with the pointer: a thumb, a card's handle.
fn moved_with(scene: &Scene<'_>, start: usize, end: usize) -> Option<Draft> {
    if end - start + 1 < LEAST_MOVES {
        return None;
    }
    let (from, to) = (scene.pointer(start - 1)?, scene.pointer(end)?);
    let covered = scene.track.covers[start - 1]?;
    let first = scene.timeline.screen(start - 1);
    let patch = first.luma(Rect::around(from, PATCH, PATCH));
    let left = first.difference(scene.timeline.screen(end), patch.place);
    let is_left = |x: i32, y: i32| left.at(x, y).is_some_and(|level| level > CHANGED);
    let beside = |x: i32, y: i32| !covered.grown(2).holds(Point { x, y }, 0);
    // What was not there before the pointer came is its halo, or lit up by it.
    let clean = scene
        .timeline
        .screen(scene.track.arrived[start - 1].saturating_sub(BEFORE));
    let own = first.difference(clean, patch.place);
    let was_there = |x: i32, y: i32| own.at(x, y).is_some_and(|level| level <= CHANGED);
    let place = patch.place;
    let gone: Vec<(i32, i32)> = (place.y..place.bottom())
        .flat_map(|y| (place.x..place.right()).map(move |x| (x, y)))
        .filter(|(x, y)| beside(*x, *y) && is_left(*x, *y) && was_there(*x, *y))
        .collect();
    if gone.len() < LEAST_LEFT || from.reach(to) < PATCH / 3 {
        return None;
    }
    let goes_along = |index: usize| {
        let at = scene.pointer(index)?;
        let (dx, dy) = (at.x - from.x, at.y - from.y);
        let now = scene
            .timeline
            .screen(index)
            .luma(Rect::around(at, PATCH + 2, PATCH + 2));
        let best = [-1, 0, 1]
            .iter()
            .flat_map(|sx| [-1, 0, 1].map(|sy| (*sx, sy)))
            .map(|(sx, sy)| {
                let same = gone.iter().filter(|(x, y)| {
                    let (old, new) = (patch.at(*x, *y), now.at(x + dx + sx, y + dy + sy));
                    matches!((old, new), (Some(old), Some(new)) if old.abs_diff(new) <= 2 * CHANGED)
                });
                same.count()
            });
        Some(best.max().unwrap_or(0) as f32 >= SAME_PATCH * gone.len() as f32)
    };
    let along = (start..=end).filter(|index| goes_along(*index) == Some(true)).count();
    if (along as f32) < SAME_PICTURES * (end - start + 1) as f32 {
        return None;
    }
    let rect = gone
        .iter()
        .map(|(x, y)| Rect::new(*x, *y, 1, 1))
        .reduce(Rect::union)?
        .union(Rect::around(from, 4, 4));
    Some(Draft {
        step: StepType::Drag,
        detail: None,
        start,
        end,
        rect,
        label: Label::Control(Control {
            picture: scene.track.arrived[start - 1].saturating_sub(BEFORE),
            rect,
            point: from,
            exact: false,
            holds_value: true,
        }),
        amount: None,
        across: false,
        surface: None,
        confidence: 0.7,
    })
}

/// A line of text whose ground turned between where the pointer began and where it is.
fn selected(scene: &Scene<'_>, start: usize, end: usize) -> Option<Draft> {
    let (from, to) = (scene.pointer(start - 1)?, scene.pointer(end)?);
    if end - start + 1 < LEAST_MOVES || (to.x - from.x).abs() < LEAST_SELECTED {
        return None;
    }
    let (before, after) = (
        scene.timeline.screen(start - 1),
        scene.timeline.screen((end + 1).min(scene.len() - 1)),
    );
    let (left, right) = (from.x.min(to.x), from.x.max(to.x));
    let line = Rect::new(left, from.y - LINE, right - left, 2 * LINE);
    let difference = before.difference(after, line.grown(40));
    let turned = |x: i32| {
        let column = (line.y..line.bottom()).filter(|y| difference.at(x, *y).is_some_and(|level| level > CHANGED / 2));
        column.count() as i32 > LINE
    };
    let inside = (left..right).filter(|x| turned(*x)).count() as f32 / (right - left).max(1) as f32;
    // A row that lights up under the pointer goes on to both sides of its way.
    let beside = [left - 30, left - 24, right + 24, right + 30]
        .iter()
        .filter(|x| turned(**x))
        .count();
    if inside < TURNED || beside > 1 {
        return None;
    }
    let rect = difference
        .box_above(CHANGED / 2)
        .and_then(|rect| rect.common(line.grown(12)))
        .unwrap_or(line);
    Some(Draft {
        step: StepType::Select,
        detail: Some(StepDetail::Text),
        start,
        end,
        rect,
        label: Label::Selected {
            picture: start.saturating_sub(1),
            rect,
        },
        amount: None,
        across: false,
        surface: None,
        confidence: 0.75,
    })
}
