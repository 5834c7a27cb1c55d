//! `stream.file`: an uploaded video, read piece by piece: packets to pictures to reports, from where the last piece
//! stood. What FFmpeg may open belongs in `file_source`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ffmpeg_next::format::context::Input;
use ffmpeg_next::media::Type;
use ffmpeg_next::{Error, Packet, Rational, format};
use zoetrope_shared::media::MAX_PIXELS;
use zoetrope_worker::protocol_streams::{FileInput, FilePiece, MAX_PIECE_FRAMES, VideoInfo};

use super::budget;
use super::decoder::Decoder;
use super::file_pace::Pace;
use super::file_source;
use super::gate_state::Gate;
use super::reporter::{Reporter, Tools};
use super::sampler::Sampler;
use crate::fault::Fault;

/// Processor time after which a piece ends, and after which reading is broken off, microseconds.
const PIECE_US: u64 = 2_000_000;
const BREAK_OFF_US: u64 = 20_000_000;
/// Errors in a row after which the rest of the file is given up.
const MOST_READ_ERRORS: u32 = 64;
/// A packet larger than this is not decoded, bytes.
const MOST_PACKET_BYTES: usize = 64 * 1024 * 1024;

/// A file that is open, and how far it was read.
pub(super) struct OpenFile {
    path: String,
    input: Input,
    stream: usize,
    time_base: f64,
    start: i64,
    decoder: Decoder,
    video: VideoInfo,
    sampler: Sampler,
    pace: Pace,
    /// Time of the newest picture, for those that come without one.
    newest_ms: u64,
    /// All packets are read; the decoder may still hold pictures.
    read: bool,
    read_errors: u32,
    /// Thread time at which FFmpeg is told to stop reading.
    break_off_us: Arc<AtomicU64>,
}

impl OpenFile {
    /// Opens the file and goes to where the request wants to read.
    pub(super) fn open(request: &FileInput) -> Result<Self, Fault> {
        let break_off_us = Arc::new(AtomicU64::new(budget::now_us() + BREAK_OFF_US));
        let (demuxer, io) = file_source::open(Path::new(&request.path))?;
        let deadline = Arc::clone(&break_off_us);
        let late = move || budget::now_us() > deadline.load(Ordering::Relaxed);
        let input = format::input_from_stream_with_interrupt(io, None, Some(file_source::options(demuxer)), late)
            .map_err(|error| Fault::media_invalid(format!("the {demuxer} file cannot be read: {error}")))?;
        let stream = input.streams().best(Type::Video);
        let stream = stream.ok_or_else(|| Fault::media_invalid("the file has no video"))?;
        let decoder = Decoder::of_file(stream.parameters())?;
        let (width, height) = decoder.size();
        if width == 0 || height == 0 {
            return Err(Fault::media_invalid(format!(
                "the video's pictures have no size that can be read, or more than {MAX_PIXELS} pixels"
            )));
        }
        let video = VideoInfo {
            codec: decoder.name(),
            width,
            height,
            fps: fraction(stream.avg_frame_rate()),
            duration_ms: u64::try_from(input.duration()).ok().map(|us| us / 1000),
        };
        let mut open = Self {
            path: request.path.clone(),
            stream: stream.index(),
            time_base: fraction(stream.time_base()),
            start: if stream.start_time() == NO_TIME {
                0
            } else {
                stream.start_time()
            },
            decoder,
            video,
            sampler: Sampler::from(request.from_ms),
            pace: Pace::default(),
            newest_ms: 0,
            read: false,
            read_errors: 0,
            break_off_us,
            input,
        };
        open.seek(request.from_ms);
        Ok(open)
    }

    /// Whether this is the file of the request, at the place that it asks for.
    pub(super) fn stands_at(&self, request: &FileInput) -> bool {
        self.path == request.path && self.sampler.due_ms() == request.from_ms
    }

    /// Reads on until enough frames are found, enough time is spent or the file ends.
    pub(super) fn piece(&mut self, tools: Tools<'_>, request: &FileInput) -> Result<FilePiece, Fault> {
        if !(1..=MAX_PIECE_FRAMES).contains(&request.max_frames) {
            return Err(Fault::input_invalid(format!("max_frames is 1 to {MAX_PIECE_FRAMES}")));
        }
        self.break_off_us
            .store(budget::now_us() + BREAK_OFF_US, Ordering::Relaxed);
        let mut gate = Gate::from_state(request.gate.as_ref());
        let mut reporter = Reporter::new(tools, &mut gate, &request.analyse);
        let end = loop {
            if !self.pictures(&mut reporter, request)? {
                break false;
            }
            if self.read {
                break true;
            }
            if reporter.spent_us() > PIECE_US {
                break false;
            }
            self.next_packet(request.fps);
        };
        Ok(FilePiece {
            sampled: reporter.finish_with_gate(&mut self.decoder),
            next_ms: self.sampler.due_ms(),
            end,
            video: self.video.clone(),
        })
    }

    /// Takes the pictures that the decoder has ready; false when the piece is full.
    fn pictures(&mut self, reporter: &mut Reporter<'_>, request: &FileInput) -> Result<bool, Fault> {
        while reporter.frames() < request.max_frames {
            let Some((picture, damaged)) = self.decoder.receive() else {
                return Ok(true);
            };
            let own = picture.timestamp();
            let t_ms = own.map_or(self.newest_ms, |ticks| to_ms(ticks, self.start, self.time_base));
            self.newest_ms = t_ms;
            if self.sampler.wants(t_ms) {
                self.sampler.take(t_ms, request.fps);
                reporter.report(picture, t_ms, damaged)?;
            }
        }
        Ok(false)
    }

    /// Reads one packet and sends it, if it can give or help a wanted picture.
    fn next_packet(&mut self, fps: f64) {
        let mut packet = Packet::empty();
        match packet.read(&mut self.input) {
            Ok(()) => self.read_errors = 0,
            Err(Error::Eof | Error::Exit) => return self.end(),
            Err(_) => {
                self.read_errors += 1;
                self.decoder.count_lost();
                if self.read_errors > MOST_READ_ERRORS {
                    self.end();
                }
                return;
            }
        }
        if packet.stream() != self.stream || packet.size() > MOST_PACKET_BYTES {
            return;
        }
        let t_ms = packet.pts().or(packet.dts());
        let t_ms = t_ms.map_or(self.newest_ms, |ticks| to_ms(ticks, self.start, self.time_base));
        if self.pace.can_leave_out(packet.is_key(), t_ms, fps) {
            return;
        }
        self.decoder.skip_unneeded(!self.sampler.wants(t_ms));
        self.decoder.send_packet(&packet);
    }

    fn end(&mut self) {
        self.read = true;
        self.decoder.send_end();
    }

    /// Goes to the last key frame before this time. A file that cannot is read from its beginning.
    fn seek(&mut self, t_ms: u64) {
        if t_ms > 0 {
            let us = t_ms.saturating_mul(1000).min(i64::MAX as u64 / 2) as i64;
            let start_us = (self.start as f64 * self.time_base * 1e6) as i64;
            let target = us.saturating_add(start_us);
            let _ = self.input.seek(target, ..target);
        }
    }
}

/// What FFmpeg says where a time is unknown.
const NO_TIME: i64 = i64::MIN;

fn fraction(rational: Rational) -> f64 {
    let value = f64::from(rational.numerator()) / f64::from(rational.denominator());
    if value.is_finite() { value } else { 0.0 }
}

/// Times before the first picture count as its time.
fn to_ms(ticks: i64, start: i64, time_base: f64) -> u64 {
    (ticks.saturating_sub(start) as f64 * time_base * 1000.0)
        .round()
        .max(0.0) as u64
}
