//! Dominant colours: k-means over a sample of pixels in Oklab, where equal distances look about equally far apart
//! (Bjorn Ottosson, "A perceptual color space for image processing", 2020). No randomness: equal images, equal answers.

use std::collections::HashMap;

use image::{DynamicImage, GenericImageView};
use zoetrope_shared::tasks::image_analysis::Color;

/// Most colours in an answer.
const MOST_COLORS: usize = 8;
/// Pixels looked at in each direction. They are picked, not averaged: an average of two flat colours is neither.
const SAMPLES_PER_SIDE: u32 = 200;
/// Clusters start at colours that are at least this far apart in Oklab; 0.1 is a plainly different colour.
const SEED_DISTANCE: f32 = 0.1;
/// Rounds of k-means; the sample settles in five to ten.
const ROUNDS: usize = 10;
/// Colours with a smaller share are noise or anti-aliasing.
const LEAST_SHARE: f32 = 0.01;
/// A cluster is named by its most frequent colour if this share of it has exactly that colour, else by its centre:
/// flat graphics have exact colours, photographs have not.
const FLAT_SHARE: f32 = 0.2;
/// More transparent pixels than this are not seen.
const LEAST_ALPHA: u8 = 128;

type Lab = [f32; 3];
type Rgb = [u8; 3];
/// A colour, the same as it is seen, and how often it is there.
type Sample = (Rgb, Lab, u32);

/// The image's dominant colours, largest share first; empty if it is transparent throughout.
pub(crate) fn dominant(image: &DynamicImage) -> Vec<Color> {
    let counts = sample(image);
    let total: u32 = counts.iter().map(|(_, _, count)| count).sum();
    let mut centers = seeds(&counts);
    for _ in 0..ROUNDS {
        let moved = moved(&counts, &centers);
        let settled = moved == centers;
        centers = moved;
        if settled {
            break;
        }
    }
    let mut members: Vec<Vec<&Sample>> = vec![Vec::new(); centers.len()];
    for sample in &counts {
        members[nearest(&centers, &sample.1)].push(sample);
    }
    let mut colors: Vec<Color> = members
        .into_iter()
        .zip(&centers)
        .filter_map(|(members, center)| {
            let size: u32 = members.iter().map(|(_, _, count)| count).sum();
            let (mode, _, mode_count) = members.into_iter().max_by_key(|(rgb, _, count)| (*count, *rgb))?;
            let flat = *mode_count as f32 >= FLAT_SHARE * size as f32;
            let [red, green, blue] = if flat { *mode } else { to_rgb(*center) };
            Some(Color {
                hex: format!("#{red:02x}{green:02x}{blue:02x}"),
                share: size as f32 / total as f32,
            })
        })
        .filter(|color| color.share >= LEAST_SHARE)
        .collect();
    colors.sort_by(|a, b| b.share.total_cmp(&a.share));
    colors
}

/// Distinct colours on a grid over the image with their counts, most frequent first.
fn sample(image: &DynamicImage) -> Vec<Sample> {
    let (width, height) = image.dimensions();
    let (columns, rows) = (width.min(SAMPLES_PER_SIDE), height.min(SAMPLES_PER_SIDE));
    let mut counts: HashMap<Rgb, u32> = HashMap::new();
    for row in 0..rows {
        for column in 0..columns {
            let [red, green, blue, alpha] = image
                .get_pixel(middle(column, columns, width), middle(row, rows, height))
                .0;
            if alpha >= LEAST_ALPHA {
                *counts.entry([red, green, blue]).or_default() += 1;
            }
        }
    }
    let mut counts: Vec<_> = counts
        .into_iter()
        .map(|(rgb, count)| (rgb, to_lab(rgb), count))
        .collect();
    counts.sort_unstable_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(&b.0)));
    counts
}

/// The pixel in the middle of one of `parts` equal parts of a side.
fn middle(part: u32, parts: u32, side: u32) -> u32 {
    ((u64::from(part) * 2 + 1) * u64::from(side) / (u64::from(parts) * 2)) as u32
}

fn seeds(counts: &[Sample]) -> Vec<Lab> {
    let mut seeds: Vec<Lab> = Vec::new();
    for (_, lab, _) in counts {
        if seeds.len() < MOST_COLORS
            && seeds
                .iter()
                .all(|seed| distance(seed, lab) >= SEED_DISTANCE * SEED_DISTANCE)
        {
            seeds.push(*lab);
        }
    }
    seeds
}

/// The means of what is nearest to each center.
fn moved(counts: &[Sample], centers: &[Lab]) -> Vec<Lab> {
    let mut sums = vec![([0.0_f64; 3], 0.0_f64); centers.len()];
    for (_, lab, count) in counts {
        let (sum, size) = &mut sums[nearest(centers, lab)];
        *size += f64::from(*count);
        (0..3).for_each(|axis| sum[axis] += f64::from(lab[axis]) * f64::from(*count));
    }
    let mean = |((sum, size), center): (([f64; 3], f64), &Lab)| {
        if size == 0.0 {
            *center
        } else {
            sum.map(|axis| (axis / size) as f32)
        }
    };
    sums.into_iter().zip(centers).map(mean).collect()
}

/// The first of the nearest.
fn nearest(centers: &[Lab], lab: &Lab) -> usize {
    let mut best = (0, f32::INFINITY);
    for (index, center) in centers.iter().enumerate() {
        let apart = distance(center, lab);
        if apart < best.1 {
            best = (index, apart);
        }
    }
    best.0
}

/// Squared.
fn distance(a: &Lab, b: &Lab) -> f32 {
    (0..3).map(|axis| (a[axis] - b[axis]).powi(2)).sum()
}

fn to_lab(rgb: Rgb) -> Lab {
    let [r, g, b] = rgb.map(|level| {
        let level = f32::from(level) / 255.0;
        if level <= 0.04045 {
            level / 12.92
        } else {
            ((level + 0.055) / 1.055).powf(2.4)
        }
    });
    let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

fn to_rgb([lightness, a, b]: Lab) -> Rgb {
    let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    let linear = [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s,
        -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ];
    linear.map(|level| {
        let level = level.clamp(0.0, 1.0);
        let gamma = if level <= 0.003_130_8 {
            level * 12.92
        } else {
            1.055 * level.powf(1.0 / 2.4) - 0.055
        };
        (gamma * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    #[test]
    fn flat_colours_are_named_exactly_and_ordered_by_share() {
        let mut image = RgbaImage::from_pixel(100, 100, Rgba([0x1e, 0x29, 0x3b, 255]));
        (0..30).for_each(|y| (0..100).for_each(|x| image.put_pixel(x, y, Rgba([0xf9, 0x73, 0x16, 255]))));
        (90..100).for_each(|y| (0..100).for_each(|x| image.put_pixel(x, y, Rgba([255, 255, 255, 0]))));
        let colors = dominant(&DynamicImage::ImageRgba8(image));
        let hexes: Vec<&str> = colors.iter().map(|color| color.hex.as_str()).collect();
        assert_eq!(hexes, ["#1e293b", "#f97316"]);
        assert!((colors[0].share - 6.0 / 9.0).abs() < 0.01, "{}", colors[0].share);
    }

    #[test]
    fn a_colour_survives_the_way_through_the_perceptual_space() {
        for rgb in [[0, 0, 0], [255, 255, 255], [12, 200, 99], [255, 0, 255], [1, 2, 3]] {
            assert_eq!(to_rgb(to_lab(rgb)), rgb);
        }
    }

    #[test]
    fn a_transparent_image_has_no_colours() {
        assert_eq!(dominant(&DynamicImage::ImageRgba8(RgbaImage::new(10, 10))), Vec::new());
    }
}
