//! Dragging and selecting: what is under the pointer goes with it, or a line of text turns its colours along its way.

use zoetrope_shared::tasks::step_detection::{StepDetail, StepType};

use super::super::changes::CHANGED;
use super::super::geometry::{Point, Rect};
use super::{Control, Draft, Label, Scene, carried, control, placed};

/// Pictures that a drag takes at least.
const LEAST_MOVES: usize = 4;
/// Side of what is looked at around the pointer, pixels.
const PATCH: i32 = 34;
/// Least way of a drag, pixels.
const LEAST_WAY: i32 = 12;
/// How far a halo reaches beyond the pointer, pixels.
const HALO: i32 = 48;
/// Pictures that are gone back for one without the pointer.
const LONGEST_BACK: usize = 40;
/// What is let go may take this long to settle, ms.
const SETTLES_MS: u64 = 400;
/// Share of the patch that must go with the pointer, and of the pictures in which it must.
const SAME_PATCH: f32 = 0.86;
const SAME_PICTURES: f32 = 0.7;
/// Share of what went along that is new where it came to.
const CAME: f32 = 0.5;
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
            scene.mark(start.saturating_sub(1), settled(scene, end, draft.step));
            drafts.push(draft);
        }
    }
    drafts
}

/// The last picture of what a drag does: what is let go falls into its place, while the pointer rests.
fn settled(scene: &Scene<'_>, end: usize, step: StepType) -> usize {
    if step != StepType::Drag {
        return end + 1;
    }
    let last = (end + 1 + scene.timeline.pictures_in(SETTLES_MS)).min(scene.len());
    (end + 1..last)
        .take_while(|index| !scene.track.moved(*index))
        .last()
        .unwrap_or(end)
        + 1
}

/// Something that went with the pointer: a thumb, a handle, or a whole card.
fn moved_with(scene: &Scene<'_>, start: usize, end: usize) -> Option<Draft> {
    if end - start + 1 < LEAST_MOVES {
        return None;
    }
    let placed = || placed::placed(scene, start, end).map(|thing| draft(start, end, thing));
    moved_patch(scene, start, end).or_else(placed).or_else(|| {
        let from = scene.pointer(start - 1)?;
        let picture = clean_picture(scene, scene.track.arrived[start - 1], Rect::around(from, PATCH, PATCH));
        let carried = carried::is_carried(scene, start, end);
        carried.then(|| {
            let card = control::edges(scene.timeline.screen(picture), from);
            let rect = card.unwrap_or(Rect::around(from, PATCH, PATCH / 2));
            let card = Control {
                picture,
                rect,
                point: from,
                exact: card.is_some(),
                holds_value: false,
            };
            draft(start, end, card)
        })
    })
}

/// A picture from before the pointer came to a place, or nearly so.
fn clean_picture(scene: &Scene<'_>, arrived: usize, place: Rect) -> usize {
    let earliest = arrived.saturating_sub(LONGEST_BACK);
    let is_clear = |index: &usize| {
        let cover = scene.track.covers[*index];
        cover.is_none_or(|cover| cover.grown(HALO).common(place).is_none())
    };
    let clear = (earliest..arrived).rev().find(is_clear);
    clear.unwrap_or(arrived.saturating_sub(BEFORE))
}

fn moved_patch(scene: &Scene<'_>, start: usize, end: usize) -> Option<Draft> {
    let (from, to) = (scene.pointer(start - 1)?, scene.pointer(end)?);
    let covered = [scene.track.covers[start - 1]?, scene.track.covers[end]?];
    let first = scene.timeline.screen(start - 1);
    let patch = first.luma(Rect::around(from, PATCH, PATCH));
    let left = first.difference(scene.timeline.screen(end), patch.place);
    let is_left = |x: i32, y: i32| left.at(x, y).is_some_and(|level| level > CHANGED);
    let beside = |x: i32, y: i32| covered.iter().all(|rect| !rect.grown(2).holds(Point { x, y }, 0));
    // What was not there before the pointer came is its halo, or lit up by it.
    let picture = clean_picture(scene, scene.track.arrived[start - 1], patch.place);
    let own = first.difference(scene.timeline.screen(picture), patch.place);
    let was_there = |x: i32, y: i32| own.at(x, y).is_some_and(|level| level <= CHANGED);
    let place = patch.place;
    let gone: Vec<(i32, i32)> = (place.y..place.bottom())
        .flat_map(|y| (place.x..place.right()).map(move |x| (x, y)))
        .filter(|(x, y)| beside(*x, *y) && is_left(*x, *y) && was_there(*x, *y))
        .collect();
    if gone.len() < LEAST_LEFT || from.reach(to) < LEAST_WAY {
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
    // It came to where it was not before: ground looks the same everywhere, and a halo is nothing but a tint.
    let there = Rect::around(to, PATCH + 2, PATCH + 2);
    let (was, is) = (first.luma(there), scene.timeline.screen(end).luma(there));
    let came = gone.iter().filter(|(x, y)| {
        let (x, y) = (x + to.x - from.x, y + to.y - from.y);
        let levels = was.at(x, y).zip(is.at(x, y));
        levels.is_some_and(|(was, is)| was.abs_diff(is) > CHANGED)
    });
    (came.count() as f32 >= CAME * gone.len() as f32).then(|| {
        let thumb = Control {
            picture,
            rect,
            point: from,
            exact: false,
            holds_value: true,
        };
        draft(start, end, thumb)
    })
}

fn draft(start: usize, end: usize, taken: Control) -> Draft {
    Draft {
        step: StepType::Drag,
        detail: None,
        start,
        end,
        rect: taken.rect,
        label: Label::Control(taken),
        amount: None,
        across: false,
        surface: None,
        confidence: 0.7,
    }
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

#[cfg(test)]
mod tests {
    use super::super::super::drawn::Drawing;
    use super::super::super::pointer::{Ripples, Track};
    use super::super::super::timeline::{Restless, Timeline};
    use super::*;

    /// Where a card stands and where the pointer points, picture by picture.
    type Way = Vec<((i32, i32), (i32, i32))>;

    /// What is told of a way over a page with a line of text that stays where it is.
    fn told(way: &Way) -> Vec<(StepType, usize, usize)> {
        let mut timeline = Timeline::new(100);
        let mut track = Track::default();
        let mut arrived = 0;
        for (index, ((x, y), (px, py))) in way.iter().copied().enumerate() {
            let page = Drawing::new(640, 400, 232).text(40, 330, 40, 2);
            let card = page.rect(x, y, 250, 50, 246).text(x + 12, y + 18, 12, 5);
            let screen = card.pointer(px, py).after(timeline.last_screen());
            timeline.push(index as u64 * 100, screen);
            let point = Point { x: px, y: py };
            track.at.push(Some(point));
            track.covers.push(Some(Rect::new(px - 1, py, 16, 18)));
            if track.moved(index) {
                arrived = index;
            }
            track.arrived.push(arrived);
        }
        let restless = Restless::of(&timeline);
        let ripples = Ripples::of(&timeline, &restless);
        let mut scene = Scene::new(&timeline, &restless, &ripples, &track);
        let drafts = find(&mut scene);
        drafts
            .iter()
            .map(|draft| (draft.step, draft.start, draft.end))
            .collect()
    }

    /// Comes to the middle of the card, rests, and goes on with it or without.
    fn way(with_card: bool) -> Way {
        let mut way = vec![((40, 60), (600, 20)); 3];
        way.extend([((40, 60), (400, 50)), ((40, 60), (240, 84))]);
        way.extend([((40, 60), (240, 84)); 4]);
        for part in 1..=7 {
            let (dx, dy) = (34 * part, 9 * part);
            let card = if with_card { (40 + dx, 60 + dy) } else { (40, 60) };
            way.push((card, (240 + dx, 84 + dy)));
        }
        // Let go, it falls into its place.
        let last = way[way.len() - 1];
        way.extend([last; 2]);
        way.extend(
            [(
                (if with_card { 290 } else { 40 }, if with_card { 120 } else { 60 }),
                last.1,
            ); 6],
        );
        way
    }

    #[test]
    fn a_card_that_is_taken_where_it_is_empty_is_dragged_until_it_has_settled() {
        assert_eq!(told(&way(true)), [(StepType::Drag, 9, 15)]);
    }

    #[test]
    fn a_pointer_that_goes_over_a_card_drags_nothing() {
        assert_eq!(told(&way(false)), []);
    }
}
