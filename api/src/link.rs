//! The connection to the queue. The api starts without Redis: it answers 503 until the first connection stands.

use std::sync::{Arc, Mutex, OnceLock};

use tokio_util::sync::CancellationToken;
use zoetrope_queue::{ConnectOptions, Connection, Queue, QueueError, TaskId, Watch};
use zoetrope_shared::redis_link::RedisLink;

use crate::http::problem::Refusal;
use crate::limits::RECONNECT;

/// A connection for the Redis keys outside the queue, with refusals for its errors.
#[derive(Clone)]
pub(crate) struct Plain(RedisLink);

impl Plain {
    /// Over this.
    pub(crate) fn over(link: RedisLink) -> Self {
        Self(link)
    }

    /// The connection.
    pub(crate) async fn get(&self) -> Result<Connection, Refusal> {
        self.0.get().await.map_err(|error| {
            tracing::warn!(%error, "api.redis.unavailable: cannot connect");
            Refusal::redis_unavailable()
        })
    }
}

/// The queue, once it is connected. Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Link(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: ConnectOptions,
    live: OnceLock<Live>,
    last_error: Mutex<String>,
}

#[derive(Debug)]
struct Live {
    queue: Queue,
    watch: Watch,
}

impl Link {
    /// Not yet connected: [`Link::run`] does that.
    pub(crate) fn new(options: ConnectOptions) -> Self {
        let last_error = Mutex::new("not connected yet".to_owned());
        Self(Arc::new(Inner {
            options,
            live: OnceLock::new(),
            last_error,
        }))
    }

    /// The queue, or why there is none.
    pub(crate) fn queue(&self) -> Result<&Queue, QueueError> {
        self.live().map(|live| &live.queue)
    }

    /// Whether Redis answers now: asks for a task that cannot exist.
    pub(crate) async fn reachable(&self) -> Result<(), QueueError> {
        self.queue()?.get("nobody", TaskId::new(0, 0, 0)).await.map(|_| ())
    }

    /// The feed of changes.
    pub(crate) fn watch(&self) -> Result<&Watch, QueueError> {
        self.live().map(|live| &live.watch)
    }

    /// Connects, then reads the feed of changes, until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let Some(queue) = shutdown.run_until_cancelled(self.connect()).await else {
            return;
        };
        let (watch, watcher) = queue.watch();
        if self.0.live.set(Live { queue, watch }).is_err() {
            tracing::error!("api.redis.connected_twice: the link is run by two owners");
            return;
        }
        tracing::info!("api.redis.connected: the queue answers");
        watcher.run(shutdown).await;
    }

    async fn connect(&self) -> Queue {
        let (mut pause, longest) = RECONNECT;
        loop {
            match Queue::connect(self.0.options.clone()).await {
                Ok(queue) => return queue,
                Err(error) => {
                    tracing::warn!(%error, "api.redis.unreachable: cannot connect to the queue, will do so again");
                    *self.0.last_error.lock().expect("no holder should panic") = error.to_string();
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    fn live(&self) -> Result<&Live, QueueError> {
        self.0
            .live
            .get()
            .ok_or_else(|| QueueError::Unavailable(self.0.last_error.lock().expect("no holder should panic").clone()))
    }
}
