//! A picture's luma made much smaller, straight from its first plane: the mean of every second or third line's pixels,
//! which are twenty and more from 720 lines on. swscale averages as well, by way of wide filters over every line, which
//! costs as much as a tenth of decoding a key frame.

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
    let step = step(height, size.1);
    let (black, scale) = if is_full_range(picture) {
        (0.0, 1.0)
    } else {
        (16.0, 255.0 / 219.0)
    };
    let columns: Vec<(usize, usize)> = (0..size.0).map(|column| part(column, size.0, width)).collect();
    let rounds = rounds(&columns);
    let shares: Vec<f32> = columns
        .iter()
        .map(|(left, right)| scale / (right - left) as f32)
        .collect();
    // With room for the last piece, whose other lanes do not count.
    let mut sums = vec![0_u16; width as usize + LANES];
    let mut totals = vec![0_u32; columns.len()];
    let mut pixels = Vec::with_capacity((size.0 * size.1) as usize);
    for row in 0..size.1 {
        let (top, bottom) = part(row, size.1, height);
        sums.fill(0);
        let lines = picture.data(0).chunks(picture.stride(0));
        add_up(&mut sums, lines.take(bottom).skip(top).step_by(step));
        totals.fill(0);
        for round in &rounds {
            for (total, piece) in totals.iter_mut().zip(round) {
                *total += piece.sum(&sums);
            }
        }
        let share = 1.0 / (bottom - top).div_ceil(step) as f32;
        let means = totals.iter().zip(&shares).map(|(total, of)| *total as f32 * of * share);
        // Rounds, and saturates at both ends.
        pixels.extend(means.map(|mean| (mean - black * scale + 0.5) as u8));
    }
    GrayImage::from_raw(size.0, size.1, pixels)
}

/// From one line that counts to the next: every third where that leaves at least three of a part.
fn step(height: u32, parts: u32) -> usize {
    if height / parts >= 7 { 3 } else { 2 }
}

/// Adds lines to the sums of their columns: three at a time, so that the sums are read and written a third as often.
fn add_up<'a>(sums: &mut [u16], mut lines: impl Iterator<Item = &'a [u8]>) {
    while let Some(first) = lines.next() {
        match (lines.next(), lines.next()) {
            (Some(second), Some(third)) => {
                for (((sum, first), second), third) in sums.iter_mut().zip(first).zip(second).zip(third) {
                    *sum += u16::from(*first) + u16::from(*second) + u16::from(*third);
                }
            }
            (second, _) => {
                for line in [Some(first), second].into_iter().flatten() {
                    for (sum, pixel) in sums.iter_mut().zip(line) {
                        *sum += u16::from(*pixel);
                    }
                }
            }
        }
    }
}

/// Numbers that are added up in one go.
const LANES: usize = 8;

/// Part of a column that is not longer than [`LANES`]. Always as many numbers are read, of which a mask leaves those that
/// count: this is half the work of adding up as many as there are, one by one.
struct Piece {
    at: usize,
    mask: [u16; LANES],
}

impl Piece {
    fn sum(&self, sums: &[u16]) -> u32 {
        let Some(numbers) = sums.get(self.at..).and_then(|rest| rest.first_chunk::<LANES>()) else {
            return 0;
        };
        let kept = numbers.iter().zip(&self.mask).map(|(number, mask)| number & mask);
        kept.map(u32::from).sum()
    }
}

/// The first piece of each column, then the second of each, until all have been.
fn rounds(columns: &[(usize, usize)]) -> Vec<Vec<Piece>> {
    let widest = columns.iter().map(|(left, right)| right - left).max().unwrap_or(0);
    let piece = |(left, right): &(usize, usize), round: usize| {
        let at = (left + round * LANES).min(*right);
        let mask = std::array::from_fn(|lane| if at + lane < *right { u16::MAX } else { 0 });
        Piece { at, mask }
    };
    let rounds = 0..widest.div_ceil(LANES);
    rounds
        .map(|round| columns.iter().map(|column| piece(column, round)).collect())
        .collect()
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
    fn each_pixel_is_the_mean_of_every_second_or_third_line_of_its_part() {
        let level = |x: usize, y: usize| (x * 37 + y * 91 + x * y) as u8;
        for (width, height, size) in [(1_280, 720, (180, 100)), (646, 211, (17, 30)), (80, 40, (40, 20))] {
            let small = luma(&picture(Pixel::YUVJ420P, width, height, level), size).expect("it has a luma");
            let mean = |x: u32, y: u32| {
                let ((left, right), (top, bottom)) = (part(x, size.0, width), part(y, size.1, height));
                let lines = (top..bottom).step_by(if height == 40 { 2 } else { 3 });
                let levels: Vec<u32> = lines
                    .flat_map(|line| (left..right).map(move |column| u32::from(level(column, line))))
                    .collect();
                f64::from(levels.iter().sum::<u32>()) / levels.len() as f64
            };
            for (x, y, pixel) in small.enumerate_pixels() {
                let off = (f64::from(pixel.0[0]) - mean(x, y)).abs();
                assert!(off < 0.501, "{off} at {x}, {y} of {size:?}");
            }
        }
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
