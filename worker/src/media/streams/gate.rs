//! Which frames are worth a look. Two questions on a luma 100 pixels high: does anything move, and does it look new?
//!
//! Motion is the difference to a background that is a running average of past frames (Wren, Azarbayejani, Darrell and
//! Pentland, "Pfinder: real-time tracking of the human body", 1997; compared with others in Piccardi, "Background
//! subtraction techniques: a review", 2004). It is judged by blocks against a noise floor that each block learns, so
//! leaves in the wind, a clock in the corner and a codec's flicker become still after a while. The average's weight
//! follows stream time, so that one frame a minute and thirty a second learn alike.
//!
//! Newness is the difference hash (Krawetz, "Kind of like that", 2013) of 16 x 16 bits against the last frame that
//! passed, where a bit counts as changed only if its gradient moved too: bits of flat ground are noise.

use image::GrayImage;
use zoetrope_worker::protocol_streams::Verdict;

use super::gate_state::{GRID_COLUMNS, GRID_ROWS, Gate};

/// Height of the luma that is judged.
pub(super) const LUMA_HEIGHT: u32 = 100;
/// Side of a block, pixels of that luma.
pub(super) const BLOCK: u32 = 10;
/// Widest luma: panoramas are squeezed.
const MOST_WIDTH: u32 = 400;
/// A block whose mean difference to the background is below this many levels never moves.
const LEAST_DIFFERENCE: f32 = 4.0;
/// A block moves if its difference is above its noise times this.
const ABOVE_NOISE: f32 = 3.0;
/// Highest noise a block learns, levels: a street that is always busy must not become still for good.
const MOST_NOISE: f32 = 8.0;
/// Stream time in which the background takes over most of a change, and the noise floor follows, milliseconds.
const BACKGROUND_MS: f32 = 10_000.0;
const NOISE_MS: f32 = 30_000.0;
/// Weight of a frame that has no time between it and the last one.
const LEAST_WEIGHT: f32 = 0.01;
/// Share of blocks that move after a cut: the background is another one.
const CUT: f32 = 0.5;
/// Bits that may differ between frames that look alike.
const ALIKE: u32 = 3;
/// Bits after which a picture has crept away from the last one that passed, though nothing moved at any time.
const CREPT: u32 = 24;
/// Gradient, levels, from which a bit is set, and by which it must move to count as changed.
const GRADIENT: f32 = 2.0;

/// What the gate found in one frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// Share of blocks that moved.
    pub(super) motion: f32,
    pub(super) verdict: Verdict,
    /// 64 hexadecimal digits.
    pub(super) hash: String,
    /// Which blocks moved, row by row; empty where nothing is known yet.
    pub(super) moving: Vec<bool>,
}

/// Size of the luma for a picture of this size: whole blocks.
pub(super) fn luma_size(width: u32, height: u32) -> (u32, u32) {
    let shown = u64::from(width) * u64::from(LUMA_HEIGHT) / u64::from(height.max(1));
    let blocks = (shown as f64 / f64::from(BLOCK)).round() as u32;
    (blocks.clamp(1, MOST_WIDTH / BLOCK) * BLOCK, LUMA_HEIGHT)
}

impl Gate {
    /// Judges a frame and, unless it is damaged, learns from it.
    pub(super) fn judge(&mut self, luma: &GrayImage, t_ms: u64, damaged: bool) -> Seen {
        let grid = means(luma);
        let known = self.background.len() == luma.as_raw().len() && self.width == luma.width();
        if !known {
            *self = Self::beginning_with(luma, t_ms);
            self.passed = Some(grid);
            return Seen {
                motion: 1.0,
                verdict: Verdict::Passed,
                hash: hex(&grid),
                moving: Vec::new(),
            };
        }
        let differences = self.differences(luma);
        let blocks = differences.iter().zip(&self.noise);
        let blocks: Vec<bool> = blocks
            .map(|(difference, noise)| *difference > threshold(*noise))
            .collect();
        let moving = blocks.iter().filter(|moves| **moves).count();
        let motion = moving as f32 / differences.len().max(1) as f32;
        let apart = self
            .passed
            .as_ref()
            .map_or(u32::MAX, |passed| bits_apart(passed, &grid));
        let verdict = if moving == 0 && apart <= CREPT {
            Verdict::Still
        } else if apart <= ALIKE {
            Verdict::Duplicate
        } else {
            Verdict::Passed
        };
        if !damaged {
            self.learn(luma, &differences, t_ms, motion > CUT);
            if verdict == Verdict::Passed {
                self.passed = Some(grid);
            }
        }
        Seen {
            motion,
            verdict,
            hash: hex(&grid),
            moving: blocks,
        }
    }

    /// Mean difference to the background of each block, levels.
    fn differences(&self, luma: &GrayImage) -> Vec<f32> {
        const LEVELS: f32 = (BLOCK * BLOCK * 256) as f32;
        let (width, side) = (self.width as usize, BLOCK as usize);
        let mut differences = Vec::with_capacity(self.noise.len());
        // Of each column of a row of blocks: added up downwards first, many columns at a time.
        let mut sums = vec![0_u32; width];
        let rows = luma.as_raw().chunks(width * side);
        for (row, background) in rows.zip(self.background.chunks(width * side)) {
            sums.fill(0);
            for (line, background) in row.chunks(width).zip(background.chunks(width)) {
                for ((sum, pixel), background) in sums.iter_mut().zip(line).zip(background) {
                    *sum += u32::from((u16::from(*pixel) << 8).abs_diff(*background));
                }
            }
            let blocks = sums.chunks(side);
            differences.extend(blocks.map(|block| block.iter().sum::<u32>() as f32 / LEVELS));
        }
        differences
    }

    fn learn(&mut self, luma: &GrayImage, differences: &[f32], t_ms: u64, cut: bool) {
        let passed_ms = t_ms.saturating_sub(self.t_ms) as f32;
        self.t_ms = t_ms;
        if cut {
            let passed = self.passed.take();
            *self = Self::beginning_with(luma, t_ms);
            self.passed = passed;
            return;
        }
        let weight = |span_ms: f32| (1.0 - (-passed_ms / span_ms).exp()).max(LEAST_WEIGHT);
        // In 1/256: the difference of two u16 times 256 stays within i32.
        let background_weight = (weight(BACKGROUND_MS) * 256.0).ceil() as i32;
        for (background, pixel) in self.background.iter_mut().zip(luma.as_raw()) {
            let toward = (i32::from(*pixel) << 8) - i32::from(*background);
            *background = (i32::from(*background) + toward * background_weight / 256) as u16;
        }
        let noise_weight = weight(NOISE_MS);
        for (noise, difference) in self.noise.iter_mut().zip(differences) {
            *noise = (*noise + (difference - *noise) * noise_weight).min(MOST_NOISE);
        }
    }
}

fn threshold(noise: f32) -> f32 {
    (noise * ABOVE_NOISE).max(LEAST_DIFFERENCE)
}

/// Means of the luma on the hash's grid.
fn means(luma: &GrayImage) -> [u16; GRID_COLUMNS * GRID_ROWS] {
    let (width, height) = (luma.width() as usize, luma.height() as usize);
    let mut grid = [0; GRID_COLUMNS * GRID_ROWS];
    // A luma that is narrower than the grid gives neighbours the same pixels.
    let part = |part: usize, parts: usize, side: usize| {
        let start = part * side / parts;
        (start, ((part + 1) * side / parts).max(start + 1))
    };
    let mut sums = vec![0_u32; width];
    for (row, cells) in grid.chunks_mut(GRID_COLUMNS).enumerate() {
        let (top, bottom) = part(row, GRID_ROWS, height);
        sums.fill(0);
        for line in luma.as_raw().chunks(width.max(1)).take(bottom).skip(top) {
            for (sum, pixel) in sums.iter_mut().zip(line) {
                *sum += u32::from(*pixel);
            }
        }
        for (column, cell) in cells.iter_mut().enumerate() {
            let (left, right) = part(column, GRID_COLUMNS, width);
            let count = ((right - left) * (bottom - top)) as u64;
            let sum: u64 = sums[left..right].iter().map(|sum| u64::from(*sum)).sum();
            *cell = (sum * 256 / count) as u16;
        }
    }
    grid
}

/// Falls in brightness from each cell to its right neighbour, levels.
fn gradients(grid: &[u16; GRID_COLUMNS * GRID_ROWS]) -> impl Iterator<Item = f32> {
    let rows = grid.chunks(GRID_COLUMNS);
    rows.flat_map(|row| {
        row.windows(2)
            .map(|pair| (f32::from(pair[0]) - f32::from(pair[1])) / 256.0)
    })
}

fn bits_apart(a: &[u16; GRID_COLUMNS * GRID_ROWS], b: &[u16; GRID_COLUMNS * GRID_ROWS]) -> u32 {
    let changed = |(a, b): &(f32, f32)| (*a > GRADIENT) != (*b > GRADIENT) && (a - b).abs() > GRADIENT;
    gradients(a).zip(gradients(b)).filter(changed).count() as u32
}

fn hex(grid: &[u16; GRID_COLUMNS * GRID_ROWS]) -> String {
    let bits: Vec<bool> = gradients(grid).map(|gradient| gradient > GRADIENT).collect();
    let digits = bits.chunks(4).map(|four| {
        let value = four.iter().fold(0_u32, |value, bit| value * 2 + u32::from(*bit));
        char::from_digit(value, 16).unwrap_or('0')
    });
    digits.collect()
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
