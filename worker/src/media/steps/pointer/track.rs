//! Following the pointer with its shapes: it is looked for only where something changed.

use super::super::geometry::{Point, Rect};
use super::super::timeline::Timeline;
use super::shape::{FITS, Shape};

/// Error below which the last shape is still where it was, levels.
const STILL: f32 = 22.0;
/// Room around a changed part in which a pointer may stand, pixels.
const ROOM: i32 = 14;
/// Changes larger than this are searched around the last place only, pixels of area, and how far.
const LARGE: i32 = 150_000;
const NEARBY: i32 = 60;
/// A pointer has moved if it points this far away, pixels.
const MOVED: i32 = 2;

/// The pointer in every picture of a stretch.
#[derive(Debug, Default)]
pub(crate) struct Track {
    /// Where it points.
    pub(crate) at: Vec<Option<Point>>,
    /// What it covers.
    pub(crate) covers: Vec<Option<Rect>>,
    /// Index of the picture in which it came to where it is.
    pub(crate) arrived: Vec<usize>,
    marks: Vec<Option<Mark>>,
}

/// A shape by its number, at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    shape: usize,
    place: Point,
}

impl Track {
    /// Whether there is a pointer at all.
    pub(crate) fn exists(&self) -> bool {
        self.at.iter().any(Option::is_some)
    }

    /// Whether it moved into this picture.
    pub(crate) fn moved(&self, index: usize) -> bool {
        match (
            index.checked_sub(1).and_then(|before| self.at[before]),
            self.at.get(index).copied().flatten(),
        ) {
            (Some(before), Some(now)) => before.reach(now) > MOVED,
            _ => false,
        }
    }

    /// Whether it took another shape in this picture.
    pub(crate) fn turned(&self, index: usize) -> bool {
        match (
            index.checked_sub(1).and_then(|before| self.marks[before]),
            self.marks.get(index).copied().flatten(),
        ) {
            (Some(before), Some(now)) => before.shape != now.shape,
            _ => false,
        }
    }

    /// What is to be known of a picture to go on from it.
    pub(crate) fn mark(&self, index: usize) -> Option<Mark> {
        self.marks.get(index).copied().flatten()
    }
}

/// Follows the pointer through a stretch. `from` is where an earlier stretch left it: the shapes must then begin with
/// those of that stretch.
pub(crate) fn track(timeline: &Timeline, shapes: &[Shape], from: Option<Mark>) -> Track {
    let mut marks: Vec<Option<Mark>> = vec![None; timeline.len()];
    if shapes.is_empty() {
        return finish(shapes, marks);
    }
    let mut last = from.filter(|mark| mark.shape < shapes.len());
    let mut first = last.map(|_| 0);
    if let Some(start) = marks.first_mut() {
        *start = last;
    }
    for (index, mark) in marks.iter_mut().enumerate().skip(1) {
        if !timeline.changes(index).is_empty() && !last.is_some_and(|last| is_still(timeline, index, shapes, last)) {
            last = look(timeline, index, index, shapes, last).or(last);
        }
        if last.is_some() && first.is_none() {
            first = Some(index);
        }
        *mark = last;
    }
    // Before its first move it stood where that move began.
    if let Some(first) = first.filter(|first| *first > 0) {
        let began = look(timeline, first - 1, first, shapes, None);
        let known = marks[first];
        marks[..first].fill(began.or(known));
    }
    finish(shapes, marks)
}

fn is_still(timeline: &Timeline, index: usize, shapes: &[Shape], last: Mark) -> bool {
    let shape = &shapes[last.shape];
    let part = timeline.screen(index).luma(shape.rect_at(last.place).grown(3));
    shape.error_at(&part, last.place, STILL).is_some() && shape.stands_out(&part, last.place)
}

/// Looks in the picture `index` for the pointer in the parts that changed into the picture `changed`.
fn look(timeline: &Timeline, index: usize, changed: usize, shapes: &[Shape], last: Option<Mark>) -> Option<Mark> {
    let screen = timeline.screen(index);
    let around_last = last.map(|last| shapes[last.shape].rect_at(last.place).grown(NEARBY));
    let parts = &timeline.changes(changed).parts;
    let mut areas: Vec<Rect> = Vec::new();
    for part in parts.iter().filter(|part| part.rect.w >= 4 && part.rect.h >= 4) {
        if part.rect.area() <= LARGE {
            areas.push(part.rect.grown(ROOM));
        } else if let Some(around) = around_last {
            areas.extend(around.common(part.rect.grown(ROOM)));
        }
    }
    let mut best: Option<(f32, Mark)> = None;
    for area in areas {
        let part = screen.luma(area);
        for (number, shape) in shapes.iter().enumerate() {
            let limit = best.map_or(FITS, |(error, _)| error);
            if let Some((place, error)) = shape.find(&part, limit) {
                best = Some((error, Mark { shape: number, place }));
            }
        }
    }
    best.map(|(_, mark)| mark)
}

fn finish(shapes: &[Shape], marks: Vec<Option<Mark>>) -> Track {
    let mut track = Track {
        at: marks
            .iter()
            .map(|mark| mark.map(|mark| shapes[mark.shape].hot_at(mark.place)))
            .collect(),
        covers: marks
            .iter()
            .map(|mark| mark.map(|mark| shapes[mark.shape].rect_at(mark.place)))
            .collect(),
        arrived: Vec::with_capacity(marks.len()),
        marks,
    };
    let mut arrived = 0;
    for index in 0..track.marks.len() {
        if track.moved(index) {
            arrived = index;
        }
        track.arrived.push(arrived);
    }
    track
}
