//! The way through Redis. Publishing has a connection of its own, and so has listening: frames are large, and nothing of the
//! queue waits behind them.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::time::timeout;
use zoetrope_queue::{ConnectOptions, QueueError};

use super::Watched;
use super::frame::LiveFrame;
use crate::keys;
use crate::redis_link::RedisLink;

/// Longest that Redis may take to say that it listens for somebody, or that it is there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Publishes and listens. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct LiveLink(RedisLink);

/// Which channels are listened to.
pub struct Channels(PubSubSink);

/// What is heard on them.
pub struct Heard(PubSubStream);

impl LiveLink {
    /// Through this Redis.
    pub fn at(options: ConnectOptions) -> Self {
        Self(RedisLink::at(options))
    }

    /// Says that somebody watches.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn want(&self, watched: &Watched) -> Result<(), QueueError> {
        self.publish(keys::WANTS, watched.to_string().as_bytes()).await
    }

    /// Hands a frame to all who watch.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn show(&self, watched: &Watched, frame: &LiveFrame) -> Result<(), QueueError> {
        let channel = keys::frames(&watched.tenant, &watched.id);
        self.publish(&channel, frame.message()).await
    }

    async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), QueueError> {
        let mut connection = self.0.get().await?;
        let mut publish = redis::cmd("PUBLISH");
        let _heard_by: u64 = publish.arg(channel).arg(message).query_async(&mut connection).await?;
        Ok(())
    }

    /// A new connection that listens to nothing yet.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn listen(&self) -> Result<(Channels, Heard), QueueError> {
        let (sink, stream) = self.0.get().await?.subscriber().await?.split();
        Ok((Channels(sink), Heard(stream)))
    }
}

impl Channels {
    /// Listens to a channel, too.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn add(&mut self, channel: &str) -> Result<(), QueueError> {
        answered(self.0.subscribe(channel)).await
    }

    /// Listens to a channel no longer.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn remove(&mut self, channel: &str) -> Result<(), QueueError> {
        answered(self.0.unsubscribe(channel)).await
    }

    /// Whether the server is there: one that was cut off says nothing by itself.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn check(&mut self) -> Result<(), QueueError> {
        answered(self.0.ping::<redis::Value>()).await.map(|_| ())
    }
}

impl Heard {
    /// The next message and its channel; `None` once the connection is broken. Cancel safe. Whoever listens takes what comes at once:
    /// nothing bounds what waits here but the server, which cuts off who does not.
    pub async fn next(&mut self) -> Option<(String, Bytes)> {
        let message = self.0.next().await?;
        let payload = Bytes::copy_from_slice(message.get_payload_bytes());
        Some((message.get_channel_name().to_owned(), payload))
    }
}

async fn answered<T>(asked: impl Future<Output = redis::RedisResult<T>>) -> Result<T, QueueError> {
    match timeout(ANSWER_TIMEOUT, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(QueueError::Unavailable("no answer to a subscription".to_owned())),
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channels")
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heard")
    }
}
