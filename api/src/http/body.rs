//! Request bodies into memory: bounded in bytes each and together, in time, and in silence.
//! What is streamed to the artifact store instead is read by `uploads` through [`Reader`].

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::http::problem::Refusal;
use crate::limits::{BODY_BUDGET_BYTES, BODY_IDLE, BODY_TIMEOUT, DISCARD_BYTES, DISCARD_TIMEOUT};

/// The memory that all request bodies share.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Semaphore>);

/// A share of the budget; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    taken: Vec<OwnedSemaphorePermit>,
}

const UNIT: usize = 1024;

impl Budget {
    /// `BODY_BUDGET_BYTES`.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BODY_BUDGET_BYTES / UNIT)))
    }

    /// An empty share.
    pub(crate) fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            taken: Vec::new(),
        }
    }
}

impl Share {
    /// Takes more. It never waits: requests that wait for each other's memory while holding some would deadlock.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let permit = self.budget.0.clone().try_acquire_many_owned(units);
        self.taken
            .push(permit.map_err(|_| Refusal::overloaded("too many large requests at once"))?);
        Ok(())
    }
}

/// Reads a whole body of at most `limit` bytes.
pub(crate) async fn read_all(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    share: &mut Share,
) -> Result<Bytes, Refusal> {
    let mut reader = Reader::new(headers, body, limit as u64, BODY_TIMEOUT)?;
    let mut whole = BytesMut::new();
    let mut paid = 0;
    while let Some(piece) = reader.next().await? {
        whole.extend_from_slice(&piece);
        if whole.len() > paid {
            let more = (whole.len() - paid).max(UNIT);
            share.take(more)?;
            paid += more;
        }
    }
    Ok(whole.freeze())
}

/// A body, piece by piece.
pub(crate) struct Reader {
    pieces: BodyDataStream,
    read: u64,
    limit: u64,
    deadline: Instant,
    discard_rest: bool,
}

impl Reader {
    /// Refuses at once what announces more than `limit` bytes or a content coding.
    pub(crate) fn new(headers: &HeaderMap, body: Body, limit: u64, timeout: Duration) -> Result<Self, Refusal> {
        refuse_encoded(headers)?;
        let announced: Option<u64> = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok())
            .and_then(|text| text.parse().ok());
        let waits_for_us = headers.contains_key(header::EXPECT);
        if announced
            .is_some_and(|length| length > limit.saturating_add(DISCARD_BYTES) || (length > limit && waits_for_us))
        {
            return Err(Refusal::body_too_large(limit));
        }
        Ok(Self {
            pieces: body.into_data_stream(),
            read: 0,
            limit,
            deadline: Instant::now() + timeout,
            discard_rest: !waits_for_us,
        })
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let until = self.deadline.min(Instant::now() + BODY_IDLE);
        match tokio::time::timeout_at(until, self.pieces.next()).await {
            Err(_) => Err(Refusal::slow_body()),
            Ok(None) => Ok(None),
            Ok(Some(Err(_))) => Err(Refusal::bad_request("the body ended before it was complete")),
            Ok(Some(Ok(piece))) => {
                self.read += piece.len() as u64;
                if self.read > self.limit {
                    self.discard().await;
                    return Err(Refusal::body_too_large(self.limit));
                }
                Ok(Some(piece))
            }
        }
    }

    /// A sender that is cut off while it still sends sees a reset instead of the answer, so a little more is read.
    async fn discard(&mut self) {
        if !self.discard_rest {
            return;
        }
        let mut left = DISCARD_BYTES;
        let read = async {
            while let Some(Ok(piece)) = self.pieces.next().await {
                left = left.saturating_sub(piece.len() as u64);
                if left == 0 {
                    break;
                }
            }
        };
        let in_time = tokio::time::timeout(DISCARD_TIMEOUT, read).await;
        tracing::debug!(in_time = in_time.is_ok(), "api.body.discarded");
    }
}

/// Compressed bodies would have a second size that no limit sees.
pub(crate) fn refuse_encoded(headers: &HeaderMap) -> Result<(), Refusal> {
    let encoded = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|coding| coding != "identity");
    if encoded {
        Err(Refusal::unsupported_media_type(
            "send the body without Content-Encoding",
        ))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endless(pause: Duration) -> Body {
        Body::from_stream(futures_util::stream::unfold((), move |()| async move {
            tokio::time::sleep(pause).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        }))
    }

    async fn status(body: Body, limit: usize) -> u16 {
        let refusal = read_all(&HeaderMap::new(), body, limit, &mut Budget::new().share())
            .await
            .expect_err("it is refused");
        refusal.problem.status
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_or_drips_is_given_up() {
        assert_eq!(status(endless(BODY_IDLE * 2), 1_000).await, 408);
        assert_eq!(status(endless(BODY_IDLE / 2), 1_000).await, 408);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_over_the_limit_is_read_on_for_a_bounded_time_only() {
        assert_eq!(status(endless(Duration::from_millis(1)), 1_000).await, 413);
    }

    #[tokio::test]
    async fn bodies_share_one_memory() {
        let budget = Budget::new();
        let (mut one, mut other) = (budget.share(), budget.share());
        one.take(BODY_BUDGET_BYTES).expect("all of it is free");
        assert_eq!(other.take(1).expect_err("nothing is left").problem.status, 503);
        drop(one);
        other.take(BODY_BUDGET_BYTES).expect("it was given back");
    }
}
