//! A connection for the Redis keys outside the queue. It connects when first used, so that nothing waits for Redis to
//! start, and is shared by everything in a process that uses such keys.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use zoetrope_queue::{ConnectOptions, Connection, QueueError};

/// Longest that Redis may take for one answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The connection. Cloning is cheap.
#[derive(Clone)]
pub struct RedisLink(Arc<Inner>);

struct Inner {
    options: ConnectOptions,
    connection: OnceCell<Connection>,
}

impl RedisLink {
    /// To this Redis.
    pub fn at(options: ConnectOptions) -> Self {
        Self(Arc::new(Inner {
            options: ConnectOptions {
                response_timeout: RESPONSE_TIMEOUT,
                ..options
            },
            connection: OnceCell::new(),
        }))
    }

    /// The connection.
    ///
    /// # Errors
    /// When none has stood yet and none can be made.
    pub async fn get(&self) -> Result<Connection, QueueError> {
        let connect = || Connection::open(&self.0.options);
        self.0.connection.get_or_try_init(connect).await.cloned()
    }
}

/// A time as commands and scripts take it.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisLink")
    }
}
