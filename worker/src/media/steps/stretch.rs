//! Stretches: the pictures that are analysed together, and what goes on from one to the next.

use zoetrope_shared::tasks::step_detection::Step;
use zoetrope_worker::protocol_steps::StepsInput;

use super::find::{Draft, Scene, Surface};
use super::geometry::Rect;
use super::pictures;
use super::pointer::{self, Mark, Ripples, Shape};
use super::reading::{Reader, Words};
use super::screen::Screen;
use super::timeline::{Restless, Timeline};
use super::wording;
use crate::fault::Fault;
use crate::ocr;
use crate::serve::Progress;

/// Longest stretch, ms, and most memory of its pictures, bytes.
const LONGEST_MS: u64 = 60_000;
const MOST_BYTES: usize = 96 * 1024 * 1024;
/// What is kept to look ahead for the end of a stretch, ms, and what is kept before the next one begins.
const AHEAD_MS: u64 = 9_000;
const BEHIND_MS: u64 = 3_000;
/// A stretch is cut where nothing changes for as long as this, ms.
const CALM_MS: u64 = 600;
/// Shapes that are remembered.
const MOST_SHAPES: usize = 6;

/// Finds steps in pictures that come one by one.
pub(super) struct Detector<'a> {
    engine: &'a mut ocr::Engine,
    input: &'a StepsInput,
    progress: &'a Progress<'a>,
    scale: u32,
    timeline: Timeline,
    /// Index of the first picture whose steps are not told yet.
    told: usize,
    shapes: Vec<Shape>,
    /// Where the pointer was at `told`.
    mark: Option<Mark>,
    open: Vec<Surface>,
    surfaces: Vec<(u64, String)>,
    fields: Vec<(Rect, String)>,
    steps: Vec<Step>,
    pointer: bool,
}

impl<'a> Detector<'a> {
    pub(super) fn new(
        engine: &'a mut ocr::Engine,
        input: &'a StepsInput,
        scale: u32,
        progress: &'a Progress<'a>,
    ) -> Self {
        Self {
            engine,
            input,
            progress,
            scale,
            timeline: Timeline::new((1000.0 / input.sample_fps) as u64),
            told: 0,
            shapes: Vec::new(),
            mark: None,
            open: Vec::new(),
            surfaces: Vec::new(),
            fields: Vec::new(),
            steps: Vec::new(),
            pointer: false,
        }
    }

    /// The newest picture.
    pub(super) fn last_screen(&self) -> Option<&Screen> {
        self.timeline.last_screen()
    }

    /// Takes the next picture, and tells the steps of a stretch that is full.
    pub(super) fn push(&mut self, t_ms: u64, screen: Screen) -> Result<(), Fault> {
        self.timeline.push(t_ms, screen);
        let first_ms = self.timeline.moments.first().map_or(0, |moment| moment.t_ms);
        if t_ms - first_ms < LONGEST_MS && self.timeline.bytes() < MOST_BYTES {
            return Ok(());
        }
        let until = self.cut();
        self.tell(until)?;
        let keep = until.saturating_sub(self.timeline.pictures_in(BEHIND_MS));
        self.timeline.forget_before(keep);
        self.told = until - keep;
        Ok(())
    }

    /// Tells the steps of what is left.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        self.tell(self.timeline.len())
    }

    /// The steps, and whether there was a pointer.
    pub(super) fn into_found(self) -> (Vec<Step>, bool) {
        (self.steps, self.pointer)
    }

    /// Where the stretch is cut: the latest calm place that leaves enough to look ahead.
    fn cut(&self) -> usize {
        let count = self.timeline.len();
        let calm = self.timeline.pictures_in(CALM_MS);
        let latest = count.saturating_sub(self.timeline.pictures_in(AHEAD_MS)).max(count / 2);
        let earliest = (count / 4).max(self.told + 1);
        let is_calm = |index: &usize| {
            (*index..(index + calm).min(count))
                .all(|index| self.timeline.changes(index).parts.iter().all(|part| !part.counts()))
        };
        (earliest..latest)
            .rev()
            .find(is_calm)
            .unwrap_or(latest.max(self.told + 1).min(count))
    }

    fn tell(&mut self, until: usize) -> Result<(), Fault> {
        let restless = Restless::of(&self.timeline);
        // Marks name shapes by their numbers: what is known stays where it is.
        let ripples = Ripples::of(&self.timeline, &restless);
        let learned = pointer::learn(&self.timeline, &restless, &ripples);
        let room = MOST_SHAPES.saturating_sub(self.shapes.len());
        self.shapes.extend(learned.into_iter().take(room));
        let track = pointer::track(&self.timeline, &restless, &ripples, &self.shapes, self.mark.take());
        self.pointer |= track.exists();
        self.mark = track.mark(until.saturating_sub(self.timeline.pictures_in(BEHIND_MS)));
        let mut scene = Scene::new(&self.timeline, &restless, &ripples, &track);
        let drafts = scene.steps(self.told..until, &mut self.open);
        let mut reader = Reader {
            engine: self.engine,
            timeline: &self.timeline,
            surfaces: &mut self.surfaces,
            fields: &mut self.fields,
        };
        let mut last_target = String::new();
        for mut draft in drafts {
            let words = reader.words(&mut draft, &last_target)?;
            if draft.step.is_action() {
                last_target.clone_from(&words.target);
            }
            let step = Telling {
                input: self.input,
                progress: self.progress,
                timeline: &self.timeline,
                scale: self.scale,
            };
            let number = self.steps.len() as u32;
            self.steps.push(step.step(number, &draft, words));
        }
        Ok(())
    }
}

/// From a draft and its words to a step.
struct Telling<'a> {
    input: &'a StepsInput,
    progress: &'a Progress<'a>,
    timeline: &'a Timeline,
    scale: u32,
}

impl Telling<'_> {
    fn step(&self, index: u32, draft: &Draft, words: Words) -> Step {
        let screen = self.timeline.screen(draft.start);
        let rect = draft
            .rect
            .within(screen.width(), screen.height())
            .unwrap_or(Rect::new(0, 0, 1, 1));
        let at = |index: usize| self.timeline.moments[index.min(self.timeline.len() - 1)].t_ms;
        let value = draft
            .amount
            .map(|amount| (amount * self.scale as i32).to_string())
            .or(words.value);
        let description = self
            .input
            .describe
            .then(|| wording::sentence(draft, &words.target, value.as_deref()));
        let picture = |name: &str, moment: usize, ring: Option<Rect>| {
            self.input.pictures.then(|| {
                let name = format!("{index:04}-{name}");
                self.progress
                    .picture(&name, &pictures::jpeg(self.timeline.screen(moment), ring));
                name
            })
        };
        let before = picture("before", draft.start.saturating_sub(1), Some(rect));
        let after = picture("after", draft.end + self.timeline.pictures_in(200), None);
        let side = |side: i32| side as u32 * self.scale;
        Step {
            index,
            step: draft.step,
            detail: draft.detail,
            t_ms: at(draft.start),
            end_ms: at(draft.end),
            bbox: [side(rect.x), side(rect.y), side(rect.w), side(rect.h)],
            target_text: words.target,
            value,
            confidence: (draft.confidence * 100.0).round() / 100.0,
            description,
            before,
            after,
        }
    }
}
