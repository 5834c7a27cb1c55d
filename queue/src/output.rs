//! Output chunks: what a task says while it runs (scenes of a stream, tokens of a text), in order, each position once,
//! readable live and until the task is pruned.

use std::sync::Arc;

use redis::streams::StreamRangeReply;
use serde_json::value::RawValue;

use crate::client::Queue;
use crate::connection::Link;
use crate::error::QueueError;
use crate::id::TaskId;

/// Chunks kept per task; the oldest go first.
pub const MAX_OUTPUT_CHUNKS: usize = 10_000;
/// Largest chunk, bytes.
pub const MAX_CHUNK_BYTES: usize = 64 * 1024;
/// Most chunks of one reading.
const MAX_READ: usize = 1_000;

/// Where an attempt writes its output.
#[derive(Debug, Clone)]
pub struct Output {
    link: Arc<Link>,
    id: TaskId,
    token: Arc<str>,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is in the output.
    Written,
    /// This position, or a later one, was written before: by this attempt or by one whose worker died.
    Duplicate,
    /// Another worker has the task; stop.
    LeaseLost,
}

/// One chunk.
#[derive(Debug, Clone)]
pub struct OutputChunk {
    /// Its position: rises, with gaps.
    pub seq: u64,
    /// What was appended.
    pub json: Box<RawValue>,
}

impl Output {
    pub(crate) fn new(link: Arc<Link>, id: TaskId, token: Arc<str>) -> Self {
        Self { link, id, token }
    }

    /// Appends a chunk at `position`, at least 1 and higher than those before. With `keep_from`, chunks at lower
    /// positions are dropped.
    ///
    /// # Errors
    /// `Invalid` for a chunk over `MAX_CHUNK_BYTES` or position 0, `Full`, `Unavailable`: then repeat it.
    pub async fn append(&self, position: u64, json: &RawValue, keep_from: Option<u64>) -> Result<Appended, QueueError> {
        if json.get().len() > MAX_CHUNK_BYTES {
            return Err(QueueError::invalid("chunk", format!("is over {MAX_CHUNK_BYTES} bytes")));
        }
        if position == 0 {
            return Err(QueueError::invalid("position", "must be at least 1"));
        }
        let args = [
            self.id.to_string(),
            self.token.to_string(),
            position.to_string(),
            json.get().to_owned(),
            MAX_OUTPUT_CHUNKS.to_string(),
            keep_from.map(|oldest| oldest.to_string()).unwrap_or_default(),
        ];
        let answer: String = self.link.call(self.id.shard(), &self.link.scripts.emit, &args).await?;
        Ok(match answer.as_str() {
            "w" => Appended::Written,
            "d" => Appended::Duplicate,
            _ => Appended::LeaseLost,
        })
    }
}

impl Queue {
    /// Reads a task's chunks after a position (0 for all), oldest first, at most `limit` of 1,000; `None` if this
    /// tenant has no such task.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn read_output(
        &self,
        tenant: &str,
        id: TaskId,
        after: u64,
        limit: usize,
    ) -> Result<Option<Vec<OutputChunk>>, QueueError> {
        self.output(tenant, id, after.to_string(), limit).await
    }

    /// The newest chunk, as a list of at most one: where a worker that takes over goes on.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn newest_output(&self, tenant: &str, id: TaskId) -> Result<Option<OutputChunk>, QueueError> {
        Ok(self
            .output(tenant, id, String::new(), 1)
            .await?
            .and_then(|chunks| chunks.into_iter().next()))
    }

    async fn output(
        &self,
        tenant: &str,
        id: TaskId,
        after: String,
        limit: usize,
    ) -> Result<Option<Vec<OutputChunk>>, QueueError> {
        if !self.link.holds(id) {
            return Ok(None);
        }
        let args = [
            id.to_string(),
            tenant.to_owned(),
            after,
            limit.clamp(1, MAX_READ).to_string(),
        ];
        let entries: Option<StreamRangeReply> = self.link.call(id.shard(), &self.link.scripts.output, &args).await?;
        let Some(entries) = entries else { return Ok(None) };
        let chunks = entries.ids.into_iter().map(|entry| {
            let seq = entry.id.split('-').next().and_then(|ms| ms.parse().ok());
            let json = entry
                .get::<String>("d")
                .and_then(|text| RawValue::from_string(text).ok());
            seq.zip(json)
                .map(|(seq, json)| OutputChunk { seq, json })
                .ok_or_else(|| QueueError::Other(format!("corrupt output of task {id}")))
        });
        chunks.collect::<Result<_, _>>().map(Some)
    }
}
