//! The words of steps: labels of controls, names of fields, titles, what was typed.

use zoetrope_shared::tasks::step_detection::StepType;

use super::changes::CHANGED;
use super::find::{Control, Draft, Label, control};
use super::geometry::{Point, Rect};
use super::screen::Screen;
use super::texts::{Part, Piece, SAME_LINE, distance, first_line, in_line, join, line_at};
use super::timeline::Timeline;
use crate::fault::Fault;
use crate::ocr;

/// How far a label may stand from where the pointer points, pixels.
const LABEL_REACH: i32 = 40;
/// How far to both sides it may reach, pixels.
const LABEL_WINDOW: i32 = 330;
/// How far the label of a row may stand from its switch, pixels.
const ROW_REACH: i32 = 640;
/// How far left of a field and above it its name may stand, pixels.
const LEFT_OF_FIELD: i32 = 420;
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
    /// Fields of the page and their names.
    pub(super) fields: &'a mut Vec<(Rect, String)>,
}

impl Reader<'_> {
    /// Reads the words of a step; its box becomes that of its text where it had none. `before` is the label of the
    /// action before it.
    pub(super) fn words(&mut self, draft: &mut Draft, before: &str) -> Result<Words, Fault> {
        let mut words = Words::default();
        words.target = match draft.label {
            Label::None => String::new(),
            Label::Key(name) => {
                words.value = Some(name.to_owned());
                String::new()
            }
            Label::Control(control) => self.control(draft, control)?,
            Label::Field {
                clean,
                before,
                after,
                rect,
            } => {
                words.value = Some(self.typed(after, rect)?);
                self.field(clean, before, rect)?
            }
            Label::Selected { picture, rect } => {
                let mut pieces = self.pieces(picture, rect.grown(3))?;
                let middle = rect.centre().y;
                pieces.retain(|piece| (piece.rect.centre().y - middle).abs() <= 9);
                let text = join(&pieces);
                words.value = Some(text.clone());
                text
            }
            Label::Title { picture, rect } => self.title(picture, rect)?,
            Label::Opener { picture, rect } if before.is_empty() => self.title(picture, rect)?,
            Label::Opener { .. } => before.to_owned(),
            Label::Opened { surface } => {
                let known = self.surfaces.iter().find(|(number, _)| *number == surface);
                known.map(|(_, name)| name.clone()).unwrap_or_default()
            }
            Label::Page { before, after } => {
                self.fields.clear();
                self.page(before, after)?
            }
        };
        if let (Some(number), StepType::Open) = (draft.surface, draft.step) {
            self.surfaces.push((number, words.target.clone()));
        }
        Ok(words)
    }

    /// The texts of a part, from top to bottom and left to right.
    fn pieces(&mut self, picture: usize, rect: Rect) -> Result<Vec<Piece>, Fault> {
        /// Most lines of a part.
        const MOST_LINES: usize = 16;
        let Some(part) = self.part(picture, rect) else {
            return Ok(Vec::new());
        };
        let mut pieces = Vec::new();
        for index in 0..part.boxes.len().min(MOST_LINES) {
            pieces.extend(part.pieces(self.engine, index)?);
        }
        pieces.sort_by_key(|piece| (piece.rect.centre().y, piece.rect.x));
        Ok(pieces)
    }

    /// A part of a picture and where its lines stand.
    fn part(&self, picture: usize, rect: Rect) -> Option<Part> {
        Part::of(self.timeline.screen(picture), rect)
    }

    fn first_line(&mut self, picture: usize, rect: Rect) -> Result<String, Fault> {
        Ok(first_line(&self.pieces(picture, rect)?))
    }

    /// What was typed into a box of text, without the caret at its end.
    fn typed(&mut self, picture: usize, rect: Rect) -> Result<String, Fault> {
        /// What is looked at beside it, pixels: more where that is not enough to tell the ground of the letters.
        const BESIDE: [i32; 2] = [2, 12];
        let mut typed = String::new();
        for beside in BESIDE {
            if !typed.is_empty() {
                break;
            }
            let part = Rect::new(rect.x - beside, rect.y - 2, rect.w + 2 * beside, rect.h + 4);
            let mut pieces = self.pieces(picture, part)?;
            pieces.retain(|piece| piece.rect.centre().x >= rect.x && piece.rect.x < rect.right());
            typed = first_line(&pieces).trim_end_matches('|').trim_end().to_owned();
        }
        Ok(typed)
    }

    /// The title of a box: its first line that is more than a sign.
    fn title(&mut self, picture: usize, rect: Rect) -> Result<String, Fault> {
        const LETTERS: usize = 3;
        let pieces = self.pieces(picture, Rect::new(rect.x, rect.y, rect.w, rect.h.min(TITLE_HEIGHT)))?;
        let from = pieces
            .iter()
            .position(|piece| piece.text.chars().filter(|letter| letter.is_alphanumeric()).count() >= LETTERS);
        Ok(first_line(&pieces[from.unwrap_or(0).min(pieces.len())..]))
    }

    /// The label of what was acted on at a point: what stands in its box; or else the nearest text: right there, in the
    /// same row, or in the same card.
    fn control(&mut self, draft: &mut Draft, control: Control) -> Result<String, Fault> {
        let Control {
            picture,
            rect,
            point,
            exact,
            holds_value,
        } = control;
        if holds_value {
            let name = self.name_beside(picture, rect)?;
            if !name.is_empty() {
                return Ok(name);
            }
        }
        if exact {
            // Its border is none of its letters.
            let pieces = self.pieces(picture, rect.grown(-2))?;
            let text = line_at(&pieces, point);
            if is_switch(rect) && !pieces.iter().any(Piece::is_readable) {
                return self.name_in_row(picture, rect);
            }
            if !text.is_empty() {
                return Ok(text);
            }
        }
        let near = Rect::new(point.x - LABEL_WINDOW, point.y - 24, 2 * LABEL_WINDOW, 48);
        if let Some(nearest) = self
            .nearest(picture, near, point)?
            .filter(|piece| distance(piece.rect, point) < LABEL_REACH)
        {
            if !exact && distance(nearest.rect, point) == 0 {
                draft.rect = nearest.rect.grown(5);
            }
            return Ok(nearest.text);
        }
        let what = below(self.timeline.screen(picture), point);
        if what == Below::Sign {
            return Ok(String::new());
        }
        let row = Rect::new(point.x - ROW_REACH, point.y - 16, ROW_REACH + 60, 32);
        if let Some(nearest) = self.nearest(picture, row, point)?.filter(|_| what == Below::Ground) {
            return Ok(nearest.text);
        }
        let card = Rect::new(point.x - 170, point.y - 110, 340, 250);
        let nearest = self.nearest(picture, card, point)?;
        Ok(nearest.map(|piece| piece.text).unwrap_or_default())
    }

    /// The name of a small box without text, such as a switch: what stands right of it in its row, or else left of it.
    fn name_in_row(&mut self, picture: usize, rect: Rect) -> Result<String, Fault> {
        const RIGHT: i32 = 220;
        let row = |x: i32, w: i32| Rect::new(x, rect.centre().y - 16, w, 32);
        let pieces = self.pieces(picture, row(rect.right() + 2, RIGHT))?;
        let right = pieces
            .iter()
            .filter(|piece| piece.is_readable())
            .min_by_key(|piece| piece.rect.x);
        if let Some(piece) = right {
            return Ok(piece.text.clone());
        }
        let pieces = self.pieces(picture, row(rect.x - ROW_REACH - 2, ROW_REACH))?;
        let left = pieces
            .iter()
            .filter(|piece| piece.is_readable())
            .max_by_key(|piece| piece.rect.right());
        Ok(left.map(|piece| piece.text.clone()).unwrap_or_default())
    }

    /// The whole text in a part that is nearest to a point.
    fn nearest(&mut self, picture: usize, part: Rect, point: Point) -> Result<Option<Piece>, Fault> {
        let screen = self.timeline.screen(picture).bounds();
        // What the part's edge cuts through is not the whole text.
        let whole = |piece: &Piece| {
            (part.x <= 0 || piece.rect.x > part.x + 2)
                && (part.right() >= screen.w || piece.rect.right() < part.right() - 2)
                && (part.y <= 0 || piece.rect.y > part.y + 1)
                && (part.bottom() >= screen.h || piece.rect.bottom() < part.bottom() - 1)
        };
        let Some(part) = self.part(picture, part) else {
            return Ok(None);
        };
        let mut best: Option<(i32, Piece)> = None;
        for (reach, index) in part.by(|rect| distance(rect, point)) {
            if best.as_ref().is_some_and(|(nearest, _)| *nearest <= reach) {
                break;
            }
            let readable = part.pieces(self.engine, index)?.into_iter();
            let readable = readable.filter(|piece| whole(piece) && piece.is_readable());
            let told = readable.map(|piece| (distance(piece.rect, point), piece));
            best = best.into_iter().chain(told).min_by_key(|(distance, _)| *distance);
        }
        Ok(best.map(|(_, piece)| piece))
    }

    /// The name of a field: what stands in it while it is empty, or beside it.
    fn field(&mut self, clean: usize, picture: usize, rect: Rect) -> Result<String, Fault> {
        if let Some((_, name)) = self
            .fields
            .iter()
            .rev()
            .find(|(known, _)| known.holds(rect.centre(), 2))
        {
            return Ok(name.clone());
        }
        // The pointer may stand in the field when it is typed into.
        let edge = control::edges(self.timeline.screen(clean), rect.centre())
            .or_else(|| control::edges(self.timeline.screen(picture), rect.centre()));
        let inner = Rect::new(rect.x - 4, rect.y - 2, rect.w.max(190) + 8, rect.h + 4);
        let inner = edge.and_then(|edge| edge.common(inner)).unwrap_or(inner);
        let mut name = self.first_line(clean, inner)?;
        if name.chars().filter(|letter| letter.is_alphanumeric()).count() < 2 {
            name = self.name_beside(picture, edge.unwrap_or(rect.grown(8)))?;
        }
        if !name.is_empty() {
            self.fields.push((edge.unwrap_or(rect.grown(4)), name.clone()));
        }
        Ok(name)
    }

    /// The name of a box: right above, if it begins where the box does; else left of it in the same row.
    fn name_beside(&mut self, picture: usize, edge: Rect) -> Result<String, Fault> {
        let above = Rect::new(edge.x - 6, edge.y - ABOVE_FIELD, edge.w.max(240), ABOVE_FIELD);
        let begins = |piece: &&Piece| (piece.rect.x - edge.x).abs() <= 14;
        if let Some(piece) = self.pieces(picture, above)?.iter().rev().find(begins) {
            return Ok(piece.text.clone());
        }
        let left = Rect::new(edge.x - LEFT_OF_FIELD, edge.y - 2, LEFT_OF_FIELD - 3, edge.h + 4);
        let pieces = self.pieces(picture, left)?;
        let screen = self.timeline.screen(picture);
        // What has a box of its own is another control.
        let is_name = |piece: &&Piece| {
            let own = control::edges(screen, piece.rect.centre()).is_some_and(|own| own.w < piece.rect.w + 70);
            !own && piece.is_readable() && piece.rect.x > left.x + 2
        };
        let nearest = pieces.iter().filter(is_name).max_by_key(|piece| piece.rect.right());
        Ok(nearest.map(|piece| piece.text.clone()).unwrap_or_default())
    }

    /// The name of a page: what changed at the top of the screen, most often its address.
    fn page(&mut self, before: usize, after: usize) -> Result<String, Fault> {
        let (old, new) = (self.timeline.screen(before), self.timeline.screen(after));
        let top = Rect::new(0, 0, new.width(), TOP);
        let difference = new.difference(old, top);
        // Only lines with something new in them are read, and what stands beside it.
        let Some(bar) = self.part(after, top) else {
            return Ok(String::new());
        };
        let is_new = |rect: &Rect| {
            let rows = rect.y..rect.bottom();
            rows.flat_map(|y| (rect.x..rect.right()).map(move |x| (x, y)))
                .any(|(x, y)| difference.at(x, y).is_some_and(|level| level > CHANGED))
        };
        let new: Vec<i32> = bar
            .boxes
            .iter()
            .filter(|rect| is_new(rect))
            .map(|rect| rect.centre().y)
            .collect();
        let mut pieces = Vec::new();
        for (index, rect) in bar.boxes.iter().enumerate() {
            if new.iter().any(|y| (y - rect.centre().y).abs() <= SAME_LINE) {
                pieces.extend(bar.pieces(self.engine, index)?);
            }
        }
        pieces.sort_by_key(|piece| (piece.rect.centre().y, piece.rect.x));
        let changed = |piece: &&Piece| {
            let rect = piece.rect;
            let pixels = (rect.y..rect.bottom()).flat_map(|y| (rect.x..rect.right()).map(move |x| (x, y)));
            let changed = pixels.filter(|(x, y)| difference.at(*x, *y).is_some_and(|level| level > CHANGED));
            changed.count() as i32 * 12 > rect.area()
        };
        let changed: Vec<&Piece> = pieces.iter().filter(changed).collect();
        let address = changed.iter().find(|piece| is_address(&piece.text));
        if let Some(piece) = address.or(changed.first()) {
            let line: Vec<Piece> = pieces.iter().filter(|other| in_line(other, piece)).cloned().collect();
            return Ok(join(&line));
        }
        self.heading(after)
    }

    /// The tallest text in the upper part of a page.
    fn heading(&mut self, picture: usize) -> Result<String, Fault> {
        let screen = self.timeline.screen(picture).bounds();
        let Some(part) = self.part(picture, Rect::new(0, TOP, screen.w, screen.h / 3)) else {
            return Ok(String::new());
        };
        for (_, index) in part.by(|rect| -rect.h) {
            let pieces = part.pieces(self.engine, index)?;
            if let Some(piece) = pieces.into_iter().find(Piece::is_readable) {
                return Ok(piece.text);
            }
        }
        Ok(String::new())
    }
}

fn is_address(text: &str) -> bool {
    text.contains("://") || (text.contains('.') && text.contains('/') && !text.contains(' '))
}

/// What is in front of the ground below a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    /// Nothing.
    Ground,
    /// A small sign that stands alone.
    Sign,
    /// Anything else: a picture.
    Picture,
}

fn below(screen: &Screen, point: Point) -> Below {
    const INK: u8 = 24;
    let around = screen.luma(Rect::around(point, 60, 40));
    let inner = Rect::around(point, 36, 36);
    let mut levels = [0_u32; 256];
    around.levels.iter().for_each(|level| levels[usize::from(*level)] += 1);
    let ground = (0_u8..=255)
        .max_by_key(|level| levels[usize::from(*level)])
        .unwrap_or(0);
    let (mut inside, mut outside) = (0, 0);
    for y in around.place.y..around.place.bottom() {
        for x in around.place.x..around.place.right() {
            if around.at(x, y).is_some_and(|level| level.abs_diff(ground) > INK) {
                if inner.holds(Point { x, y }, 0) {
                    inside += 1;
                } else {
                    outside += 1;
                }
            }
        }
    }
    match (inside, outside) {
        (0..6, 0..12) => Below::Ground,
        (_, 0..12) => Below::Sign,
        _ => Below::Picture,
    }
}

/// Whether a box is as small as a switch or a check box.
fn is_switch(rect: Rect) -> bool {
    (8..=52).contains(&rect.w) && (8..=30).contains(&rect.h)
}
