//! `stream.sound`: G.711 in, frames of AAC out, nothing kept. The expansion is that of ITU-T G.711, tables 1a and 2a.

use ffmpeg_next::format::sample::{Sample, Type};
use ffmpeg_next::{ChannelLayout, Packet, codec, encoder, frame};
use zoetrope_worker::protocol_sources::{AAC_FRAME, Law, MAX_SOUND_BYTES, SoundInput, append_sound_frame};

use crate::fault::Fault;

/// Bits a second: half of what comes, for a voice more than it needs.
const BIT_RATE: usize = 32_000;
/// Rates that AAC knows and telephones use.
const RATES: std::ops::RangeInclusive<u32> = 7_350..=48_000;

/// Encodes the body and answers the frames that are wanted of it.
pub(super) fn run(input: &SoundInput, body: &[u8]) -> Result<Vec<u8>, Fault> {
    if body.is_empty() || body.len() > MAX_SOUND_BYTES || !RATES.contains(&input.rate) {
        return Err(Fault::input_invalid(format!(
            "sound has 1 to {MAX_SOUND_BYTES} bytes and {RATES:?} samples a second"
        )));
    }
    let failed = |error: ffmpeg_next::Error| Fault::engine_failed(format!("no AAC can be made: {error}"));
    let mut encoder = open(input.rate).map_err(failed)?;
    let first = i64::from(input.skip) * i64::from(AAC_FRAME);
    let wanted = first..first + i64::from(input.frames) * i64::from(AAC_FRAME);
    let mut answer = Vec::new();
    let samples = AAC_FRAME as usize;
    // At least up to the end of the last frame that is wanted.
    let last = (input.skip + input.frames) as usize;
    let silent = last.saturating_sub(body.len().div_ceil(samples));
    let chunks = body.chunks(samples).chain(std::iter::repeat_n(&[][..], silent));
    for (number, chunk) in chunks.enumerate() {
        let frame = frame_of(input, chunk, number as i64 * i64::from(AAC_FRAME));
        encoder.send_frame(&frame).map_err(failed)?;
        drain(&mut encoder, &wanted, &mut answer)?;
    }
    encoder.send_eof().map_err(failed)?;
    drain(&mut encoder, &wanted, &mut answer)?;
    Ok(answer)
}

fn open(rate: u32) -> Result<encoder::Audio, ffmpeg_next::Error> {
    let found = encoder::find_by_name("aac")
        .ok_or(ffmpeg_next::Error::EncoderNotFound)?
        .audio()?;
    let rate = i32::try_from(rate).map_err(|_| ffmpeg_next::Error::InvalidData)?;
    let mut audio = codec::Context::new_with_codec(*found).encoder().audio()?;
    // The file says how it is coded; frames need no head of their own.
    audio.set_flags(codec::Flags::GLOBAL_HEADER);
    audio.set_rate(rate);
    audio.set_channel_layout(ChannelLayout::MONO);
    audio.set_format(Sample::F32(Type::Planar));
    audio.set_time_base((1, rate));
    audio.set_bit_rate(BIT_RATE);
    audio.open_as(found)
}

/// A frame of these samples; what they are too few for is silent.
fn frame_of(input: &SoundInput, samples: &[u8], pts: i64) -> frame::Audio {
    let mut made = frame::Audio::new(Sample::F32(Type::Planar), AAC_FRAME as usize, ChannelLayout::MONO);
    made.set_rate(input.rate);
    made.set_pts(Some(pts));
    let plane = made.plane_mut::<f32>(0);
    plane.fill(0.0);
    for (place, sample) in plane.iter_mut().zip(samples) {
        *place = f32::from(expand(input.law, *sample)) / 32_768.0;
    }
    made
}

/// A frame of AAC is heard at its time: the encoder counts the one that it begins with, of which nothing is heard, from before
/// the first sample.
fn drain(encoder: &mut encoder::Audio, wanted: &std::ops::Range<i64>, answer: &mut Vec<u8>) -> Result<(), Fault> {
    let mut packet = Packet::empty();
    // It answers "again" until it has enough, and "end" at the end.
    while encoder.receive_packet(&mut packet).is_ok() {
        let is_wanted = packet.pts().is_some_and(|pts| wanted.contains(&pts));
        let data = packet.data().unwrap_or_default();
        if is_wanted && !append_sound_frame(answer, data) {
            return Err(Fault::engine_failed("a frame of AAC is larger than any"));
        }
    }
    Ok(())
}

/// The sample that a byte stands for, of 16 bits.
fn expand(law: Law, byte: u8) -> i16 {
    match law {
        Law::Mu => {
            let byte = !byte;
            let magnitude = ((i16::from(byte & 15) << 3) + 0x84) << (byte >> 4 & 7);
            if byte & 0x80 == 0 {
                magnitude - 0x84
            } else {
                0x84 - magnitude
            }
        }
        Law::A => {
            let byte = byte ^ 0x55;
            let (segment, step) = (byte >> 4 & 7, i16::from(byte & 15) << 4);
            let magnitude = match segment {
                0 => step + 8,
                _ => (step + 0x108) << (segment - 1),
            };
            if byte & 0x80 == 0 { -magnitude } else { magnitude }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stand_for_the_samples_of_the_standard() {
        let mu = [0xff, 0x7f, 0x80, 0x00, 0xe7].map(|byte| expand(Law::Mu, byte));
        assert_eq!(mu, [0, 0, 32_124, -32_124, 260]);
        let a = [0xd5, 0x55, 0xaa, 0x2a, 0x85].map(|byte| expand(Law::A, byte));
        assert_eq!(a, [8, -8, 32_256, -32_256, 4_224]);
        assert_eq!(expand(Law::Mu, Law::Mu.silence()), 0);
    }
}
