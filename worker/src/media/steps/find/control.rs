//! The control under the pointer: its box, and the picture that shows it as nobody has touched it yet.

use super::super::geometry::{Point, Rect};
use super::super::screen::Screen;
use super::Scene;
use super::bursts::Burst;

/// Heights, least and largest width of a control, pixels.
const HEIGHTS: std::ops::RangeInclusive<i32> = 12..=76;
const LEAST_WIDTH: i32 = 30;
const LARGEST_WIDTH: i32 = 760;
/// Pictures before the pointer came that may show a control clean.
const BEFORE: usize = 3;
/// Share of the screen that may change between then and the click.
const QUIET: f32 = 0.05;
/// How far an edge may be from the pointer, pixels: up and down, left and right.
const REACH: (i32, i32) = (44, 400);
/// Levels by which an edge differs from the ground inside, and how long it must be, pixels.
const EDGE: u8 = 9;
const LONG: i32 = 26;

/// The box of the control under the pointer: what changed when it was pressed, what lit up when the pointer came, or
/// what its edges enclose.
pub(super) fn under(scene: &Scene<'_>, burst: &Burst, pointer: Point) -> Option<Rect> {
    let own = scene.track.covers[burst.start].map_or(20, |rect| rect.w);
    let fits = |rect: &Rect| {
        rect.holds(pointer, 4)
            && rect.w > LEAST_WIDTH.max(own * 13 / 10)
            && HEIGHTS.contains(&rect.h)
            && rect.w < LARGEST_WIDTH
            && (rect.w * 2 >= rect.h * 3 || rect.w >= 66)
    };
    let smallest = |rects: Vec<Rect>| rects.into_iter().filter(&fits).min_by_key(|rect| rect.area());
    let content = scene.content[burst.start].iter().map(|part| part.rect);
    let pressed = content.filter(|rect| !scene.is_ripple(burst.start, *rect)).collect();
    let arrived = scene.track.arrived[burst.start];
    let lit = (arrived.saturating_sub(1).max(1)..burst.start)
        .flat_map(|index| scene.timeline.changes(index).parts.iter().map(|part| part.rect))
        .collect();
    let clean = scene.timeline.screen(clean_picture(scene, burst.start));
    smallest(pressed)
        .or_else(|| edges(clean, pointer).filter(&fits))
        .or_else(|| smallest(lit))
}

/// The newest picture from before the pointer came, unless something else changed since.
pub(super) fn clean_picture(scene: &Scene<'_>, start: usize) -> usize {
    let clean = scene.track.arrived[start].saturating_sub(BEFORE);
    let quiet = (clean.max(1)..start).all(|index| scene.timeline.changes(index).share < QUIET);
    if quiet { clean } else { start - 1 }
}

/// The box that straight edges enclose around a point: a border, or the end of a filled ground.
pub(in super::super) fn edges(screen: &Screen, point: Point) -> Option<Rect> {
    let around = Rect::new(
        point.x - REACH.0 * 10,
        point.y - REACH.0 - 2,
        REACH.0 * 20,
        2 * REACH.0 + 4,
    );
    let levels = screen.luma(around);
    let ground = ground(&levels, point)?;
    let differs = |x: i32, y: i32| levels.at(x, y).is_none_or(|level| level.abs_diff(ground) > EDGE);
    // Text is never that long without a gap.
    let is_row = |y: i32| (point.x - LONG / 2..point.x + LONG / 2).all(|x| differs(x, y));
    let top = (1..=REACH.0).find(|up| is_row(point.y - up))?;
    let bottom = (1..=REACH.0).find(|down| is_row(point.y + down))?;
    let (top, bottom) = (point.y - top + 1, point.y + bottom);
    let is_column = |x: i32| (top + 2..bottom - 2).all(|y| differs(x, y));
    let left = (1..=REACH.1).find(|left| is_column(point.x - left))?;
    let right = (1..=REACH.1).find(|right| is_column(point.x + right))?;
    let (left, right) = (point.x - left + 1, point.x + right);
    (bottom - top >= 8).then(|| Rect::new(left - 1, top - 1, right - left + 2, bottom - top + 2))
}

/// The level that most pixels near a point have.
fn ground(levels: &super::super::screen::Grey, point: Point) -> Option<u8> {
    let mut counts = [0_u16; 256];
    for y in point.y - 12..=point.y + 12 {
        for x in point.x - 20..=point.x + 20 {
            if let Some(level) = levels.at(x, y) {
                counts[usize::from(level)] += 1;
            }
        }
    }
    // Neighbouring levels count together: a codec spreads one ground over some.
    let near = |level: usize| {
        (level.saturating_sub(2)..=(level + 2).min(255))
            .map(|level| u32::from(counts[level]))
            .sum::<u32>()
    };
    let most = (0..256).max_by_key(|level| near(*level))?;
    (near(most) > 0).then_some(most as u8)
}
