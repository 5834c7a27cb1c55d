//! Pages that lie on their side or stand on their head: finding the turn, undoing it, and bringing boxes back.
//!
//! A page whose lines read badly is turned the other three ways and some of its lines are read again: the turn that
//! reads clearly better is the right one. That asks the engine what it knows about letters, needs no data of its own,
//! and costs a few lines.

use image::GrayImage;
use image::imageops;
use zoetrope_shared::tasks::ocr::Block;

use super::blocks::for_each_box;
use super::engine::Engine;
use super::page;
use super::planes::Planes;
use crate::fault::Fault;

/// A turned page has to read better by this much than the page as it came.
const CLEARLY: f32 = 0.08;

/// A clockwise turn of the text that is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Right,
    HalfWay,
    Left,
}

/// The turn of a page whose text reads with this certainty as it came; `None` if no turn is clearly better.
pub(super) fn detect(engine: &Engine, page: &Planes, certainty: f32) -> Result<Option<Turn>, Fault> {
    let mut best = (None, certainty + CLEARLY);
    for turn in [Turn::Right, Turn::Left, Turn::HalfWay] {
        let found = page::sampled(engine, &page.map(|channel| turn.upright(channel)))?;
        if found > best.1 {
            best = (Some(turn), found);
        }
    }
    Ok(best.0)
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
