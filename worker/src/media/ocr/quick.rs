//! Reading frames of a stream, again and again and out of its processor budget: one pass over the frame as it is, then
//! a second look at single lines that read badly. Turned pages are not looked for.

use image::GrayImage;
use zoetrope_shared::tasks::ocr::{Line, OcrLayout};

use super::area::Area;
use super::blocks::shift;
use super::engine::Engine;
use super::preprocess;
use super::words::Words;
use crate::fault::Fault;

/// A line below this confidence is looked at again.
const READ_WELL: f32 = 0.75;
/// Lines of a frame that are looked at again, at most: a picture of leaves has many that are no text.
const MOST_SECOND_LOOKS: usize = 8;
/// Room around a line that is cut out, a share of its height.
const MARGIN: f32 = 0.4;

/// The lines of a frame.
pub(crate) fn lines(engine: &mut Engine, frame: &GrayImage, languages: &[String]) -> Result<Vec<Line>, Fault> {
    engine.load(languages)?;
    let picture = preprocess::quick(frame);
    let words = engine.read(&picture, OcrLayout::Auto)?;
    let blocks = Words::new(words, picture.scale, frame.dimensions()).in_blocks(0);
    let mut lines: Vec<Line> = blocks.into_iter().flat_map(|block| block.lines).collect();
    let unsure = lines.iter_mut().filter(|line| line.confidence < READ_WELL);
    for line in unsure.take(MOST_SECOND_LOOKS) {
        if let Some(better) = second_look(engine, frame, line)? {
            *line = better;
        }
    }
    Ok(lines)
}

/// The line read from an enlarged copy, if that reads better.
fn second_look(engine: &Engine, frame: &GrayImage, line: &Line) -> Result<Option<Line>, Fault> {
    let [x, y, width, height] = line.bbox;
    let margin = (height as f32 * MARGIN).ceil() as u32;
    let (left, top) = (x.saturating_sub(margin), y.saturating_sub(margin));
    let bbox = [left, top, x - left + width + margin, y - top + height + margin];
    let Some(area) = Area::clipped(bbox, frame.dimensions()) else {
        return Ok(None);
    };
    let cut = area.cut(frame);
    let picture = preprocess::auto(&cut);
    let words = engine.read(&picture, OcrLayout::SingleLine)?;
    let mut found = Words::new(words, picture.scale, cut.dimensions()).in_blocks(0);
    shift(&mut found, area, 0);
    let found = found.into_iter().flat_map(|block| block.lines);
    let best = found.max_by(|a, b| a.confidence.total_cmp(&b.confidence));
    Ok(best.filter(|best| best.confidence > line.confidence))
}
