//! The control under the pointer: its box, and the picture that shows it as nobody has touched it yet.

use super::super::geometry::{Point, Rect};
use super::super::screen::Screen;
use super::Scene;
use super::bursts::Burst;

/// Heights, least and largest width of a control, pixels.
const HEIGHTS: std::ops::RangeInclusive<i32> = 12..=76;
const LEAST_WIDTH: i32 = 30;
const LARGEST_WIDTH: i32 = 760;
/// Pictures that are gone back for one that shows a control clean.
const LONGEST_BACK: usize = 40;
/// Pictures in which a control may light up after the pointer came.
const FADES: usize = 2;
/// Share of the screen that may change between then and the click.
const QUIET: f32 = 0.05;
/// How far an edge may be from the pointer, pixels: up and down, left and right.
const REACH: (i32, i32) = (44, 400);
/// Levels by which an edge differs from the ground inside, and how long it must be, pixels.
const EDGE: u8 = 9;
const LONG: i32 = 26;
/// Radius of a box's corners, pixels.
const CORNER: i32 = 7;

/// The box of the control under the pointer, and whether it is certain: what its edges enclose; or else what changed
/// when it was pressed, or lit up when the pointer came.
pub(super) fn under(scene: &Scene<'_>, burst: &Burst, pointer: Point, clean: usize) -> Option<(Rect, bool)> {
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
    let enclosed = edges(scene.timeline.screen(clean), pointer).filter(&fits);
    let long = |rect: &Rect| rect.w >= 2 * rect.h;
    let guessed = || smallest(pressed).filter(long).or_else(|| smallest(lit).filter(long));
    enclosed
        .map(|rect| (rect, true))
        .or_else(|| guessed().map(|rect| (rect, false)))
}

/// The newest picture from before the pointer came in which it does not stand in front of `point`'s surroundings,
/// unless something changed there since.
pub(super) fn clean_picture(scene: &Scene<'_>, start: usize, point: Point) -> usize {
    clean_since(scene, start, Rect::around(point, 170, 44), 0)
}

/// The same for a field, whose edge changes when it is clicked into: only what is higher than it counts.
pub(super) fn clean_field(scene: &Scene<'_>, start: usize, field: Rect) -> usize {
    const HIGH: i32 = 64;
    clean_since(
        scene,
        start,
        Rect::new(field.x - 20, field.y - 8, 200, field.h + 16),
        HIGH,
    )
}

fn clean_since(scene: &Scene<'_>, start: usize, surroundings: Rect, high: i32) -> usize {
    let mut clean = start - 1;
    while clean > 0 && start - clean <= LONGEST_BACK {
        let covered = scene.track.covers[clean].is_some_and(|cover| cover.common(surroundings).is_some());
        if !covered && clean < scene.track.arrived[start] {
            return clean;
        }
        // What lights up as the pointer comes, at once or fading in, is no new label.
        let lit = (scene.track.arrived[start]..=scene.track.arrived[start] + FADES).contains(&clean);
        let noticed = |rect: &Rect| rect.h > high && rect.common(surroundings).is_some();
        let changed = scene.content[clean]
            .iter()
            .map(|part| part.rect)
            .any(|rect| !lit && noticed(&rect));
        if changed || scene.timeline.changes(clean).share > QUIET {
            break;
        }
        clean -= 1;
    }
    clean
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
    // Corners are round, and the ground outside is often nearly the one inside.
    let corner = CORNER.min((bottom - top) / 4).max(2);
    let is_column = |x: i32| (top + corner..bottom - corner).all(|y| differs(x, y));
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
