//! Cards that are carried by the pointer: from picture to picture what is around it goes along, whatever was done to it
//! when it was taken up. A card may lean, and what is below it is empty.

use super::super::changes::CHANGED;
use super::super::geometry::{Point, Rect};
use super::Scene;

/// What is looked at around the pointer, pixels.
const AROUND: (i32, i32) = (300, 90);
/// How far what is carried may be off the pointer's way, pixels: another shape of the pointer points with another pixel.
const OFF: i32 = 3;
/// Pixels that go along at least, the share of those that changed (what is covered and given back changes as well), and
/// of the pictures in which they must.
const LEAST: usize = 60;
const SHARE: f32 = 0.28;
const PICTURES: f32 = 0.6;
/// Changed pixels more than this are thinned out.
const MOST: usize = 4_000;

/// Whether something was carried along in these pictures.
pub(super) fn is_carried(scene: &Scene<'_>, start: usize, end: usize) -> bool {
    let pictures = (start..=end).filter(|index| goes_along(scene, *index) == Some(true));
    pictures.count() as f32 >= PICTURES * (end - start + 1) as f32
}

/// Whether what is around the pointer came along with it into a picture, to where it was not before.
fn goes_along(scene: &Scene<'_>, index: usize) -> Option<bool> {
    let (from, to) = (scene.pointer(index - 1)?, scene.pointer(index)?);
    let covers = [scene.track.covers[index - 1]?, scene.track.covers[index]?];
    let place = Rect::around(from, AROUND.0, AROUND.1);
    let moved = (to.x - from.x, to.y - from.y);
    let wide = place.grown(moved.0.abs().max(moved.1.abs()) + OFF);
    let before = scene.timeline.screen(index - 1).luma(wide);
    let after = scene.timeline.screen(index).luma(wide);
    let beside = |x: i32, y: i32| covers.iter().all(|rect| !rect.grown(2).holds(Point { x, y }, 0));
    let differ = |a: Option<u8>, b: Option<u8>, by: u8| a.zip(b).is_some_and(|(a, b)| a.abs_diff(b) > by);
    let changed: Vec<(i32, i32)> = (place.y..place.bottom())
        .flat_map(|y| (place.x..place.right()).map(move |x| (x, y)))
        .filter(|(x, y)| beside(*x, *y) && differ(before.at(*x, *y), after.at(*x, *y), CHANGED))
        .collect();
    if changed.len() < LEAST {
        return Some(false);
    }
    let step = changed.len().div_ceil(MOST);
    let along = |dx: i32, dy: i32| {
        let came = changed.iter().step_by(step).filter(|(x, y)| {
            let there = (x + dx, y + dy);
            let (was, is) = (before.at(there.0, there.1), after.at(there.0, there.1));
            is.is_some() && !differ(before.at(*x, *y), is, 2 * CHANGED) && differ(was, is, CHANGED)
        });
        came.count() * step
    };
    let offs = (-OFF..=OFF).flat_map(|dx| (-OFF..=OFF).map(move |dy| (dx, dy)));
    let most = offs.map(|(dx, dy)| along(moved.0 + dx, moved.1 + dy)).max()?;
    Some(most >= LEAST && most as f32 >= SHARE * changed.len() as f32)
}
