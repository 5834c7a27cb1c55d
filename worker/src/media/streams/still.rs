//! `recording.still`: segments of a recording in, the picture of a time out as a JPEG. What is decoded is the picture and
//! what it is built on, from the key frame before it.

use ffmpeg_next::format::context::Input;
use ffmpeg_next::media::Type;
use ffmpeg_next::util::frame;
use ffmpeg_next::{Error, Packet, Rational};
use zoetrope_worker::protocol_sources::{Container, is_unit_time};
use zoetrope_worker::protocol_stills::{MAX_STILL_BYTES, MAX_STILL_PICTURES, STILL, Still, StillInput};

use super::budget;
use super::decoder::Decoder;
use super::demux;
use super::scaler::{Scaler, fitted};
use super::snapshot;
use crate::fault::Fault;
use crate::serve::Progress;

/// Processor time after which reading is given up, microseconds: hundreds of times what large segments take.
const BREAK_OFF_US: u64 = 5_000_000;
/// Errors in a row after which the rest is given up.
const MOST_READ_ERRORS: u32 = 64;

/// Finds the picture, and sends it up.
pub(super) fn run(
    scaler: &mut Scaler,
    input: &StillInput,
    body: Vec<u8>,
    progress: &Progress<'_>,
) -> Result<Still, Fault> {
    if body.is_empty() || body.len() > MAX_STILL_BYTES {
        return Err(Fault::input_invalid(format!(
            "segments have 1 to {MAX_STILL_BYTES} bytes"
        )));
    }
    if input.max_side == 0 || input.max_width == 0 {
        return Err(Fault::input_invalid("a picture has at least a pixel"));
    }
    let film = Film::read(body, input.from_byte)?;
    let none = || Fault::media_invalid("no picture of that time decodes");
    let wanted = film.wanted(input.at_ms).ok_or_else(none)?;
    let mut easel = Easel { scaler, input };
    let painted = match film.decode(wanted, &mut easel)? {
        Decoded::Painted(painted) => painted,
        // It is damaged: the last one before it that is not, of those that others are built on.
        Decoded::Without(before) => match film.decode(before.ok_or_else(none)?, &mut easel)? {
            Decoded::Painted(painted) => painted,
            Decoded::Without(_) => return Err(none()),
        },
    };
    progress.picture(STILL, &painted.jpeg);
    Ok(Still {
        shown_ms: film.shown_ms(painted.pts),
        width: painted.size.0,
        height: painted.size.1,
    })
}

/// The video of some segments.
struct Film {
    input: Input,
    stream: usize,
    base: Rational,
    /// In the order in which they are decoded, each with its time.
    packets: Vec<(i64, Packet)>,
    /// The time of the picture from which times are counted.
    origin: i64,
}

/// What became of a picture.
enum Decoded {
    Painted(Painted),
    /// It did not come out; the last one before it that did, undamaged, as a place among the packets.
    Without(Option<usize>),
}

struct Painted {
    pts: i64,
    size: (u32, u32),
    jpeg: Vec<u8>,
}

/// Makes JPEGs.
struct Easel<'a> {
    scaler: &'a mut Scaler,
    input: &'a StillInput,
}

impl Film {
    fn read(body: Vec<u8>, from_byte: u64) -> Result<Self, Fault> {
        let deadline_us = budget::now_us() + BREAK_OFF_US;
        let mut input = demux::open(Container::Fmp4, body, deadline_us)?;
        let video = input
            .streams()
            .find(|stream| stream.parameters().medium() == Type::Video);
        let video = video.ok_or_else(|| Fault::media_invalid("the segments have no video"))?;
        let (stream, base) = (video.index(), video.time_base());
        let (mut packets, mut origin, mut errors) = (Vec::new(), None, 0);
        while errors < MOST_READ_ERRORS {
            let mut packet = Packet::empty();
            match packet.read(&mut input) {
                Ok(()) => errors = 0,
                Err(Error::Eof) => break,
                Err(_) => errors += 1,
            }
            if budget::now_us() > deadline_us || packets.len() > MAX_STILL_PICTURES {
                return Err(Fault::media_invalid("the segments take too long to read"));
            }
            let time = packet.pts().filter(|pts| is_unit_time(*pts));
            let Some(pts) = time.filter(|_| errors == 0 && packet.stream() == stream) else {
                continue;
            };
            if u64::try_from(packet.position()).is_ok_and(|at| at >= from_byte) {
                origin.get_or_insert(pts);
            }
            packets.push((pts, packet));
        }
        let origin = origin.ok_or_else(|| Fault::media_invalid("the segments have no picture"))?;
        Ok(Self {
            input,
            stream,
            base,
            packets,
            origin,
        })
    }

    /// Whole milliseconds, so that asking for the answer gives the same picture.
    fn shown_ms(&self, pts: i64) -> i64 {
        let (ticks, second) = (i128::from(self.base.numerator()), i128::from(self.base.denominator()));
        let ms = (i128::from(pts) - i128::from(self.origin)) * ticks * 1_000;
        i64::try_from(ms.div_euclid(second.max(1))).unwrap_or(i64::MAX)
    }

    fn wanted(&self, at_ms: u64) -> Option<usize> {
        let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
        let times: Vec<i64> = self.packets.iter().map(|(pts, _)| self.shown_ms(*pts)).collect();
        last_shown(&times, at_ms)
    }

    /// Decodes a picture and what it is built on.
    fn decode(&self, wanted: usize, easel: &mut Easel<'_>) -> Result<Decoded, Fault> {
        let pictures: Vec<(i64, bool)> = self
            .packets
            .iter()
            .map(|(pts, packet)| (*pts, packet.is_key()))
            .collect();
        let Some(start) = begin(&pictures, wanted) else {
            return Ok(Decoded::Without(None));
        };
        let stream = self.input.stream(self.stream);
        let stream = stream.ok_or_else(|| Fault::engine_failed("the video is gone"))?;
        let mut decoder = Decoder::of_file(stream.parameters())?;
        let mut search = Search {
            wanted: pictures[wanted].0,
            before: None,
        };
        for (place, (_, packet)) in self.packets.iter().enumerate().take(wanted + 1).skip(start) {
            decoder.skip_unneeded(place != wanted);
            decoder.send_packet(packet);
            if let Some(painted) = search.receive(&mut decoder, easel)? {
                return Ok(Decoded::Painted(painted));
            }
        }
        decoder.send_end();
        if let Some(painted) = search.receive(&mut decoder, easel)? {
            return Ok(Decoded::Painted(painted));
        }
        let place = |before: i64| pictures.iter().rposition(|(pts, _)| *pts == before);
        Ok(Decoded::Without(search.before.and_then(place)))
    }
}

/// A picture among those that come out of a decoder.
struct Search {
    wanted: i64,
    /// The last one before it that is not damaged.
    before: Option<i64>,
}

impl Search {
    fn receive(&mut self, decoder: &mut Decoder, easel: &mut Easel<'_>) -> Result<Option<Painted>, Fault> {
        while let Some((picture, damaged)) = decoder.receive() {
            let Some(pts) = picture.pts() else { continue };
            if pts == self.wanted {
                return easel.paint(picture, pts).map(Some);
            }
            if pts < self.wanted && !damaged {
                self.before = self.before.max(Some(pts));
            }
        }
        Ok(None)
    }
}

impl Easel<'_> {
    fn paint(&mut self, picture: &frame::Video, pts: i64) -> Result<Painted, Fault> {
        let (width, height) = fitted((picture.width(), picture.height()), self.input.max_side);
        let shown = width.min(self.input.max_width);
        let height = u64::from(height) * u64::from(shown) / u64::from(width.max(1));
        let size = (shown, height.max(1) as u32);
        Ok(Painted {
            pts,
            size,
            jpeg: snapshot::jpeg(self.scaler, picture, size)?,
        })
    }
}

/// The place of the last picture that is shown at or before a time.
fn last_shown(times: &[i64], at: i64) -> Option<usize> {
    let shown = times.iter().enumerate().filter(|(_, time)| **time <= at);
    shown.max_by_key(|(_, time)| **time).map(|(place, _)| place)
}

/// Where decoding has to begin for a picture: at the last key frame before it that is not shown later. What comes behind a key
/// frame and is shown before it may be built on what came before the key frame.
fn begin(pictures: &[(i64, bool)], wanted: usize) -> Option<usize> {
    let (shown, _) = pictures[wanted];
    let mut before = pictures[..=wanted].iter();
    before.rposition(|(pts, is_key)| *is_key && *pts <= shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I P B B, then a key frame whose leading pictures are built on what came before it: I B B P.
    const OPEN: [(i64, bool); 8] = [
        (0, true),
        (3, false),
        (1, false),
        (2, false),
        (6, true),
        (4, false),
        (5, false),
        (9, false),
    ];

    /// Where decoding begins, and the picture that is shown.
    fn found(at: i64) -> Option<(usize, i64)> {
        let times: Vec<i64> = OPEN.iter().map(|(time, _)| *time).collect();
        let wanted = last_shown(&times, at)?;
        Some((begin(&OPEN, wanted)?, OPEN[wanted].0))
    }

    #[test]
    fn a_picture_is_shown_until_the_next_one_whatever_the_order_of_decoding() {
        assert_eq!([0, 1, 2, 3].map(found), [0, 1, 2, 3].map(|shown| Some((0, shown))));
        assert_eq!([6, 8, 9, 99].map(found), [6, 6, 9, 9].map(|shown| Some((4, shown))));
        assert_eq!(found(-1), None);
    }

    #[test]
    fn what_is_shown_before_a_key_frame_is_decoded_from_the_one_before() {
        assert_eq!([4, 5].map(found), [Some((0, 4)), Some((0, 5))]);
        let alone = &OPEN[4..];
        assert_eq!(
            begin(alone, 1),
            None,
            "without what it is built on it is not decoded at all"
        );
    }
}
