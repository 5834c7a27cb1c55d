//! What a page's text stands on, pixel by pixel, and by how much each pixel differs from it.
//!
//! Grounds are flat: the largest part of a screen is made of patches of one colour, and a stroke of a letter is too thin
//! for one. What stands between two patches of one colour in a row stands on that colour, however low a chip, a tag or a
//! table's head may be. Where there are no patches, on photographs and in noise, the ground is the median around.

use image::GrayImage;

use super::medians::Medians;
use super::patches::Patches;
use super::planes::Planes;

/// By how much two patches of one ground differ at most, levels: more are two grounds, or far along a gradient.
const SAME_GROUND: u8 = 24;
/// Patches further apart than this say nothing about what is between them, pixels.
const MOST_BETWEEN: usize = 128;
/// Patches further above or below than this say nothing about what is between them, pixels.
const MOST_ABOVE: u8 = 40;
/// This share of what is between two patches looks like them, or they are not its ground.
const LEAST_GROUND_SHARE: f32 = 0.4;
/// How far the round corner of a chip reaches in, pixels: less than the room that is left beside its text.
const ROUND_END: usize = 3;
/// The edge between two grounds is at most this wide, pixels.
const EDGE: usize = 6;
/// Smaller differences are no ink, whatever is around.
const FAINT: u8 = 18;

/// By how much each pixel is darker and lighter than its ground, in the channel where it shows most.
pub(super) struct Contrast {
    pub(super) darker: GrayImage,
    pub(super) lighter: GrayImage,
    noise: u8,
    flat: f32,
}

/// A level for each channel.
pub(super) type Colour = [u8; 3];

impl Contrast {
    pub(super) fn of(page: &Planes) -> Self {
        Self::between(page, page)
    }

    /// By how much the pixels of a page differ from the ground that `page` tells: the same page without its noise.
    pub(super) fn between(page: &Planes, pixels: &Planes) -> Self {
        let (width, height) = page.dimensions();
        let (mut darker, mut lighter) = (GrayImage::new(width, height), GrayImage::new(width, height));
        let medians = Medians::of(page);
        let patches = Patches::of(page);
        // How many pixels beside patches differ by so little that they are no ink.
        let mut faint = [0_u32; FAINT as usize];
        let below = patches.distances_below(height);
        // For each column, how far above the row its last patch ended.
        let mut above = vec![u8::MAX; width as usize];
        for y in 0..height {
            let row = patches.row(y);
            let colour = |x: usize| colour(page, x as u32, y);
            for (start, end) in gaps(row) {
                let between = Between::of(row, start, end, colour);
                let uprights: Vec<Option<Level>> = (start..end)
                    .map(|x| upright(page, (x, y), (above[x], below[y as usize * row.len() + x])))
                    .collect();
                for x in start..end {
                    let pixel = self::colour(pixels, x as u32, y);
                    let told = told(between.at(x), &uprights, x - start, pixel);
                    let (dark, light) = told.unwrap_or_else(|| medians.differences(pixel, x as u32, y));
                    if let Some(count) = faint.get_mut(usize::from(dark.max(light))) {
                        *count += 1;
                    }
                    darker.put_pixel(x as u32, y, image::Luma([dark]));
                    lighter.put_pixel(x as u32, y, image::Luma([light]));
                }
            }
            for (above, flat) in above.iter_mut().zip(row) {
                *above = if *flat { 0 } else { above.saturating_add(1) };
            }
        }
        Self {
            darker,
            lighter,
            noise: usual(&faint),
            flat: patches.share(),
        }
    }

    /// The usual difference of what is no ink.
    pub(super) fn noise(&self) -> u8 {
        self.noise
    }

    /// Share of the page that is patches of one colour, 0 to 1.
    pub(super) fn flat(&self) -> f32 {
        self.flat
    }

    /// By how much each pixel differs.
    pub(super) fn differences(&self) -> GrayImage {
        let both = self.darker.iter().zip(self.lighter.iter());
        let levels = both.map(|(darker, lighter)| *darker.max(lighter)).collect();
        GrayImage::from_raw(self.darker.width(), self.darker.height(), levels).expect("both are of one size")
    }

    pub(super) fn is_lighter(&self, x: u32, y: u32) -> bool {
        self.lighter.get_pixel(x, y)[0] > self.darker.get_pixel(x, y)[0]
    }
}

/// The ground of a pixel as the patches above and below it tell it, which end and begin that far away.
fn upright(page: &Planes, (x, y): (usize, u32), (above, below): (u8, u8)) -> Option<Level> {
    if above > MOST_ABOVE || below > MOST_ABOVE {
        return None;
    }
    let (above, below) = (u32::from(above) + 1, u32::from(below));
    let (top, bottom) = (colour(page, x as u32, y - above), colour(page, x as u32, y + below));
    let span = (above + below) as usize;
    (distance(top, bottom) <= SAME_GROUND).then(|| Level {
        ground: mixed(top, bottom, above as usize, span),
        other: None,
        span,
    })
}

/// By how much a pixel of a stretch is darker and lighter than the ground that the patches around tell.
fn told(across: Option<Level>, uprights: &[Option<Level>], at: usize, pixel: Colour) -> Option<(u8, u8)> {
    let least = |told: &(u8, u8)| told.0.max(told.1);
    let upright = uprights[at].as_ref();
    match (across, upright) {
        // A gap between two chips is no edge: above and below it is its ground.
        (Some(across), Some(upright)) if across.other.is_some() => {
            [across.differences(pixel), upright.differences(pixel)]
                .into_iter()
                .min_by_key(least)
        }
        (Some(across), Some(upright)) if across.span > upright.span => Some(upright.differences(pixel)),
        (Some(across), _) => Some(across.differences(pixel)),
        // Above and below the round end of a chip is what is around it, and a little further in the chip.
        (None, _) => {
            let near = at.saturating_sub(ROUND_END)..(at + ROUND_END + 1).min(uprights.len());
            let near = uprights[near].iter().flatten();
            near.map(|level| level.differences(pixel)).min_by_key(least)
        }
    }
}

/// The median of counted levels.
fn usual(counts: &[u32]) -> u8 {
    let half = counts.iter().sum::<u32>() / 2;
    let mut seen = 0;
    let level = counts.iter().position(|count| {
        seen += count;
        seen > half
    });
    level.unwrap_or(0) as u8
}

/// Pixels of a row between two patches.
struct Between {
    start: usize,
    end: usize,
    left: Colour,
    right: Colour,
    verdict: Verdict,
}

/// What two patches say about what is between them.
enum Verdict {
    /// They are its ground.
    Both,
    /// Their grounds meet at this edge, the end excluded.
    Edge(usize, usize),
    Nothing,
}

/// The ground of one pixel as the patches on two sides of it tell it.
struct Level {
    ground: Colour,
    /// The other ground, on the edge between two.
    other: Option<Colour>,
    /// How far apart the patches are, pixels.
    span: usize,
}

impl Level {
    fn differences(&self, pixel: Colour) -> (u8, u8) {
        match self.other {
            None => differences(pixel, self.ground),
            Some(other) => differences(pixel, mixed(self.ground, other, along(pixel, self.ground, other), 256)),
        }
    }
}

impl Between {
    fn of(row: &[bool], start: usize, end: usize, colour: impl Fn(usize) -> Colour) -> Self {
        let beside = |verdict| Self {
            start,
            end,
            left: colour(start.saturating_sub(1)),
            right: colour(end.min(row.len() - 1)),
            verdict,
        };
        if start == 0 || end == row.len() {
            return beside(Verdict::Nothing);
        }
        let between = beside(Verdict::Both);
        let verdict = if distance(between.left, between.right) > SAME_GROUND {
            between
                .edge(&colour)
                .map_or(Verdict::Nothing, |(from, to)| Verdict::Edge(from, to))
        } else if end - start > MOST_BETWEEN || !between.is_alike(&colour) {
            Verdict::Nothing
        } else {
            Verdict::Both
        };
        Self { verdict, ..between }
    }

    /// Whether enough of what is between the patches looks like them.
    fn is_alike(&self, colour: impl Fn(usize) -> Colour) -> bool {
        let length = self.end - self.start;
        let ground = |x| mixed(self.left, self.right, x - self.start + 1, length + 1);
        let alike = (self.start..self.end)
            .filter(|x| distance(colour(*x), ground(*x)) <= SAME_GROUND)
            .count();
        alike as f32 >= length as f32 * LEAST_GROUND_SHARE
    }

    /// Where one ground meets the other, with nothing but itself between its patch and the edge.
    fn edge(&self, colour: impl Fn(usize) -> Colour) -> Option<(usize, usize)> {
        if self.end - self.start <= EDGE {
            return Some((self.start, self.end));
        }
        let is = |x: usize, ground: Colour| distance(colour(x), ground) <= SAME_GROUND;
        let right = (self.start..self.end).rev().take_while(|x| is(*x, self.right)).count();
        let to = self.end - right;
        let from = (self.start..to).rev().take(EDGE).find(|x| is(*x, self.left));
        if let Some(from) = from {
            return Some((from + 1, to));
        }
        let left = (self.start..self.end).take_while(|x| is(*x, self.left)).count();
        let from = self.start + left;
        let to = (from..self.end).take(EDGE).find(|x| is(*x, self.right))?;
        Some((from, to))
    }

    fn at(&self, x: usize) -> Option<Level> {
        let span = self.end - self.start;
        let plain = |ground, span| {
            Some(Level {
                ground,
                other: None,
                span,
            })
        };
        match self.verdict {
            Verdict::Nothing => None,
            Verdict::Both => plain(mixed(self.left, self.right, x - self.start + 1, span + 1), span),
            Verdict::Edge(from, _) if x < from => plain(self.left, from - self.start),
            Verdict::Edge(_, to) if x >= to => plain(self.right, self.end - to),
            Verdict::Edge(from, to) => Some(Level {
                ground: self.left,
                other: Some(self.right),
                span: to - from,
            }),
        }
    }
}

/// Stretches of a row without patches, as start and end, the end excluded.
fn gaps(row: &[bool]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + row[at..].iter().position(|flat| !flat)?;
        let end = row[start..]
            .iter()
            .position(|flat| *flat)
            .map_or(row.len(), |length| start + length);
        at = end;
        Some((start, end))
    })
}

fn colour(page: &Planes, x: u32, y: u32) -> Colour {
    let mut colour = [0; 3];
    for (level, channel) in colour.iter_mut().zip(page.channels()) {
        *level = channel.get_pixel(x, y)[0];
    }
    colour
}

fn distance(a: Colour, b: Colour) -> u8 {
    let channels = a.into_iter().zip(b);
    channels.map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0)
}

/// The colour this part of the way from one to the other.
fn mixed(from: Colour, to: Colour, part: usize, of: usize) -> Colour {
    let mut mixed = from;
    for (level, to) in mixed.iter_mut().zip(to) {
        let (a, b) = (usize::from(*level), usize::from(to));
        *level = ((a * (of - part) + b * part) / of) as u8;
    }
    mixed
}

/// The part of the way from one colour to another, of 256, where a pixel is nearest.
fn along(pixel: Colour, from: Colour, to: Colour) -> usize {
    let (mut way, mut square) = (0_i32, 0_i32);
    for ((level, from), to) in pixel.into_iter().zip(from).zip(to) {
        let step = i32::from(to) - i32::from(from);
        way += step * (i32::from(level) - i32::from(from));
        square += step * step;
    }
    (way * 256 / square.max(1)).clamp(0, 256) as usize
}

/// By how much a pixel is darker and lighter.
pub(super) fn differences(pixel: Colour, ground: Colour) -> (u8, u8) {
    let channels = || pixel.into_iter().zip(ground);
    (
        channels()
            .map(|(level, ground)| ground.saturating_sub(level))
            .max()
            .unwrap_or(0),
        channels()
            .map(|(level, ground)| level.saturating_sub(ground))
            .max()
            .unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, Rgb, RgbImage};

    use super::*;

    const CARD: [u8; 3] = [250, 250, 250];
    const CHIP: [u8; 3] = [26, 115, 232];

    /// A card with a chip of 14 pixels, which has a white stroke in every fourth column.
    fn card() -> Planes {
        let image = RgbImage::from_fn(120, 60, |x, y| {
            let chip = (40..84).contains(&x) && (20..34).contains(&y);
            let stroke = (46..78).contains(&x) && (24..31).contains(&y) && x % 4 == 2;
            Rgb(match (chip, stroke) {
                (_, true) => [255; 3],
                (true, false) => CHIP,
                (false, false) => CARD,
            })
        });
        Planes::of(DynamicImage::ImageRgb8(image))
    }

    #[test]
    fn a_low_chip_is_a_ground_of_its_own() {
        let contrast = Contrast::of(&card());
        let differences = contrast.differences();
        let is_stroke = |x: u32, y: u32| (46..78).contains(&x) && (24..31).contains(&y) && x % 4 == 2;
        for (x, y, level) in differences.enumerate_pixels() {
            assert_eq!(level[0] > 100, is_stroke(x, y), "{x} {y}: {}", level[0]);
        }
        assert!(contrast.is_lighter(50, 26));
    }

    #[test]
    fn text_as_light_as_its_ground_shows_in_the_channel_that_differs() {
        let image = RgbImage::from_fn(80, 40, |x, y| {
            let stroke = (20..60).contains(&x) && (15..25).contains(&y) && x % 5 == 0;
            Rgb(if stroke { [200, 60, 60] } else { [60, 100, 60] })
        });
        let contrast = Contrast::of(&Planes::of(DynamicImage::ImageRgb8(image)));
        assert_eq!(contrast.lighter.get_pixel(30, 20)[0], 140);
        assert_eq!(contrast.differences().get_pixel(31, 20)[0], 0);
    }
}
