//! Reading a small part of a screen, such as a button: its lines are found by their ink and read one by one.

use image::GrayImage;
use zoetrope_shared::tasks::ocr::Line;

use super::engine::Engine;
use super::page;
use super::planes::Planes;
use crate::fault::Fault;

/// Most lines of a part.
const MOST_LINES: usize = 16;

/// The lines of a part of a screen in the loaded languages, topmost first.
pub(crate) fn lines(engine: &Engine, part: &GrayImage) -> Result<Vec<Line>, Fault> {
    page::read_part(engine, &Planes::grey(part.clone()), MOST_LINES)
}
