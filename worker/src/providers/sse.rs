//! The one reader of server-sent events: bytes in any pieces become events, within a cap. What events mean belongs to
//! the adapters.

/// Longest event, bytes: the largest delta of any provider is far below it.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its name, if it has one.
    pub name: String,
    /// Its data; lines are joined by line feeds.
    pub data: String,
}

/// An event was longer than [`MAX_EVENT_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

/// The reader's state between pieces.
#[derive(Debug, Default)]
pub struct SseReader {
    line: Vec<u8>,
    ended_by_cr: bool,
    name: String,
    data: Vec<u8>,
    has_data: bool,
}

impl SseReader {
    /// Takes a piece and answers the events that it completes.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in piece {
            // CR, LF and CR LF each end a line.
            let second_half = byte == b'\n' && std::mem::take(&mut self.ended_by_cr);
            match byte {
                _ if second_half => {}
                b'\n' | b'\r' => {
                    self.ended_by_cr = byte == b'\r';
                    events.extend(self.end_line());
                }
                byte => {
                    self.ended_by_cr = false;
                    if self.line.len() + self.data.len() >= MAX_EVENT_BYTES {
                        return Err(TooLong);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(events)
    }

    /// The event that the end of the stream completes: some servers leave out the last empty line.
    pub fn finish(&mut self) -> Option<Event> {
        let by_line = if self.line.is_empty() { None } else { self.end_line() };
        by_line.or_else(|| self.end_event())
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&line[..], &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            // Comments, ids and whatever else there may be.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        std::mem::take(&mut self.has_data).then(|| Event {
            name,
            data: String::from_utf8_lossy(&data).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": a comment\r\n\r\nevent: delta\r\ndata: {\"a\":1}\r\n\r\ndata: two\ndata:lines\nid: 7\n\ndata: \u{e9}\r\rdata: last";

    fn read_in_pieces_of(bytes: usize) -> Vec<(String, String)> {
        let mut reader = SseReader::default();
        let mut events = Vec::new();
        for piece in STREAM.as_bytes().chunks(bytes) {
            events.extend(reader.push(piece).expect("the events are short"));
        }
        events.extend(reader.finish());
        events.into_iter().map(|event| (event.name, event.data)).collect()
    }

    #[test]
    fn events_are_the_same_however_the_bytes_arrive() {
        let expected: Vec<(String, String)> =
            [("delta", "{\"a\":1}"), ("", "two\nlines"), ("", "\u{e9}"), ("", "last")]
                .map(|(name, data)| (name.to_owned(), data.to_owned()))
                .to_vec();
        for bytes in 1..=STREAM.len() {
            assert_eq!(read_in_pieces_of(bytes), expected, "pieces of {bytes}");
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut reader = SseReader::default();
        let piece = vec![b'x'; 64 * 1024];
        let refused = (0..=16).map(|_| reader.push(&piece)).find(Result::is_err);
        assert_eq!(refused, Some(Err(TooLong)));
    }
}
