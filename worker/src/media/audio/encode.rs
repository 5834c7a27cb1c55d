//! Samples as a file: WAVE by ourselves, MP3, Opus and FLAC by FFmpeg, into memory.

use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use ffmpeg_next::format::context::{Output, StreamIo};
use ffmpeg_next::format::sample::{Sample, Type};
use ffmpeg_next::{ChannelLayout, Packet, codec, encoder, format, frame};
use zoetrope_shared::tasks::voice_synthesis::AudioFormat;

use super::wav::Sound;
use crate::fault::Fault;

/// Rates that Opus knows.
const OPUS_RATE: u32 = 24_000;
const MP3_BITS: usize = 64_000;
const OPUS_BITS: usize = 32_000;
/// Samples of a frame for encoders that take any number.
const FRAME_SAMPLES: usize = 4_096;

/// A file in memory.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) sample_rate: u32,
    pub(super) bytes: Vec<u8>,
}

/// Encodes.
pub(super) fn encode(sound: &Sound, format: AudioFormat) -> Result<Encoded, Fault> {
    let (name, muxer, bits) = match format {
        AudioFormat::Wav => {
            return Ok(Encoded {
                sample_rate: sound.rate,
                bytes: sound.to_wav()?,
            });
        }
        AudioFormat::Mp3 => ("libmp3lame", "mp3", Some(MP3_BITS)),
        AudioFormat::Opus => ("libopus", "ogg", Some(OPUS_BITS)),
        AudioFormat::Flac => ("flac", "flac", None),
    };
    let resampled;
    let sound = if format == AudioFormat::Opus && sound.rate != OPUS_RATE {
        resampled = Sound {
            rate: OPUS_RATE,
            samples: super::resample::resample(&sound.samples, sound.rate, OPUS_RATE),
        };
        &resampled
    } else {
        sound
    };
    let failed = |error: ffmpeg_next::Error| Fault::engine_failed(format!("{name} cannot encode: {error}"));
    let memory = Memory::default();
    let io = StreamIo::from_write_seek(memory.clone()).map_err(failed)?;
    let output = format::output_to_stream(io, None, Some(muxer)).map_err(failed)?;
    write(output, sound, name, bits).map_err(failed)?;
    Ok(Encoded {
        sample_rate: sound.rate,
        bytes: memory.take(),
    })
}

fn write(mut output: Output, sound: &Sound, name: &str, bits: Option<usize>) -> Result<(), ffmpeg_next::Error> {
    let found = encoder::find_by_name(name)
        .ok_or(ffmpeg_next::Error::EncoderNotFound)?
        .audio()?;
    let needs_header = output.format().flags().contains(format::Flags::GLOBAL_HEADER);
    // Planar and packed are the same for one channel; an encoder takes one of them.
    let takes_planar = found
        .formats()
        .is_some_and(|mut formats| formats.any(|it| it == Sample::I16(Type::Planar)));
    let sample = Sample::I16(if takes_planar { Type::Planar } else { Type::Packed });
    let rate = i32::try_from(sound.rate).map_err(|_| ffmpeg_next::Error::InvalidData)?;
    let mut stream = output.add_stream(found)?;
    let mut audio = codec::Context::new_with_codec(*found).encoder().audio()?;
    if needs_header {
        audio.set_flags(codec::Flags::GLOBAL_HEADER);
    }
    audio.set_rate(rate);
    audio.set_channel_layout(ChannelLayout::MONO);
    audio.set_format(sample);
    audio.set_time_base((1, rate));
    if let Some(bits) = bits {
        audio.set_bit_rate(bits);
    }
    let mut audio = audio.open_as(found)?;
    stream.set_time_base((1, rate));
    stream.set_parameters(&audio);
    output.write_header()?;
    let frame_samples = match audio.frame_size() {
        0 => FRAME_SAMPLES,
        samples => samples as usize,
    };
    let mut pts = 0;
    for chunk in sound.samples.chunks(frame_samples) {
        let mut samples = frame::Audio::new(sample, chunk.len(), ChannelLayout::MONO);
        samples.set_rate(sound.rate);
        samples.set_pts(Some(pts));
        samples.plane_mut::<i16>(0)[..chunk.len()].copy_from_slice(chunk);
        audio.send_frame(&samples)?;
        drain(&mut audio, &mut output, rate)?;
        pts += chunk.len() as i64;
    }
    audio.send_eof()?;
    drain(&mut audio, &mut output, rate)?;
    output.write_trailer()
}

fn drain(audio: &mut encoder::Audio, output: &mut Output, rate: i32) -> Result<(), ffmpeg_next::Error> {
    let mut packet = Packet::empty();
    // It answers "again" until it has enough, and "end" at the end.
    while audio.receive_packet(&mut packet).is_ok() {
        packet.set_stream(0);
        let time_base = output.stream(0).map_or((1, rate).into(), |stream| stream.time_base());
        packet.rescale_ts((1, rate), time_base);
        packet.write_interleaved(output)?;
    }
    Ok(())
}

/// A file in memory that FFmpeg writes and we read afterwards.
#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<Cursor<Vec<u8>>>>);

impl Memory {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.cursor()).into_inner()
    }

    fn cursor(&self) -> std::sync::MutexGuard<'_, Cursor<Vec<u8>>> {
        self.0.lock().expect("nothing that holds this lock panics")
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.cursor().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Memory {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.cursor().seek(to)
    }
}
