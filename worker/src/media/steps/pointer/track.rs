//! Following the pointer with its shapes. All places where a shape came to, stayed and left again are collected first;
//! the pointer is then the chain of them in which each begins in the very picture in which the one before it ends.

use super::super::geometry::{Point, Rect, union_of};
use super::super::timeline::{Restless, Timeline};
use super::ripples::{Ripple, Ripples};
use super::shape::{FITS, Shape};

/// Error below which a shape is still where it was, levels.
const STILL: f32 = 26.0;
/// Room around a changed part in which a pointer may stand, pixels.
const ROOM: i32 = 14;
/// Changes larger than this are not searched, pixels of area.
const LARGE: i32 = 150_000;
/// A pointer has moved if it points this far away, pixels.
const MOVED: i32 = 2;
/// Stays that one stay may follow, counted back.
const LOOK_BACK: usize = 240;
/// Pictures that a pointer rests for at least once.
const REST: usize = 3;
/// Moves from stay to stay without a gap that make a pointer.
const LEAST_MOVES: usize = 4;

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
            index
                .checked_sub(1)
                .and_then(|before| self.at.get(before).copied().flatten()),
            self.at.get(index).copied().flatten(),
        ) {
            (Some(before), Some(now)) => before.reach(now) > MOVED,
            _ => false,
        }
    }

    /// Whether it took another shape in this picture.
    pub(crate) fn turned(&self, index: usize) -> bool {
        match (
            index
                .checked_sub(1)
                .and_then(|before| self.marks.get(before).copied().flatten()),
            self.marks.get(index).copied().flatten(),
        ) {
            (Some(before), Some(now)) => before.shape != now.shape,
            _ => false,
        }
    }

    /// Puts the pointer where a ripple shows it, if it was followed to elsewhere: from when something last came there until
    /// it is seen to move on.
    fn pin(&mut self, timeline: &Timeline, ripple: &Ripple) {
        /// How far the point of a learned shape may be off, pixels; and how long a pointer rests before it presses, ms.
        const OFF: i32 = 18;
        const RESTS_MS: u64 = 3_000;
        let Some(known) = self.at[ripple.at] else {
            return;
        };
        if known.reach(ripple.centre) <= OFF {
            return;
        }
        let earliest = ripple.at.saturating_sub(timeline.pictures_in(RESTS_MS)).max(1);
        let came = (earliest..ripple.at).rev().find(|index| {
            let mut parts = timeline.changes(*index).parts.iter();
            parts.any(|part| part.rect.area() < LARGE && part.rect.holds(ripple.centre, ROOM))
        });
        let here = self.marks[ripple.at];
        let moved_on = (ripple.end..self.at.len()).find(|index| self.marks[*index] != here);
        let off = (ripple.centre.x - known.x, ripple.centre.y - known.y);
        let cover = self.covers[ripple.at].map(|rect| Rect::new(rect.x + off.0, rect.y + off.1, rect.w, rect.h));
        for index in came.unwrap_or(ripple.at)..moved_on.unwrap_or(self.at.len()) {
            self.at[index] = Some(ripple.centre);
            self.covers[index] = cover;
        }
    }

    /// Notes when the pointer came to where it is.
    fn arrive(&mut self) {
        let mut arrived = 0;
        for index in 0..self.marks.len() {
            if self.moved(index) {
                arrived = index;
            }
            self.arrived.push(arrived);
        }
    }

    /// What is to be known of a picture to go on from it.
    pub(crate) fn mark(&self, index: usize) -> Option<Mark> {
        self.marks.get(index).copied().flatten()
    }
}

/// A shape that came to a place and left it again.
#[derive(Debug, Clone, Copy)]
struct Stay {
    mark: Mark,
    /// Indices of the first picture with it and of the first one without.
    from: usize,
    to: usize,
    error: f32,
}

/// Follows the pointer through a stretch. `from` is where an earlier stretch left it: the shapes must then begin with
/// those of that stretch.
pub(crate) fn track(
    timeline: &Timeline,
    restless: &Restless,
    ripples: &Ripples,
    shapes: &[Shape],
    from: Option<Mark>,
) -> Track {
    let mut marks: Vec<Option<Mark>> = vec![None; timeline.len()];
    let from = from.filter(|mark| mark.shape < shapes.len());
    let mut stays = stays(timeline, restless, ripples, shapes);
    stays.extend(from.map(|mark| Stay {
        mark,
        from: 0,
        to: left(timeline, shapes, mark, 0),
        error: 0.0,
    }));
    stays.sort_by_key(|stay| (stay.from, stay.to));
    let (mut chain, mut moves) = best_chain(&stays, shapes);
    // A shape that never rests is a piece of one.
    let rests = |shape: usize| {
        chain
            .iter()
            .any(|stay| stay.mark.shape == shape && stay.to - stay.from >= REST)
    };
    let known: Vec<bool> = (0..shapes.len()).map(rests).collect();
    if known.contains(&false) {
        stays.retain(|stay| known[stay.mark.shape]);
        (chain, moves) = best_chain(&stays, shapes);
    }
    if moves >= LEAST_MOVES || from.is_some() {
        let mut last = chain.first().map(|first| first.mark);
        let mut next = chain.iter().peekable();
        for (index, mark) in marks.iter_mut().enumerate() {
            while let Some(stay) = next.next_if(|stay| stay.from <= index) {
                last = Some(stay.mark);
            }
            *mark = last;
        }
    }
    drop_unseen(timeline, shapes, &mut marks);
    let mut track = finish(shapes, marks);
    for ripple in ripples.iter() {
        track.pin(timeline, ripple);
    }
    track.arrive();
    track
}

/// Leaves the pointer where it was as long as nothing shows that it moved: where it left something changes, and where it
/// came at least as much as it covers. Letters that are typed look like a thin pointer that goes along the line.
fn drop_unseen(timeline: &Timeline, shapes: &[Shape], marks: &mut [Option<Mark>]) {
    /// Share of the sides of a pointer that change where it comes.
    const SIDES: f32 = 0.9;
    for index in 1..marks.len() {
        let (Some(was), Some(is)) = (marks[index - 1], marks[index]) else {
            continue;
        };
        if was.place.reach(is.place) <= MOVED {
            continue;
        }
        let [left, came] = [was, is].map(|mark| shapes[mark.shape].rect_at(mark.place));
        let parts = timeline.changes(index).parts.iter().map(|part| part.rect);
        let near = union_of(parts.filter(|part| part.common(came.grown(2)).is_some()));
        let is_shown =
            near.is_some_and(|near| near.w as f32 >= SIDES * came.w as f32 && near.h as f32 >= SIDES * came.h as f32);
        if !is_shown && !touched(timeline, left, index) {
            marks[index] = Some(was);
        }
    }
}

/// Every stay of every shape, as far as something changed where it began or ended.
fn stays(timeline: &Timeline, restless: &Restless, ripples: &Ripples, shapes: &[Shape]) -> Vec<Stay> {
    let mut stays: Vec<Stay> = Vec::new();
    for index in 1..timeline.len() {
        for area in areas(timeline, restless, ripples, index) {
            for (came, seen, other) in [(true, index, index - 1), (false, index - 1, index)] {
                let part = timeline.screen(seen).luma(area);
                for (number, shape) in shapes.iter().enumerate() {
                    for (place, error) in shape.find_all(&part, FITS) {
                        let mark = Mark { shape: number, place };
                        let known = stays.iter().rev().take(LOOK_BACK).any(|stay| {
                            stay.from <= seen
                                && seen < stay.to
                                && stay.mark.shape == number
                                && stay.mark.place.reach(place) <= 2
                        });
                        if known || fits(timeline, shapes, mark, other) {
                            continue;
                        }
                        stays.push(if came {
                            Stay {
                                mark,
                                from: index,
                                to: left(timeline, shapes, mark, index),
                                error,
                            }
                        } else {
                            Stay {
                                mark,
                                from: came_to(timeline, shapes, mark, index - 1),
                                to: index,
                                error,
                            }
                        });
                    }
                }
            }
        }
    }
    stays
}

fn areas<'a>(
    timeline: &'a Timeline,
    restless: &'a Restless,
    ripples: &'a Ripples,
    index: usize,
) -> impl Iterator<Item = Rect> + 'a {
    let parts = timeline.changes(index).parts.iter();
    let searched = parts.filter(|part| part.rect.w >= 4 && part.rect.h >= 4 && part.rect.area() <= LARGE);
    searched
        .filter(move |part| !restless.is_noise(part) && !ripples.covers(index, part.rect))
        .map(|part| part.rect.grown(ROOM))
}

fn fits(timeline: &Timeline, shapes: &[Shape], mark: Mark, index: usize) -> bool {
    let shape = &shapes[mark.shape];
    let part = timeline.screen(index).luma(shape.rect_at(mark.place).grown(3));
    shape.error_at(&part, mark.place, STILL).is_some() && shape.stands_out(&part, mark.place)
}

fn touched(timeline: &Timeline, rect: Rect, index: usize) -> bool {
    let mut parts = timeline.changes(index).parts.iter();
    parts.any(|part| part.rect.common(rect).is_some())
}

/// The first picture after `index` in which the shape is there no longer.
fn left(timeline: &Timeline, shapes: &[Shape], mark: Mark, index: usize) -> usize {
    let rect = shapes[mark.shape].rect_at(mark.place);
    let gone = |later: &usize| touched(timeline, rect, *later) && !fits(timeline, shapes, mark, *later);
    (index + 1..timeline.len()).find(gone).unwrap_or(timeline.len())
}

/// The first picture, up to `index`, from which on the shape is there.
fn came_to(timeline: &Timeline, shapes: &[Shape], mark: Mark, index: usize) -> usize {
    let rect = shapes[mark.shape].rect_at(mark.place);
    let missing = |earlier: &usize| touched(timeline, rect, *earlier) && !fits(timeline, shapes, mark, *earlier - 1);
    (1..=index).rev().find(missing).unwrap_or(0)
}

/// The chain that explains most, and how often its pointer left one place in the very picture in which it came to the
/// next.
fn best_chain(stays: &[Stay], shapes: &[Shape]) -> (Vec<Stay>, usize) {
    let mut best: Vec<(f32, Option<usize>, usize)> = Vec::with_capacity(stays.len());
    for (index, stay) in stays.iter().enumerate() {
        let fit = 0.2 * (1.0 - stay.error / FITS) + 0.1 * (shapes[stay.mark.shape].dots() as f32 / 200.0).min(1.0);
        let before = (index.saturating_sub(LOOK_BACK)..index).filter(|before| stays[*before].to <= stay.from);
        let linked = before.map(|before| {
            let (score, _, moves) = best[before];
            let gap = stay.from - stays[before].to;
            let link = if gap == 0 {
                1.0
            } else {
                -0.25 - 0.02 * gap.min(30) as f32
            };
            (score + link, Some(before), moves + usize::from(gap == 0))
        });
        let (score, before, moves) = linked
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(score, ..)| *score > 0.0)
            .unwrap_or((0.0, None, 0));
        best.push((score + fit, before, moves));
    }
    let last = (0..best.len()).max_by(|a, b| best[*a].0.total_cmp(&best[*b].0));
    let moves = last.map_or(0, |last| best[last].2);
    let mut chain = Vec::new();
    let mut at = last;
    while let Some(index) = at {
        chain.push(stays[index]);
        at = best[index].1;
    }
    chain.reverse();
    (chain, moves)
}

fn finish(shapes: &[Shape], marks: Vec<Option<Mark>>) -> Track {
    Track {
        at: marks
            .iter()
            .map(|mark| mark.map(|mark| shapes[mark.shape].hot_at(mark.place)))
            .collect(),
        covers: marks
            .iter()
            .map(|mark| mark.map(|mark| shapes[mark.shape].rect_at(mark.place)))
            .collect(),
        arrived: Vec::new(),
        marks,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::drawn::Drawing;
    use super::super::learn;
    use super::*;

    /// Where the pointer goes, and how many pictures it rests there.
    const WAY: [(i32, i32, usize); 14] = [
        (60, 60, 3),
        (150, 90, 1),
        (260, 70, 1),
        (330, 150, 6),
        (250, 210, 1),
        (140, 230, 1),
        (70, 180, 5),
        (160, 120, 1),
        (280, 100, 1),
        (350, 220, 7),
        (240, 160, 1),
        (120, 110, 1),
        (60, 220, 4),
        (200, 200, 3),
    ];

    fn follow(timeline: &Timeline) -> Track {
        let restless = Restless::of(timeline);
        let ripples = Ripples::of(timeline, &restless);
        track(
            timeline,
            &restless,
            &ripples,
            &learn(timeline, &restless, &ripples),
            None,
        )
    }

    #[test]
    fn the_pointer_is_followed_and_a_picture_of_one_does_not_hold_it() {
        let page = (0..8).fold(Drawing::new(420, 280, 236), |page, line| {
            page.text(20, 20 + line * 32, 22, line)
        });
        // From the third place on the page shows an arrow itself.
        let with_picture = page.clone().pointer(390, 30);
        let mut timeline = Timeline::new(100);
        let mut points = Vec::new();
        for (number, (x, y, pictures)) in WAY.into_iter().enumerate() {
            for _ in 0..pictures {
                let page = if number < 3 { &page } else { &with_picture };
                let screen = page.clone().pointer(x, y).after(timeline.last_screen());
                timeline.push(points.len() as u64 * 100, screen);
                points.push(Point { x, y });
            }
        }
        let track = follow(&timeline);
        let lost: Vec<_> = (0..points.len())
            .filter(|index| track.at[*index].is_none_or(|at| at.reach(points[*index]) > 3))
            .collect();
        assert_eq!(lost, [0; 0], "{:?}", track.at);
    }

    #[test]
    fn a_recording_without_a_pointer_has_none() {
        let mut timeline = Timeline::new(100);
        for index in 0..40_i32 {
            let page = Drawing::new(420, 280, 236)
                .text(20, 40, index / 2, 3)
                .text(20, 120, 9, index / 9);
            let screen = page.after(timeline.last_screen());
            timeline.push(index as u64 * 100, screen);
        }
        assert!(!follow(&timeline).exists());
    }
}
