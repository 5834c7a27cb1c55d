//! RTMP's chunks: messages cut into pieces that take turns on one connection (Adobe, "RTMP Specification 1.0", part 5).
//! A state machine without input and output: bytes go in, whole messages come out, and whatever a server sends is bounded.

use std::collections::HashMap;

use bytes::{Buf, BytesMut};

use crate::protocol_streams::MAX_PACKET_BYTES;

/// Longest message: a picture and what stands before it.
const MAX_MESSAGE: usize = MAX_PACKET_BYTES + 1_024;
/// Most bytes of messages that have begun and not ended.
const MAX_PENDING: usize = 2 * MAX_MESSAGE;
/// Most chunk streams; servers use about eight.
const MAX_CHUNK_STREAMS: usize = 64;
/// Length of chunks until the peer says another, bytes.
const FIRST_CHUNK: usize = 128;
/// A time that stands in four bytes of its own.
const EXTENDED: u32 = 0x00ff_ffff;

/// Kinds of messages.
pub(super) mod kind {
    pub(in super::super) const SET_CHUNK_SIZE: u8 = 1;
    pub(in super::super) const ABORT: u8 = 2;
    pub(in super::super) const ACKNOWLEDGEMENT: u8 = 3;
    pub(in super::super) const USER_CONTROL: u8 = 4;
    pub(in super::super) const WINDOW_SIZE: u8 = 5;
    pub(in super::super) const AUDIO: u8 = 8;
    pub(in super::super) const VIDEO: u8 = 9;
    pub(in super::super) const DATA: u8 = 18;
    pub(in super::super) const COMMAND_AMF3: u8 = 17;
    pub(in super::super) const COMMAND: u8 = 20;
    pub(in super::super) const AGGREGATE: u8 = 22;
}

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    /// Milliseconds; turns over after 49 days.
    pub(super) time: u32,
    pub(super) stream: u32,
    pub(super) body: Vec<u8>,
}

/// The last header of a chunk stream, and the message that is under way there.
#[derive(Debug, Default)]
struct ChunkStream {
    time: u32,
    /// Added for each message that says no time of its own.
    step: u32,
    extended: bool,
    length: usize,
    kind: u8,
    stream: u32,
    body: Vec<u8>,
    begun: bool,
}

/// Puts messages together.
#[derive(Debug)]
pub(super) struct ChunkReader {
    streams: HashMap<u32, ChunkStream>,
    chunk: usize,
    pending: usize,
}

/// The header of one chunk.
struct Header {
    /// 0 says everything, 3 nothing.
    format: u8,
    id: u32,
    time: u32,
    length: usize,
    kind: u8,
    stream: u32,
    extended: bool,
    /// Bytes of the header itself.
    size: usize,
}

impl ChunkReader {
    pub(super) fn new() -> Self {
        Self {
            streams: HashMap::new(),
            chunk: FIRST_CHUNK,
            pending: 0,
        }
    }

    /// Takes the next whole message out of what was received; `None` until more comes.
    ///
    /// # Errors
    /// A server that breaks the format or its bounds: what follows cannot be read.
    pub(super) fn next(&mut self, received: &mut BytesMut) -> Result<Option<Message>, &'static str> {
        loop {
            let Some(header) = self.header(received)? else {
                return Ok(None);
            };
            let stream = self.streams.entry(header.id).or_default();
            let left = if stream.begun {
                stream.length - stream.body.len()
            } else {
                header.length
            };
            let piece = left.min(self.chunk);
            if received.len() < header.size + piece {
                return Ok(None);
            }
            received.advance(header.size);
            stream.begin(&header);
            stream.body.extend_from_slice(&received[..piece]);
            received.advance(piece);
            self.pending += piece;
            if self.pending > MAX_PENDING {
                return Err("too many messages under way");
            }
            if stream.body.len() == stream.length {
                let body = std::mem::take(&mut stream.body);
                stream.begun = false;
                self.pending -= body.len();
                let message = Message {
                    kind: stream.kind,
                    time: stream.time,
                    stream: stream.stream,
                    body,
                };
                if !self.heed(&message)? {
                    return Ok(Some(message));
                }
            }
        }
    }

    /// The header of the next chunk, checked; `None` while it is not all there.
    fn header(&self, received: &[u8]) -> Result<Option<Header>, &'static str> {
        let Some(header) = self.parse_header(received) else {
            return Ok(None);
        };
        let known = self.streams.get(&header.id);
        if known.is_none() && header.format == 3 {
            return Err("a chunk stream begins without a header");
        }
        if known.is_none() && self.streams.len() >= MAX_CHUNK_STREAMS {
            return Err("too many chunk streams");
        }
        if known.is_some_and(|stream| stream.begun) && header.format != 3 {
            return Err("a message begins before the last has ended");
        }
        if header.length > MAX_MESSAGE {
            return Err("a message is longer than any picture we take");
        }
        Ok(Some(header))
    }

    /// What a header does not say is as it was.
    fn parse_header(&self, received: &[u8]) -> Option<Header> {
        let mut at = Cursor(received);
        let first = at.number(1)?;
        let id = match first & 0x3f {
            0 => 64 + at.number(1)?,
            1 => at.number(2).map(|bytes| 64 + (bytes >> 8) + ((bytes & 0xff) << 8))?,
            id => id,
        };
        let format = (first >> 6) as u8;
        let fresh = ChunkStream::default();
        let known = self.streams.get(&id).unwrap_or(&fresh);
        let time = if format < 3 { at.number(3)? } else { known.step };
        let (length, kind) = if format < 2 {
            (at.number(3)? as usize, at.number(1)? as u8)
        } else {
            (known.length, known.kind)
        };
        let stream = if format == 0 {
            at.number(4)?.swap_bytes()
        } else {
            known.stream
        };
        let extended = if format < 3 { time == EXTENDED } else { known.extended };
        let time = if extended { at.number(4)? } else { time };
        Some(Header {
            format,
            id,
            time,
            length,
            kind,
            stream,
            extended,
            size: received.len() - at.0.len(),
        })
    }

    /// What concerns chunks themselves is heeded here; whether it did.
    fn heed(&mut self, message: &Message) -> Result<bool, &'static str> {
        let number = message.body.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        match (message.kind, number) {
            (kind::SET_CHUNK_SIZE, Some(size)) => {
                let size = usize::try_from(size & 0x7fff_ffff).unwrap_or(usize::MAX);
                if size == 0 {
                    return Err("chunks of no bytes");
                }
                self.chunk = size.min(MAX_MESSAGE);
                Ok(true)
            }
            (kind::ABORT, Some(id)) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    self.pending -= stream.body.len();
                    stream.body.clear();
                    stream.begun = false;
                }
                Ok(true)
            }
            (kind::SET_CHUNK_SIZE | kind::ABORT, None) => Err("a control message is too short"),
            _ => Ok(false),
        }
    }
}

impl ChunkStream {
    /// A chunk that goes on with a message says nothing new; any other begins one.
    fn begin(&mut self, header: &Header) {
        if self.begun {
            return;
        }
        self.begun = true;
        self.time = match header.format {
            0 => header.time,
            _ => self.time.wrapping_add(header.time),
        };
        (self.step, self.extended) = (header.time, header.extended);
        (self.length, self.kind, self.stream) = (header.length, header.kind, header.stream);
    }
}

/// Big-endian numbers from the front of bytes.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn number(&mut self, bytes: usize) -> Option<u32> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
    }
}

/// Appends a message in chunks of the length that every peer takes from the start.
pub(super) fn write(out: &mut BytesMut, chunk_stream: u8, kind: u8, stream: u32, body: &[u8]) {
    let length = u32::try_from(body.len()).unwrap_or(EXTENDED).to_be_bytes();
    out.extend_from_slice(&[chunk_stream, 0, 0, 0, length[1], length[2], length[3], kind]);
    out.extend_from_slice(&stream.to_le_bytes());
    for (place, piece) in body.chunks(FIRST_CHUNK).enumerate() {
        if place > 0 {
            out.extend_from_slice(&[0xc0 | chunk_stream]);
        }
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(reader: &mut ChunkReader, bytes: &[u8]) -> Result<Vec<Message>, &'static str> {
        let mut received = BytesMut::from(bytes);
        let mut messages = Vec::new();
        while let Some(message) = reader.next(&mut received)? {
            messages.push(message);
        }
        Ok(messages)
    }

    fn message(kind: u8, time: u32, stream: u32, body: &[u8]) -> Message {
        Message {
            kind,
            time,
            stream,
            body: body.to_vec(),
        }
    }

    #[test]
    fn messages_take_turns_chunk_by_chunk() {
        let (video, audio) = ([7; 200], [8; 130]);
        let mut bytes = vec![4, 0, 0, 10, 0, 0, 200, 9, 1, 0, 0, 0];
        bytes.extend(&video[..128]);
        bytes.extend([5, 0, 0, 12, 0, 0, 130, 8, 1, 0, 0, 0]);
        bytes.extend(&audio[..128]);
        bytes.extend([0xc4]);
        bytes.extend(&video[128..]);
        bytes.extend([0xc5]);
        bytes.extend(&audio[128..]);
        let read = read_all(&mut ChunkReader::new(), &bytes);
        assert_eq!(read, Ok(vec![message(9, 10, 1, &video), message(8, 12, 1, &audio)]));
    }

    #[test]
    fn short_headers_go_by_the_one_before_them() {
        let mut bytes = vec![4, 0, 0, 100, 0, 0, 2, 9, 1, 0, 0, 0, 1, 2];
        // As long after: a time only, then nothing at all.
        bytes.extend([0x84, 0, 0, 40, 3, 4]);
        bytes.extend([0xc4, 5, 6]);
        // Another length and kind.
        bytes.extend([0x44, 0, 0, 1, 0, 0, 1, 8, 7]);
        let read = read_all(&mut ChunkReader::new(), &bytes).expect("four messages");
        let told: Vec<_> = read
            .iter()
            .map(|message| (message.kind, message.time, message.body.len()))
            .collect();
        assert_eq!(told, [(9, 100, 2), (9, 140, 2), (9, 180, 2), (8, 181, 1)]);
        assert!(read.iter().all(|message| message.stream == 1));
    }

    #[test]
    fn long_times_long_ids_and_larger_chunks_are_understood() {
        // Chunks of 4,096 from here on.
        let mut bytes = vec![2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0x10, 0];
        bytes.extend([0, 10, 0xff, 0xff, 0xff, 0, 1, 44, 9, 1, 0, 0, 0, 0x01, 0, 0, 5]);
        bytes.extend([3; 300]);
        bytes.extend([1, 6, 1, 0, 0, 7, 0, 0, 1, 9, 1, 0, 0, 0, 9]);
        let read = read_all(&mut ChunkReader::new(), &bytes);
        assert_eq!(
            read,
            Ok(vec![message(9, 0x0100_0005, 1, &[3; 300]), message(9, 7, 1, &[9])])
        );
    }

    #[test]
    fn a_message_that_is_called_off_is_forgotten() {
        let mut bytes = vec![4, 0, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0];
        bytes.extend([1; 128]);
        bytes.extend([2, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 4]);
        bytes.extend([4, 0, 0, 3, 0, 0, 1, 9, 1, 0, 0, 0, 6]);
        assert_eq!(
            read_all(&mut ChunkReader::new(), &bytes),
            Ok(vec![message(9, 3, 1, &[6])])
        );
    }

    #[test]
    fn what_a_server_may_make_us_keep_is_bounded() {
        let long = [4, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0];
        assert!(read_all(&mut ChunkReader::new(), &long).is_err());
        let opened = (2..=66_u8).flat_map(|id| {
            let id: Vec<u8> = if id < 64 { vec![id] } else { vec![0, id - 64] };
            [id, vec![0, 0, 0, 0, 0, 200, 9, 1, 0, 0, 0], vec![0; 128]].concat()
        });
        assert!(read_all(&mut ChunkReader::new(), &opened.collect::<Vec<u8>>()).is_err());
        assert!(read_all(&mut ChunkReader::new(), &[0xc4, 1, 2, 3]).is_err());
        let empty_chunks = [2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(read_all(&mut ChunkReader::new(), &empty_chunks).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_however_it_arrives(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 1..6),
            cut in 1_usize..200,
        ) {
            let mut out = BytesMut::new();
            for body in &bodies {
                write(&mut out, 3, kind::COMMAND, 0, body);
            }
            let (mut reader, mut received, mut read) = (ChunkReader::new(), BytesMut::new(), Vec::new());
            for piece in out.chunks(cut) {
                received.extend_from_slice(piece);
                while let Some(message) = reader.next(&mut received).expect("what we write is in order") {
                    read.push(message.body);
                }
            }
            prop_assert_eq!(read, bodies);
        }

        #[test]
        fn no_bytes_make_it_panic_or_keep_more_than_it_may(bytes in prop::collection::vec(any::<u8>(), 0..4_000)) {
            let mut reader = ChunkReader::new();
            let mut received = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = reader.next(&mut received) {}
            prop_assert!(reader.pending <= bytes.len());
        }
    }
}
