//! What has to hold of every parser of ours whatever bytes it is given. Each target takes any bytes and panics if its parser
//! does, or if what always holds does not.
//!
//! `fuzz/` runs them under libFuzzer (`make fuzz`), which looks for bytes that reach new code; `tests/it/fuzzing.rs` feeds each a
//! fixed series with every `make test`. Nothing of the product calls this.

use zoetrope_shared::recordings::{Fragments, InitName, ROW_BYTES, Row, SegmentName};

use crate::protocol::{self, Reply, Request};
use crate::protocol_sources;
use crate::protocol_streams::Codec;
use crate::providers::sse::SseReader;
use crate::recording::adts as adts_frames;
use crate::recording::muxer::{Muxer, Picture, Piece};
use crate::recording::parameters::ParameterSets;
use crate::recording::sound::{SoundCoding, SoundFrame, SoundTrack};
use crate::recording::units as nal_units;
use crate::streams::bitstream::Disposables;
use crate::streams::hls::fuzz as hls;
use crate::streams::rtmp::fuzz as rtmp;

/// A parser and what holds of it.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 13] = [
    ("adts", adts),
    ("amf0", rtmp::amf0),
    ("bitstream", bitstream),
    ("chunks", rtmp::chunks),
    ("flv", rtmp::flv),
    ("fragments", fragments),
    ("index", index),
    ("muxer", muxer),
    ("parameters", parameters),
    ("playlist", hls::playlist),
    ("sse", sse),
    ("units", units),
    ("wire", wire),
];

/// Bytes as pieces: a length in two bytes before each.
#[derive(Debug, Clone)]
pub struct Pieces<'a>(&'a [u8]);

impl<'a> Pieces<'a> {
    /// The pieces in these bytes; the last one may be cut off.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let (piece, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
        self.0 = rest;
        Some(piece)
    }
}

/// A frame of AAC behind its head: what is read is within the frame, and a head can be made for it again.
pub fn adts(bytes: &[u8]) {
    let Some(frame) = adts_frames::read(bytes) else { return };
    assert!(bytes.ends_with(frame.data) && frame.data.len() < bytes.len());
    let head = adts_frames::head(&frame.config, frame.data.len()).expect("it had a head");
    let again = [&head[..], frame.data].concat();
    assert_eq!(adts_frames::read(&again), Some(frame));
}

/// Whether packets are needed by others: told of anything.
pub fn bitstream(bytes: &[u8]) {
    for codec in [Codec::H264, Codec::H265] {
        let mut disposables = Disposables::default();
        for packet in Pieces::of(bytes) {
            let disposable = disposables.is_disposable(codec, packet);
            assert!(
                !disposable || packet.windows(3).any(|code| code == [0, 0, 1]),
                "no unit"
            );
        }
    }
}

/// Fragments of MP4, whole or cut: what was read of them is there, and moving them in time keeps their length.
pub fn fragments(bytes: &[u8]) {
    let Ok(read) = Fragments::of(bytes) else { return };
    assert!(read.whole_bytes <= bytes.len());
    let (mut moved, mut number) = (bytes.to_vec(), 0);
    read.shift(&mut moved, |_| 1_000, &mut number);
    let again = Fragments::of(&moved).expect("they are still fragments");
    assert_eq!(
        (again.whole_bytes, again.video_ticks),
        (read.whole_bytes, read.video_ticks)
    );
}

/// Rows of a recording's index and names of its objects: what reads is written as it was.
pub fn index(bytes: &[u8]) {
    let (rows, rest) = bytes.as_chunks::<ROW_BYTES>();
    for row in rows {
        if let Some(read) = Row::decode(row) {
            assert_eq!(Row::decode(&read.encode()), Some(read));
        }
    }
    let text = String::from_utf8_lossy(rest);
    if let Some(name) = SegmentName::parse(&text) {
        assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
    }
    if let Some(name) = InitName::parse(&text) {
        assert_eq!(InitName::parse(&name.to_string()), Some(name));
    }
}

/// Pictures and sound on their way into a recording: each piece says with its first bytes what it is, whether decoding can
/// start with it, and by how much its time differs from the last one's.
pub fn muxer(bytes: &[u8]) {
    let (mut muxer, mut pieces, mut ticks) = (Muxer::default(), Vec::new(), 0_i64);
    let sound = SoundTrack {
        rate: 48_000,
        entry: [0, 0, 0, 8, b'm', b'p', b'4', b'a'][..].into(),
        coding: SoundCoding::Aac,
    };
    for piece in Pieces::of(bytes) {
        let Some(([what, step @ ..], data)) = piece.split_first_chunk::<5>() else {
            continue;
        };
        ticks = ticks.saturating_add(i64::from(i32::from_be_bytes(*step)));
        match what >> 5 {
            0 => muxer.break_off(&mut pieces),
            1 => muxer.set_sound((what & 1 == 1).then(|| sound.clone())),
            2 => muxer.push_sound(SoundFrame {
                data: data.to_vec(),
                ticks,
                duration: u32::from(*what),
            }),
            _ => {
                let picture = Picture {
                    data: data.to_vec().into(),
                    codec: if what & 2 == 0 { Codec::H264 } else { Codec::H265 },
                    is_key: what & 1 == 1,
                    ticks,
                    wall_ms: 0,
                };
                // Parameter sets that do not read are an answer, too.
                let _ = muxer.push(&picture, &mut pieces);
            }
        }
    }
    muxer.break_off(&mut pieces);
    check(&pieces);
}

/// Segments begin and end in turn, and what is in them are whole fragments.
fn check(pieces: &[Piece]) {
    let mut open = false;
    for piece in pieces {
        match piece {
            Piece::Begin { .. } => assert!(!std::mem::replace(&mut open, true), "a segment within another"),
            Piece::Part(part) => {
                assert!(open, "a part without a segment");
                let read = Fragments::of(part).expect("parts are fragments");
                assert_eq!(read.whole_bytes, part.len());
            }
            Piece::End { .. } => assert!(std::mem::replace(&mut open, false), "an end without a segment"),
        }
    }
    assert!(!open, "the last segment ends");
}

/// Parameter sets within a picture, and the picture as a sample. The first byte says how it is coded.
pub fn parameters(bytes: &[u8]) {
    let Some((codec, picture)) = bytes.split_first() else {
        return;
    };
    let codec = if codec & 1 == 0 { Codec::H264 } else { Codec::H265 };
    let mut sample = Vec::new();
    nal_units::append_sample(codec, picture, &mut sample);
    // Four bytes of length take the place of a start code of three.
    assert!(sample.len() <= picture.len() + picture.len() / 3 + 1);
    let Some(sets) = ParameterSets::within(codec, picture) else {
        return;
    };
    if let Ok(facts) = sets.facts() {
        let sides = 1..=u32::from(u16::MAX);
        assert!(sides.contains(&facts.width) && sides.contains(&facts.height) && facts.reorder <= 16);
        assert!(!sets.sample_entry(&facts).is_empty());
    }
}

/// Events of a provider: the same however they arrive. The first byte says in how large pieces.
pub fn sse(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    let read = |cut: usize| {
        let mut reader = SseReader::default();
        let mut events = Vec::new();
        for piece in bytes.chunks(cut.max(1)) {
            events.extend(reader.push(piece).ok()?);
        }
        events.extend(reader.finish());
        Some(events)
    };
    assert_eq!(read(usize::from(*cut)), read(bytes.len()));
}

/// A child's list of what is in a segment: what is read is written as it was.
pub fn units(bytes: &[u8]) {
    let Some(read) = protocol_sources::units(bytes.to_vec().into()) else {
        return;
    };
    let mut again = Vec::new();
    for (head, data) in read {
        assert!(protocol_sources::append_unit(&mut again, head, &data));
    }
    assert_eq!(again, bytes);
}

/// What comes out of the socket of a media child that was taken over.
pub fn wire(bytes: &[u8]) {
    const MOST: usize = 4_096;
    let mut rest = bytes;
    while let Ok(Some(frame)) = protocol::read(&mut rest, MOST) {
        assert!(frame.body.len() <= MOST);
        // Neither has to read; both may.
        let _ = (frame.header::<Reply>().is_ok(), frame.header::<Request>().is_ok());
    }
}
