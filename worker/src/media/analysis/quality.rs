//! How good a picture is, as figures with sources rather than a verdict.
//!
//! * Sharpness: variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000).
//! * Contrast: standard deviation of luma, called RMS contrast (Peli, "Contrast in complex images", 1990).
//! * Noise: mean absolute response of a difference of two Laplacians, which edges of first and second order leave
//!   cold (Immerkaer, "Fast noise variance estimation", 1996).

use image::GrayImage;
use zoetrope_shared::tasks::image_analysis::Quality;

/// At and below this level a pixel is clipped to black.
const BLACK: u8 = 2;
/// At and above this level a pixel is clipped to white.
const WHITE: u8 = 253;

/// Measures luma.
pub(super) fn measure(luma: &GrayImage) -> Quality {
    let pixels = luma.as_raw().len().max(1) as f64;
    let share = |count: usize| (count as f64 / pixels) as f32;
    let mean = luma.iter().map(|level| u64::from(*level)).sum::<u64>() as f64 / pixels;
    let variance = luma.iter().map(|level| (f64::from(*level) - mean).powi(2)).sum::<f64>() / pixels;
    let Responses {
        laplacian_variance,
        noise,
    } = responses(luma);
    Quality {
        sharpness: laplacian_variance as f32,
        brightness: (mean / 255.0) as f32,
        contrast: (variance.sqrt() / 255.0) as f32,
        shadows_clipped: share(luma.iter().filter(|level| **level <= BLACK).count()),
        highlights_clipped: share(luma.iter().filter(|level| **level >= WHITE).count()),
        noise: noise as f32,
    }
}

struct Responses {
    laplacian_variance: f64,
    noise: f64,
}

/// Both filters in one pass over all pixels that have eight neighbours.
fn responses(luma: &GrayImage) -> Responses {
    let width = luma.width() as usize;
    let (mut sum, mut squares, mut absolute, mut count) = (0_i64, 0_i64, 0_i64, 0_u64);
    let rows: Vec<&[u8]> = luma.as_raw().chunks_exact(width.max(1)).collect();
    for lines in rows.windows(3) {
        for x in 1..width.saturating_sub(1) {
            let at = |line: usize, x: usize| i64::from(lines[line][x]);
            let cross = at(0, x) + at(2, x) + at(1, x - 1) + at(1, x + 1);
            let corners = at(0, x - 1) + at(0, x + 1) + at(2, x - 1) + at(2, x + 1);
            let laplacian = cross - 4 * at(1, x);
            sum += laplacian;
            squares += laplacian * laplacian;
            absolute += (corners - 2 * cross + 4 * at(1, x)).abs();
            count += 1;
        }
    }
    let count = count.max(1) as f64;
    let mean = sum as f64 / count;
    Responses {
        laplacian_variance: squares as f64 / count - mean * mean,
        // Immerkaer's scale from the mean absolute response to the deviation of Gaussian noise.
        noise: (std::f64::consts::FRAC_PI_2).sqrt() / 6.0 * absolute as f64 / count,
    }
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    /// Numbers with mean 0 and deviation 1, nearly Gaussian (a sum of twelve uniform ones), always the same.
    fn noise(seed: &mut u64) -> f64 {
        let uniform = |seed: &mut u64| {
            *seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (*seed >> 33) as f64 / f64::from(1_u32 << 31)
        };
        (0..12).map(|_| uniform(seed)).sum::<f64>() - 6.0
    }

    #[test]
    fn a_flat_grey_has_no_sharpness_no_contrast_and_no_noise() {
        let flat = measure(&GrayImage::from_pixel(64, 64, Luma([51])));
        let expected = Quality {
            brightness: 0.2,
            ..Quality::default()
        };
        assert_eq!(flat, expected);
    }

    #[test]
    fn the_noise_that_was_added_is_the_noise_that_is_found() {
        let mut seed = 7;
        let noisy = GrayImage::from_fn(300, 300, |x, _| {
            Luma([(f64::from(x) / 3.0 + 70.0 + 8.0 * noise(&mut seed)).clamp(0.0, 255.0) as u8])
        });
        let found = measure(&noisy).noise;
        assert!((7.0..9.0).contains(&found), "{found}");
    }

    #[test]
    fn blur_lowers_sharpness_and_clipped_ends_are_counted() {
        let edges = GrayImage::from_fn(100, 100, |x, _| Luma([if x / 10 % 2 == 0 { 0 } else { 255 }]));
        let blurred = image::imageops::blur(&edges, 2.0);
        let (sharp, soft) = (measure(&edges), measure(&blurred));
        assert!(
            sharp.sharpness > 10.0 * soft.sharpness,
            "{} {}",
            sharp.sharpness,
            soft.sharpness
        );
        assert!((sharp.shadows_clipped - 0.5).abs() < 1e-6 && (sharp.highlights_clipped - 0.5).abs() < 1e-6);
        assert!((sharp.contrast - 0.5).abs() < 1e-6);
    }

    #[test]
    fn an_image_without_inner_pixels_has_figures_and_no_crash() {
        assert_eq!(measure(&GrayImage::from_pixel(2, 1, Luma([255]))).brightness, 1.0);
    }
}
