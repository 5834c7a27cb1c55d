//! A picture's dominant colours: a few thousand of its pixels, taken from YUV to sRGB by the matrix the stream names.

use ffmpeg_next::color::{Range, Space};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::util::frame;
use image::{DynamicImage, RgbImage};
use zoetrope_shared::tasks::image_analysis::Color;

use super::scaler::{Planes, Scaler};
use crate::analysis;
use crate::fault::Fault;

/// Pixels picked along each side at most: what the colour search looks at in an image.
const MOST_PICKED: u32 = 200;
/// A stream that does not name its matrix has BT.709's from this height on, as players assume.
pub(super) const HIGH_DEFINITION: u32 = 720;

/// The colours, largest share first.
pub(super) fn dominant(scaler: &mut Scaler, picture: &frame::Video) -> Result<Vec<Color>, Fault> {
    let size = (picture.width().min(MOST_PICKED), picture.height().min(MOST_PICKED));
    let image = rgb(picture, scaler.picked(picture, size)?)?;
    Ok(analysis::dominant_colors(&DynamicImage::ImageRgb8(image)))
}

/// Planes that were made of a picture, in its own colours.
pub(super) fn rgb(picture: &frame::Video, planes: Planes) -> Result<RgbImage, Fault> {
    let Planes {
        size,
        ycc: [luma, blue, red],
    } = planes;
    let matrix = Matrix::of(picture);
    let pixels = luma.iter().zip(&blue).zip(&red);
    let rgb = pixels.flat_map(|((y, cb), cr)| matrix.rgb(*y, *cb, *cr)).collect();
    RgbImage::from_raw(size.0, size.1, rgb).ok_or_else(|| Fault::engine_failed("swscale gave too few pixels"))
}

/// How YUV becomes RGB: weights of red and blue in luma, and the range of the levels.
#[derive(Debug, Clone, Copy)]
struct Matrix {
    red: f32,
    blue: f32,
    full_range: bool,
}

impl Matrix {
    fn of(picture: &frame::Video) -> Self {
        let (red, blue) = match picture.color_space() {
            Space::BT709 => Self::BT709,
            Space::BT2020NCL | Space::BT2020CL => (0.2627, 0.0593),
            Space::SMPTE240M => (0.212, 0.087),
            Space::Unspecified if picture.height() >= HIGH_DEFINITION => Self::BT709,
            // Everything else is BT.601, which swscale also uses for pictures that come as RGB.
            _ => (0.299, 0.114),
        };
        // swscale knows the full range of these formats and has taken it out.
        let narrowed = matches!(picture.format(), Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P);
        Self {
            red,
            blue,
            full_range: picture.color_range() == Range::JPEG && !narrowed,
        }
    }

    const BT709: (f32, f32) = (0.2126, 0.0722);

    fn rgb(self, y: u8, cb: u8, cr: u8) -> [u8; 3] {
        let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
        let (y, cb, cr) = if self.full_range {
            (y, cb, cr)
        } else {
            ((y - 16.0) * 255.0 / 219.0, cb * 255.0 / 224.0, cr * 255.0 / 224.0)
        };
        let red = y + 2.0 * (1.0 - self.red) * cr;
        let blue = y + 2.0 * (1.0 - self.blue) * cb;
        let green = (y - self.red * red - self.blue * blue) / (1.0 - self.red - self.blue);
        [red, green, blue].map(|level| level.round().clamp(0.0, 255.0) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_both_standards_become_the_colours_they_stand_for() {
        let standard = |(red, blue), full_range| Matrix { red, blue, full_range };
        assert_eq!(standard(Matrix::BT709, false).rgb(63, 102, 240), [255, 1, 0]);
        assert_eq!(standard((0.299, 0.114), false).rgb(81, 90, 240), [254, 0, 0]);
        assert_eq!(standard((0.299, 0.114), true).rgb(255, 128, 128), [255, 255, 255]);
        assert_eq!(standard(Matrix::BT709, false).rgb(16, 128, 128), [0, 0, 0]);
    }
}
