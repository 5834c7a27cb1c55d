//! A picture of any shape in a network's input of a fixed one: made to fit with its proportions kept, in the middle of a
//! grey field, as the networks saw pictures when they were trained; and boxes on the way back.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

use crate::fault::Fault;

/// The field's grey, as a share of white: 114 of 255.
const GREY: f32 = 114.0 / 255.0;
const CHANNELS: usize = 3;

/// Where a picture lies in the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Letterbox {
    picture: (u32, u32),
    input: (u32, u32),
    /// Size of the picture in the input.
    size: (u32, u32),
    left: u32,
    top: u32,
}

impl Letterbox {
    /// Fits a picture into an input; both are width and height.
    pub(super) fn of(picture: (u32, u32), input: (u32, u32)) -> Self {
        let share = |input: u32, picture: u32| f64::from(input) / f64::from(picture.max(1));
        let scale = share(input.0, picture.0).min(share(input.1, picture.1));
        let scaled = |edge: u32, most: u32| ((f64::from(edge) * scale).round() as u32).clamp(1, most);
        let size = (scaled(picture.0, input.0), scaled(picture.1, input.1));
        Self {
            picture,
            input,
            size,
            left: (input.0 - size.0) / 2,
            top: (input.1 - size.1) / 2,
        }
    }

    /// The input: red, green and blue one after the other, each row by row, 0 to 1.
    pub(super) fn fill(&self, picture: &RgbImage) -> Result<Vec<f32>, Fault> {
        let small = self.resized(picture)?;
        let (width, height) = (self.input.0 as usize, self.input.1 as usize);
        let plane = width * height;
        let mut input = vec![GREY; CHANNELS * plane];
        let row_bytes = self.size.0 as usize * CHANNELS;
        for (y, row) in small.chunks_exact(row_bytes).enumerate() {
            let start = (self.top as usize + y) * width + self.left as usize;
            for (x, pixel) in row.chunks_exact(CHANNELS).enumerate() {
                for (channel, value) in pixel.iter().enumerate() {
                    input[channel * plane + start + x] = f32::from(*value) / 255.0;
                }
            }
        }
        Ok(input)
    }

    fn resized(&self, picture: &RgbImage) -> Result<Vec<u8>, Fault> {
        let failed = |error: String| Fault::engine_failed(format!("the image cannot be made to fit: {error}"));
        let (width, height) = picture.dimensions();
        let whole = ImageRef::new(width, height, picture.as_raw(), PixelType::U8x3);
        let whole = whole.map_err(|error| failed(error.to_string()))?;
        let mut small = Image::new(self.size.0, self.size.1, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let resized = Resizer::new().resize(&whole, &mut small, &options);
        resized.map_err(|error| failed(error.to_string()))?;
        Ok(small.into_vec())
    }

    /// A box of the input, `[left, top, right, bottom]`, in pixels of the picture as `[x, y, width, height]`; `None` if
    /// none of it lies in the picture.
    pub(super) fn back(&self, [left, top, right, bottom]: [f32; 4]) -> Option<[u32; 4]> {
        let side = |from: f32, to: f32, offset: u32, size: u32, picture: u32| {
            let at = |value: f32| {
                let share = (f64::from(value) - f64::from(offset)) / f64::from(size);
                (share.clamp(0.0, 1.0) * f64::from(picture)).round() as u32
            };
            let (start, end) = (at(from), at(to));
            (end > start).then(|| (start, end - start))
        };
        let (x, width) = side(left, right, self.left, self.size.0, self.picture.0)?;
        let (y, height) = side(top, bottom, self.top, self.size.1, self.picture.1)?;
        Some([x, y, width, height])
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn a_wide_picture_lies_in_the_middle_of_grey() {
        let picture = RgbImage::from_pixel(200, 100, Rgb([255, 0, 51]));
        let letterbox = Letterbox::of((200, 100), (64, 64));
        let input = letterbox.fill(&picture).expect("it fits");
        let at = |channel: usize, x: usize, y: usize| input[channel * 64 * 64 + y * 64 + x];
        assert_eq!([at(0, 5, 15), at(1, 5, 15), at(2, 5, 48)], [GREY; 3]);
        assert_eq!([at(0, 0, 16), at(1, 63, 47), at(2, 32, 32)], [1.0, 0.0, 0.2]);
    }

    #[test]
    fn a_box_comes_back_to_where_it_was_whatever_the_shape() {
        for picture in [(200, 100), (100, 200), (64, 64), (4_000, 10), (31, 1_999), (20, 30)] {
            let letterbox = Letterbox::of(picture, (640, 640));
            let (width, height) = (f64::from(picture.0), f64::from(picture.1));
            let there = |share: f64, size: u32, offset: u32| (share * f64::from(size) + f64::from(offset)) as f32;
            let (size, left, top) = (letterbox.size, letterbox.left, letterbox.top);
            let corners = [
                there(0.25, size.0, left),
                there(0.0, size.1, top),
                there(0.75, size.0, left),
                there(1.0, size.1, top),
            ];
            let [x, y, w, h] = letterbox.back(corners).expect("it lies in the picture");
            let near = |pixels: u32, expected: f64| (f64::from(pixels) - expected).abs() <= 1.0;
            assert!(near(x, width / 4.0) && near(w, width / 2.0), "{picture:?}: {x} {w}");
            assert!(y == 0 && near(h, height), "{picture:?}: {y} {h}");
        }
    }

    #[test]
    fn what_lies_in_the_grey_is_nothing_and_what_hangs_over_is_cut() {
        let letterbox = Letterbox::of((200, 100), (64, 64));
        assert_eq!(letterbox.back([0.0, 0.0, 64.0, 10.0]), None);
        assert_eq!(letterbox.back([32.0, 0.0, 90.0, 32.0]), Some([100, 0, 100, 50]));
        assert_eq!(letterbox.back([40.0, 20.0, 30.0, 30.0]), None, "it is inside out");
    }
}
