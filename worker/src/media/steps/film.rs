//! The recording as pictures at an even pace: decoded once, from front to back, and handed on one by one.

use std::path::Path;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::media::Type;
use ffmpeg_next::software::scaling::{Context, Flags};
use ffmpeg_next::util::frame;
use ffmpeg_next::{Error, Packet, Rational, format};

use super::screen::{Planes, Screen};
use crate::fault::Fault;
use crate::streams::decoder::Decoder;
use crate::streams::file_source;

/// Longest recording, ms.
pub(super) const MAX_RECORDING_MS: u64 = 4 * 3_600_000;
/// Pictures of more pixels are analysed at half the size, as often as it takes: text stays large enough to read.
const MOST_PIXELS: u32 = 2_600_000;
/// Errors in a row after which the rest of the file is given up.
const MOST_READ_ERRORS: u32 = 64;
/// A packet larger than this is not decoded, bytes.
const MOST_PACKET_BYTES: usize = 64 * 1024 * 1024;
/// What FFmpeg says where a time is unknown.
const NO_TIME: i64 = i64::MIN;

/// An open recording.
pub(super) struct Film {
    input: format::context::Input,
    stream: usize,
    time_base: f64,
    start: i64,
    decoder: Decoder,
    converter: Converter,
    pace_ms: f64,
    /// When the next picture is wanted, ms.
    due_ms: f64,
    newest_ms: u64,
    read: bool,
    read_errors: u32,
    /// Length by the file's own word, ms.
    pub(super) length_ms: Option<u64>,
    /// Width and height of the recording, pixels.
    pub(super) size: (u32, u32),
    /// Pixels of the recording for each analysed pixel.
    pub(super) scale: u32,
}

impl Film {
    pub(super) fn open(path: &Path, sample_fps: f64) -> Result<Self, Fault> {
        let (demuxer, io) = file_source::open(path)?;
        let options = file_source::options(demuxer);
        let input = format::input_from_stream(io, None, Some(options))
            .map_err(|error| Fault::media_invalid(format!("the {demuxer} file cannot be read: {error}")))?;
        let stream = input.streams().best(Type::Video);
        let stream = stream.ok_or_else(|| Fault::media_invalid("the file has no video"))?;
        let decoder = Decoder::of_file(stream.parameters())?;
        let size = decoder.size();
        if size.0 < 16 || size.1 < 16 {
            return Err(Fault::media_invalid(
                "the video's pictures have no size, or too small a one",
            ));
        }
        let length_ms = u64::try_from(input.duration()).ok().map(|us| us / 1000);
        if length_ms.is_some_and(|length_ms| length_ms > MAX_RECORDING_MS) {
            return Err(too_long());
        }
        Ok(Self {
            stream: stream.index(),
            time_base: fraction(stream.time_base()),
            start: if stream.start_time() == NO_TIME {
                0
            } else {
                stream.start_time()
            },
            decoder,
            converter: Converter::default(),
            pace_ms: 1000.0 / sample_fps,
            due_ms: 0.0,
            newest_ms: 0,
            read: false,
            read_errors: 0,
            length_ms,
            size,
            scale: scale_of(size),
            input,
        })
    }

    /// The next picture and its time; `None` at the end. What did not change is shared with `before`.
    pub(super) fn next(&mut self, before: Option<&Screen>) -> Result<Option<(u64, Screen)>, Fault> {
        loop {
            while let Some((picture, _damaged)) = self.decoder.receive() {
                let t_ms = match picture.timestamp() {
                    Some(ticks) => ((ticks.saturating_sub(self.start)) as f64 * self.time_base * 1000.0)
                        .round()
                        .max(0.0) as u64,
                    None => self.newest_ms,
                };
                self.newest_ms = t_ms;
                if t_ms > MAX_RECORDING_MS {
                    return Err(too_long());
                }
                // Half a picture of slack: at its own pace a recording gives every one of its pictures.
                if (t_ms as f64) + 2.0 < self.due_ms {
                    continue;
                }
                self.due_ms = (self.due_ms + self.pace_ms).max(t_ms as f64 + self.pace_ms / 2.0);
                let screen = self.converter.screen(picture, self.scale, before)?;
                return Ok(Some((t_ms, screen)));
            }
            if self.read {
                return Ok(None);
            }
            self.read_packet();
        }
    }

    /// Time of the newest picture, ms.
    pub(super) fn newest_ms(&self) -> u64 {
        self.newest_ms
    }

    fn read_packet(&mut self) {
        let mut packet = Packet::empty();
        match packet.read(&mut self.input) {
            Ok(()) => self.read_errors = 0,
            Err(Error::Eof | Error::Exit) => return self.end(),
            Err(_) => {
                self.read_errors += 1;
                if self.read_errors > MOST_READ_ERRORS {
                    self.end();
                }
                return;
            }
        }
        if packet.stream() != self.stream || packet.size() > MOST_PACKET_BYTES {
            return;
        }
        let wanted = packet.pts().is_none_or(|ticks| {
            (ticks.saturating_sub(self.start)) as f64 * self.time_base * 1000.0 + 2.0 >= self.due_ms
        });
        self.decoder.skip_unneeded(!wanted);
        self.decoder.send_packet(&packet);
    }

    fn end(&mut self) {
        self.read = true;
        self.decoder.send_end();
    }
}

fn too_long() -> Fault {
    Fault::media_invalid(format!(
        "the recording is longer than {} hours",
        MAX_RECORDING_MS / 3_600_000
    ))
}

fn fraction(rational: Rational) -> f64 {
    let value = f64::from(rational.numerator()) / f64::from(rational.denominator());
    if value.is_finite() { value } else { 0.0 }
}

/// The whole number by which pictures of this size are made smaller.
pub(super) fn scale_of((width, height): (u32, u32)) -> u32 {
    (1..)
        .find(|scale| (width / scale) * (height / scale) <= MOST_PIXELS)
        .unwrap_or(1)
}

/// From whatever the decoder makes to planar YUV 4:2:0; most recordings are that already and are taken as they are.
#[derive(Default)]
struct Converter {
    ready: Option<((Pixel, u32, u32), Context, frame::Video)>,
}

impl Converter {
    fn screen(&mut self, picture: &frame::Video, scale: u32, before: Option<&Screen>) -> Result<Screen, Fault> {
        let from = (picture.format(), picture.width(), picture.height());
        if scale == 1 && matches!(from.0, Pixel::YUV420P | Pixel::YUVJ420P) {
            return Ok(screen_of(picture, before));
        }
        let failed = |error| Fault::media_invalid(format!("the video's pictures cannot be converted: {error}"));
        let (mut context, mut converted) = match self.ready.take() {
            Some((ready, context, converted)) if ready == from => (context, converted),
            _ => {
                let (width, height) = ((from.1 / scale).max(16), (from.2 / scale).max(16));
                let context = Context::get(from.0, from.1, from.2, Pixel::YUV420P, width, height, Flags::AREA);
                (context.map_err(failed)?, frame::Video::empty())
            }
        };
        context.run(picture, &mut converted).map_err(failed)?;
        let screen = screen_of(&converted, before);
        self.ready = Some((from, context, converted));
        Ok(screen)
    }
}

fn screen_of(picture: &frame::Video, before: Option<&Screen>) -> Screen {
    let planes = Planes {
        width: picture.width() as usize,
        height: picture.height() as usize,
        planes: [0, 1, 2].map(|index| (picture.data(index), picture.stride(index))),
    };
    Screen::of(&planes, before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_screens_larger_than_full_hd_are_made_smaller() {
        assert_eq!(
            [(1280, 720), (1920, 1200), (2560, 1440), (3840, 2160)].map(scale_of),
            [1, 1, 2, 2]
        );
    }
}
