//! What a worker and its media children say about streams: the inputs and results of the five `stream.*` requests,
//! which travel as [`crate::protocol`] says. Only what crosses the socket belongs here; both executables compile it.
//!
//! | request | body down | result | state in the child |
//! |---|---|---|---|
//! | [`KEY_FRAME`] | parameter sets and one key frame, Annex B | [`Sampled`] | none of a stream's: any child serves any |
//! | [`SNAPSHOT`] | the same | a JPEG | none |
//! | [`PACKETS`] | the packets' bytes in order, Annex B | [`Sampled`] | a decoder by `session`: the same child each time |
//! | [`FILE`] | nothing | [`FilePiece`] | the open file by `session`, as a cache: another child opens it again |
//! | [`CLOSE`] | nothing | `null` | ends the session of either kind; unknown ones are fine |
//!
//! Sessions need a child that stays the same: `MediaPool::hold`.
//!
//! A picture that does not decode is no failure: it is counted in `decode_errors` and the answer has fewer frames.
//! Failures are `media_invalid` (no such video can ever work), `input_invalid` and `engine_failed`; a child that dies
//! is `MediaError::Crashed`, after which a stream goes on at its next key frame in another child.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zoetrope_shared::tasks::image_analysis::Color;

/// Kind of a request for one picture.
pub const KEY_FRAME: &str = "stream.key_frame";
/// Kind of a request for one picture as a JPEG.
pub const SNAPSHOT: &str = "stream.snapshot";
/// Kind of a request for pictures sampled out of a run of packets.
pub const PACKETS: &str = "stream.packets";
/// Kind of a request for the next pictures of a file.
pub const FILE: &str = "stream.file";
/// Kind of a request that ends a session.
pub const CLOSE: &str = "stream.close";

/// Most packets in one [`PacketsInput`].
pub const MAX_PACKETS: usize = 1024;
/// Largest packet, and largest body of [`KEY_FRAME`] and [`SNAPSHOT`], bytes.
pub const MAX_PACKET_BYTES: usize = 8 * 1024 * 1024;
/// Largest body of [`PACKETS`], bytes.
pub const MAX_PACKETS_BYTES: usize = 32 * 1024 * 1024;
/// Most sessions in one child. One more of [`PACKETS`] is refused; one more of [`FILE`] closes the oldest file.
pub const MAX_SESSIONS: usize = 16;
/// Most frames in one [`FilePiece`].
pub const MAX_PIECE_FRAMES: u32 = 64;
/// Longest name of a session, bytes.
pub const MAX_SESSION_NAME: usize = 128;
/// Largest `max_side`, and the usual one, pixels.
pub const MAX_SIDE: u32 = 1280;
/// Largest `max_side` of a snapshot, pixels.
pub const MAX_SNAPSHOT_SIDE: u32 = 3840;
/// Longest side of a frame that comes as a picture, pixels.
pub const PICTURE_SIDE: u32 = 1024;

/// A video codec of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// H.264, AVC.
    H264,
    /// H.265, HEVC.
    H265,
}

/// What to find in frames that pass the gate. Nothing is converted to colour unless something here needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analyse {
    /// In how many frames of this request text may be read; 0 for none. The first that pass are read: reading costs
    /// 50 to 500 ms each, so the worker's budget decides.
    pub texts: u32,
    /// Languages of the text, as in `ocr`.
    pub languages: Vec<String>,
    /// Whether dominant colours are wanted.
    pub colors: bool,
    /// Long side of the picture that colours are taken from and text is read in, pixels, at most [`MAX_SIDE`].
    pub max_side: u32,
    /// Which frames are wanted as pictures: each is a [`crate::protocol::Reply::Picture`], a JPEG of at most
    /// [`PICTURE_SIDE`], named by its frame's `t_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<PictureWish>,
}

/// Which frames are wanted as pictures: those that show something new, not more often than so; one that came too soon
/// after another is made up for by the next frame in time, whatever the gate says of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureWish {
    /// None before this time of the stream, milliseconds.
    pub from_ms: u64,
    /// Shortest time between two, milliseconds.
    pub every_ms: u64,
    /// A frame that showed something new has not come as a picture.
    pub owed: bool,
}

impl PictureWish {
    /// Whether this frame is wanted. Asked of every frame in turn.
    pub fn wants(&mut self, t_ms: u64, verdict: Verdict) -> bool {
        let wanted = t_ms >= self.from_ms && (self.owed || verdict == Verdict::Passed);
        self.saw(t_ms, verdict, wanted);
        wanted
    }

    /// Notes a frame, and whether it came as a picture.
    pub fn saw(&mut self, t_ms: u64, verdict: Verdict, came: bool) {
        if came {
            self.from_ms = t_ms.saturating_add(self.every_ms);
            self.owed = false;
        } else {
            self.owed |= verdict == Verdict::Passed;
        }
    }
}

impl Codec {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
        }
    }
}

impl Default for Analyse {
    fn default() -> Self {
        Self {
            texts: 0,
            languages: vec!["eng".to_owned()],
            colors: false,
            max_side: MAX_SIDE,
            pictures: None,
        }
    }
}

/// What the gate knows of a stream: background, noise and the last picture that passed. Opaque, below 120 KiB; hand
/// the newest one to the next request of the stream. Without one the first picture passes.
///
/// It is kept as the JSON that it came as: nobody looks for what to escape in so much text with every picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GateState(pub Box<RawValue>);

impl PartialEq for GateState {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// Input of [`KEY_FRAME`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFrameInput {
    /// Whose stream it is: the decoder is kept for this tenant's next picture. `None`: it is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The body's codec.
    pub codec: Codec,
    /// The picture's time in the stream, milliseconds; comes back in its report.
    pub t_ms: u64,
    /// The gate as the last answer for this stream gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateState>,
    /// What to find if the picture passes.
    pub analyse: Analyse,
}

/// Input of [`SNAPSHOT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotInput {
    /// The body's codec.
    pub codec: Codec,
    /// Long side of the JPEG at most, pixels, 1 to [`MAX_SNAPSHOT_SIDE`]. A smaller picture keeps its size.
    pub max_side: u32,
}

/// One packet of [`PacketsInput`]: an access unit in decoding order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketInfo {
    /// Its share of the body, bytes.
    pub bytes: u32,
    /// Its presentation time in the stream, milliseconds.
    pub t_ms: u64,
    /// Whether decoding can start here. Its parameter sets stand before it in the same packet.
    pub key: bool,
}

/// Input of [`PACKETS`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketsInput {
    /// Names the decoder. Unknown: a new one is made, which waits for a key frame.
    pub session: String,
    /// The body's codec. Another one than before starts the decoder anew.
    pub codec: Codec,
    /// Whether packets are missing since the last request: forget what is decoded, wait for a key frame.
    pub reset: bool,
    /// What the body holds, at most [`MAX_PACKETS`].
    pub packets: Vec<PacketInfo>,
    /// Frames wanted a second of stream time, above 0. Frames nobody wants are decoded as far as others need them and
    /// never scaled; those that no other needs are not decoded at all.
    pub fps: f64,
    /// The gate; `None` keeps the session's own, or starts fresh in a new session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateState>,
    /// Whether the answer carries the gate: about 50 KB, so once in a while is enough.
    #[serde(default)]
    pub want_gate: bool,
    /// What to find in frames that pass.
    pub analyse: Analyse,
}

/// Input of [`FILE`]: the next frames from a place on. Each request says everything, so that one to a fresh child goes
/// on where the last one stood; the child that has the session open saves opening and seeking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileInput {
    /// Names the open file in the child.
    pub session: String,
    /// Absolute path of a private copy that the child may read. Its format is taken from its magic bytes, never from
    /// its name, and nothing that it refers to is opened.
    pub path: String,
    /// Where to go on, milliseconds from the first picture: 0, then the last piece's `next_ms`.
    pub from_ms: u64,
    /// Frames wanted a second of film, above 0.
    pub fps: f64,
    /// Frames after which the piece ends, 1 to [`MAX_PIECE_FRAMES`]. Pieces also end after some seconds of work.
    pub max_frames: u32,
    /// The gate as the last piece gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateState>,
    /// What to find in frames that pass.
    pub analyse: Analyse,
}

/// Input of [`CLOSE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseInput {
    /// The session that ends.
    pub session: String,
}

/// Frames that were sampled, oldest first, and what it took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampled {
    /// One report for every sampled frame, whatever the gate said.
    pub frames: Vec<FrameReport>,
    /// The gate after the last frame. Always there for key frames and files once a frame was seen; for packets where
    /// it was wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateState>,
    /// Pictures that were decoded.
    pub decoded: u32,
    /// Packets the decoder refused and pictures it had to conceal damage in. A report of such a picture says `damaged`.
    /// Most damage within H.265 pictures goes unseen: say `reset` when packets are missing.
    pub decode_errors: u32,
    /// Packets dropped while the decoder waits for a key frame.
    pub awaiting_key: u32,
    /// Processor time of this request, microseconds: what a stream's budget is charged with.
    pub cpu_us: u64,
}

/// Answer to [`FILE`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilePiece {
    /// The frames.
    pub sampled: Sampled,
    /// `from_ms` of the next request.
    pub next_ms: u64,
    /// Whether the file is at its end.
    pub end: bool,
    /// The file's video.
    pub video: VideoInfo,
}

/// What a file's header says of its video.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoInfo {
    /// The codec's name, such as `h264` or `vp9`.
    pub codec: String,
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// Frames a second on average; 0 if the file does not say.
    pub fps: f64,
    /// Length, milliseconds, if the file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// What the gate says of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// New: it was analysed.
    Passed,
    /// Nothing moves against the background.
    Still,
    /// Something moves, but it looks like the last frame that passed.
    Duplicate,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameReport {
    /// Its time, milliseconds, as the packet or the file gave it.
    pub t_ms: u64,
    /// Width of the decoded picture, pixels.
    pub width: u32,
    /// Height of the decoded picture, pixels.
    pub height: u32,
    /// Share of the picture that differs from the background, 0 to 1; 1 for the first frame.
    pub motion: f32,
    /// Whether it was analysed, or why not.
    pub verdict: Verdict,
    /// Gradient hash of 256 bits, 64 hexadecimal digits: alike pictures differ in few bits.
    pub hash: String,
    /// Whether the decoder concealed damage in it.
    pub damaged: bool,
    /// Dominant colours, largest share first, where they were wanted and the frame passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colors: Option<Vec<Color>>,
    /// Its text, lines ending with `\n`; `None` where it was not read, empty where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The text's lines in pixels of the decoded picture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<TextLine>,
    /// The frame as a JPEG, where it was wanted. It comes apart from the report.
    #[serde(skip)]
    pub picture: Option<Bytes>,
}

/// A line of text in a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextLine {
    /// Its text.
    pub text: String,
    /// `[x, y, width, height]` in pixels of the decoded picture.
    pub bbox: [u32; 4],
    /// 0 to 1.
    pub confidence: f32,
}
