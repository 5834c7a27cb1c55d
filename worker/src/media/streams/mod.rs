//! The `stream.*` requests: decode, sample, gate, describe. One file a request; what they share has its own.
//!
//! Everything here runs on the child's one thread. FFmpeg sees bytes that the worker gave and nothing else: no URL, no
//! name of a file, no format or codec that was not chosen here.

mod budget;
mod colors;
pub(crate) mod decoder;
mod demux;
mod demuxed_tracks;
mod file;
mod file_pace;
pub(crate) mod file_source;
mod gate;
mod gate_state;
mod key_frame;
mod opened;
mod packets;
mod picture;
mod regions;
mod reporter;
mod sampler;
mod scaler;
mod shrink;
mod snapshot;
mod sound;
mod still;
mod view;
mod view_pace;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use zoetrope_worker::protocol_sources::{DemuxInput, SoundInput};
use zoetrope_worker::protocol_stills::{Still, StillInput};
use zoetrope_worker::protocol_streams::{
    Analyse, CloseInput, FileInput, FilePiece, KeyFrameInput, MAX_SESSION_NAME, MAX_SESSIONS, MAX_SIDE, PacketsInput,
    Sampled, SnapshotInput,
};
use zoetrope_worker::protocol_view::{ViewInput, Viewed};

use crate::fault::Fault;
use crate::serve::{Engines, Progress};
use file::OpenFile;
use key_frame::KeptDecoder;
use packets::PacketSession;
use reporter::Tools;
use scaler::Scaler;
use view::{Means, ViewSession};

/// What streams keep in a child between requests.
#[derive(Default)]
pub(crate) struct Streams {
    packets: HashMap<String, PacketSession>,
    views: HashMap<String, ViewSession>,
    /// Newest last: few, so a list is enough.
    files: Vec<(String, OpenFile)>,
    scaler: Scaler,
    kept_decoder: KeptDecoder,
}

/// Keeps FFmpeg from writing what it thinks of every damaged picture to the worker's log.
pub(crate) fn be_quiet() {
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet);
}

/// `stream.key_frame`.
pub(crate) fn key_frame(
    engines: &mut Engines,
    input: &KeyFrameInput,
    body: &[u8],
    progress: &Progress<'_>,
) -> Result<Sampled, Fault> {
    check_analyse(&input.analyse)?;
    let Streams {
        scaler, kept_decoder, ..
    } = &mut engines.streams;
    let tools = Tools {
        scaler,
        ocr: &mut engines.ocr,
        progress,
    };
    key_frame::run(tools, kept_decoder, input, body)
}

/// `stream.snapshot`.
pub(crate) fn snapshot(engines: &mut Engines, input: &SnapshotInput, body: &[u8]) -> Result<Vec<u8>, Fault> {
    snapshot::run(&mut engines.streams.scaler, input, body)
}

/// `recording.still`.
pub(crate) fn still(
    engines: &mut Engines,
    input: &StillInput,
    body: Vec<u8>,
    progress: &Progress<'_>,
) -> Result<Still, Fault> {
    still::run(&mut engines.streams.scaler, input, body, progress)
}

/// `stream.sound`.
pub(crate) fn sound(input: &SoundInput, body: &[u8]) -> Result<Vec<u8>, Fault> {
    sound::run(input, body)
}

/// `stream.demux`.
pub(crate) fn demux(input: &DemuxInput, body: Vec<u8>) -> Result<Vec<u8>, Fault> {
    demux::run(input, body)
}

/// `stream.packets`.
pub(crate) fn packets(
    engines: &mut Engines,
    input: &PacketsInput,
    body: &[u8],
    progress: &Progress<'_>,
) -> Result<Sampled, Fault> {
    check_session(&input.session)?;
    check_analyse(&input.analyse)?;
    check_fps(input.fps)?;
    let Streams { packets, scaler, .. } = &mut engines.streams;
    let full = packets.len() >= MAX_SESSIONS;
    let session = match packets.entry(input.session.clone()) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(_) if full => {
            return Err(Fault::input_invalid(format!(
                "this media child serves {MAX_SESSIONS} streams already"
            )));
        }
        Entry::Vacant(entry) => entry.insert(PacketSession::new(input.codec)?),
    };
    let ocr = &mut engines.ocr;
    session.run(Tools { scaler, ocr, progress }, input, body)
}

/// `stream.view`.
pub(crate) fn view(
    engines: &mut Engines,
    input: &ViewInput,
    body: &[u8],
    progress: &Progress<'_>,
) -> Result<Viewed, Fault> {
    check_session(&input.session)?;
    check_fps(input.fps)?;
    let Streams { views, scaler, .. } = &mut engines.streams;
    let full = views.len() >= MAX_SESSIONS;
    let session = match views.entry(input.session.clone()) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(_) if full => {
            return Err(Fault::input_invalid(format!(
                "this media child shows {MAX_SESSIONS} streams already"
            )));
        }
        Entry::Vacant(entry) => entry.insert(ViewSession::new(input.codec)?),
    };
    let means = Means {
        scaler,
        progress,
        input,
    };
    session.run(means, body)
}

/// `stream.file`.
pub(crate) fn file(engines: &mut Engines, input: &FileInput, progress: &Progress<'_>) -> Result<FilePiece, Fault> {
    check_session(&input.session)?;
    check_analyse(&input.analyse)?;
    check_fps(input.fps)?;
    let streams = &mut engines.streams;
    let mut open = match streams.take_file(&input.session) {
        Some(open) if open.stands_at(input) => open,
        _ => OpenFile::open(input)?,
    };
    let tools = Tools {
        scaler: &mut streams.scaler,
        ocr: &mut engines.ocr,
        progress,
    };
    let piece = open.piece(tools, input)?;
    // A file that failed or ended is closed; one that goes on is kept for the next piece.
    if !piece.end {
        if streams.files.len() >= MAX_SESSIONS {
            streams.files.remove(0);
        }
        streams.files.push((input.session.clone(), open));
    }
    Ok(piece)
}

/// `stream.close`.
pub(crate) fn close(engines: &mut Engines, input: &CloseInput) {
    engines.streams.packets.remove(&input.session);
    engines.streams.views.remove(&input.session);
    engines.streams.take_file(&input.session);
}

impl Streams {
    fn take_file(&mut self, session: &str) -> Option<OpenFile> {
        let index = self.files.iter().position(|(name, _)| name == session)?;
        Some(self.files.remove(index).1)
    }
}

fn check_session(name: &str) -> Result<(), Fault> {
    if name.is_empty() || name.len() > MAX_SESSION_NAME {
        return Err(Fault::input_invalid(format!(
            "a session's name has 1 to {MAX_SESSION_NAME} bytes"
        )));
    }
    Ok(())
}

fn check_analyse(analyse: &Analyse) -> Result<(), Fault> {
    if analyse.max_side == 0 || analyse.max_side > MAX_SIDE {
        return Err(Fault::input_invalid(format!("max_side is 1 to {MAX_SIDE} pixels")));
    }
    Ok(())
}

fn check_fps(fps: f64) -> Result<(), Fault> {
    /// Frames have whole milliseconds.
    const MOST: f64 = 1000.0;
    if fps.is_finite() && fps > 0.0 && fps <= MOST {
        Ok(())
    } else {
        Err(Fault::input_invalid(format!("fps is above 0 and at most {MOST}")))
    }
}
