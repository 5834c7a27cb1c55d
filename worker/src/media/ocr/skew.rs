//! Pages that were scanned or photographed a little askew: by how much, the page set straight, and boxes brought back.
//!
//! Only letters are asked: they stand in rows whatever pictures and frames do. For each angle the letters' lower edges
//! are counted by row; at the right angle the counts are steepest (projection profile, Postl 1986).

use image::{GrayImage, Luma};

use super::pieces::Letters;

/// Angles that are tried, degrees, and the steps between them.
const MOST_DEGREES: f32 = 5.0;
const COARSE_STEP: f32 = 0.5;
const FINE_STEP: f32 = 0.1;
/// A smaller angle is left alone: the engine follows it.
const LEAST_DEGREES: f32 = 0.4;
/// Fewer letters say nothing.
const LEAST_LETTERS: usize = 40;
/// An angle is believed if its profile is steeper than the straight one's by this factor.
const CLEARLY: f64 = 1.15;
/// Heights of letters that are asked: marks and pictures are not.
const HEIGHTS: std::ops::RangeInclusive<u32> = 4..=60;

/// A page that is askew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Skew {
    sin: f32,
    cos: f32,
    width: f32,
    height: f32,
}

impl Skew {
    /// The skew of a page of this size with these letters; `None` if it stands straight.
    pub(super) fn of(letters: &Letters, (width, height): (u32, u32)) -> Option<Self> {
        let feet: Vec<(f32, f32)> = letters
            .dark
            .iter()
            .chain(&letters.light)
            .filter(|[.., height]| HEIGHTS.contains(height))
            .map(|[x, y, width, height]| (*x as f32 + *width as f32 / 2.0, (y + height) as f32))
            .collect();
        if feet.len() < LEAST_LETTERS {
            return None;
        }
        let straight = steepness(&feet, 0.0);
        let coarse = best(&feet, 0.0, MOST_DEGREES, COARSE_STEP);
        let (degrees, score) = best(&feet, coarse.0, COARSE_STEP, FINE_STEP);
        if degrees.abs() < LEAST_DEGREES || score < straight * CLEARLY {
            return None;
        }
        let (sin, cos) = degrees.to_radians().sin_cos();
        Some(Self {
            sin,
            cos,
            width: width as f32,
            height: height as f32,
        })
    }

    /// The page set straight: turned about its middle, large enough for its corners.
    pub(super) fn straightened(&self, page: &GrayImage) -> GrayImage {
        let (width, height) = self.straight_size();
        let (width, height) = (width as u32, height as u32);
        let mut pixels = Vec::with_capacity(width as usize * height as usize);
        for y in 0..height {
            for x in 0..width {
                let (page_x, page_y) = self.page_point(x as f32, y as f32);
                pixels.push(sample(page, page_x, page_y));
            }
        }
        GrayImage::from_raw(width, height, pixels).unwrap_or_else(|| GrayImage::from_pixel(1, 1, Luma([255])))
    }

    /// The box on the page around a box of the straight page, cut to the page.
    pub(super) fn restored(&self, [x, y, width, height]: [u32; 4]) -> [u32; 4] {
        let (left, top, right, bottom) = (x as f32, y as f32, (x + width) as f32, (y + height) as f32);
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)].map(|(x, y)| self.page_point(x, y));
        let span = |values: [f32; 4], most: f32| {
            let low = values
                .into_iter()
                .fold(f32::MAX, f32::min)
                .clamp(0.0, most - 1.0)
                .round();
            let high = values
                .into_iter()
                .fold(f32::MIN, f32::max)
                .clamp(low + 1.0, most)
                .round();
            (low as u32, (high - low).max(1.0) as u32)
        };
        let (x, width) = span(corners.map(|(x, _)| x), self.width);
        let (y, height) = span(corners.map(|(_, y)| y), self.height);
        [x, y, width, height]
    }

    fn straight_size(&self) -> (f32, f32) {
        let sin = self.sin.abs();
        (
            (self.width * self.cos + self.height * sin).ceil(),
            (self.height * self.cos + self.width * sin).ceil(),
        )
    }

    /// Where a point of the straight page lies on the page.
    fn page_point(&self, x: f32, y: f32) -> (f32, f32) {
        let (width, height) = self.straight_size();
        let (x, y) = (x - width / 2.0, y - height / 2.0);
        (
            x * self.cos - y * self.sin + self.width / 2.0,
            x * self.sin + y * self.cos + self.height / 2.0,
        )
    }
}

/// The angle around `middle` with the steepest profile, and its steepness.
fn best(feet: &[(f32, f32)], middle: f32, reach: f32, step: f32) -> (f32, f64) {
    let steps = (reach / step).round() as i32;
    let angles = (-steps..=steps).map(|n| middle + n as f32 * step);
    let scored = angles.map(|angle| (angle, steepness(feet, angle)));
    scored.max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap_or((0.0, 0.0))
}

/// Sum of squares of the letters in each row of one pixel, each letter shared by the two rows next to it.
fn steepness(feet: &[(f32, f32)], degrees: f32) -> f64 {
    let slope = degrees.to_radians().tan();
    let rows: Vec<f32> = feet.iter().map(|(x, y)| y - x * slope).collect();
    let lowest = rows.iter().copied().fold(f32::MAX, f32::min);
    let highest = rows.iter().copied().fold(f32::MIN, f32::max);
    let mut counts = vec![0.0_f64; (highest - lowest) as usize + 2];
    for row in rows {
        let at = row - lowest;
        let share = f64::from(at.fract());
        counts[at as usize] += 1.0 - share;
        counts[at as usize + 1] += share;
    }
    counts.iter().map(|count| count * count).sum()
}

/// The level between pixels (Catmull-Rom); beyond the edge lies what is at the edge.
fn sample(page: &GrayImage, x: f32, y: f32) -> u8 {
    let (left, top) = (x.floor(), y.floor());
    let (across, down) = (weights(x - left), weights(y - top));
    let at = |origin: f32, offset: usize, size: u32| (origin as i64 + offset as i64 - 1).clamp(0, i64::from(size) - 1);
    let row = |line: usize| {
        let y = at(top, line, page.height()) as u32;
        (0..4)
            .map(|n| f32::from(page.get_pixel(at(left, n, page.width()) as u32, y)[0]) * across[n])
            .sum::<f32>()
    };
    let level: f32 = (0..4).map(|line| row(line) * down[line]).sum();
    level.round().clamp(0.0, 255.0) as u8
}

fn weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        (-t3 + 2.0 * t2 - t) / 2.0,
        (3.0 * t3 - 5.0 * t2 + 2.0) / 2.0,
        (-3.0 * t3 + 4.0 * t2 + t) / 2.0,
        (t3 - t2) / 2.0,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters of 20 rows, turned clockwise by some degrees.
    fn letters(degrees: f32) -> Letters {
        let slope = degrees.to_radians().tan();
        let places = (0..20_u32).flat_map(|row| (0..30_u32).map(move |n| (30 + n * 20, 100 + row * 22)));
        let boxes = places.map(|(x, y)| [x, (y as f32 + x as f32 * slope).round() as u32, 8, 10]);
        Letters {
            dark: boxes.collect(),
            light: Vec::new(),
        }
    }

    #[test]
    fn a_page_askew_is_told_from_a_straight_one() {
        assert_eq!(Skew::of(&letters(0.0), (700, 600)), None);
        for degrees in [-3.0_f32, 1.5, 4.0] {
            let skew = Skew::of(&letters(degrees), (700, 600)).expect("the page is askew");
            assert!(
                (skew.sin.asin().to_degrees() - degrees).abs() < 0.15,
                "{degrees}: {skew:?}"
            );
        }
    }

    #[test]
    fn a_box_of_the_straight_page_lies_where_its_pixels_were() {
        let skew = Skew::of(&letters(3.0), (700, 600)).expect("the page is askew");
        let mut page = GrayImage::from_pixel(700, 600, Luma([255]));
        (0..9).for_each(|x| (0..9).for_each(|y| page.put_pixel(400 + x, 200 + y, Luma([0]))));
        let straight = skew.straightened(&page);
        let dark: Vec<_> = straight
            .enumerate_pixels()
            .filter(|(_, _, level)| level[0] < 100)
            .collect();
        let left = dark.iter().map(|(x, ..)| *x).min().expect("the square is there");
        let top = dark.iter().map(|(_, y, _)| *y).min().expect("the square is there");
        let [x, y, width, height] = skew.restored([left, top, 9, 9]);
        assert!(x.abs_diff(400) <= 2 && y.abs_diff(200) <= 2, "{x} {y}");
        assert!(width.abs_diff(9) <= 2 && height.abs_diff(9) <= 2, "{width} {height}");
    }
}
