//! Where something is drawn on a page, whatever the ground: dark pages, coloured buttons and faint text all look alike
//! here. A pixel is ink if it differs from its ground by a good part of the most that its neighbourhood differs.

use image::GrayImage;

use super::blocky::is_blocky;
use super::ground::Contrast;
use super::medians::{BLOCK, Blocks};
use super::pieces;
use super::planes::Planes;
use super::smooth::smoothed;

/// Blocks around a block whose strongest difference sets the scale; fewer where that is the only one, so that a faint line
/// below a strong one stays: a shine reaches no further.
const CONTRAST_REACH: u32 = 3;
const SHINE_REACH: u32 = 2;
/// Differences are never measured against less than this: noise would become ink.
const LEAST_CONTRAST: u8 = 46;
/// A page of which more than this share of the pixels differ from their ground is noisy.
const NOISY_SHARE: f64 = 0.4;
/// On a noisy page, differences are not measured against less than this many times the usual one: with noise of a
/// normal distribution, ink then begins at about twice its deviation.
const NOISE_FACTOR: u32 = 7;
/// Share of the strongest difference that makes a pixel ink, in hundredths.
const INK_HUNDREDTHS: u32 = 38;

/// Pages whose usual difference between what is no ink and its ground is larger were compressed, resized or scanned:
/// there is a shine around strong letters.
const CLEAN: u8 = 1;

/// A page with less of it in patches of one colour is noisy all over. Levels by which its neighbours may differ and be
/// one ground, in its usual differences, and how often it is smoothed.
const LEAST_FLAT: f32 = 0.1;
const TOLERANCE: u8 = 3;
const SMOOTHINGS: u32 = 2;

/// A map of a page's ink.
pub(super) struct Ink {
    width: u32,
    height: u32,
    marks: Vec<bool>,
    contrast: Contrast,
    blocky: bool,
}

impl Ink {
    /// Maps a page. On a noisy one everything but the letters' own pixels is told from the page without its noise.
    pub(super) fn of(page: &Planes) -> Self {
        let found = Self::of_calm(page, LEAST_CONTRAST);
        if found.contrast.flat() >= LEAST_FLAT || found.contrast.noise() <= CLEAN {
            return found;
        }
        let tolerance = found.contrast.noise().saturating_mul(TOLERANCE);
        let calm = (0..SMOOTHINGS).fold(page.clone(), |page, _| page.map(|channel| smoothed(channel, tolerance)));
        // What is left of strong noise are blots, which are no ink either.
        let least = least_contrast(&found.contrast.differences());
        Self {
            contrast: Contrast::between(&calm, page),
            ..Self::of_calm(&calm, least)
        }
    }

    /// Differences are measured against `least` at least.
    fn of_calm(page: &Planes, least: u8) -> Self {
        let (width, height) = page.dimensions();
        let contrast = Contrast::of(page);
        let differences = contrast.differences();
        let clean = contrast.noise() <= CLEAN;
        let reach = if clean { CONTRAST_REACH } else { SHINE_REACH };
        let strongest = Blocks::of(&differences, strongest).filtered(reach, strongest);
        let least = least_contrast(&differences).max(least);
        let is_ink = |level: u8, scale: u8| u32::from(level) * 100 > u32::from(scale.max(least)) * INK_HUNDREDTHS;
        let mut marks: Vec<bool> = differences.iter().map(|level| is_ink(*level, least)).collect();
        let across = width as usize;
        let found = pieces::connected(height, |y| &marks[y as usize * across..(y as usize + 1) * across]);
        let (pieces, runs) = found.unwrap_or_default();
        let pixels = |run: &pieces::Run| {
            let start = run.y as usize * across;
            start + run.start as usize..start + run.end as usize
        };
        // A faint letter beside a strong one is as much ink; a shine around a strong one is none.
        let mut most = vec![0; pieces.len()];
        for run in &runs {
            let here = differences.as_raw()[pixels(run)].iter().copied().max();
            most[run.piece] = here.unwrap_or(0).max(most[run.piece]);
        }
        for run in &runs {
            let around = strongest.row(run.y);
            for at in pixels(run) {
                let around = around[at % across / BLOCK as usize];
                let scale = if clean { around.min(most[run.piece]) } else { around };
                marks[at] = is_ink(differences.as_raw()[at], scale);
            }
        }
        Self {
            width,
            height,
            marks,
            blocky: !clean && is_blocky(page),
            contrast,
        }
    }

    /// Whether the page was compressed so coarsely that its letters are smoothed before they are read.
    pub(super) fn is_blocky(&self) -> bool {
        self.blocky
    }

    /// By how much each pixel is darker than its ground, or lighter.
    pub(super) fn contrast(&self) -> &Contrast {
        &self.contrast
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

    /// The part of a box that its ink takes up; `None` for a box without ink.
    pub(super) fn tight(&self, [x, y, width, height]: [u32; 4]) -> Option<[u32; 4]> {
        let (right, bottom) = ((x + width).min(self.width), (y + height).min(self.height));
        let inked = |row: &u32| self.row(*row)[x.min(right) as usize..right as usize].contains(&true);
        let top = (y..bottom).find(inked)?;
        let last = (top..bottom).rev().find(inked)?;
        let column = |column: &u32| (top..=last).any(|row| self.row(row)[*column as usize]);
        let left = (x..right).find(column)?;
        let end = (left..right).rev().find(column)?;
        Some([left, top, end + 1 - left, last + 1 - top])
    }

    /// Share of ink in a part of one row, 0 to 1.
    pub(super) fn share_of_row(&self, y: u32, columns: std::ops::Range<u32>) -> f32 {
        let end = columns.end.min(self.width);
        if y >= self.height || columns.start >= end {
            return 0.0;
        }
        let row = &self.row(y)[columns.start as usize..end as usize];
        row.iter().filter(|mark| **mark).count() as f32 / row.len() as f32
    }

    /// Share of ink in a box, 0 to 1.
    pub(super) fn share_of_box(&self, [x, y, width, height]: [u32; 4]) -> f32 {
        let rows = (y..y + height).map(|row| self.share_of_row(row, x..x + width));
        rows.sum::<f32>() / height.max(1) as f32
    }
}

/// What differences are measured against at least.
fn least_contrast(differences: &GrayImage) -> u8 {
    let mut counts = [0_u64; 256];
    for difference in differences.iter() {
        counts[usize::from(*difference)] += 1;
    }
    let differing: u64 = counts[1..].iter().sum();
    if (differing as f64) < differences.as_raw().len() as f64 * NOISY_SHARE {
        return LEAST_CONTRAST;
    }
    let mut seen = 0;
    let usual = (1..=255_u8).find(|level| {
        seen += counts[usize::from(*level)];
        seen * 2 >= differing
    });
    let floor = u32::from(usual.unwrap_or(0)) * NOISE_FACTOR;
    u8::try_from(floor).unwrap_or(u8::MAX).max(LEAST_CONTRAST)
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
            (20..24, 20..30) => Luma([40]),
            (80..84, 20..30) => Luma([230]),
            (60.., _) => Luma([60]),
            _ => Luma([240]),
        })
    }

    #[test]
    fn dark_ink_on_light_ground_and_light_ink_on_dark_ground_are_both_ink() {
        let ink = Ink::of(&Planes::grey(page()));
        assert!(ink.row(25)[22] && ink.row(25)[82]);
        assert!(!ink.row(50)[22] && !ink.row(50)[100]);
        assert!(!ink.contrast().is_lighter(22, 25) && ink.contrast().is_lighter(82, 25));
        assert_eq!(ink.share_of_box([20, 20, 4, 20]), 0.5);
        assert_eq!(ink.share_of_box([0, 0, 10, 10]), 0.0);
    }

    #[test]
    fn noise_is_no_ink_however_strong() {
        for strength in [11, 60] {
            let noise = GrayImage::from_fn(100, 100, |x, y| {
                Luma([180 + ((x * x * 7 + y * 13 + x * y) % strength) as u8])
            });
            assert!(
                (0..100).all(|y| !Ink::of(&Planes::grey(noise.clone())).row(y).contains(&true)),
                "{strength}"
            );
        }
    }
}
