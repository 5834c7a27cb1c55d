//! From decoded pictures to the few pixels that are looked at, by swscale, straight from whatever the decoder made.
//! Nothing but a snapshot that somebody asked for is converted at full size.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling::{Context, Flags};
use ffmpeg_next::util::frame;
use image::GrayImage;

use crate::fault::Fault;

/// Conversions kept ready: making one costs as much as several uses. A child serves few sizes at a time.
const KEPT: usize = 6;

/// One conversion: from, to, how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Conversion {
    from: (Pixel, u32, u32),
    to: (Pixel, u32, u32),
    flags: Flags,
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

    /// Single pixels of the picture, picked on a grid of this size and not averaged.
    pub(super) fn picked(&mut self, picture: &frame::Video, size: (u32, u32)) -> Result<Planes, Fault> {
        self.planes(picture, size, Flags::POINT)
    }

    /// The picture in this size, for people.
    pub(super) fn shown(&mut self, picture: &frame::Video, size: (u32, u32)) -> Result<Planes, Fault> {
        self.planes(picture, size, Flags::BICUBIC)
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
        let from = (picture.format(), picture.width(), picture.height());
        let wanted = Conversion { from, to, flags };
        let at = self.ready.iter().position(|(conversion, ..)| *conversion == wanted);
        let entry = match at {
            Some(at) => self.ready.remove(at),
            None => {
                let context = Context::get(from.0, from.1, from.2, to.0, to.1, to.2, flags);
                (wanted, context.map_err(failed)?, frame::Video::empty())
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
    let rows = picture.data(index).chunks(picture.stride(index).max(1));
    let rows = rows.take(height as usize);
    rows.flat_map(|row| row.iter().take(width as usize)).copied().collect()
}
