//! Films for tests, made by the command `ffmpeg` when they are needed and cut into packets the way a camera's are.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use zoetrope_worker::protocol_streams::{Codec, PacketInfo};

/// A folder of films, removed when dropped.
pub(crate) struct Films(TempDir);

/// A packet of a stream: an access unit in Annex B.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) t_ms: u64,
    pub(crate) key: bool,
}

impl Films {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("there is room for a folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `ffmpeg` with these arguments, separated by spaces, into a file of this name.
    pub(crate) fn make(&self, name: &str, arguments: &str) -> PathBuf {
        let path = self.path(name);
        run(Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y"])
            .args(arguments.split_whitespace())
            .arg(&path));
        path
    }

    /// Writes bytes under a name.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("there is room for a file");
        path
    }

    /// The packets of a film's video, as a camera sends them: parameter sets before each key frame.
    pub(crate) fn packets(&self, film: &Path, codec: Codec) -> Vec<Packet> {
        let (filters, format) = match codec {
            Codec::H264 => ("h264_mp4toannexb,h264_metadata=aud=insert", "h264"),
            Codec::H265 => ("hevc_mp4toannexb,hevc_metadata=aud=insert", "hevc"),
        };
        let stream = self.path("packets.bin");
        run(Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y", "-i"])
            .arg(film)
            .args(["-map", "0:v", "-c", "copy", "-bsf:v", filters, "-f", format])
            .arg(&stream));
        let bytes = std::fs::read(&stream).expect("ffmpeg wrote it");
        let units = access_units(&bytes, codec);
        let times = times(film);
        assert_eq!(units.len(), times.len(), "each packet has a time");
        let packets = units.into_iter().zip(times);
        packets
            .map(|(bytes, t_ms)| Packet {
                key: is_key(&bytes, codec),
                bytes,
                t_ms,
            })
            .collect()
    }
}

/// The packets' head and body for a request.
pub(crate) fn joined(packets: &[Packet]) -> (Vec<PacketInfo>, Vec<u8>) {
    let head = packets.iter().map(|packet| PacketInfo {
        bytes: packet.bytes.len() as u32,
        t_ms: packet.t_ms,
        key: packet.key,
    });
    let body = packets.iter().flat_map(|packet| packet.bytes.clone());
    (head.collect(), body.collect())
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {complaint}");
    String::from_utf8(output.stdout).expect("the tool writes text")
}

/// Presentation times in decoding order, milliseconds from the first picture.
fn times(film: &Path) -> Vec<u64> {
    let listed = run(Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            "v",
            "-show_entries",
            "packet=pts_time",
            "-of",
            "csv=p=0",
        ])
        .arg(film));
    let seconds = listed.lines().map(|line| line.trim_end_matches(','));
    let seconds: Vec<f64> = seconds
        .map(|line| line.parse().expect("ffprobe lists numbers"))
        .collect();
    let first = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    seconds
        .iter()
        .map(|time| ((time - first) * 1000.0).round() as u64)
        .collect()
}

/// Cuts a stream before each access unit delimiter.
fn access_units(bytes: &[u8], codec: Codec) -> Vec<Vec<u8>> {
    let delimiter = |at: &usize| {
        let kind = kind(bytes[*at + 4], codec);
        bytes[*at..].starts_with(&[0, 0, 0, 1]) && kind == if codec == Codec::H264 { 9 } else { 35 }
    };
    let starts: Vec<usize> = (0..bytes.len() - 4).filter(delimiter).collect();
    let ends = starts.iter().copied().skip(1).chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| bytes[*start..end].to_vec())
        .collect()
}

fn is_key(unit: &[u8], codec: Codec) -> bool {
    let kinds = unit.windows(4).filter(|window| window.starts_with(&[0, 0, 1]));
    kinds.map(|window| kind(window[3], codec)).any(|kind| match codec {
        Codec::H264 => kind == 5,
        Codec::H265 => (16..24).contains(&kind),
    })
}

fn kind(header: u8, codec: Codec) -> u8 {
    match codec {
        Codec::H264 => header & 0x1f,
        Codec::H265 => (header >> 1) & 0x3f,
    }
}
