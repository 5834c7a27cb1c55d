//! Reading a small part of a screen, such as a button: its lines are found by their ink and read one by one.

use image::GrayImage;
use zoetrope_shared::tasks::ocr::Line;

use super::blocks::line_of;
use super::engine::Engine;
use super::ink::Ink;
use super::pieces;
use super::second_look::read_line;
use crate::fault::Fault;

/// Most lines of a part.
const MOST_LINES: usize = 16;

/// The lines of a part of a screen in the loaded languages, topmost first.
pub(crate) fn lines(engine: &Engine, part: &GrayImage) -> Result<Vec<Line>, Fault> {
    let ink = Ink::of(part);
    let mut found = pieces::lines(&ink);
    found.sort_unstable_by_key(|[x, y, ..]| (*y, *x));
    found.truncate(MOST_LINES);
    let mut lines = Vec::new();
    for place in found {
        let words: Vec<_> = read_line(engine, part, &ink, place)?
            .into_iter()
            .map(|word| ([0; 3], word))
            .collect();
        if !words.is_empty() {
            lines.push(line_of(&words));
        }
    }
    Ok(lines)
}
