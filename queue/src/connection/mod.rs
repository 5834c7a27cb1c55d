//! Reaching Redis: options, what all handles of a queue share, and how a script is called. The forms of connection are in
//! `shared.rs`, `sentinel.rs` and `cluster.rs`; what a server must be like is in `check.rs`.

mod address;
mod check;
mod cluster;
mod sentinel;
mod shared;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use address::{Address, Certificates, Login, Pem};
pub use shared::Connection;

use crate::clock::{Clock, SystemClock};
use crate::error::QueueError;
use crate::id::TaskId;
use crate::keys::{Keys, SHARD};
use crate::scripts::Scripts;

/// Longest wait for a TCP or TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How to reach Redis and what to insist on.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Where it is: see [`Address`].
    pub url: String,
    /// How to log in, as far as the address does not say it.
    pub login: Login,
    /// How to log in to its sentinels.
    pub sentinel_login: Login,
    /// For forms with TLS.
    pub certificates: Certificates,
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
            login: Login::default(),
            sentinel_login: Login::default(),
            certificates: Certificates::default(),
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
    /// What the address is called: `tcp`, `sentinel`, ...
    pub(crate) form: &'static str,
    shared: Connection,
    last_id: Mutex<(u64, u64)>,
    /// Leases that a worker on this link found expired.
    pub(crate) leases_expired: AtomicU64,
}

impl Link {
    pub(crate) async fn open(options: ConnectOptions) -> Result<Self, QueueError> {
        let form = Address::parse(&options.url)?.form();
        let keys = Keys::new(&options.namespace, SHARD)?;
        let shared = Connection::open(&options).await?;
        let link = Self {
            keys,
            scripts: Scripts::new(),
            clock: options.clock,
            form,
            shared,
            last_id: Mutex::default(),
            leases_expired: AtomicU64::new(0),
        };
        link.check_servers().await?;
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
    pub(crate) fn connection(&self) -> Connection {
        self.shared.clone()
    }

    /// A connection for blocking reads of a key alone; see [`Connection::blocking`].
    pub(crate) async fn blocking_connection(&self, key: &str) -> Result<shared::Blocking, QueueError> {
        self.shared.blocking(key).await
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
}

/// Random bits from the operating system.
pub(crate) fn random_u64() -> u64 {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).expect("the operating system should give random bytes");
    u64::from_le_bytes(bytes)
}
