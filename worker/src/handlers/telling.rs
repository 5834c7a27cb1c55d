//! Pieces of a text on their way to whoever follows its task: gathered while an append is under way, written as output
//! chunks, each in its round.

use std::time::Duration;

use serde_json::value::to_raw_value;
use tokio::sync::mpsc;
use zoetrope_queue::{Appended, Attempt, Failure, QueueError};
use zoetrope_shared::tasks::content_generation::ContentChunk;

use crate::providers::capability::{Piece, Pieces};
use crate::services::Services;

/// Pieces that wait for an append; a model that is faster waits.
const WAITING_PIECES: usize = 256;
/// Longest text of a chunk, bytes: JSON may double it, and a chunk has 64 KiB.
const MAX_CHUNK_TEXT: usize = 16 * 1024;
/// How often an append is repeated while Redis is away, and the pause before it.
const REPEATS: u32 = 10;
const REPEAT_PAUSE: Duration = Duration::from_millis(500);

/// Where pieces go in, and where they come out.
pub(super) fn pieces() -> (Pieces, mpsc::Receiver<Piece>) {
    let (sender, receiver) = mpsc::channel(WAITING_PIECES);
    (Pieces::to(sender), receiver)
}

/// Appends pieces until the last sender is gone.
///
/// # Errors
/// `redis_unavailable` when Redis stays away.
pub(super) async fn tell(
    services: &Services,
    attempt: &Attempt,
    mut told: mpsc::Receiver<Piece>,
) -> Result<(), Failure> {
    let mut gathered = Vec::with_capacity(WAITING_PIECES);
    let mut teller: Option<Teller<'_>> = None;
    while told.recv_many(&mut gathered, WAITING_PIECES).await > 0 {
        let teller = match &mut teller {
            Some(teller) => teller,
            // Asked only now: an attempt without pieces needs no reading.
            none => none.insert(Teller::begin(services, attempt).await?),
        };
        let mut text = String::new();
        for piece in gathered.drain(..) {
            match piece {
                Piece::Text(more) => text += &more,
                Piece::Anew => {
                    // What was gathered belongs to the round that is void.
                    text.clear();
                    teller.round += 1;
                    teller.keep_from = teller.position;
                }
            }
        }
        teller.append(&text).await?;
    }
    Ok(())
}

struct Teller<'a> {
    attempt: &'a Attempt,
    /// Of the next chunk.
    position: u64,
    round: u64,
    /// Chunks before it belong to rounds that are void.
    keep_from: u64,
}

impl<'a> Teller<'a> {
    /// Goes on after what earlier attempts have told, in a round of its own.
    async fn begin(services: &Services, attempt: &'a Attempt) -> Result<Self, Failure> {
        let queue = services.queue.get().ok_or_else(|| away("the queue is not connected"))?;
        let newest = queue
            .newest_output(&attempt.tenant, attempt.id)
            .await
            .map_err(|error| away(&error.to_string()))?;
        let (position, round) = newest.map_or((1, 1), |chunk| {
            let round = serde_json::from_str::<ContentChunk>(chunk.json.get()).map_or(0, |chunk| chunk.round);
            (chunk.seq + 1, round + 1)
        });
        Ok(Self {
            attempt,
            position,
            round,
            keep_from: position,
        })
    }

    async fn append(&mut self, text: &str) -> Result<(), Failure> {
        let mut rest = text;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.floor_char_boundary(MAX_CHUNK_TEXT));
            self.append_chunk(now).await?;
            rest = later;
        }
        Ok(())
    }

    async fn append_chunk(&mut self, text: &str) -> Result<(), Failure> {
        let chunk = ContentChunk {
            round: self.round,
            text: text.to_owned(),
        };
        let json = to_raw_value(&chunk).expect("a chunk is JSON");
        let output = self.attempt.output();
        for repeat in 0.. {
            match output.append(self.position, &json, Some(self.keep_from)).await {
                Ok(Appended::Written | Appended::Duplicate) => break,
                // The attempt is about to be stopped.
                Ok(Appended::LeaseLost) => break,
                Err(error @ QueueError::Unavailable(_)) if repeat < REPEATS => {
                    tracing::debug!("the text is told later: {error}");
                    tokio::time::sleep(REPEAT_PAUSE).await;
                }
                Err(error) => return Err(away(&error.to_string())),
            }
        }
        self.position += 1;
        Ok(())
    }
}

fn away(message: &str) -> Failure {
    Failure::retryable("redis_unavailable", message)
}
