//! Where something is drawn on a page, whatever the ground: dark pages, coloured buttons and faint text all look alike
//! here. A pixel is ink if it differs from its ground by a good part of the most that its neighbourhood differs.

use image::GrayImage;

/// Ground and contrast are told by blocks of this side: a screen's smallest letters are wider than one block.
const BLOCK: u32 = 4;
/// Blocks around a block whose median is its ground: 20 pixels, which the strokes of small text never fill by half and
/// the smallest button does. Strokes of large headings may; those are not overlooked in the first place.
const GROUND_REACH: u32 = 2;
/// Blocks around a block whose strongest difference sets the scale.
const CONTRAST_REACH: u32 = 3;
/// Differences are never measured against less than this: noise would become ink.
const LEAST_CONTRAST: u8 = 46;
/// Share of the strongest difference that makes a pixel ink, in hundredths.
const INK_HUNDREDTHS: u32 = 38;

/// A map of a page's ink.
pub(super) struct Ink {
    width: u32,
    height: u32,
    marks: Vec<bool>,
    ground: Blocks,
}

/// One level for each block of a page.
struct Blocks {
    columns: u32,
    rows: u32,
    levels: Vec<u8>,
}

impl Ink {
    /// Maps a page.
    pub(super) fn of(page: &GrayImage) -> Self {
        let (width, height) = page.dimensions();
        let ground = Blocks::of(page, median).filtered(GROUND_REACH, median);
        let differences = ground.differences(page);
        let contrast = Blocks::of(&differences, strongest).filtered(CONTRAST_REACH, strongest);
        let mut marks = Vec::with_capacity(differences.as_raw().len());
        for (y, row) in (0..height).zip(differences.as_raw().chunks_exact(width.max(1) as usize)) {
            let contrasts = contrast.row(y);
            marks.extend(row.iter().enumerate().map(|(x, difference)| {
                let scale = u32::from(contrasts[x / BLOCK as usize].max(LEAST_CONTRAST));
                u32::from(*difference) * 100 > scale * INK_HUNDREDTHS
            }));
        }
        Self {
            width,
            height,
            marks,
            ground,
        }
    }

    /// Width and height of the page.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// One row of the map.
    pub(super) fn row(&self, y: u32) -> &[bool] {
        let start = y as usize * self.width as usize;
        &self.marks[start..start + self.width as usize]
    }

    /// Forgets the ink of a box.
    pub(super) fn erase(&mut self, [x, y, width, height]: [u32; 4]) {
        let (left, right) = (
            x.min(self.width) as usize,
            x.saturating_add(width).min(self.width) as usize,
        );
        for row in y.min(self.height)..y.saturating_add(height).min(self.height) {
            let start = row as usize * self.width as usize;
            self.marks[start + left..start + right].fill(false);
        }
    }

    /// Whether the ink of a box is mostly lighter than its ground; `None` for a box without ink.
    pub(super) fn is_light(&self, page: &GrayImage, [x, y, width, height]: [u32; 4]) -> Option<bool> {
        let (mut lighter, mut darker) = (0_u32, 0_u32);
        for row in y..(y + height).min(self.height) {
            for column in (x..(x + width).min(self.width)).filter(|column| self.row(row)[*column as usize]) {
                if page.get_pixel(column, row)[0] > self.ground.at(column, row) {
                    lighter += 1;
                } else {
                    darker += 1;
                }
            }
        }
        (lighter + darker > 0).then_some(lighter > darker)
    }
}

impl Blocks {
    fn of(page: &GrayImage, summary: impl Fn(&mut [u8]) -> u8) -> Self {
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
    fn filtered(&self, reach: u32, summary: impl Fn(&mut [u8]) -> u8) -> Self {
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

    /// How much each pixel differs from the ground: of its block, or of those next to the pixel, because the edge
    /// between two grounds runs through blocks and is no ink.
    fn differences(&self, page: &GrayImage) -> GrayImage {
        const HALF: u32 = BLOCK / 2;
        let (width, height) = page.dimensions();
        let mut differences = Vec::with_capacity(page.as_raw().len());
        for (y, row) in (0..height).zip(page.as_raw().chunks_exact(width.max(1) as usize)) {
            let (above, below) = (self.row(y.saturating_sub(HALF)), self.row((y + HALF).min(height - 1)));
            differences.extend((0..width).zip(row).map(|(x, level)| {
                let left = (x.saturating_sub(HALF) / BLOCK) as usize;
                let right = ((x + HALF).min(width - 1) / BLOCK) as usize;
                let nearby = [above[left], above[right], below[left], below[right]];
                nearby
                    .map(|ground| level.abs_diff(ground))
                    .into_iter()
                    .min()
                    .unwrap_or(0)
            }));
        }
        GrayImage::from_raw(width, height, differences).expect("there is one difference for each pixel")
    }

    /// The blocks that a row of pixels runs through.
    fn row(&self, y: u32) -> &[u8] {
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

fn strongest(levels: &mut [u8]) -> u8 {
    levels.iter().copied().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    /// A page of two grounds with a stroke on each.
    fn page() -> GrayImage {
        GrayImage::from_fn(120, 60, |x, y| match (x, y) {
            (20..26, 20..30) => Luma([40]),
            (80..86, 20..30) => Luma([230]),
            (60.., _) => Luma([60]),
            _ => Luma([240]),
        })
    }

    #[test]
    fn dark_ink_on_light_ground_and_light_ink_on_dark_ground_are_both_ink() {
        let ink = Ink::of(&page());
        assert!(ink.row(25)[22] && ink.row(25)[82]);
        assert!(!ink.row(50)[22] && !ink.row(50)[100]);
        assert_eq!(ink.is_light(&page(), [18, 18, 10, 14]), Some(false));
        assert_eq!(ink.is_light(&page(), [78, 18, 10, 14]), Some(true));
        assert_eq!(ink.is_light(&page(), [0, 0, 10, 10]), None);
    }

    #[test]
    fn noise_is_no_ink_and_erased_ink_is_gone() {
        let noise = GrayImage::from_fn(100, 100, |x, y| Luma([200 + ((x * 7 + y * 13) % 11) as u8]));
        assert!((0..100).all(|y| !Ink::of(&noise).row(y).contains(&true)));
        let mut ink = Ink::of(&page());
        ink.erase([0, 0, 60, 4_000]);
        assert!(!ink.row(25)[22] && ink.row(25)[82]);
    }
}
