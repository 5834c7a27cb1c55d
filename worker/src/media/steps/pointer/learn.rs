//! Learning the pointer's shapes from visits: something small appears, and later the same place is as it was before.

use super::super::changes::CHANGED;
use super::super::geometry::{Point, Rect};
use super::super::timeline::{Restless, Timeline};
use super::ripples::Ripples;
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
/// Most of its box that a pointer can fill.
const MOST_FILLED: f32 = 0.84;
/// Visits that are compared, and shapes tried on them.
const MOST_VISITS: usize = 140;
const MOST_TRIED: usize = 36;
/// Moves that a shape must have made to be believed: the first, and further ones.
const FIRST_MOVES: usize = 5;
const FURTHER_MOVES: usize = 2;
/// Arrow, hand, beam, and one more.
const MOST_SHAPES: usize = 4;
/// Places nearer than this are one place, pixels.
const PLACE: i32 = 24;
/// Changes of a larger area are not searched, pixels; and most small things that come at once: where more do, it is text.
const LARGEST: i32 = 150_000;
const MOST_AT_ONCE: usize = 8;
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
pub(crate) fn learn(timeline: &Timeline, restless: &Restless, ripples: &Ripples) -> Vec<Shape> {
    let mut visits = visits(timeline, restless);
    visits.retain(|visit| !ripples.covers(visit.at, visit.rect) && !ripples.covers(visit.left, visit.rect));
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
    let mut visits = Vec::new();
    for at in 1..timeline.len() {
        passing(timeline, restless, at, &mut visits);
        resting(timeline, restless, at, &mut visits);
    }
    visits
}

fn is_pointer_sized(rect: Rect) -> bool {
    WIDTHS.contains(&rect.w) && HEIGHTS.contains(&rect.h) && rect.w * 3 <= rect.h * WIDEST
}

/// What is there in one picture only: a pointer on its way. It is told pixel by pixel, so that neither what lights up
/// below it nor where it was just before or is just after belongs to it.
fn passing(timeline: &Timeline, restless: &Restless, at: usize, visits: &mut Vec<Visit>) {
    /// Most things that pass at once: where more do, a page scrolls.
    const MOST: usize = 2;
    let mut found = Vec::new();
    if at + 1 >= timeline.len() {
        return;
    }
    for came in &timeline.changes(at).parts {
        for went in &timeline.changes(at + 1).parts {
            let Some(place) = came.rect.common(went.rect) else {
                continue;
            };
            if place.area() > LARGEST {
                continue;
            }
            let [before, with, after] = [at - 1, at, at + 1].map(|index| timeline.screen(index).luma(place).levels);
            let painted = before.iter().zip(&with).zip(&after).map(|((before, with), after)| {
                before.abs_diff(*with) > PAINTED
                    && after.abs_diff(*with) > PAINTED
                    && before.abs_diff(*after) <= CHANGED
            });
            found.extend(islands(&painted.collect::<Vec<_>>(), place));
        }
    }
    found.retain(|rect| !restless.is_restless(*rect));
    if found.len() <= MOST {
        let found = found.into_iter().filter(|rect| is_pointer_sized(*rect));
        visits.extend(found.map(|rect| Visit { at, left: at + 1, rect }));
    }
}

/// What came and stays for a while.
fn resting(timeline: &Timeline, restless: &Restless, at: usize, visits: &mut Vec<Visit>) {
    let longest = timeline.pictures_in(LONGEST_VISIT_MS);
    let mut found = Vec::new();
    for part in timeline
        .changes(at)
        .parts
        .iter()
        .filter(|part| part.rect.area() <= LARGEST)
    {
        let [before, with] = [at - 1, at].map(|index| timeline.screen(index).luma(part.rect).levels);
        let painted = before
            .iter()
            .zip(&with)
            .map(|(before, with)| before.abs_diff(*with) > PAINTED);
        found.extend(islands(&painted.collect::<Vec<_>>(), part.rect));
    }
    found.retain(|rect| is_pointer_sized(*rect) && !restless.is_restless(*rect));
    if found.len() <= MOST_AT_ONCE {
        for rect in found {
            let left = left(timeline, at, rect, longest).filter(|left| *left > at + 1);
            visits.extend(left.map(|left| Visit { at, left, rect }));
        }
    }
}

/// The boxes of marked pixels that are near each other.
fn islands(marked: &[bool], place: Rect) -> Vec<Rect> {
    const REACH: i32 = 2;
    const LEAST: usize = 30;
    let mut left = marked.to_vec();
    let (mut boxes, mut stack) = (Vec::new(), Vec::new());
    for first in 0..left.len() {
        if !std::mem::take(&mut left[first]) {
            continue;
        }
        stack.push(first as i32);
        let (mut rect, mut count) = (None::<Rect>, 0);
        while let Some(pixel) = stack.pop() {
            let (x, y) = (pixel % place.w, pixel / place.w);
            let one = Rect::new(place.x + x, place.y + y, 1, 1);
            rect = Some(rect.map_or(one, |rect| rect.union(one)));
            count += 1;
            for y in (y - REACH).max(0)..(y + REACH + 1).min(place.h) {
                for x in (x - REACH).max(0)..(x + REACH + 1).min(place.w) {
                    if std::mem::take(&mut left[(y * place.w + x) as usize]) {
                        stack.push(y * place.w + x);
                    }
                }
            }
        }
        boxes.extend(rect.filter(|_| count >= LEAST));
    }
    boxes
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
        // Where the pointer is known already it cannot be in another shape.
        let free = |(at, left): &(usize, usize)| !explained.iter().any(|known| known.0 < *left && *at < known.1);
        let ours = seen.iter().map(|(index, _)| (visits[*index].at, visits[*index].left));
        let ours = ours.filter(free);
        let all: Vec<(usize, usize)> = ours.clone().chain(explained.iter().copied()).collect();
        let moved = |(at, left): &(usize, usize)| all.iter().any(|other| other.0 == *left || other.1 == *at);
        let moves = ours.filter(moved).count();
        // What scrolls keeps to one column.
        let across = places(seen.iter().map(|(index, _)| visits[*index].rect.x));
        let down = places(seen.iter().map(|(index, _)| visits[*index].rect.y));
        (moves.min(2 * across).min(2 * down), shape, seen)
    });
    ranked.max_by_key(|(moves, shape, _)| moves * 1000 + shape.dots().min(900))
}

fn shape_of(timeline: &Timeline, visit: &Visit) -> Option<Shape> {
    let with = timeline.screen(visit.at);
    let place = visit.rect.grown(1).within(with.width(), with.height())?;
    let levels = with.luma(place).levels;
    let [before, after] = [visit.at - 1, visit.left].map(|index| timeline.screen(index).luma(place).levels);
    // By luma alone: a halo around a pointer is colour that lets the page through.
    let painted = levels.iter().zip(&before).zip(&after);
    let mask: Vec<bool> = painted
        .map(|((level, before), after)| level.abs_diff(*before) > PAINTED && level.abs_diff(*after) > PAINTED)
        .collect();
    // A pointer is no box.
    let painted = mask.iter().filter(|painted| **painted).count();
    if painted as f32 > MOST_FILLED * visit.rect.area() as f32 {
        return None;
    }
    Shape::new(place.w, place.h, &mask, &levels)
}

fn seen(timeline: &Timeline, visits: &[Visit], shape: &Shape) -> Seen {
    let at = |(index, visit): (usize, &Visit)| {
        let part = timeline.screen(visit.at).luma(visit.rect.grown(SLACK));
        shape.find(&part, FITS).map(|(place, _)| (index, place))
    };
    visits.iter().enumerate().filter_map(at).collect()
}

fn places(positions: impl Iterator<Item = i32>) -> usize {
    let mut places: Vec<i32> = Vec::new();
    for position in positions {
        if places.iter().all(|place| (place - position).abs() > PLACE) {
            places.push(position);
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
        let (levels, below) = (with.luma(around), before.luma(around));
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let (x_at, y_at) = (around.x + x, around.y + y);
            if let (Some(level), Some(below)) = (levels.at(x_at, y_at), below.at(x_at, y_at)) {
                votes[(y * width + x) as usize].push((level, level.abs_diff(below) > PAINTED));
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
