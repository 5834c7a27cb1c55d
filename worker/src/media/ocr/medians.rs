//! The ground where no patches tell it, on photographs and in noise: the median around, by blocks.

use image::GrayImage;

use super::ground::{Colour, differences};
use super::planes::Planes;

/// Medians are told by blocks of this side: a screen's smallest letters are wider than one block.
pub(super) const BLOCK: u32 = 4;
/// Blocks around a block whose median is its ground: 20 pixels, which the strokes of small text never fill by half and
/// the smallest button does. Strokes of large headings may; those are not overlooked in the first place.
const GROUND_REACH: u32 = 2;

/// The medians around the blocks of each channel.
pub(super) struct Medians {
    channels: Vec<Blocks>,
    width: u32,
    height: u32,
}

impl Medians {
    pub(super) fn of(page: &Planes) -> Self {
        let (width, height) = page.dimensions();
        let blocks = |channel: &GrayImage| Blocks::of(channel, median).filtered(GROUND_REACH, median);
        Self {
            channels: page.channels().iter().map(blocks).collect(),
            width,
            height,
        }
    }

    /// The least difference from the medians of the block and of those next to the pixel, because the edge between two
    /// grounds runs through blocks and is no ink.
    pub(super) fn differences(&self, pixel: Colour, x: u32, y: u32) -> (u8, u8) {
        const HALF: u32 = BLOCK / 2;
        let (left, right) = (x.saturating_sub(HALF), (x + HALF).min(self.width - 1));
        let (above, below) = (y.saturating_sub(HALF), (y + HALF).min(self.height - 1));
        let near = [(left, above), (right, above), (left, below), (right, below)];
        let told = near.map(|(x, y)| {
            let mut ground = [0; 3];
            for (level, blocks) in ground.iter_mut().zip(&self.channels) {
                *level = blocks.at(x, y);
            }
            differences(pixel, ground)
        });
        told.into_iter()
            .min_by_key(|(dark, light)| *dark.max(light))
            .unwrap_or((0, 0))
    }
}

/// One level for each block of a page.
pub(super) struct Blocks {
    columns: u32,
    rows: u32,
    levels: Vec<u8>,
}

impl Blocks {
    pub(super) fn of(page: &GrayImage, summary: impl Fn(&mut [u8]) -> u8) -> Self {
        let (columns, rows) = (page.width().div_ceil(BLOCK), page.height().div_ceil(BLOCK));
        let mut levels = Vec::with_capacity((columns * rows) as usize);
        let mut block = Vec::with_capacity((BLOCK * BLOCK) as usize);
        for row in 0..rows {
            for column in 0..columns {
                block.clear();
                for y in row * BLOCK..((row + 1) * BLOCK).min(page.height()) {
                    let xs = column * BLOCK..((column + 1) * BLOCK).min(page.width());
                    block.extend(xs.map(|x| page.get_pixel(x, y)[0]));
                }
                levels.push(summary(&mut block));
            }
        }
        Self { columns, rows, levels }
    }

    /// Each level replaced by a summary of those within `reach` blocks.
    pub(super) fn filtered(&self, reach: u32, summary: impl Fn(&mut [u8]) -> u8) -> Self {
        let mut levels = Vec::with_capacity(self.levels.len());
        let mut around = Vec::new();
        for row in 0..self.rows {
            for column in 0..self.columns {
                around.clear();
                let columns = column.saturating_sub(reach)..(column + reach + 1).min(self.columns);
                for y in row.saturating_sub(reach)..(row + reach + 1).min(self.rows) {
                    let start = (y * self.columns) as usize;
                    around
                        .extend_from_slice(&self.levels[start + columns.start as usize..start + columns.end as usize]);
                }
                levels.push(summary(&mut around));
            }
        }
        Self {
            columns: self.columns,
            rows: self.rows,
            levels,
        }
    }

    /// The blocks that a row of pixels runs through.
    pub(super) fn row(&self, y: u32) -> &[u8] {
        let start = ((y / BLOCK) * self.columns) as usize;
        &self.levels[start..start + self.columns as usize]
    }

    fn at(&self, x: u32, y: u32) -> u8 {
        self.levels[((y / BLOCK) * self.columns + x / BLOCK) as usize]
    }
}

fn median(levels: &mut [u8]) -> u8 {
    let middle = levels.len() / 2;
    if levels.is_empty() {
        0
    } else {
        *levels.select_nth_unstable(middle).1
    }
}
