//! The words of steps: labels of controls, names of fields, titles, what was typed.

use image::GrayImage;
use zoetrope_shared::tasks::ocr::Line;
use zoetrope_shared::tasks::step_detection::StepType;

use super::changes::CHANGED;
use super::find::{Draft, Label, control};
use super::geometry::{Point, Rect};
use super::timeline::Timeline;
use crate::fault::Fault;
use crate::ocr;

/// How far a label may stand from where the pointer points, pixels.
const LABEL_REACH: i32 = 90;
/// How far left of a field and above it its name may stand, pixels.
const LEFT_OF_FIELD: i32 = 260;
const ABOVE_FIELD: i32 = 21;
/// Height of what holds a dialog's title, pixels.
const TITLE_HEIGHT: i32 = 62;
/// The top of the screen, where addresses and names of tabs stand, pixels.
const TOP: i32 = 96;

/// What was read for a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) target: String,
    pub(super) value: Option<String>,
}

/// Reads parts of pictures.
pub(super) struct Reader<'a> {
    pub(super) engine: &'a mut ocr::Engine,
    pub(super) timeline: &'a Timeline,
    /// Names of surfaces by their number.
    pub(super) surfaces: &'a mut Vec<(u64, String)>,
}

impl Reader<'_> {
    /// Reads the words of a step; its box becomes that of its text where it had none. `before` is the label of the
    /// action before it.
    pub(super) fn words(&mut self, draft: &mut Draft, before: &str) -> Result<Words, Fault> {
        let mut words = Words::default();
        words.target = match draft.label {
            Label::None => String::new(),
            Label::Control { picture, rect, point } => self.control(draft, picture, rect, point)?,
            Label::Field { before, after, rect } => {
                let value = self.first_line(after, rect.grown(2))?;
                words.value = Some(value).filter(|_| draft.step == StepType::Type);
                self.field(before, rect)?
            }
            Label::Selected { picture, rect } => {
                let text = self.first_line(picture, rect.grown(3))?;
                words.value = Some(text.clone());
                text
            }
            Label::Title { picture, rect } => {
                self.first_line(picture, Rect::new(rect.x, rect.y, rect.w, rect.h.min(TITLE_HEIGHT)))?
            }
            Label::Opener { picture, rect } if before.is_empty() => {
                self.first_line(picture, Rect::new(rect.x, rect.y, rect.w, rect.h.min(TITLE_HEIGHT)))?
            }
            Label::Opener { .. } => before.to_owned(),
            Label::Opened { surface } => {
                let known = self.surfaces.iter().find(|(number, _)| *number == surface);
                known.map(|(_, name)| name.clone()).unwrap_or_default()
            }
            Label::Page { before, after } => self.page(before, after)?,
        };
        if let (Some(number), StepType::Open) = (draft.surface, draft.step) {
            self.surfaces.push((number, words.target.clone()));
        }
        Ok(words)
    }

    fn lines(&mut self, picture: usize, rect: Rect) -> Result<Vec<Line>, Fault> {
        let screen = self.timeline.screen(picture);
        let Some(rect) = rect
            .within(screen.width(), screen.height())
            .filter(|rect| rect.w >= 8 && rect.h >= 8)
        else {
            return Ok(Vec::new());
        };
        let grey = screen.luma(rect);
        let Some(image): Option<GrayImage> = grey.into_image() else {
            return Ok(Vec::new());
        };
        let mut lines = ocr::crop::lines(self.engine, &image)?;
        for line in &mut lines {
            line.bbox[0] += rect.x as u32;
            line.bbox[1] += rect.y as u32;
        }
        lines.sort_by_key(|line| (line.bbox[1] + line.bbox[3] / 2, line.bbox[0]));
        Ok(lines)
    }

    fn first_line(&mut self, picture: usize, rect: Rect) -> Result<String, Fault> {
        Ok(first_line(&self.lines(picture, rect)?))
    }

    fn control(&mut self, draft: &mut Draft, picture: usize, rect: Rect, point: Point) -> Result<String, Fault> {
        if rect.w > 0 {
            let text = self.first_line(picture, rect.grown(2))?;
            if !text.is_empty() {
                return Ok(text);
            }
        }
        let around = Rect::new(point.x - 260, point.y - 30, 520, 64);
        let lines = self.lines(picture, around)?;
        let reach = |line: &Line| {
            let rect = rect_of(line);
            let across = (rect.x - point.x).max(point.x - rect.right()).max(0);
            let down = (rect.y - point.y).max(point.y - rect.bottom()).max(0);
            across + down * 5 / 2
        };
        let Some(nearest) = lines
            .iter()
            .min_by_key(|line| reach(line))
            .filter(|line| reach(line) < LABEL_REACH)
        else {
            return Ok(String::new());
        };
        if rect.w == 0 && reach(nearest) == 0 {
            draft.rect = rect_of(nearest).grown(5);
        }
        Ok(nearest.text.clone())
    }

    /// The name of a field: what stands in it while it is empty, left of it, or above it.
    fn field(&mut self, picture: usize, rect: Rect) -> Result<String, Fault> {
        let inside = self.first_line(
            picture,
            Rect::new(rect.x - 4, rect.y - 2, rect.w.max(170) + 8, rect.h + 4),
        )?;
        if !inside.is_empty() {
            return Ok(inside);
        }
        // Right above, if it begins where the field does; else left of it in the same row.
        let edge = control::edges(self.timeline.screen(picture), rect.centre()).unwrap_or(rect.grown(8));
        let above = Rect::new(edge.x - 6, edge.y - ABOVE_FIELD, edge.w.max(240), ABOVE_FIELD);
        let lines = self.lines(picture, above)?;
        let begins = |line: &&Line| (rect_of(line).x - edge.x).abs() <= 14;
        if let Some(line) = lines.iter().rev().find(begins) {
            return Ok(line.text.clone());
        }
        let left = Rect::new(edge.x - LEFT_OF_FIELD, edge.y - 2, LEFT_OF_FIELD - 3, edge.h + 4);
        let lines = self.lines(picture, left)?;
        let nearest = lines.iter().max_by_key(|line| line.bbox[0] + line.bbox[2]);
        Ok(nearest.map(|line| line.text.clone()).unwrap_or_default())
    }

    /// The name of a page: what changed at the top of the screen, most often its address.
    fn page(&mut self, before: usize, after: usize) -> Result<String, Fault> {
        let (old, new) = (self.timeline.screen(before), self.timeline.screen(after));
        let top = Rect::new(0, 0, new.width(), TOP);
        let difference = new.difference(old, top);
        let lines = self.lines(after, top)?;
        let changed = |line: &&Line| {
            let rect = rect_of(line);
            let pixels = (rect.y..rect.bottom()).flat_map(|y| (rect.x..rect.right()).map(move |x| (x, y)));
            let changed = pixels.filter(|(x, y)| difference.at(*x, *y).is_some_and(|level| level > CHANGED));
            changed.count() as i32 * 12 > rect.area()
        };
        let changed: Vec<&Line> = lines.iter().filter(changed).collect();
        let address = changed.iter().find(|line| is_address(&line.text));
        if let Some(line) = address.or(changed.first()) {
            return Ok(line.text.clone());
        }
        let heading = self.lines(after, Rect::new(0, TOP, new.width(), new.height() / 3))?;
        Ok(heading
            .iter()
            .max_by_key(|line| line.bbox[3])
            .map(|line| line.text.clone())
            .unwrap_or_default())
    }
}

fn is_address(text: &str) -> bool {
    text.contains("://") || (text.contains('.') && text.contains('/') && !text.contains(' '))
}

fn rect_of(line: &Line) -> Rect {
    let [x, y, w, h] = line.bbox.map(|side| side as i32);
    Rect::new(x, y, w, h)
}

/// The pieces of the topmost line from left to right.
fn first_line(lines: &[Line]) -> String {
    let Some(first) = lines.first().map(rect_of) else {
        return String::new();
    };
    let middle = first.centre().y;
    let mut pieces: Vec<&Line> = lines
        .iter()
        .filter(|line| (rect_of(line).centre().y - middle).abs() <= 6)
        .collect();
    pieces.sort_by_key(|line| line.bbox[0]);
    pieces.iter().map(|line| line.text.trim()).collect::<Vec<_>>().join(" ")
}
