//! Reaching Redis: options, the shared connection, and the check that this Redis can hold the queue safely.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};

use crate::clock::{Clock, SystemClock};
use crate::error::QueueError;
use crate::id::TaskId;
use crate::keys::{Keys, SCHEMA_VERSION, SHARD};
use crate::scripts::Scripts;

/// Longest wait for a TCP or TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Oldest server whose scripts can carry flags.
const MIN_REDIS_MAJOR: u32 = 7;

/// How to reach Redis and what to insist on.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// `redis://[user:password@]host:port[/db]`, `rediss://…` or `redis+unix:///path`.
    pub url: String,
    /// Source of the time in task ids.
    pub clock: Arc<dyn Clock>,
    /// First part of every key, `[a-z0-9_-]{1,32}`; default `z`.
    pub namespace: String,
    /// Longest wait for an answer; default 5 s.
    pub response_timeout: Duration,
}

impl ConnectOptions {
    /// The defaults for this address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            clock: Arc::new(SystemClock),
            namespace: "z".to_owned(),
            response_timeout: Duration::from_secs(5),
        }
    }
}

/// What every handle of the queue shares.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) keys: Keys,
    pub(crate) scripts: Scripts,
    pub(crate) clock: Arc<dyn Clock>,
    client: redis::Client,
    shared: ConnectionManager,
    last_id: Mutex<(u64, u64)>,
    /// Leases that a worker on this link found expired.
    pub(crate) leases_expired: AtomicU64,
}

impl Link {
    pub(crate) async fn open(options: ConnectOptions) -> Result<Self, QueueError> {
        let keys = Keys::new(&options.namespace, SHARD)?;
        let client =
            redis::Client::open(options.url.as_str()).map_err(|error| QueueError::invalid("url", error.to_string()))?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(options.response_timeout))
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_secs(1))
            .set_number_of_retries(1);
        let shared = ConnectionManager::new_with_config(client.clone(), config).await?;
        let link = Self {
            keys,
            scripts: Scripts::new(),
            clock: options.clock,
            client,
            shared,
            last_id: Mutex::default(),
            leases_expired: AtomicU64::new(0),
        };
        link.check_server().await?;
        link.check_schema().await?;
        for script in link.scripts.all() {
            script.prepare_invoke().load_async(&mut link.connection()).await?;
        }
        Ok(link)
    }

    /// A new task id. Ids of one process rise strictly, so tasks enqueued within a millisecond keep their order.
    pub(crate) fn new_id(&self) -> TaskId {
        let now_ms = self.clock.now_ms();
        let mut last = self.last_id.lock().expect("no holder panics");
        *last = if now_ms > last.0 {
            (now_ms, random_u64() >> 20)
        } else {
            (last.0, last.1 + 1)
        };
        TaskId::new(last.0, SHARD, last.1)
    }

    /// The connection that all quick commands share: pipelined, and renewed when it breaks.
    pub(crate) fn connection(&self) -> ConnectionManager {
        self.shared.clone()
    }

    /// A connection for blocking reads alone. It has no response timeout: an abandoned blocking pop would still
    /// take the next item. Callers put their own watchdog around each read.
    pub(crate) async fn blocking_connection(&self) -> Result<MultiplexedConnection, QueueError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None);
        Ok(self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?)
    }

    /// Runs a script on the shared connection.
    pub(crate) async fn call<T: redis::FromRedisValue>(
        &self,
        script: &redis::Script,
        args: &[impl redis::ToRedisArgs],
    ) -> Result<T, QueueError> {
        let mut invocation = script.key(self.keys.meta());
        for arg in args {
            invocation.arg(arg);
        }
        Ok(invocation.invoke_async(&mut self.connection()).await?)
    }

    /// One section or more of `INFO`, as its fields.
    pub(crate) async fn info(&self) -> Result<HashMap<String, String>, QueueError> {
        let text: String = redis::cmd("INFO").query_async(&mut self.connection()).await?;
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        Ok(fields
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect())
    }

    /// A setting of the server; `None` where `CONFIG` is forbidden, as on most managed servers.
    pub(crate) async fn server_setting(&self, name: &str) -> Option<String> {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg(name);
        let found: HashMap<String, String> = command.query_async(&mut self.connection()).await.ok()?;
        found.into_values().next()
    }

    /// An evicting Redis deletes tasks silently, an old one lacks script flags: better not to start.
    async fn check_server(&self) -> Result<(), QueueError> {
        let info = self.info().await?;
        let version = info.get("redis_version").map_or("0", String::as_str);
        let major: u32 = version
            .split('.')
            .next()
            .and_then(|part| part.parse().ok())
            .unwrap_or(0);
        if major < MIN_REDIS_MAJOR {
            return Err(QueueError::Unsuitable(format!(
                "version {version} is too old: 7.0 or later is needed"
            )));
        }
        let policy = info.get("maxmemory_policy").map_or("noeviction", String::as_str);
        if policy != "noeviction" {
            return Err(QueueError::Unsuitable(format!(
                "maxmemory-policy is {policy}: it would delete tasks silently; set it to noeviction"
            )));
        }
        Ok(())
    }

    async fn check_schema(&self) -> Result<(), QueueError> {
        let mut pipe = redis::pipe();
        pipe.hset_nx(self.keys.meta(), "schema", SCHEMA_VERSION)
            .ignore()
            .hget(self.keys.meta(), "schema");
        let (found,): (u32,) = pipe.query_async(&mut self.connection()).await?;
        if found > SCHEMA_VERSION {
            return Err(QueueError::Unsuitable(format!(
                "its keys have schema {found}, this program knows {SCHEMA_VERSION}: upgrade the program"
            )));
        }
        // No release has written an older layout, so none is migrated; misreading one would lose its tasks.
        if found < SCHEMA_VERSION {
            return Err(QueueError::Unsuitable(format!(
                "its keys have schema {found}, this program writes {SCHEMA_VERSION}: drain it with the program that wrote \
                 it, then delete the keys {}*, or use an empty redis",
                self.keys.prefix()
            )));
        }
        Ok(())
    }
}

/// Random bits from the operating system.
pub(crate) fn random_u64() -> u64 {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).expect("the operating system should give random bytes");
    u64::from_le_bytes(bytes)
}
