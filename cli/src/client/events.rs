//! Following a task by server-sent events, over connections that end: every piece of its output once.

use std::time::Duration;

use reqwest::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, timeout};
use zoetrope_shared::wire::ProgressView;

use super::Client;
use crate::exit::{CliError, Exit};

/// The server says something at least every 15 s.
const SILENCE_LIMIT: Duration = Duration::from_secs(45);
/// Between connections.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long a server may be away before following ends.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest event: a task with the largest result that is sent inline fits many times.
const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;

/// Something that happened to a task.
#[derive(Debug, Deserialize)]
pub(crate) struct TaskEvent {
    /// Position in the task's output after it.
    pub(crate) seq: u64,
    /// How far it is, if that is what changed.
    pub(crate) progress: Option<ProgressView>,
    /// A piece of its output, such as a scene.
    pub(crate) chunk: Option<Box<RawValue>>,
    /// `done` after the last one.
    #[serde(rename = "type")]
    kind: String,
}

impl Client {
    /// Follows a task until it has ended; `each` gets every event, every piece of output after position `since` once.
    /// A connection that ends is made again.
    pub(crate) async fn follow(
        &self,
        id: &str,
        mut since: u64,
        mut each: impl FnMut(&TaskEvent) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let mut last_heard = Instant::now();
        loop {
            let trouble = match self.events(id, since).await {
                Err(error) => error,
                Ok(mut events) => loop {
                    match events.next().await {
                        Ok(event) => {
                            each(&event)?;
                            (since, last_heard) = (event.seq.max(since), Instant::now());
                            if event.kind == "done" {
                                return Ok(());
                            }
                        }
                        Err(error) => break error,
                    }
                },
            };
            if trouble.exit != Exit::Unavailable || last_heard.elapsed() > PATIENCE {
                return Err(trouble);
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    async fn events(&self, id: &str, since: u64) -> Result<Events, CliError> {
        let mut url = self.url(&["api", "v1", "tasks", id, "events"]);
        url.query_pairs_mut().append_pair("since", &since.to_string());
        let answer = timeout(SILENCE_LIMIT, self.send(self.http.get(url))).await;
        let response = answer.map_err(|_| CliError::unavailable(format!("{} did not answer in time", self.base)))??;
        Ok(Events {
            response,
            framing: Framing::default(),
        })
    }
}

/// An open connection.
struct Events {
    response: Response,
    framing: Framing,
}

impl Events {
    async fn next(&mut self) -> Result<TaskEvent, CliError> {
        let ended = |why: &str| CliError::unavailable(format!("the server's events ended: {why}"));
        loop {
            if let Some(data) = self.framing.take() {
                let event = serde_json::from_str(&data);
                return event.map_err(|error| CliError::failed(format!("the server sent a strange event: {error}")));
            }
            let piece = timeout(SILENCE_LIMIT, self.response.chunk()).await;
            let piece = piece.map_err(|_| ended("it says nothing any more"))?;
            let piece = piece.map_err(|error| ended(&super::root_cause(&error)))?;
            self.framing
                .push(&piece.ok_or_else(|| ended("it closed the connection"))?);
            if self.framing.bytes.len() > MAX_EVENT_BYTES {
                return Err(CliError::failed(format!(
                    "the server sent an event over {MAX_EVENT_BYTES} bytes"
                )));
            }
        }
    }
}

/// Bytes in, the data of whole events out.
#[derive(Debug, Default)]
struct Framing {
    bytes: Vec<u8>,
}

impl Framing {
    fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// The next event that has data. Comments and other fields are left out: the data says it all.
    fn take(&mut self) -> Option<String> {
        const END: &[u8] = b"\n\n";
        while let Some(length) = self.bytes.windows(END.len()).position(|pair| pair == END) {
            let block: Vec<u8> = self.bytes.drain(..length + END.len()).collect();
            let text = String::from_utf8_lossy(&block);
            let lines = text.lines().filter_map(|line| line.strip_prefix("data:"));
            let data: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
            if !data.is_empty() {
                return Some(data.join("\n"));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_however_the_bytes_are_cut() {
        let wire =
            "id: 1\nevent: output\ndata: {\ndata: \"a\": \"ü\"}\n\n: nothing new\n\nid: 2\ndata: {}\n\nid: 3\nda";
        for size in 1..wire.len() {
            let mut framing = Framing::default();
            let mut events = Vec::new();
            for piece in wire.as_bytes().chunks(size) {
                framing.push(piece);
                events.extend(std::iter::from_fn(|| framing.take()));
            }
            assert_eq!(events, ["{\n\"a\": \"ü\"}", "{}"], "pieces of {size}");
        }
    }
}
