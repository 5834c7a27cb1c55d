//! A frame as a picture for a model: made small by swscale, and a JPEG.

use ffmpeg_next::util::frame;
use jpeg_encoder::{ColorType, Encoder};
use zoetrope_worker::protocol_streams::PICTURE_SIDE;

use super::scaler::{Scaler, fitted};
use crate::fault::Fault;

/// Quality of the JPEG, percent: legible text at a tenth of a byte or two a pixel.
const QUALITY: u8 = 80;

/// The frame as a JPEG of at most [`PICTURE_SIDE`] pixels.
pub(super) fn jpeg(scaler: &mut Scaler, picture: &frame::Video) -> Result<Vec<u8>, Fault> {
    let size = fitted((picture.width(), picture.height()), PICTURE_SIDE);
    let pixels = scaler.rgb(picture, size)?;
    let failed = |error: String| Fault::engine_failed(format!("no JPEG can be made of a frame: {error}"));
    let side = |pixels: u32| u16::try_from(pixels).map_err(|error| failed(error.to_string()));
    let mut jpeg = Vec::new();
    let encoder = Encoder::new(&mut jpeg, QUALITY);
    let encoded = encoder.encode(&pixels, side(size.0)?, side(size.1)?, ColorType::Rgb);
    encoded.map_err(|error| failed(error.to_string()))?;
    Ok(jpeg)
}
