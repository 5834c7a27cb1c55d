//! Noise taken off a page without its strokes: the sigma filter (J.-S. Lee, "Digital image smoothing and the sigma
//! filter", 1983). A pixel becomes the mean of those around it that look like it; what differs by more than noise does, a
//! letter on its ground, has no say.

use image::GrayImage;

/// How far around a pixel others are asked, pixels.
const REACH: usize = 2;

/// A channel without differences of up to `tolerance` levels between neighbours.
pub(super) fn smoothed(page: &GrayImage, tolerance: u8) -> GrayImage {
    let (width, height) = (page.width() as usize, page.height() as usize);
    let row = |y: usize| &page.as_raw()[y * width..(y + 1) * width];
    let mut smooth = Vec::with_capacity(width * height);
    let (mut sums, mut counts) = (vec![0_u16; width], vec![0_u16; width]);
    for y in 0..height {
        sums.fill(0);
        counts.fill(0);
        for other in y.saturating_sub(REACH)..(y + REACH + 1).min(height) {
            for (to, from) in shifts(width) {
                let (here, there) = (&row(y)[to.clone()], &row(other)[from]);
                let marks = sums[to.clone()].iter_mut().zip(&mut counts[to]);
                for (((sum, count), here), there) in marks.zip(here).zip(there) {
                    let like = u16::from(here.abs_diff(*there) <= tolerance);
                    *sum += like * u16::from(*there);
                    *count += like;
                }
            }
        }
        // A pixel always looks like itself.
        smooth.extend(
            sums.iter()
                .zip(&counts)
                .map(|(sum, count)| ((sum + count / 2) / count) as u8),
        );
    }
    GrayImage::from_raw(page.width(), page.height(), smooth).expect("every pixel was smoothed")
}

/// Columns and, as many, those beside them, for every distance across.
fn shifts(width: usize) -> impl Iterator<Item = (std::ops::Range<usize>, std::ops::Range<usize>)> {
    let reach = REACH.min(width.saturating_sub(1));
    let left = (0..=reach).map(move |by| (by..width, 0..width - by));
    let right = (1..=reach).map(move |by| (0..width - by, by..width));
    left.chain(right)
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    #[test]
    fn noise_goes_and_a_stroke_of_one_pixel_stays() {
        let page = GrayImage::from_fn(60, 40, |x, y| {
            let noise = (x * 7 + y * 13 + x * y) % 15;
            Luma([if x == 30 { 40 } else { 200 + noise as u8 }])
        });
        let smooth = smoothed(&page, 20);
        for (x, _, level) in smooth.enumerate_pixels() {
            let (least, most) = if x == 30 { (38, 42) } else { (202, 212) };
            assert!((least..=most).contains(&level[0]), "{x}: {}", level[0]);
        }
        assert_eq!(smoothed(&GrayImage::from_pixel(1, 1, Luma([9])), 20).as_raw(), &[9]);
    }
}
