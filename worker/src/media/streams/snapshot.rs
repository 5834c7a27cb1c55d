//! `stream.snapshot`: one key frame in, one JPEG out, nothing kept.

use image::codecs::jpeg::JpegEncoder;
use zoetrope_worker::protocol_streams::{MAX_PACKET_BYTES, MAX_SNAPSHOT_SIDE, SnapshotInput};

use super::colors;
use super::decoder::Decoder;
use super::scaler::Scaler;
use crate::fault::Fault;
use crate::picture::QUALITY;

/// Decodes the picture and makes it a JPEG.
pub(super) fn run(scaler: &mut Scaler, input: &SnapshotInput, body: &[u8]) -> Result<Vec<u8>, Fault> {
    if body.is_empty() || body.len() > MAX_PACKET_BYTES {
        return Err(Fault::input_invalid(format!(
            "a key frame has 1 to {MAX_PACKET_BYTES} bytes"
        )));
    }
    if input.max_side == 0 || input.max_side > MAX_SNAPSHOT_SIDE {
        return Err(Fault::input_invalid(format!(
            "max_side is 1 to {MAX_SNAPSHOT_SIDE} pixels"
        )));
    }
    let mut decoder = Decoder::of_stream(input.codec)?;
    decoder.send(body, 0, true);
    decoder.send_end();
    let (picture, _) = decoder
        .receive()
        .ok_or_else(|| Fault::media_invalid("the key frame does not decode"))?;
    let (width, height) = (picture.width(), picture.height());
    let long = width.max(height).max(1);
    let shown = long.min(input.max_side);
    let scaled = |side: u32| (u64::from(side) * u64::from(shown) / u64::from(long)).max(1) as u32;
    let rgb = colors::rgb(picture, scaler.shown(picture, (scaled(width), scaled(height)))?)?;
    let mut jpeg = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&rgb);
    encoded.map_err(|error| Fault::engine_failed(format!("no JPEG can be made: {error}")))?;
    Ok(jpeg)
}
