//! A stretch of any audio as mono samples at 16,000 a second, which is what recognisers take. The demuxer is chosen by
//! magic bytes and reads our own copy of the bytes, so that nothing else is ever opened.

use std::io::Cursor;

use ffmpeg_next::format::context::StreamIo;
use ffmpeg_next::format::sample::{Sample, Type};
use ffmpeg_next::media::Type as Medium;
use ffmpeg_next::{Dictionary, Packet, codec, format, frame};
use zoetrope_shared::media::MediaType;

use super::resample::resample;
use super::wav::Sound;
use crate::fault::Fault;

/// Rate of the result, samples a second.
pub(super) const RATE: u32 = 16_000;
/// Longest audio, seconds.
const MAX_SECONDS: u64 = 4 * 3_600;
/// Decoders that are used, by their names; the first words of formats' families.
const CODECS: &[&str] = &[
    "aac",
    "alac",
    "flac",
    "mp2",
    "mp2float",
    "mp3",
    "mp3float",
    "opus",
    "libopus",
    "pcm_alaw",
    "pcm_f32le",
    "pcm_mulaw",
    "pcm_s16be",
    "pcm_s16le",
    "pcm_s24le",
    "pcm_s32le",
    "pcm_u8",
    "vorbis",
    "libvorbis",
];
/// More channels than this are no recording of speech.
const MOST_CHANNELS: u16 = 32;
/// Errors in a row after which the rest is given up.
const MOST_ERRORS: u32 = 64;
/// Bytes and microseconds that FFmpeg may look at to find the streams; streams of a file.
const PROBE: [(&str, &str); 3] = [
    ("probesize", "2000000"),
    ("analyzeduration", "2000000"),
    ("max_streams", "64"),
];

/// A stretch of audio.
#[derive(Debug)]
pub(super) struct Stretch {
    /// Its samples.
    pub(super) sound: Sound,
    /// Whether the audio ends with it.
    pub(super) is_last: bool,
}

/// The samples from `from_ms` on, at most `length_ms`.
pub(super) fn stretch(bytes: Vec<u8>, from_ms: u64, length_ms: u64) -> Result<Stretch, Fault> {
    let unreadable = |error: ffmpeg_next::Error| Fault::media_invalid(format!("the audio cannot be read: {error}"));
    let demuxer = demuxer(&bytes)?;
    let io = StreamIo::from_read_seek(Cursor::new(bytes)).map_err(unreadable)?;
    let mut input = format::input_from_stream(io, None, Some(options(demuxer))).map_err(unreadable)?;
    let stream = input.streams().best(Medium::Audio);
    let stream = stream.ok_or_else(|| Fault::media_invalid("there is no sound in it"))?;
    let (index, parameters) = (stream.index(), stream.parameters());
    let known = codec::decoder::find(parameters.id()).is_some_and(|found| CODECS.contains(&found.name()));
    if !known {
        return Err(Fault::media_invalid(format!(
            "audio of the codec {:?} is not taken",
            parameters.id()
        )));
    }
    let context = codec::context::Context::from_parameters(parameters).map_err(unreadable)?;
    let mut decoder = context.decoder().audio().map_err(unreadable)?;
    if decoder.channels() > MOST_CHANNELS {
        return Err(Fault::media_invalid(format!(
            "audio of {} channels is not taken; at most {MOST_CHANNELS} are",
            decoder.channels()
        )));
    }
    let mut taken = Taken::new(from_ms, length_ms);
    let (mut packet, mut errors) = (Packet::empty(), 0);
    loop {
        match packet.read(&mut input) {
            Ok(()) => errors = 0,
            Err(ffmpeg_next::Error::Eof) => break,
            Err(_) if errors < MOST_ERRORS => {
                errors += 1;
                continue;
            }
            Err(_) => break,
        }
        // A damaged packet is a moment of silence, no end.
        if packet.stream() == index && decoder.send_packet(&packet).is_ok() && taken.frames(&mut decoder)? {
            return taken.finish(false);
        }
    }
    // Without it the last moments would stay in the decoder; a decoder that is done already has none.
    let _ = decoder.send_eof();
    let is_full = taken.frames(&mut decoder)?;
    taken.finish(!is_full)
}

fn demuxer(bytes: &[u8]) -> Result<&'static str, Fault> {
    Ok(match MediaType::sniff(bytes) {
        Some(MediaType::Wav) => "wav",
        Some(MediaType::Mp3) => "mp3",
        Some(MediaType::Ogg) => "ogg",
        Some(MediaType::Flac) => "flac",
        Some(MediaType::Aac) => "aac",
        Some(MediaType::M4a | MediaType::Mp4 | MediaType::Mov) => "mov",
        Some(MediaType::Mkv | MediaType::Webm) => "matroska",
        Some(MediaType::Avi) => "avi",
        _ => return Err(Fault::media_invalid("it is no audio or video that is taken")),
    })
}

fn options(demuxer: &str) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    options.set("format_whitelist", demuxer);
    options.set("codec_whitelist", &CODECS.join(","));
    // No protocol has this name: nothing that the file refers to can be opened.
    options.set("protocol_whitelist", "none");
    for (name, value) in PROBE {
        options.set(name, value);
    }
    options
}

/// What was decoded of the stretch that is wanted.
struct Taken {
    from_ms: u64,
    length_ms: u64,
    /// Of the frames; 0 before the first.
    rate: u32,
    /// Samples that were decoded, wanted or not.
    passed: u64,
    samples: Vec<i16>,
}

impl Taken {
    fn new(from_ms: u64, length_ms: u64) -> Self {
        Self {
            from_ms,
            length_ms,
            rate: 0,
            passed: 0,
            samples: Vec::new(),
        }
    }

    /// Takes what the decoder has; says whether there is enough.
    fn frames(&mut self, decoder: &mut codec::decoder::Audio) -> Result<bool, Fault> {
        let mut decoded = frame::Audio::empty();
        while decoder.receive_frame(&mut decoded).is_ok() {
            if self.rate == 0 {
                self.rate = decoded.rate();
            }
            if decoded.rate() != self.rate || self.rate == 0 || self.rate > 192_000 {
                return Err(Fault::media_invalid(
                    "the audio changes its rate, or has none that is taken",
                ));
            }
            let first = self.samples_of(self.from_ms);
            let end = self.samples_of(self.from_ms + self.length_ms);
            if self.passed >= end {
                return Ok(true);
            }
            let count = decoded.samples() as u64;
            if self.passed + count > first {
                let skip = first.saturating_sub(self.passed) as usize;
                let keep = (end - self.passed).min(count) as usize;
                let mono = mono(&decoded)?;
                self.samples.extend_from_slice(mono.get(skip..keep).unwrap_or_default());
            }
            self.passed += count;
            if self.passed > MAX_SECONDS * u64::from(self.rate) {
                return Err(Fault::media_invalid(format!(
                    "the audio is longer than {MAX_SECONDS} s"
                )));
            }
        }
        Ok(false)
    }

    fn samples_of(&self, ms: u64) -> u64 {
        ms * u64::from(self.rate) / 1_000
    }

    fn finish(self, is_last: bool) -> Result<Stretch, Fault> {
        if self.rate == 0 {
            return Err(Fault::media_invalid("no sound in it can be decoded"));
        }
        let sound = Sound {
            rate: RATE,
            samples: resample(&self.samples, self.rate, RATE),
        };
        Ok(Stretch { sound, is_last })
    }
}

/// A frame's channels mixed into one.
fn mono(decoded: &frame::Audio) -> Result<Vec<i16>, Fault> {
    let channels = usize::from(decoded.channels()).max(1);
    let count = decoded.samples();
    let value: fn(&[u8]) -> f32 = match decoded.format() {
        Sample::U8(_) => |bytes| (f32::from(bytes[0]) - 128.0) / 128.0,
        Sample::I16(_) => |bytes| f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32_768.0,
        Sample::I32(_) => |bytes| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as f32 / 2_147_483_648.0,
        Sample::F32(_) => |bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
        other => {
            return Err(Fault::media_invalid(format!(
                "samples of the form {} are not taken",
                other.name()
            )));
        }
    };
    let width = decoded.format().bytes();
    let (planes, stride) = match decoded.format() {
        Sample::U8(Type::Planar)
        | Sample::I16(Type::Planar)
        | Sample::I32(Type::Planar)
        | Sample::F32(Type::Planar) => (channels.min(decoded.planes()), 1),
        _ => (1, channels),
    };
    let mut sums = vec![0.0_f32; count];
    for plane in 0..planes {
        let bytes = decoded.data(plane);
        if bytes.len() < count * stride * width {
            return Err(Fault::media_invalid("a frame of the audio is cut off"));
        }
        for (sum, sample) in sums.iter_mut().zip(bytes.chunks_exact(stride * width)) {
            *sum += sample.chunks_exact(width).map(value).sum::<f32>();
        }
    }
    let scale = 32_767.0 / (planes * stride) as f32;
    Ok(sums
        .iter()
        .map(|sum| (sum * scale).clamp(-32_768.0, 32_767.0) as i16)
        .collect())
}
