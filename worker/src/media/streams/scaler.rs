//! From decoded pictures to the few pixels that are looked at, by swscale, straight from whatever the decoder made.
//! Nothing but a snapshot that somebody asked for is converted at full size.

use ffmpeg_next::color::{Range, Space};
use ffmpeg_next::ffi::{sws_getCoefficients, sws_setColorspaceDetails};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling::{Context, Flags};
use ffmpeg_next::util::frame;
use image::{GrayImage, RgbImage};

use super::colors::HIGH_DEFINITION;
use super::shrink;
use crate::fault::Fault;

/// Conversions kept ready: making one costs as much as several uses. A child serves few sizes at a time.
const KEPT: usize = 6;

/// One conversion: from, to, how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Conversion {
    from: (Pixel, u32, u32),
    to: (Pixel, u32, u32),
    flags: Flags,
    colors: Colors,
}

/// Where the colours of a conversion come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colors {
    /// Levels stay levels, or are taken for BT.601.
    Plain,
    /// By one of swscale's matrices, of levels that use the whole range or not.
    Matrix(i32, bool),
}

/// A picture's luma, Cb and Cr, a byte for each of its pixels.
pub(super) struct Planes {
    /// Width and height.
    pub(super) size: (u32, u32),
    /// The three.
    pub(super) ycc: [Vec<u8>; 3],
}

/// Conversions ready for use, oldest first.
#[derive(Default)]
pub(super) struct Scaler {
    ready: Vec<(Conversion, Context, frame::Video)>,
}

impl Scaler {
    /// The luma in this size. Every pixel counts: `AREA` averages, which takes the codec's noise out.
    pub(super) fn luma(&mut self, picture: &frame::Video, size: (u32, u32)) -> Result<GrayImage, Fault> {
        let scaled = self.convert(picture, (Pixel::GRAY8, size.0, size.1), Flags::AREA)?;
        let pixels = plane(scaled, 0, size);
        GrayImage::from_raw(size.0, size.1, pixels).ok_or_else(|| Fault::engine_failed("swscale gave too few pixels"))
    }

    /// As [`Scaler::luma`], for a size so small that it does not matter to which side a pixel on an edge counts.
    pub(super) fn small_luma(&mut self, picture: &frame::Video, size: (u32, u32)) -> Result<GrayImage, Fault> {
        shrink::luma(picture, size).map_or_else(|| self.luma(picture, size), Ok)
    }

    /// Single pixels of the picture, picked on a grid of this size and not averaged.
    pub(super) fn picked(&mut self, picture: &frame::Video, size: (u32, u32)) -> Result<Planes, Fault> {
        self.planes(picture, size, Flags::POINT)
    }

    /// The picture in this size, for people.
    pub(super) fn shown(&mut self, picture: &frame::Video, size: (u32, u32)) -> Result<Planes, Fault> {
        self.planes(picture, size, Flags::BICUBIC)
    }

    /// The picture in this size and in its own colours, for people who see many a second.
    pub(super) fn viewed(&mut self, picture: &frame::Video, size: (u32, u32)) -> Result<RgbImage, Fault> {
        let to = (Pixel::RGB24, size.0, size.1);
        let scaled = self.convert_colored(picture, to, Flags::BILINEAR, Colors::of(picture))?;
        let pixels = plane(scaled, 0, (size.0 * 3, size.1));
        RgbImage::from_raw(size.0, size.1, pixels).ok_or_else(|| Fault::engine_failed("swscale gave too few pixels"))
    }

    fn planes(&mut self, picture: &frame::Video, size: (u32, u32), flags: Flags) -> Result<Planes, Fault> {
        let scaled = self.convert(picture, (Pixel::YUV444P, size.0, size.1), flags)?;
        let ycc = [0, 1, 2].map(|index| plane(scaled, index, size));
        Ok(Planes { size, ycc })
    }

    /// The picture in this size, three bytes a pixel: red, green, blue.
    pub(super) fn rgb(&mut self, picture: &frame::Video, size: (u32, u32)) -> Result<Vec<u8>, Fault> {
        let scaled = self.convert(picture, (Pixel::RGB24, size.0, size.1), Flags::AREA)?;
        Ok(plane(scaled, 0, (size.0 * 3, size.1)))
    }

    fn convert(&mut self, picture: &frame::Video, to: (Pixel, u32, u32), flags: Flags) -> Result<&frame::Video, Fault> {
        self.convert_colored(picture, to, flags, Colors::Plain)
    }

    fn convert_colored(
        &mut self,
        picture: &frame::Video,
        to: (Pixel, u32, u32),
        flags: Flags,
        colors: Colors,
    ) -> Result<&frame::Video, Fault> {
        let from = (picture.format(), picture.width(), picture.height());
        let wanted = Conversion {
            from,
            to,
            flags,
            colors,
        };
        let at = self.ready.iter().position(|(conversion, ..)| *conversion == wanted);
        let entry = match at {
            Some(at) => self.ready.remove(at),
            None => {
                let context = Context::get(from.0, from.1, from.2, to.0, to.1, to.2, flags);
                let mut context = context.map_err(failed)?;
                colors.set(&mut context);
                (wanted, context, frame::Video::empty())
            }
        };
        if self.ready.len() >= KEPT {
            self.ready.remove(0);
        }
        self.ready.push(entry);
        let last = self.ready.last_mut();
        let (_, context, scaled) = last.ok_or_else(|| Fault::engine_failed("the conversion is gone"))?;
        context.run(picture, scaled).map_err(failed)?;
        Ok(scaled)
    }
}

impl Colors {
    /// A stream that does not name its matrix has BT.709's from [`HIGH_DEFINITION`] on, as players assume.
    fn of(picture: &frame::Video) -> Self {
        /// What swscale calls its matrices, by the numbers of ITU-T H.273.
        const BT709: i32 = 1;
        const BT601: i32 = 5;
        const SMPTE240M: i32 = 7;
        const BT2020: i32 = 9;
        let matrix = match picture.color_space() {
            Space::BT709 => BT709,
            Space::BT2020NCL | Space::BT2020CL => BT2020,
            Space::SMPTE240M => SMPTE240M,
            Space::Unspecified if picture.height() >= HIGH_DEFINITION => BT709,
            _ => BT601,
        };
        let whole = matches!(picture.format(), Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P);
        Self::Matrix(matrix, whole || picture.color_range() == Range::JPEG)
    }

    /// Tells it to swscale, which takes everything for BT.601 by itself.
    fn set(self, context: &mut Context) {
        const ONE: i32 = 1 << 16;
        let Self::Matrix(matrix, whole_range) = self else {
            return;
        };
        #[expect(
            unsafe_code,
            reason = "ffmpeg-next has no word for it; the context is ours, the tables are constants of the library's, and it copies them"
        )]
        unsafe {
            let table = sws_getCoefficients(matrix);
            sws_setColorspaceDetails(context.as_mut_ptr(), table, whole_range.into(), table, 1, 0, ONE, ONE);
        }
    }
}

/// A size made smaller, in proportion, so that its longer side is at most this.
pub(super) fn fitted((width, height): (u32, u32), longest: u32) -> (u32, u32) {
    let long = width.max(height).max(1);
    let shown = long.min(longest);
    let scaled = |side: u32| (u64::from(side) * u64::from(shown) / u64::from(long)).max(1) as u32;
    (scaled(width), scaled(height))
}

fn failed(error: ffmpeg_next::Error) -> Fault {
    Fault::media_invalid(format!("the video's pictures cannot be scaled: {error}"))
}

/// A plane without the padding of its rows; the width is in bytes.
fn plane(picture: &frame::Video, index: usize, (width, height): (u32, u32)) -> Vec<u8> {
    let (width, height) = (width as usize, height as usize);
    let mut pixels = Vec::with_capacity(width * height);
    let rows = picture.data(index).chunks(picture.stride(index).max(1));
    for row in rows.take(height) {
        pixels.extend_from_slice(&row[..width.min(row.len())]);
    }
    pixels
}
