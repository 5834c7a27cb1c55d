//! Things that were put elsewhere: what stood where the pointer began before it came there stands where the pointer went
//! once it has left. Told from pictures that the pointer is not in, so that no halo around it hides anything.

use super::super::changes::CHANGED;
use super::super::geometry::{Point, Rect};
use super::super::screen::Grey;
use super::{Control, Scene};

/// Side of what is looked at where the pointer began, pixels.
const PATCH: i32 = 36;
/// Least way, pixels, and how far off the pointer's way it may be put: thumbs fall into notches.
const LEAST_WAY: i32 = 20;
const OFF: i32 = 8;
/// Pixels that left at least, and the share of them that is found again.
const LEAST: usize = 60;
const FOUND: f32 = 0.85;
/// Share of them that is gone before the pointer comes to rest: a click elsewhere takes things away later.
const GONE: f32 = 0.7;
/// How far a halo may reach, pixels, where it is looked for.
const HALO: i32 = 64;
/// Share of the screen that may change in a picture meanwhile: a page that is arranged anew moves everything.
const QUIET: f32 = 0.03;
/// Pictures that are gone back, and time that is waited, ms, for one without the pointer.
const LONGEST_BACK: usize = 60;
const LONGEST_ON_MS: u64 = 8_000;

/// What was taken along from where the pointer was before `start` to where it is at `end`.
pub(super) fn placed(scene: &Scene<'_>, start: usize, end: usize) -> Option<Control> {
    let (from, to) = (scene.pointer(start - 1)?, scene.pointer(end)?);
    if from.reach(to) < LEAST_WAY {
        return None;
    }
    let place = Rect::around(from, PATCH, PATCH);
    let there = Rect::around(to, PATCH + 2 * OFF, PATCH + 2 * OFF);
    let picture = before(scene, start, [place, there])?;
    let later = after(scene, end, [place, there])?;
    let calm = (picture + 1..=later).all(|index| scene.timeline.changes(index).share <= QUIET);
    let (old, new) = (scene.timeline.screen(picture), scene.timeline.screen(later));
    let (stood, empty) = (old.luma(place), new.luma(place));
    let gone: Vec<Point> = points(place)
        .filter(|point| differ(&stood, &empty, *point, CHANGED))
        .collect();
    let rect = gone
        .iter()
        .map(|point| Rect::new(point.x, point.y, 1, 1))
        .reduce(Rect::union)?;
    // Far enough from the halo for the place to be seen.
    let halo = reach(scene, start - 1, picture, from) + rect.w.max(rect.h) / 2;
    let seen = (start..=end).find(|index| scene.pointer(*index).is_some_and(|at| at.reach(from) > halo))?;
    let then = scene.timeline.screen(seen).luma(place);
    let left = gone.iter().filter(|point| differ(&stood, &then, **point, CHANGED));
    if !calm || gone.len() < LEAST || (left.count() as f32) < GONE * gone.len() as f32 {
        return None;
    }
    let (was, is) = (old.luma(there), new.luma(there));
    let came = |dx: i32, dy: i32| {
        let came = gone.iter().filter(|point| {
            let moved = Point {
                x: point.x + dx,
                y: point.y + dy,
            };
            let levels = stood.at(point.x, point.y).zip(is.at(moved.x, moved.y));
            levels.is_some_and(|(a, b)| a.abs_diff(b) <= CHANGED) && differ(&was, &is, moved, CHANGED)
        });
        came.count()
    };
    let offs = (-OFF..=OFF).flat_map(|dx| (-OFF..=OFF).map(move |dy| (dx, dy)));
    let most = offs
        .map(|(dx, dy)| came(to.x - from.x + dx, to.y - from.y + dy))
        .max()?;
    (most as f32 >= FOUND * gone.len() as f32).then_some(Control {
        picture,
        rect: rect.union(Rect::around(from, 4, 4)),
        point: from,
        exact: false,
        holds_value: true,
    })
}

fn points(place: Rect) -> impl Iterator<Item = Point> {
    (place.y..place.bottom()).flat_map(move |y| (place.x..place.right()).map(move |x| Point { x, y }))
}

fn differ(a: &Grey, b: &Grey, point: Point, by: u8) -> bool {
    let levels = a.at(point.x, point.y).zip(b.at(point.x, point.y));
    levels.is_some_and(|(a, b)| a.abs_diff(b) > by)
}

/// The newest picture from before the pointer came that shows both places.
fn before(scene: &Scene<'_>, start: usize, places: [Rect; 2]) -> Option<usize> {
    let arrived = scene.track.arrived[start - 1];
    let earliest = arrived.saturating_sub(LONGEST_BACK);
    (earliest..arrived).rev().find(|index| is_clear(scene, *index, places))
}

/// The first picture after the pointer left that shows both places.
fn after(scene: &Scene<'_>, end: usize, places: [Rect; 2]) -> Option<usize> {
    let last = (end + scene.timeline.pictures_in(LONGEST_ON_MS)).min(scene.len());
    (end + 1..last).find(|index| is_clear(scene, *index, places))
}

fn is_clear(scene: &Scene<'_>, index: usize, places: [Rect; 2]) -> bool {
    let cover = scene.track.covers[index].map(|cover| cover.grown(HALO / 2));
    cover.is_none_or(|cover| places.iter().all(|place| cover.common(*place).is_none()))
}

/// How far what surrounds the pointer reaches from where it points, pixels: its halo and itself.
fn reach(scene: &Scene<'_>, index: usize, clean: usize, at: Point) -> i32 {
    let around = Rect::around(at, 2 * HALO, 2 * HALO);
    let tinted = scene
        .timeline
        .screen(index)
        .difference(scene.timeline.screen(clean), around);
    tinted.box_above(CHANGED).map_or(0, |rect| {
        let across = (at.x - rect.x).max(rect.right() - at.x);
        across.max(at.y - rect.y).max(rect.bottom() - at.y)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::drawn::Drawing;
    use super::super::super::pointer::{Ripples, Track};
    use super::super::super::timeline::{Restless, Timeline};
    use super::*;

    /// What is told of a pointer with a halo that comes to a thumb at 100, goes on to 200 and leaves, while the thumb is
    /// where `thumb` says in each of its pictures.
    fn told(thumb: impl Fn(usize) -> i32) -> Option<Rect> {
        let mut way = vec![(340, 30); 3];
        way.extend([(220, 80), (100, 130), (100, 130), (100, 130)]);
        way.extend((1..=5).map(|part| (100 + 20 * part, 130)));
        way.extend([(200, 130); 4]);
        way.extend([(300, 60), (340, 30), (340, 30)]);
        let (mut timeline, mut track) = (Timeline::new(100), Track::default());
        let mut arrived = 0;
        for (index, (x, y)) in way.into_iter().enumerate() {
            let at = thumb(index);
            let level = if (at - x).abs() < 30 && y == 130 { 90 } else { 40 };
            let page = Drawing::new(900, 600, 236).disc(x, y, 24, 200);
            let page = page.rect(60, 128, 300, 4, 150).disc(at, 130, 10, level);
            let screen = page.pointer(x, y).after(timeline.last_screen());
            timeline.push(index as u64 * 100, screen);
            track.at.push(Some(Point { x, y }));
            track.covers.push(Some(Rect::new(x - 1, y, 16, 18)));
            if track.moved(index) {
                arrived = index;
            }
            track.arrived.push(arrived);
        }
        let restless = Restless::of(&timeline);
        let ripples = Ripples::of(&timeline, &restless);
        let scene = Scene::new(&timeline, &restless, &ripples, &track);
        placed(&scene, 7, 11).map(|control| control.rect)
    }

    #[test]
    fn a_thumb_below_a_halo_is_dragged() {
        let told = told(|index| 100 + 20 * (index.clamp(6, 11) as i32 - 6));
        assert!(
            told.is_some_and(|rect| rect.holds(Point { x: 100, y: 130 }, 0) && rect.w <= 24),
            "{told:?}"
        );
    }

    #[test]
    fn a_mark_that_goes_to_where_a_click_is_made_is_not_dragged() {
        assert_eq!(told(|index| if index < 13 { 100 } else { 200 }), None);
        assert_eq!(told(|_| 100), None);
    }
}
