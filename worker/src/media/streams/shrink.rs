//! A picture's luma made much smaller, straight from its first plane: the mean of every second line's pixels, which are
//! twenty and more. swscale averages as well, by way of wide filters over every line, which costs as much as a tenth of
//! decoding a key frame.

use ffmpeg_next::color::Range;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::util::frame;
use image::GrayImage;

/// Lines that may be added up in 16 bits.
const MOST_LINES: u32 = 257;

/// The luma in this size, black at 0 and white at 255; `None` for pictures whose first plane is no luma of 8 bits, and for
/// sizes that the picture is not at least twice as large as.
pub(super) fn luma(picture: &frame::Video, size: (u32, u32)) -> Option<GrayImage> {
    let (width, height) = (picture.width(), picture.height());
    let fits = size.0 > 0 && size.1 > 0 && width >= size.0 * 2 && height >= size.1 * 2;
    let short = height.div_ceil(size.1.max(1)) <= MOST_LINES;
    if !fits || !short || !has_luma_plane(picture.format()) {
        return None;
    }
    let (stride, full) = (picture.stride(0), is_full_range(picture));
    let level = |mean: f32| {
        let shown = if full { mean } else { (mean - 16.0) * (255.0 / 219.0) };
        // Rounds, and saturates at both ends.
        (shown + 0.5) as u8
    };
    let columns: Vec<(usize, usize)> = (0..size.0).map(|column| part(column, size.0, width)).collect();
    let mut sums = vec![0_u16; width as usize];
    // Up to each column: a part's sum is a difference.
    let mut totals = vec![0_u32; width as usize + 1];
    let mut pixels = Vec::with_capacity((size.0 * size.1) as usize);
    for row in 0..size.1 {
        let (top, bottom) = part(row, size.1, height);
        sums.fill(0);
        for line in picture.data(0).chunks(stride).take(bottom).skip(top).step_by(2) {
            for (sum, pixel) in sums.iter_mut().zip(line) {
                *sum += u16::from(*pixel);
            }
        }
        let mut total = 0;
        for (at, sum) in totals[1..].iter_mut().zip(&sums) {
            total += u32::from(*sum);
            *at = total;
        }
        let lines = (bottom - top).div_ceil(2) as f32;
        pixels.extend(columns.iter().map(|(left, right)| {
            let sum = totals[*right] - totals[*left];
            level(sum as f32 / (lines * (right - left) as f32))
        }));
    }
    GrayImage::from_raw(size.0, size.1, pixels)
}

/// Where the nth of so many parts of a side begins and ends.
fn part(index: u32, parts: u32, side: u32) -> (usize, usize) {
    let edge = |index: u32| (u64::from(index) * u64::from(side) / u64::from(parts)) as usize;
    (edge(index), edge(index + 1))
}

fn has_luma_plane(format: Pixel) -> bool {
    matches!(
        format,
        Pixel::YUV420P
            | Pixel::YUV422P
            | Pixel::YUV444P
            | Pixel::YUVJ420P
            | Pixel::YUVJ422P
            | Pixel::YUVJ444P
            | Pixel::NV12
    )
}

/// Whether black is 0 and white 255, rather than 16 and 235.
fn is_full_range(picture: &frame::Video) -> bool {
    let named = matches!(picture.format(), Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P);
    named || picture.color_range() == Range::JPEG
}

#[cfg(test)]
mod tests {
    use ffmpeg_next::software::scaling::{Context, Flags};

    use super::*;

    fn picture(format: Pixel, width: u32, height: u32, level: impl Fn(usize, usize) -> u8) -> frame::Video {
        let mut picture = frame::Video::new(format, width, height);
        let stride = picture.stride(0);
        for (y, line) in picture.data_mut(0).chunks_mut(stride).enumerate() {
            for (x, pixel) in line.iter_mut().enumerate() {
                // What pads the lines is no picture.
                *pixel = if x < width as usize { level(x, y) } else { 255 };
            }
        }
        picture
    }

    #[test]
    fn it_is_what_swscale_makes_of_the_same_picture() {
        let soft = |x: usize, y: usize| (16 + (x / 9 + y / 5) % 200) as u8;
        let (width, height, size) = (1_278, 722, (180, 100));
        let picture = picture(Pixel::YUV420P, width, height, soft);
        let small = luma(&picture, size).expect("it has a luma");
        let context = Context::get(Pixel::YUV420P, width, height, Pixel::GRAY8, size.0, size.1, Flags::AREA);
        let mut scaled = frame::Video::empty();
        context
            .expect("a conversion that swscale knows")
            .run(&picture, &mut scaled)
            .expect("a picture of that size");
        let stride = scaled.stride(0);
        let apart = small.rows().zip(scaled.data(0).chunks(stride)).map(|(ours, theirs)| {
            let levels = ours
                .zip(theirs)
                .map(|(ours, theirs)| u32::from(ours.0[0].abs_diff(*theirs)));
            levels.sum::<u32>()
        });
        let mean = f64::from(apart.sum::<u32>()) / f64::from(size.0 * size.1);
        assert!(mean < 2.0, "{mean} levels apart");
    }

    #[test]
    fn the_range_of_the_levels_is_taken_out() {
        let black_and_white = |format, low, high| {
            let picture = picture(format, 40, 20, |x, _| if x < 20 { low } else { high });
            luma(&picture, (2, 1)).expect("it has a luma").into_raw()
        };
        assert_eq!(black_and_white(Pixel::YUV420P, 16, 235), [0, 255]);
        assert_eq!(black_and_white(Pixel::YUV420P, 3, 250), [0, 255]);
        assert_eq!(black_and_white(Pixel::YUVJ420P, 16, 235), [16, 235]);
    }

    #[test]
    fn what_has_no_plane_of_luma_or_is_small_already_is_left_to_swscale() {
        let grey = |format, width, height| picture(format, width, height, |_, _| 128);
        assert!(luma(&grey(Pixel::RGB24, 640, 360), (180, 100)).is_none());
        assert!(luma(&grey(Pixel::YUV420P, 320, 180), (180, 100)).is_none());
        assert!(luma(&grey(Pixel::YUV420P, 64, 52_000), (10, 100)).is_none());
    }
}
