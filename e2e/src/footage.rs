//! Footage for cameras that send what a test tells them to: bars that nobody has to read, compressed by FFmpeg, each picture in
//! its units.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;

/// How long it is; a camera repeats it. Seconds.
const LASTS_S: u32 = 2;

/// How pictures are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// H.264.
    H264,
    /// H.265.
    H265,
}

/// Pictures with a key frame a second; the first is one.
#[derive(Debug)]
pub struct Footage {
    /// How they are compressed.
    pub compression: Compression,
    /// Pictures a second.
    pub fps: u32,
    /// The units of each picture, without start codes; parameter sets before every key frame.
    pub pictures: Vec<Vec<Vec<u8>>>,
}

impl Footage {
    /// Makes it, in pictures of this size, such as `320x240`.
    pub async fn shoot(folder: &Path, compression: Compression, size: &str, fps: u32) -> Arc<Self> {
        let film = folder.join(format!("{compression:?}-{size}-{fps}.bin"));
        let words = match compression {
            Compression::H264 => format!(
                "-c:v libx264 -preset ultrafast -tune zerolatency -threads 1 -g {fps} -bsf:v h264_metadata=aud=insert -f h264"
            ),
            Compression::H265 => format!(
                "-c:v libx265 -preset ultrafast -tune zerolatency -x265-params \
                 log-level=error:keyint={fps}:min-keyint={fps}:open-gop=0:repeat-headers=1:pools=none:frame-threads=1 \
                 -bsf:v hevc_metadata=aud=insert -f hevc"
            ),
        };
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i"])
            .arg(format!("smptebars=size={size}:rate={fps}"))
            .args(["-frames:v", &(fps * LASTS_S).to_string(), "-pix_fmt", "yuv420p"])
            .args(words.split_whitespace())
            .arg(&film)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await;
        assert!(
            made.is_ok_and(|status| status.success()),
            "ffmpeg should make footage: `make setup`"
        );
        let bytes = std::fs::read(&film).expect("the footage should be there");
        let pictures = pictures(compression, &bytes);
        assert_eq!(pictures.len(), (fps * LASTS_S) as usize, "{compression:?} of {size}");
        Arc::new(Self {
            compression,
            fps,
            pictures,
        })
    }
}

impl Compression {
    /// Whether a unit begins the next picture: access unit delimiters stand before each.
    fn delimits(self, unit: &[u8]) -> bool {
        match self {
            Self::H264 => unit[0] & 0x1f == 9,
            Self::H265 => self.kind_of(unit) == 35,
        }
    }

    /// The type of a unit.
    pub(crate) fn kind_of(self, unit: &[u8]) -> u8 {
        match self {
            Self::H264 => unit[0] & 0x1f,
            Self::H265 => (unit[0] >> 1) & 0x3f,
        }
    }

    /// The types of parameter sets, in the order in which containers hold them.
    pub(crate) fn parameter_kinds(self) -> &'static [u8] {
        match self {
            Self::H264 => &[7, 8],
            Self::H265 => &[32, 33, 34],
        }
    }
}

/// Units in Annex B to pictures.
fn pictures(compression: Compression, bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut pictures: Vec<Vec<Vec<u8>>> = Vec::new();
    for unit in units(bytes) {
        if compression.delimits(unit) {
            pictures.push(Vec::new());
        } else if let Some(picture) = pictures.last_mut() {
            picture.push(unit.to_vec());
        }
    }
    pictures
}

fn units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let begins: Vec<usize> = (0..bytes.len().saturating_sub(3))
        .filter(|at| bytes[*at..*at + 3] == [0, 0, 1])
        .map(|at| at + 3)
        .collect();
    let ends: Vec<usize> = begins
        .iter()
        .skip(1)
        .map(|next| next - 3)
        .chain([bytes.len()])
        .collect();
    begins.into_iter().zip(ends).filter_map(move |(begin, end)| {
        let unit = &bytes[begin..end];
        // A start code may have four bytes.
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        Some(&unit[..unit.len() - zeros]).filter(|unit| !unit.is_empty())
    })
}
