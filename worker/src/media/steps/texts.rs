//! Texts of a part of a picture: where lines stand, their pieces as they are read, and what pieces say together.

use zoetrope_shared::tasks::ocr::Line;

use super::geometry::{Point, Rect};
use super::screen::Screen;
use crate::fault::Fault;
use crate::ocr;

/// How far the middles of texts in one line may be apart, pixels.
pub(super) const SAME_LINE: i32 = 6;
/// Least sides of a part that is looked at, pixels.
const LEAST_SIDE: i32 = 8;

/// A part of a picture, and where in the picture its lines of text stand.
pub(super) struct Part {
    rect: Rect,
    pub(super) boxes: Vec<Rect>,
    lines: ocr::crop::Part,
}

impl Part {
    /// Looks for lines in a part of a screen; `None` if it is too small for any.
    pub(super) fn of(screen: &Screen, rect: Rect) -> Option<Self> {
        let rect = rect
            .within(screen.width(), screen.height())
            .filter(|rect| rect.w >= LEAST_SIDE && rect.h >= LEAST_SIDE)?;
        let lines = ocr::crop::Part::of(screen.luma(rect).into_image()?);
        let boxes = lines.boxes().map(|bounds| placed(bounds, rect)).collect();
        Some(Self { rect, boxes, lines })
    }

    /// The texts of a line.
    pub(super) fn pieces(&self, engine: &ocr::Engine, index: usize) -> Result<Vec<Piece>, Fault> {
        let line = self.lines.line(engine, index)?;
        let mut pieces: Vec<Piece> = line.iter().flat_map(|line| split(line, self.rect)).collect();
        pieces.retain(|piece| piece.text.chars().any(char::is_alphanumeric));
        Ok(pieces)
    }

    /// Its lines in the order of a measure, the least first.
    pub(super) fn by(&self, measure: impl Fn(Rect) -> i32) -> Vec<(i32, usize)> {
        let mut order: Vec<(i32, usize)> = (0..)
            .zip(&self.boxes)
            .map(|(index, rect)| (measure(*rect), index))
            .collect();
        order.sort_unstable();
        order
    }
}

/// A box inside a part, in pixels of the picture.
fn placed([x, y, w, h]: [u32; 4], part: Rect) -> Rect {
    Rect::new(part.x + x as i32, part.y + y as i32, w as i32, h as i32)
}

/// Text that belongs together.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) rect: Rect,
    pub(super) text: String,
    /// That of its worst read word, 0 to 1.
    confidence: f32,
}

impl Piece {
    /// Whether it is more than a sign or a misread picture.
    pub(super) fn is_readable(&self) -> bool {
        const LETTERS: usize = 2;
        const CONFIDENCE: f32 = 0.4;
        let letters = self.text.chars().filter(|letter| letter.is_alphanumeric()).count();
        letters >= LETTERS && self.confidence >= CONFIDENCE
    }
}

/// Whether two pieces stand in one line, no further apart than words around a dash.
pub(super) fn in_line(a: &Piece, b: &Piece) -> bool {
    let gap = (a.rect.x - b.rect.right()).max(b.rect.x - a.rect.right());
    (a.rect.centre().y - b.rect.centre().y).abs() <= SAME_LINE && gap <= 30
}

/// The texts of pieces from left to right.
pub(super) fn join(pieces: &[Piece]) -> String {
    let mut line: Vec<&Piece> = pieces.iter().collect();
    line.sort_by_key(|piece| piece.rect.x);
    line.iter().map(|piece| piece.text.trim()).collect::<Vec<_>>().join(" ")
}

/// The pieces of a line that was read in `part`: neighbouring buttons and columns stand further apart than words.
fn split(line: &Line, part: Rect) -> Vec<Piece> {
    /// Least gap, pixels, and for each pixel of the line's height.
    const GAP: i32 = 9;
    const GAP_OF_HEIGHT: f32 = 0.95;
    let gap = GAP.max((line.bbox[3] as f32 * GAP_OF_HEIGHT) as i32);
    let mut pieces: Vec<Piece> = Vec::new();
    for word in &line.words {
        let rect = placed(word.bbox, part);
        match pieces.last_mut() {
            Some(last) if rect.x - last.rect.right() < gap => {
                last.rect = last.rect.union(rect);
                last.text = format!("{} {}", last.text, word.text);
                last.confidence = last.confidence.min(word.confidence);
            }
            _ => pieces.push(Piece {
                rect,
                text: word.text.clone(),
                confidence: word.confidence,
            }),
        }
    }
    pieces
}

/// How far a text is from where a pointer points: across counts less than down.
pub(super) fn distance(rect: Rect, point: Point) -> i32 {
    let across = (rect.x - point.x).max(point.x - rect.right()).max(0);
    let down = (rect.y - point.y).max(point.y - rect.bottom()).max(0);
    across + down * 5 / 2
}

/// The line of text that is nearest to the height of a point: a box may hold several rows.
pub(super) fn line_at(pieces: &[Piece], point: Point) -> String {
    let nearest = pieces
        .iter()
        .min_by_key(|piece| (piece.rect.centre().y - point.y).abs());
    let line = nearest.map_or(0, |piece| piece.rect.centre().y);
    let from = pieces
        .iter()
        .position(|piece| (piece.rect.centre().y - line).abs() <= SAME_LINE);
    first_line(&pieces[from.unwrap_or(0).min(pieces.len())..])
}

/// The pieces of the topmost line from left to right, without the sign at its end that says that it opens.
pub(super) fn first_line(pieces: &[Piece]) -> String {
    let Some(first) = pieces.first().map(|piece| piece.rect) else {
        return String::new();
    };
    let middle = first.centre().y;
    let mut line: Vec<&Piece> = pieces
        .iter()
        .filter(|piece| (piece.rect.centre().y - middle).abs() <= SAME_LINE)
        .collect();
    line.sort_by_key(|piece| piece.rect.x);
    let is_sign = |piece: &&Piece| piece.text.chars().count() == 1 && !piece.text.chars().any(char::is_numeric);
    if line.len() > 1 && line.last().is_some_and(is_sign) {
        line.pop();
    }
    line.iter().map(|piece| piece.text.trim()).collect::<Vec<_>>().join(" ")
}
