//! `stream.snapshot`: one key frame in, one JPEG out, nothing kept.

use ffmpeg_next::util::frame;
use image::codecs::jpeg::JpegEncoder;
use zoetrope_worker::protocol_streams::{MAX_PACKET_BYTES, MAX_SNAPSHOT_SIDE, SnapshotInput};

use super::colors;
use super::decoder::Decoder;
use super::scaler::{Scaler, fitted};
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
    let size = fitted((picture.width(), picture.height()), input.max_side);
    jpeg(scaler, picture, size)
}

/// The picture in this size as a JPEG, for people.
pub(super) fn jpeg(scaler: &mut Scaler, picture: &frame::Video, size: (u32, u32)) -> Result<Vec<u8>, Fault> {
    let rgb = colors::rgb(picture, scaler.shown(picture, size)?)?;
    let mut jpeg = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&rgb);
    encoded.map_err(|error| Fault::engine_failed(format!("no JPEG can be made: {error}")))?;
    Ok(jpeg)
}
