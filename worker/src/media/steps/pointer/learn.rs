//! Learning the pointer's shapes from visits: something small appears, and later the same place is as it was before.

use super::super::changes::CHANGED;
use super::super::geometry::{Point, Rect};
use super::super::timeline::{Restless, Timeline};
use super::shape::{FITS, Shape};

/// Sizes of what a pointer changes, pixels.
const WIDTHS: std::ops::RangeInclusive<i32> = 6..=60;
const HEIGHTS: std::ops::RangeInclusive<i32> = 9..=64;
/// A pointer is not much wider than high.
const WIDEST: i32 = 4;
/// How long a pointer may rest at a place and still tell something, ms.
const LONGEST_VISIT_MS: u64 = 9_000;
/// Share of a place that is as before when the pointer has left.
const RESTORED: f32 = 0.85;
/// A pointer's pixels differ by more from what is below them.
const PAINTED: u8 = 40;
/// Visits that are compared, and shapes tried on them.
const MOST_VISITS: usize = 140;
const MOST_TRIED: usize = 36;
/// Moves that a shape must have made to be believed: the first, and further ones.
const FIRST_MOVES: usize = 5;
const FURTHER_MOVES: usize = 3;
/// Arrow, hand, beam, and one more.
const MOST_SHAPES: usize = 4;
/// Places nearer than this are one place, pixels.
const PLACE: i32 = 24;
/// How far a shape may stand from where the changed pixels begin, pixels.
const SLACK: i32 = 8;

/// A small part that came and went.
struct Visit {
    /// Indices of the first picture with it and of the first one without.
    at: usize,
    left: usize,
    rect: Rect,
}

/// The shapes that a stretch shows, most seen first.
pub(crate) fn learn(timeline: &Timeline, restless: &Restless) -> Vec<Shape> {
    let mut visits = visits(timeline, restless);
    thin_out(&mut visits, MOST_VISITS);
    let (mut shapes, mut explained) = (Vec::new(), Vec::new());
    while shapes.len() < MOST_SHAPES {
        let wanted = if shapes.is_empty() { FIRST_MOVES } else { FURTHER_MOVES };
        let Some((moves, shape, seen)) = most_moved(timeline, &visits, &explained) else {
            break;
        };
        if moves < wanted {
            break;
        }
        shapes.push(agreed(timeline, &visits, &shape, &seen).unwrap_or(shape));
        for (index, _) in seen.iter().rev() {
            let visit = visits.remove(*index);
            explained.push((visit.at, visit.left));
        }
    }
    shapes
}

fn visits(timeline: &Timeline, restless: &Restless) -> Vec<Visit> {
    let longest = timeline.pictures_in(LONGEST_VISIT_MS);
    let mut visits = Vec::new();
    for at in 1..timeline.len() {
        for part in &timeline.changes(at).parts {
            let fits = WIDTHS.contains(&part.rect.w)
                && HEIGHTS.contains(&part.rect.h)
                && part.rect.w * 3 <= part.rect.h * WIDEST
                && part.pixels >= 20;
            if !fits || restless.is_noise(part) {
                continue;
            }
            let rect = part.rect;
            visits.extend(left(timeline, at, rect, longest).map(|left| Visit { at, left, rect }));
        }
    }
    visits
}

/// When the place is given back. What changes there in between, under a resting pointer, is looked past.
fn left(timeline: &Timeline, at: usize, rect: Rect, longest: usize) -> Option<usize> {
    let before = timeline.screen(at - 1);
    for later in at + 1..timeline.len().min(at + longest) {
        let touched = timeline
            .changes(later)
            .parts
            .iter()
            .any(|part| part.rect.common(rect).is_some());
        if !touched {
            continue;
        }
        let restored = 1.0 - timeline.screen(later).difference(before, rect).share_above(CHANGED);
        let stayed = 1.0
            - timeline
                .screen(later - 1)
                .difference(timeline.screen(at), rect)
                .share_above(CHANGED);
        if restored > RESTORED && stayed > 0.8 {
            return Some(later);
        }
    }
    None
}

/// Keeps this many, spread evenly.
fn thin_out(visits: &mut Vec<Visit>, most: usize) {
    let count = visits.len();
    if count > most {
        let mut index = 0;
        visits.retain(|_| {
            index += 1;
            index * most / count != (index - 1) * most / count
        });
    }
}

/// Indices of visits and where in them a shape was found.
type Seen = Vec<(usize, Point)>;

/// The shape that moved most: it left a place in the very picture in which it came to another one. Nothing but a pointer
/// does that again and again; toasts, ripples and lit-up rows come and go by themselves.
fn most_moved(timeline: &Timeline, visits: &[Visit], explained: &[(usize, usize)]) -> Option<(usize, Shape, Seen)> {
    let stride = visits.len().div_ceil(MOST_TRIED).max(1);
    let tried = visits
        .iter()
        .step_by(stride)
        .filter_map(|visit| shape_of(timeline, visit));
    let ranked = tried.map(|shape| {
        let seen = seen(timeline, visits, &shape);
        let ours = seen.iter().map(|(index, _)| (visits[*index].at, visits[*index].left));
        let all: Vec<(usize, usize)> = ours.clone().chain(explained.iter().copied()).collect();
        let moved = |(at, left): &(usize, usize)| all.iter().any(|other| other.0 == *left || other.1 == *at);
        let moves = ours.filter(moved).count();
        let places = places(seen.iter().map(|(index, _)| visits[*index].rect.centre()));
        (moves.min(2 * places), shape, seen)
    });
    ranked.max_by_key(|(moves, shape, _)| moves * 1000 + shape.dots().min(900))
}

fn shape_of(timeline: &Timeline, visit: &Visit) -> Option<Shape> {
    let (before, with) = (timeline.screen(visit.at - 1), timeline.screen(visit.at));
    let place = visit.rect.grown(1).within(with.width(), with.height())?;
    let mask: Vec<bool> = with
        .difference(before, place)
        .levels
        .iter()
        .map(|level| *level > PAINTED)
        .collect();
    Shape::new(place.w, place.h, &mask, &with.luma(place).levels)
}

fn seen(timeline: &Timeline, visits: &[Visit], shape: &Shape) -> Seen {
    let at = |(index, visit): (usize, &Visit)| {
        let part = timeline.screen(visit.at).luma(visit.rect.grown(SLACK));
        shape.find(&part, FITS).map(|(place, _)| (index, place))
    };
    visits.iter().enumerate().filter_map(at).collect()
}

fn places(centres: impl Iterator<Item = Point>) -> usize {
    let mut places: Vec<Point> = Vec::new();
    for centre in centres {
        if places.iter().all(|place| place.reach(centre) > PLACE) {
            places.push(centre);
        }
    }
    places.len()
}

/// The pixels that all visits agree on: over one ground half of a pointer may be invisible, over many it is not.
fn agreed(timeline: &Timeline, visits: &[Visit], shape: &Shape, seen: &Seen) -> Option<Shape> {
    /// Visits that are asked, and the shares of them that see a pixel painted and that agree on its level.
    const MOST_ASKED: usize = 24;
    const PAINTED_SHARE: f32 = 0.3;
    const AGREE_SHARE: f32 = 0.85;
    const MARGIN: i32 = 4;
    let (width, height) = (shape.width + 2 * MARGIN, shape.height + 2 * MARGIN);
    let stride = seen.len().div_ceil(MOST_ASKED).max(1);
    let mut votes: Vec<Vec<(u8, bool)>> = vec![Vec::new(); (width * height) as usize];
    for (index, place) in seen.iter().step_by(stride) {
        let visit = &visits[*index];
        let (before, with) = (timeline.screen(visit.at - 1), timeline.screen(visit.at));
        let around = Rect::new(place.x - MARGIN, place.y - MARGIN, width, height);
        let (levels, difference) = (with.luma(around), with.difference(before, around));
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            if let (Some(level), Some(difference)) = (
                levels.at(around.x + x, around.y + y),
                difference.at(around.x + x, around.y + y),
            ) {
                votes[(y * width + x) as usize].push((level, difference > PAINTED));
            }
        }
    }
    let mut mask = vec![false; votes.len()];
    let mut levels = vec![0; votes.len()];
    for (index, votes) in votes.iter().enumerate() {
        let mut painted: Vec<u8> = votes
            .iter()
            .filter(|(_, painted)| *painted)
            .map(|(level, _)| *level)
            .collect();
        if (painted.len() as f32) < PAINTED_SHARE * votes.len() as f32 || painted.is_empty() {
            continue;
        }
        let middle = painted.len() / 2;
        let level = *painted.select_nth_unstable(middle).1;
        let agree = votes
            .iter()
            .filter(|(other, _)| level.abs_diff(*other) < PAINTED)
            .count();
        mask[index] = agree as f32 >= AGREE_SHARE * votes.len() as f32;
        levels[index] = level;
    }
    let rows: Vec<i32> = (0..height)
        .filter(|y| (0..width).any(|x| mask[(y * width + x) as usize]))
        .collect();
    let columns: Vec<i32> = (0..width)
        .filter(|x| (0..height).any(|y| mask[(y * width + x) as usize]))
        .collect();
    let (top, bottom) = (*rows.first()?, *rows.last()?);
    let (left, right) = (*columns.first()?, *columns.last()?);
    let inner = |values: &[u8]| -> Vec<u8> {
        (top..=bottom)
            .flat_map(|y| (left..=right).map(move |x| (y * width + x) as usize))
            .map(|index| values[index])
            .collect()
    };
    let mask: Vec<bool> = inner(&mask.iter().map(|painted| u8::from(*painted)).collect::<Vec<_>>())
        .iter()
        .map(|painted| *painted == 1)
        .collect();
    Shape::new(right - left + 1, bottom - top + 1, &mask, &inner(&levels))
}
