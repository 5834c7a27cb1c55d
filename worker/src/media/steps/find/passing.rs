//! What comes and goes by itself: what lights up as the pointer passes, whether it is shown or not, and messages.

use super::super::changes::{CHANGED, Part};
use super::super::geometry::{Point, Rect};
use super::bursts::Burst;
use super::{Draft, Scene};

/// Whether something only lit up a moment after the pointer came, as what fades in does, and went out again when it left.
pub(super) fn is_hovered(scene: &Scene<'_>, burst: &Burst) -> bool {
    const FADES_MS: u64 = 250;
    let since = burst.start - scene.track.arrived[burst.start];
    since <= scene.timeline.pictures_in(FADES_MS) && is_passing(scene, burst)
}

/// Whether all that changed is soon as it was before: something lit up as a pointer passed that is not shown. What comes
/// where something came and went by itself, and is there to the end, does the same.
pub(super) fn is_passing(scene: &Scene<'_>, burst: &Burst) -> bool {
    const LONGEST_MS: u64 = 6_000;
    let last = burst.end + scene.timeline.pictures_in(LONGEST_MS);
    let is_last = last >= scene.len();
    burst.parts.iter().all(|part| {
        let mut later = (burst.end + 1..=last.min(scene.len() - 1)).filter(|index| {
            let mut parts = scene.timeline.changes(*index).parts.iter();
            parts.any(|other| other.rect.common(part.rect).is_some())
        });
        later.any(|index| is_alike(scene, burst.start - 1, index, part.rect))
            || (is_last && came_and_went(scene, burst, part.rect))
    })
}

/// Whether all that a burst does is to take away something that had come without being asked for, or with something else
/// that stays: what was clicked back would be there as before as a whole.
pub(super) fn is_going(scene: &Scene<'_>, burst: &Burst, drafts: &[Draft]) -> bool {
    const LONGEST_MS: u64 = 8_000;
    let earliest = burst
        .start
        .saturating_sub(scene.timeline.pictures_in(LONGEST_MS))
        .max(1);
    let after = (burst.end + 1).min(scene.len() - 1);
    let belongs = |rect: Rect| burst.parts.iter().any(|part| part.rect.grown(4).common(rect).is_some());
    // Edges of fields go when something else is clicked.
    let is_filled = |part: &Part| part.pixels as i32 * 2 >= part.rect.area();
    let goes = |rect: Rect| {
        let came = (earliest..burst.start).rev().find(|index| {
            let mut parts = scene.timeline.changes(*index).parts.iter();
            parts.any(|part| part.rect.common(rect).is_some()) && is_alike(scene, index - 1, after, rect)
        });
        came.is_some_and(|came| {
            let mut actions = drafts.iter().filter(|draft| draft.step.is_action());
            let told = actions.any(|draft| (came.saturating_sub(2)..=came + 2).contains(&draft.start));
            let alone = scene.content[came].iter().all(|part| belongs(part.rect));
            !(told && alone)
        })
    };
    !burst.parts.is_empty() && burst.parts.iter().all(|part| is_filled(part) && goes(part.rect))
}

/// Whether a place looks alike in two pictures, but for the pointer.
fn is_alike(scene: &Scene<'_>, before: usize, after: usize, rect: Rect) -> bool {
    const OTHER: f32 = 0.06;
    let difference = scene
        .timeline
        .screen(after)
        .difference(scene.timeline.screen(before), rect);
    let covers = [before, after].map(|index| scene.track.covers.get(index).copied().flatten());
    let hidden = |x: i32, y: i32| {
        let mut covers = covers.iter().flatten();
        covers.any(|cover| cover.grown(2).holds(Point { x, y }, 0))
    };
    let place = difference.place;
    let pixels = (place.y..place.bottom()).flat_map(|y| (place.x..place.right()).map(move |x| (x, y)));
    let (mut seen, mut other) = (0, 0);
    for (x, y) in pixels.filter(|(x, y)| !hidden(*x, *y)) {
        seen += 1;
        other += i32::from(difference.at(x, y).is_some_and(|level| level > CHANGED));
    }
    other as f32 <= OTHER * seen as f32
}

/// Whether something as high with the same corner was there for a while before, and went again.
fn came_and_went(scene: &Scene<'_>, burst: &Burst, rect: Rect) -> bool {
    const OFF: i32 = 4;
    const STAYED_MS: std::ops::RangeInclusive<u64> = 1_500..=8_000;
    const BACK: f32 = 0.06;
    let same = |other: &Rect| {
        let offs = [other.x - rect.x, other.y - rect.y, other.h - rect.h];
        other.w > OFF && offs.iter().all(|off| off.abs() <= OFF)
    };
    let at = |index: usize| {
        let mut rects = scene.timeline.changes(index).parts.iter().map(|part| part.rect);
        Some((index, rects.find(same)?))
    };
    let earlier: Vec<(usize, Rect)> = (1..burst.start).filter_map(at).collect();
    let time = |index: usize| scene.timeline.moments[index].t_ms;
    let went = |(came, rect): &(usize, Rect), (gone, _): &(usize, Rect)| {
        let (before, after) = (scene.timeline.screen(came - 1), scene.timeline.screen(*gone));
        gone > came
            && STAYED_MS.contains(&(time(*gone) - time(*came)))
            && after.difference(before, *rect).share_above(CHANGED) < BACK
    };
    earlier.iter().any(|came| earlier.iter().any(|gone| went(came, gone)))
}
