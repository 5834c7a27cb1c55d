//! `stream.demux`: a segment of HLS in, compressed pictures and frames of sound out, nothing decoded and nothing kept. The
//! container is the one that the worker names; what the tracks hold is `demuxed_tracks`'.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use ffmpeg_next::format::context::{Input, StreamIo};
use ffmpeg_next::media::Type;
use ffmpeg_next::{Dictionary, Error, Packet, Rational, Rescale};
use zoetrope_worker::protocol_sources::{
    Container, DemuxInput, MAX_DEMUX_BYTES, MAX_UNITS, UNIT_RATE, UnitHead, append_unit, is_unit_time,
};

use super::budget;
use super::demuxed_tracks::{Made, Track};
use super::opened::{self, Header};
use crate::fault::Fault;

/// Processor time after which a segment is given up, microseconds: hundreds of times what a large one takes.
const BREAK_OFF_US: u64 = 5_000_000;
/// Errors in a row after which the rest of the segment is given up.
const MOST_READ_ERRORS: u32 = 64;
/// Bytes that FFmpeg may look at to find out which streams there are.
const PROBE_BYTES: &str = "2000000";
/// More streams than this are no segment.
const MOST_STREAMS: &str = "64";

/// The segment's units.
pub(super) fn run(input: &DemuxInput, body: Vec<u8>) -> Result<Vec<u8>, Fault> {
    if body.is_empty() || body.len() > MAX_DEMUX_BYTES {
        return Err(Fault::input_invalid(format!(
            "a segment has 1 to {MAX_DEMUX_BYTES} bytes"
        )));
    }
    let deadline_us = budget::now_us() + BREAK_OFF_US;
    let mut demuxing = Demuxing {
        input: open(input.container, body, deadline_us)?,
        container: input.container,
        tracks: HashMap::new(),
        answer: Vec::new(),
        units: 0,
    };
    demuxing.read(deadline_us)?;
    demuxing.finish()
}

/// Opens bytes that are wrapped so, and nothing that they refer to. Reading fails once this thread has worked so long.
pub(super) fn open(container: Container, body: Vec<u8>, deadline_us: u64) -> Result<Input, Fault> {
    let bytes = Segment {
        bytes: Cursor::new(body),
        deadline_us,
    };
    let io = StreamIo::from_read_seek(bytes)
        .map_err(|error| Fault::engine_failed(format!("the segment cannot be opened: {error}")))?;
    opened::open(demuxer(container), io, options())
        .map_err(|_| Fault::media_invalid(format!("the segment is no {}", name(container))))
}

fn options() -> Dictionary<'static> {
    let mut options = Dictionary::new();
    // No protocol has this name: nothing that the segment refers to can be opened.
    options.set("protocol_whitelist", "none");
    options.set("probesize", PROBE_BYTES);
    options.set("max_streams", MOST_STREAMS);
    options
}

fn demuxer(container: Container) -> &'static CStr {
    match container {
        Container::Ts => c"mpegts",
        Container::Fmp4 => c"mov",
    }
}

fn name(container: Container) -> &'static str {
    match container {
        Container::Ts => "MPEG-TS",
        Container::Fmp4 => "fragmented MP4 with its initialization",
    }
}

/// A segment that is being read.
struct Demuxing {
    input: Input,
    container: Container,
    tracks: HashMap<usize, Track>,
    answer: Vec<u8>,
    units: usize,
}

impl Demuxing {
    fn read(&mut self, deadline_us: u64) -> Result<(), Fault> {
        let (mut errors, mut packet) = (0, Packet::empty());
        while errors < MOST_READ_ERRORS {
            match packet.read(&mut self.input) {
                Ok(()) => {
                    errors = 0;
                    self.take(&packet)?;
                }
                Err(Error::Eof) => break,
                // The rest may be well.
                Err(_) => errors += 1,
            }
            if budget::now_us() > deadline_us {
                return Err(Fault::media_invalid("the segment takes too long to read"));
            }
        }
        Ok(())
    }

    fn take(&mut self, packet: &Packet) -> Result<(), Fault> {
        let index = packet.stream();
        let track = match self.tracks.get_mut(&index) {
            Some(track) => track,
            None => {
                let track = self.track(index)?;
                self.tracks.entry(index).or_insert(track)
            }
        };
        let Some(base) = self.input.stream(index).map(|stream| stream.time_base()) else {
            return Ok(());
        };
        let times = (ticks(packet.pts(), base)?, ticks(packet.dts(), base)?);
        match track.take(packet, times)? {
            Made::Nothing => Ok(()),
            Made::Unit(head, data) => {
                self.units += 1;
                append(&mut self.answer, self.units, head, &data)
            }
        }
    }

    /// The first video and the first sound that are taken are wanted, and nothing else.
    fn track(&self, index: usize) -> Result<Track, Fault> {
        let is_before = |track: &Track, other: &Track| std::mem::discriminant(track) == std::mem::discriminant(other);
        let Some(stream) = self.input.stream(index) else {
            return Ok(Track::Unwanted);
        };
        let track = Track::of(self.container, &Header::of(&stream.parameters()))?;
        let is_second = self.tracks.values().any(|before| is_before(before, &track));
        Ok(if is_second { Track::Unwanted } else { track })
    }

    fn finish(self) -> Result<Vec<u8>, Fault> {
        let has_video = self.tracks.values().any(|track| matches!(track, Track::Video(_)));
        let mut videos = self.input.streams().filter_map(|stream| {
            let parameters = stream.parameters();
            (parameters.medium() == Type::Video).then(|| parameters.id().name())
        });
        if let Some(other) = videos.next().filter(|_| !has_video) {
            return Err(Fault::media_invalid(match other {
                "h264" | "hevc" => "no picture of the segment can be read".to_owned(),
                other => format!("the segment's video is {other}, not H.264 or H.265"),
            }));
        }
        if self.units == 0 {
            return Err(Fault::media_invalid(format!(
                "nothing of the segment can be read: it is no {}, is encrypted, or holds neither H.264, H.265 nor AAC",
                name(self.container)
            )));
        }
        Ok(self.answer)
    }
}

fn append(answer: &mut Vec<u8>, units: usize, head: UnitHead, data: &[u8]) -> Result<(), Fault> {
    if units > MAX_UNITS {
        return Err(Fault::media_invalid(format!(
            "the segment has more than {MAX_UNITS} pictures and frames"
        )));
    }
    if append_unit(answer, head, data) {
        Ok(())
    } else {
        Err(Fault::media_invalid("more comes out of the segment than we take"))
    }
}

/// A time of a stream in ticks of the answer's.
fn ticks(time: Option<i64>, base: Rational) -> Result<Option<i64>, Fault> {
    let Some(time) = time else { return Ok(None) };
    let ticks = time.rescale(base, Rational(1, UNIT_RATE as i32));
    if is_unit_time(ticks) {
        Ok(Some(ticks))
    } else {
        Err(Fault::media_invalid("the segment has times that no clock has"))
    }
}

/// The bytes of a segment, as long as there is time.
struct Segment {
    bytes: Cursor<Vec<u8>>,
    deadline_us: u64,
}

impl Read for Segment {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if budget::now_us() > self.deadline_us {
            return Err(io::ErrorKind::Other.into());
        }
        self.bytes.read(into)
    }
}

impl Seek for Segment {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}
