//! What was done: each finder takes the pictures that its kind of step explains and leaves the rest to the next. The
//! order is from what is measured (scrolling) to what is inferred (clicks).

mod bursts;
mod carried;
mod clicks;
pub(super) mod control;
mod dimming;
mod drags;
mod passing;
mod placed;
mod scrolls;
mod shifts;
mod slides;
mod surfaces;
mod typing;

use std::ops::Range;

use zoetrope_shared::tasks::step_detection::{StepDetail, StepType};

pub(super) use surfaces::Surface;

use super::changes::Part;
use super::geometry::{Point, Rect};
use super::pointer::{Ripples, Track};
use super::timeline::{Restless, Timeline};

/// Where a step's label is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    /// Text of a control.
    Control(Control),
    /// The name of a field: its placeholder in a picture from before the pointer came, or what stands beside it; and what
    /// was typed.
    Field {
        clean: usize,
        before: usize,
        after: usize,
        rect: Rect,
    },
    /// Text selected.
    Selected { picture: usize, rect: Rect },
    /// The first line of a dialog.
    Title { picture: usize, rect: Rect },
    /// That of the step before: a menu has the name of what opened it.
    Opener { picture: usize, rect: Rect },
    /// What the surface was called when it opened.
    Opened { surface: u64 },
    /// The name of a page, by what changed at its top.
    Page { before: usize, after: usize },
    /// Nothing to read: the name of a key.
    Key(&'static str),
    /// Nothing to read.
    None,
}

/// What was acted on by the pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Control {
    /// A picture from before the pointer came.
    pub(super) picture: usize,
    pub(super) rect: Rect,
    pub(super) point: Point,
    /// Whether the box is known, not guessed.
    pub(super) exact: bool,
    /// Whether what stands in it is its value, so that its name stands beside it.
    pub(super) holds_value: bool,
}

/// A step before its words are read.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) step: StepType,
    pub(super) detail: Option<StepDetail>,
    /// Indices of its first and last picture.
    pub(super) start: usize,
    pub(super) end: usize,
    /// What was acted on, or what appeared.
    pub(super) rect: Rect,
    pub(super) label: Label,
    /// Pixels scrolled.
    pub(super) amount: Option<i32>,
    /// Whether that was across and not down.
    pub(super) across: bool,
    /// Number of the surface that opened or closed.
    pub(super) surface: Option<u64>,
    pub(super) confidence: f32,
}

/// A stretch of the recording with all that is known about it before steps are looked for.
pub(super) struct Scene<'a> {
    pub(super) timeline: &'a Timeline,
    pub(super) track: &'a Track,
    pub(super) ripples: &'a Ripples,
    /// For each picture, the changed parts that are neither noise nor the pointer.
    content: Vec<Vec<Part>>,
    /// Pictures that a step explains already.
    used: Vec<bool>,
    /// First and last pictures of what was typed, and of what was dragged or selected.
    typed: Vec<(usize, usize)>,
    dragged: Vec<(usize, usize)>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(timeline: &'a Timeline, restless: &Restless, ripples: &'a Ripples, track: &'a Track) -> Self {
        let content = (0..timeline.len())
            .map(|index| {
                let mut parts = content(timeline, restless, track, index);
                parts.retain(|part| !ripples.covers(index, part.rect));
                parts
            })
            .collect();
        Self {
            timeline,
            track,
            ripples,
            content,
            used: vec![false; timeline.len()],
            typed: Vec::new(),
            dragged: Vec::new(),
        }
    }

    /// The steps that begin in a range of the stretch, in order of time. `open` is what is open before it, and after.
    pub(super) fn steps(&mut self, range: Range<usize>, open: &mut Vec<Surface>) -> Vec<Draft> {
        let mut steps = scrolls::find(self);
        let slid = slides::find(self);
        let typed = typing::find(self);
        self.typed = typed.iter().map(|step| (step.start, step.end)).collect();
        steps.extend(typed);
        steps.extend(slid);
        let dragged = drags::find(self);
        self.dragged = dragged.iter().map(|step| (step.start, step.end)).collect();
        steps.extend(dragged);
        steps.retain(|step| range.contains(&step.start));
        steps.extend(clicks::find(self, range, open));
        steps.sort_by_key(|step| (step.start, !step.step.is_action()));
        steps
    }

    fn len(&self) -> usize {
        self.timeline.len()
    }

    fn mark(&mut self, from: usize, to: usize) {
        let to = (to + 1).min(self.used.len());
        self.used[from.min(to)..to].fill(true);
    }

    /// Whether a part is what some recorders draw around the pointer when a button is pressed.
    fn is_ripple(&self, index: usize, rect: Rect) -> bool {
        /// Sizes, pixels, and how far its middle may be from where the pointer points.
        const SIDES: std::ops::RangeInclusive<i32> = 20..=72;
        const OFF: i32 = 9;
        let Some(pointer) = self.pointer(index) else {
            return false;
        };
        let round = (rect.w - rect.h).abs() * 4 <= rect.w.max(rect.h) + 8;
        round && SIDES.contains(&rect.w) && SIDES.contains(&rect.h) && rect.centre().reach(pointer) <= OFF
    }

    /// Whether something small changed right below the pointer: a button goes down, a ripple begins.
    fn is_pressed(&self, index: usize, pointer: Point) -> bool {
        const SMALL: i32 = 40_000;
        self.content[index]
            .iter()
            .any(|part| part.rect.holds(pointer, 2) && part.rect.area() < SMALL)
    }

    /// Whether a press at this time was the beginning of a drag.
    fn is_dragged(&self, index: usize) -> bool {
        const BEFORE: usize = 5;
        let mut dragged = self.dragged.iter();
        dragged.any(|(start, end)| (start.saturating_sub(BEFORE)..=*end).contains(&index))
    }

    /// The pointer's place in a picture.
    fn pointer(&self, index: usize) -> Option<Point> {
        self.track.at.get(index).copied().flatten()
    }
}

/// Parts that are neither noise nor the pointer nor what it does to things by passing.
fn content(timeline: &Timeline, restless: &Restless, track: &Track, index: usize) -> Vec<Part> {
    /// What a moving pointer can light up, pixels of area.
    const HOVERED: i32 = 60_000;
    const NEAR: i32 = 20;
    let changes = timeline.changes(index);
    let (moved, turned) = (track.moved(index), track.turned(index));
    let covers: Vec<Rect> = [index.checked_sub(1), Some(index)]
        .into_iter()
        .flatten()
        .filter_map(|index| track.covers.get(index).copied().flatten())
        .collect();
    // A pointer that moves lights things up; one that turns where it is does so because of what changed below it.
    let of_pointer = |part: &Part| {
        let lit = moved
            && part.rect.area() < HOVERED
            && covers.iter().any(|rect| rect.grown(NEAR).common(part.rect).is_some());
        lit || (turned
            && covers
                .iter()
                .any(|rect| rect.grown(4).union(part.rect) == rect.grown(4)))
    };
    let parts = changes
        .parts
        .iter()
        .filter(|part| part.counts() && !restless.is_noise(part));
    parts.filter(|part| !of_pointer(part)).copied().collect()
}
