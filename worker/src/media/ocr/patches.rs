//! Patches of one colour, which are ground: a stroke of a letter is too thin for one.

use super::pieces;
use super::planes::Planes;

/// Width of the smallest patch, pixels; it is three pixels high. Strokes are thinner, or too small an area.
const PATCH_WIDTH: u32 = 5;
/// Least area of patches that touch, pixels: smaller ones are parts of letters.
const LEAST_PATCHES: u32 = 40;
/// By how much pixels of a patch differ from their neighbours at most, levels.
const FLAT: u8 = 6;

/// Which pixels are part of a patch.
pub(super) struct Patches {
    width: usize,
    flat: Vec<bool>,
}

impl Patches {
    pub(super) fn of(page: &Planes) -> Self {
        let (width, height) = page.dimensions();
        let (across, down) = (width as usize, height as usize);
        // Whether a pixel looks like the one right of it in its row and the rows above and below, and like these.
        let mut flat = vec![false; across * down];
        let mut level = vec![true; across];
        for y in 1..down.saturating_sub(1) {
            level.fill(true);
            for channel in page.channels() {
                let row = |y: usize| &channel.as_raw()[y * across..(y + 1) * across];
                let (above, here, below) = (row(y - 1), row(y), row(y + 1));
                let alike = |x: usize| {
                    let next = (x + 1).min(across - 1);
                    above[x].abs_diff(here[x]) <= FLAT
                        && below[x].abs_diff(here[x]) <= FLAT
                        && here[next].abs_diff(here[x]) <= FLAT
                        && above[next].abs_diff(above[x]) <= FLAT
                        && below[next].abs_diff(below[x]) <= FLAT
                };
                level.iter_mut().enumerate().for_each(|(x, level)| *level &= alike(x));
            }
            for (start, end) in pieces::runs(&level) {
                // The last pixel of a run looks like the one behind it.
                let end = (end as usize + 1).min(across);
                let start = start as usize;
                if end - start >= PATCH_WIDTH as usize {
                    for y in y - 1..=y + 1 {
                        flat[y * across + start..y * across + end].fill(true);
                    }
                }
            }
        }
        let mut patches = Self { width: across, flat };
        patches.drop_small(height);
        patches
    }

    /// The share of the pixels that are part of a patch, 0 to 1.
    pub(super) fn share(&self) -> f32 {
        let flat = self.flat.iter().filter(|flat| **flat).count();
        flat as f32 / self.flat.len().max(1) as f32
    }

    pub(super) fn row(&self, y: u32) -> &[bool] {
        let start = y as usize * self.width;
        &self.flat[start..start + self.width]
    }

    /// For each pixel, how far below it the next patch begins; 255 for far.
    pub(super) fn distances_below(&self, height: u32) -> Vec<u8> {
        let mut distances = vec![u8::MAX; self.flat.len()];
        let mut next = vec![u8::MAX; self.width];
        for y in (0..height as usize).rev() {
            let row = y * self.width..(y + 1) * self.width;
            let flat = self.flat[row.clone()].iter();
            for ((distance, next), flat) in distances[row].iter_mut().zip(&mut next).zip(flat) {
                *next = if *flat { 0 } else { next.saturating_add(1) };
                *distance = *next;
            }
        }
        distances
    }

    fn drop_small(&mut self, height: u32) {
        let (pieces, runs) = pieces::connected(height, |y| self.row(y)).unwrap_or_default();
        for run in runs.iter().filter(|run| pieces[run.piece].area < LEAST_PATCHES) {
            let start = run.y as usize * self.width;
            self.flat[start + run.start as usize..start + run.end as usize].fill(false);
        }
    }
}
