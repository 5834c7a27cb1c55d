//! Pages that lie on their side or stand on their head: finding the turn, undoing it, and bringing boxes back.
//!
//! The engine reads text that lies on its side by itself, without saying so: that is told from the lines it found.
//! Text that stands on its head it reads as garbage: that is told by the detector.

use std::cmp::Ordering;

use image::GrayImage;
use image::imageops;
use zoetrope_shared::tasks::ocr::Block;

use super::blocks::for_each_box;
use super::engine::Engine;
use super::preprocess;
use crate::fault::Fault;

/// Below this the detector guesses: its figure is a margin of log probabilities, and 1 is already a fair one.
const SURE_ENOUGH: f32 = 1.0;

/// A clockwise turn of the text that is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Right,
    HalfWay,
    Left,
}

/// The turn of a page's text; `None` if it stands upright, or nobody can tell.
pub(super) fn detect(engine: &mut Engine, page: &GrayImage) -> Result<Option<Turn>, Fault> {
    let found = engine.orientation(&preprocess::auto(page))?;
    Ok(match found {
        // The detector says by how much the text is turned clockwise.
        Some((degrees, confidence)) if confidence >= SURE_ENOUGH => match degrees {
            90 => Some(Turn::Right),
            180 => Some(Turn::HalfWay),
            270 => Some(Turn::Left),
            _ => None,
        },
        _ => None,
    })
}

/// Clockwise degrees of text that the engine turned by itself: 90 or 270 if most lines of several words run down or
/// up, else 0.
pub(super) fn told_by_lines(blocks: &[Block]) -> u16 {
    let (mut across, mut down, mut up) = (0, 0, 0);
    for line in blocks.iter().flat_map(|block| &block.lines) {
        let [.., width, height] = line.bbox;
        let (Some(first), Some(last)) = (line.words.first(), line.words.last()) else {
            continue;
        };
        match (height > width, first.bbox[1].cmp(&last.bbox[1])) {
            (true, Ordering::Less) => down += 1,
            (true, Ordering::Greater) => up += 1,
            _ => across += 1,
        }
    }
    if down > across.max(up) {
        Turn::Right.degrees()
    } else if up > across.max(down) {
        Turn::Left.degrees()
    } else {
        0
    }
}

impl Turn {
    /// Clockwise degrees.
    pub(super) fn degrees(self) -> u16 {
        match self {
            Self::Right => 90,
            Self::HalfWay => 180,
            Self::Left => 270,
        }
    }

    /// The page turned back.
    pub(super) fn upright(self, page: &GrayImage) -> GrayImage {
        match self {
            Self::Right => imageops::rotate270(page),
            Self::HalfWay => imageops::rotate180(page),
            Self::Left => imageops::rotate90(page),
        }
    }

    /// Takes boxes found on the upright page back to the page as it came.
    pub(super) fn restore(self, blocks: &mut [Block], (page_width, page_height): (u32, u32)) {
        for block in blocks {
            for_each_box(block, &mut |bbox| {
                let [x, y, width, height] = *bbox;
                *bbox = match self {
                    Self::Right => [page_width - y - height, x, height, width],
                    Self::HalfWay => [page_width - x - width, page_height - y - height, width, height],
                    Self::Left => [y, page_height - x - width, height, width],
                };
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    /// The box of the dark pixels.
    fn dark_box(page: &GrayImage) -> [u32; 4] {
        let dark = || page.enumerate_pixels().filter(|(_, _, level)| level[0] == 0);
        let (left, right) = (dark().map(|(x, ..)| x).min(), dark().map(|(x, ..)| x).max());
        let (top, bottom) = (dark().map(|(_, y, _)| y).min(), dark().map(|(_, y, _)| y).max());
        let (left, top) = (
            left.expect("there is a dark pixel"),
            top.expect("there is a dark pixel"),
        );
        [
            left,
            top,
            right.expect("as above") - left + 1,
            bottom.expect("as above") - top + 1,
        ]
    }

    #[test]
    fn a_box_found_on_the_upright_page_lies_where_its_pixels_were() {
        let mut page = GrayImage::from_pixel(60, 40, Luma([255]));
        (0..7).for_each(|x| (0..3).for_each(|y| page.put_pixel(11 + x, 5 + y, Luma([0]))));
        for turn in [Turn::Right, Turn::HalfWay, Turn::Left] {
            let bbox = dark_box(&turn.upright(&page));
            let mut blocks = [Block {
                text: String::new(),
                bbox,
                confidence: 0.0,
                page: 0,
                region: None,
                lines: Vec::new(),
            }];
            turn.restore(&mut blocks, page.dimensions());
            assert_eq!(blocks[0].bbox, [11, 5, 7, 3], "{turn:?}");
        }
    }
}
