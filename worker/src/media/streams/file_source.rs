//! What FFmpeg may read of a file. The demuxer is chosen by magic bytes and reads through our own handle, so a playlist
//! under the name of a film is refused and nothing else is ever opened.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use ffmpeg_next::Dictionary;
use ffmpeg_next::format::context::StreamIo;
use zoetrope_shared::media::MediaType;

use super::decoder::FILE_CODECS;
use crate::fault::Fault;

/// Bytes that tell the type; Matroska needs the most.
const MAGIC_BYTES: u64 = 4096;
/// Bytes and stream time that FFmpeg may look at to find the streams.
const PROBE_BYTES: &str = "2000000";
const PROBE_US: &str = "2000000";
/// More streams than this are no film.
const MOST_STREAMS: &str = "64";

/// The only demuxer that may read these bytes, and the handle that it reads through.
pub(crate) fn open(path: &Path) -> Result<(&'static str, StreamIo), Fault> {
    let unreadable = |error: std::io::Error| Fault::engine_failed(format!("the media file cannot be read: {error}"));
    let mut file = File::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(Fault::input_invalid("the path names no regular file"));
    }
    let mut magic = Vec::new();
    file.by_ref()
        .take(MAGIC_BYTES)
        .read_to_end(&mut magic)
        .map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let demuxer = match MediaType::sniff(&magic) {
        Some(MediaType::Mp4 | MediaType::Mov | MediaType::M4a) => "mov",
        Some(MediaType::Mkv | MediaType::Webm) => "matroska",
        Some(MediaType::Avi) => "avi",
        _ if is_transport_stream(&magic) => "mpegts",
        _ => {
            return Err(Fault::media_invalid(
                "the file is no MP4, MOV, Matroska, WebM, AVI or MPEG-TS video",
            ));
        }
    };
    let io = StreamIo::from_read_seek(file)
        .map_err(|error| Fault::engine_failed(format!("the media file cannot be read: {error}")))?;
    Ok((demuxer, io))
}

/// Sync bytes at the start of three packets in a row (ISO/IEC 13818-1).
fn is_transport_stream(magic: &[u8]) -> bool {
    const PACKET: usize = 188;
    const SYNC: u8 = 0x47;
    [0, PACKET, 2 * PACKET].iter().all(|at| magic.get(*at) == Some(&SYNC))
}

/// What the demuxer may do.
pub(crate) fn options(demuxer: &str) -> Dictionary<'static> {
    let codecs: Vec<&str> = FILE_CODECS.iter().map(|(_, name)| *name).collect();
    let mut options = Dictionary::new();
    options.set("format_whitelist", demuxer);
    options.set("codec_whitelist", &codecs.join(","));
    // No protocol has this name: nothing that the file refers to can be opened.
    options.set("protocol_whitelist", "none");
    options.set("probesize", PROBE_BYTES);
    options.set("analyzeduration", PROBE_US);
    options.set("max_streams", MOST_STREAMS);
    options
}
