//! What a worker and its media children say to each other: one request at a time down a socket, progress and one
//! answer back. Both executables compile this module, so it knows no decoder and no runtime of either side.
//!
//! A frame is `[u32 header length][u32 body length][header][body]`, little endian. The header is JSON; the body is the
//! medium on the way down and the result's JSON on the way up.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Largest header, bytes: a task's input is at most 64 KiB, an answer's sentence far less.
pub const MAX_HEADER_BYTES: usize = 256 * 1024;
/// Largest medium handed to a child, bytes.
pub const MAX_MEDIA_BYTES: usize = 128 * 1024 * 1024;
/// What is made room for because it was announced, bytes: a key frame of a good camera.
const TRUSTED_BYTES: usize = 1024 * 1024;
/// A body up to this size is written together with its header, bytes: copying it costs less than waking the reader twice.
const TOGETHER_BYTES: usize = 256 * 1024;
/// Largest result taken from a child, bytes: every word of a 50 megapixel page in all formats stays below it.
pub const MAX_RESULT_BYTES: usize = 64 * 1024 * 1024;

/// How the name of a child's private working folder begins. The child unlinks the folder as soon as it stands in it,
/// so that nothing is left behind whoever is killed, and no file can be made there.
pub const FOLDER_PREFIX: &str = "zoetrope-media-";

/// Kind of the request that makes a picture fit for somebody else; its answer is a JPEG.
pub const PICTURE: &str = "picture";
/// Longest edge of a picture for a model, pixels: larger ones are made smaller by the models themselves.
pub const PICTURE_EDGE: u32 = 1_568;

/// The input of [`PICTURE`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PictureInput {
    /// Longest edge of the answer, pixels.
    #[serde(default = "picture_edge")]
    pub longest_edge: u32,
}

fn picture_edge() -> u32 {
    PICTURE_EDGE
}

/// Begins the line of standard error in which a child says what its kernel could not restrict.
pub const SANDBOX_NOTE: &str = "sandbox: ";

/// One piece of work for a child. The medium follows as the frame's body.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Kind of the task: chooses the code that runs.
    pub kind: String,
    /// The task's input as it was submitted.
    pub input: Box<RawValue>,
}

/// What a child says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// How far it has come; more replies follow.
    Progress {
        /// 0 to 100.
        percent: u8,
        /// What it is doing.
        message: String,
    },
    /// A picture that the result names; its bytes are the frame's body. More replies follow.
    Picture {
        /// What the result calls it; different from all others of the request.
        name: String,
    },
    /// The result's JSON is the frame's body. The child is ready for the next request.
    Done,
    /// The work failed and the child is well: it is ready for the next request.
    Failed {
        /// Stable `snake_case` word.
        code: String,
        /// One sentence for people.
        message: String,
        /// Whether another attempt can help.
        retryable: bool,
    },
}

/// One frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    header: Vec<u8>,
    /// The medium or the result.
    pub body: Vec<u8>,
}

impl Frame {
    /// An empty one with room for what was announced. More than [`TRUSTED_BYTES`] is made room for as it comes, so that a
    /// lying length costs no more.
    fn expecting(header_bytes: usize, body_bytes: usize) -> Self {
        let room = |bytes: usize| Vec::with_capacity(bytes.min(TRUSTED_BYTES));
        Self {
            header: room(header_bytes),
            body: room(body_bytes),
        }
    }

    /// The header as the type that the reader expects.
    pub fn header<T: DeserializeOwned>(&self) -> Result<T, ProtocolError> {
        serde_json::from_slice(&self.header).map_err(|error| ProtocolError::Garbage(error.to_string()))
    }
}

/// Why the two sides no longer understand each other. Nobody goes on after one: the child is ended.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The other side is gone in the middle of a frame, or the socket failed.
    #[error("the socket failed: {0}")]
    Io(#[from] io::Error),
    /// A part of a frame is over its limit.
    #[error("a frame of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// What was announced.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The header is not what belongs here.
    #[error("a header does not parse: {0}")]
    Garbage(String),
}

/// Everything of a frame but its body: write it, then the body.
pub fn head(header: &impl Serialize, body_bytes: usize, max_body_bytes: usize) -> Result<Vec<u8>, ProtocolError> {
    let header = serde_json::to_vec(header).map_err(|error| ProtocolError::Garbage(error.to_string()))?;
    let header_len = checked(header.len(), MAX_HEADER_BYTES)?;
    let body_len = checked(body_bytes, max_body_bytes)?;
    let mut out = Vec::with_capacity(LENGTHS_BYTES + header.len());
    out.extend_from_slice(&header_len.to_le_bytes());
    out.extend_from_slice(&body_len.to_le_bytes());
    out.extend_from_slice(&header);
    Ok(out)
}

/// Writes one frame.
pub fn write(to: &mut impl Write, header: &impl Serialize, body: &[u8]) -> Result<(), ProtocolError> {
    let mut head = head(header, body.len(), MAX_RESULT_BYTES)?;
    if body.len() <= TOGETHER_BYTES {
        head.extend_from_slice(body);
        to.write_all(&head)?;
    } else {
        to.write_all(&head)?;
        to.write_all(body)?;
    }
    Ok(to.flush()?)
}

/// Reads one frame; `None` when the other side closed between two frames.
pub fn read(from: &mut impl Read, max_body_bytes: usize) -> Result<Option<Frame>, ProtocolError> {
    let mut lengths = [0_u8; LENGTHS_BYTES];
    if from.read(&mut lengths[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut lengths[1..])?;
    let (header_len, body_len) = split(lengths, max_body_bytes)?;
    let mut frame = Frame::expecting(header_len, body_len);
    from.by_ref().take(header_len as u64).read_to_end(&mut frame.header)?;
    from.by_ref().take(body_len as u64).read_to_end(&mut frame.body)?;
    complete(frame, header_len, body_len).map(Some)
}

/// As [`read`], on the worker's side of the socket.
pub async fn read_async(
    from: &mut (impl AsyncRead + Unpin),
    max_body_bytes: usize,
) -> Result<Option<Frame>, ProtocolError> {
    let mut lengths = [0_u8; LENGTHS_BYTES];
    if from.read(&mut lengths[..1]).await? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut lengths[1..]).await?;
    let (header_len, body_len) = split(lengths, max_body_bytes)?;
    let mut frame = Frame::expecting(header_len, body_len);
    from.take(header_len as u64).read_to_end(&mut frame.header).await?;
    from.take(body_len as u64).read_to_end(&mut frame.body).await?;
    complete(frame, header_len, body_len).map(Some)
}

const LENGTHS_BYTES: usize = 8;

fn checked(bytes: usize, limit: usize) -> Result<u32, ProtocolError> {
    let too_large = ProtocolError::TooLarge { bytes, limit };
    if bytes > limit {
        Err(too_large)
    } else {
        u32::try_from(bytes).map_err(|_| too_large)
    }
}

fn split(lengths: [u8; LENGTHS_BYTES], max_body_bytes: usize) -> Result<(usize, usize), ProtocolError> {
    let [a, b, c, d, e, f, g, h] = lengths;
    let header_len = checked(u32::from_le_bytes([a, b, c, d]) as usize, MAX_HEADER_BYTES)?;
    let body_len = checked(u32::from_le_bytes([e, f, g, h]) as usize, max_body_bytes)?;
    Ok((header_len as usize, body_len as usize))
}

fn complete(frame: Frame, header_len: usize, body_len: usize) -> Result<Frame, ProtocolError> {
    if frame.header.len() == header_len && frame.body.len() == body_len {
        return Ok(frame);
    }
    Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_the_way_through_a_socket() {
        let reply = Reply::Progress {
            percent: 40,
            message: "page 2 of 5".into(),
        };
        let mut bytes = Vec::new();
        write(&mut bytes, &reply, b"body").expect("a small frame should be written");
        let frame = read(&mut bytes.as_slice(), 4)
            .expect("the frame is whole")
            .expect("there is a frame");
        assert_eq!(frame.header::<Reply>().expect("the header is a reply"), reply);
        assert_eq!(frame.body, b"body");
        assert_eq!(read(&mut &[][..], 4).expect("an empty stream ends well"), None);
    }

    #[test]
    fn a_lying_length_is_refused_before_anything_is_read() {
        let mut bytes = vec![0xff_u8; 64];
        assert!(matches!(
            read(&mut bytes.as_slice(), 10),
            Err(ProtocolError::TooLarge { .. })
        ));
        bytes[..8].copy_from_slice(&[2, 0, 0, 0, 11, 0, 0, 0]);
        assert!(matches!(
            read(&mut bytes.as_slice(), 10),
            Err(ProtocolError::TooLarge { bytes: 11, limit: 10 })
        ));
    }

    #[test]
    fn a_frame_that_stops_half_way_is_an_error_and_not_a_short_frame() {
        let mut bytes = Vec::new();
        write(&mut bytes, &Reply::Done, b"0123456789").expect("a small frame should be written");
        for cut in [1, 7, 9, bytes.len() - 1] {
            assert!(
                matches!(read(&mut &bytes[..cut], 10), Err(ProtocolError::Io(_))),
                "cut at {cut}"
            );
        }
    }
}
