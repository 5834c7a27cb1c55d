//! A picture for somebody else: decoded, made small and made again as a JPEG, so that no byte of the sender's file goes
//! on, nor what it says of its camera and place.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, Resizer};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, RgbImage};
use zoetrope_shared::media::IMAGE_TYPES;
use zoetrope_worker::protocol::PictureInput;

use crate::decode::Document;
use crate::fault::Fault;

/// Quality of the JPEG, percent: text on screens stays legible.
pub(crate) const QUALITY: u8 = 85;

/// Makes the picture.
pub(crate) fn run(input: &PictureInput, bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let image = Document::open(bytes, IMAGE_TYPES)?.decode(0)?;
    let small = shrunk(flat(image), input.longest_edge)?;
    let mut jpeg = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&small);
    encoded.map_err(|error| Fault::engine_failed(format!("no JPEG can be made: {error}")))?;
    Ok(jpeg)
}

/// Without transparency, which a JPEG does not have: what is clear becomes white.
pub(crate) fn flat(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    let mut flat = RgbImage::new(rgba.width(), rgba.height());
    for (out, pixel) in flat.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, alpha] = pixel.0.map(u16::from);
        let over_white = |channel: u16| u8::try_from((channel * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX);
        out.0 = [r, g, b].map(over_white);
    }
    flat
}

fn shrunk(image: RgbImage, longest_edge: u32) -> Result<RgbImage, Fault> {
    let (width, height) = image.dimensions();
    let longest = width.max(height);
    if longest <= longest_edge {
        return Ok(image);
    }
    let scaled = |edge: u32| {
        let scaled = u64::from(edge) * u64::from(longest_edge) / u64::from(longest);
        u32::try_from(scaled).unwrap_or(longest_edge).max(1)
    };
    let failed = |error: String| Fault::engine_failed(format!("the picture cannot be made smaller: {error}"));
    let pixels = image.into_raw();
    let large = ImageRef::new(width, height, &pixels, PixelType::U8x3).map_err(|error| failed(error.to_string()))?;
    let mut small = Image::new(scaled(width), scaled(height), PixelType::U8x3);
    Resizer::new()
        .resize(&large, &mut small, None)
        .map_err(|error| failed(error.to_string()))?;
    let (width, height) = (small.width(), small.height());
    RgbImage::from_raw(width, height, small.into_vec()).ok_or_else(|| failed("its size does not fit".to_owned()))
}
