//! Reaching Redis: options, what all handles of a queue share, and how a script is called. The forms of connection are in
//! `shared.rs`, `sentinel.rs` and `cluster.rs`; what a server must be like is in `check.rs`.

mod address;
mod check;
mod cluster;
mod sentinel;
mod shared;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use address::{Address, Certificates, Login, Pem};
pub(crate) use shared::Blocking;
pub use shared::Connection;

use crate::clock::{Clock, SystemClock};
use crate::durability::{Durability, Replicated};
use crate::error::QueueError;
use crate::id::TaskId;
use crate::keys::{self, Keys, SHARD};
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
    /// The tier that is insisted on; `None` takes whatever Redis gives.
    pub durability: Option<Durability>,
    /// Shards of a queue that is made now, 1 to 64; `None`: 16 on Redis Cluster, otherwise 1. A queue that is there keeps
    /// those that it was made with, and is refused if this says otherwise.
    pub shards: Option<u16>,
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
            durability: None,
            shards: None,
        }
    }
}

/// What every handle of the queue shares.
#[derive(Debug)]
pub(crate) struct Link {
    /// By shard.
    keys: Vec<Keys>,
    pub(crate) scripts: Scripts,
    pub(crate) clock: Arc<dyn Clock>,
    /// What the address is called: `tcp`, `sentinel`, ...
    pub(crate) form: &'static str,
    pub(crate) demanded: Option<Durability>,
    pub(crate) response_timeout: Duration,
    shared: Connection,
    /// Where submits wait for replicas.
    replicated: Option<Replicated>,
    last_id: Mutex<(u64, u64)>,
    /// Leases that a worker on this link found expired.
    pub(crate) leases_expired: AtomicU64,
}

impl Link {
    pub(crate) async fn open(options: ConnectOptions) -> Result<Self, QueueError> {
        let form = Address::parse(&options.url)?.form();
        let first = Keys::new(&options.namespace, SHARD)?;
        let shared = Connection::open(&options).await?;
        let servers = check::servers(&shared, options.durability).await?;
        let shards = check::shards(&shared, &options, &first).await?;
        let strict = options.durability == Some(Durability::Strict);
        let keys: Result<Vec<Keys>, QueueError> =
            (0..shards).map(|shard| Keys::new(&options.namespace, shard)).collect();
        let link = Self {
            keys: keys?,
            scripts: Scripts::new(),
            clock: options.clock,
            form,
            demanded: options.durability,
            response_timeout: options.response_timeout,
            shared,
            replicated: strict.then(|| Replicated::new(usize::from(shards), &servers)),
            last_id: Mutex::default(),
            leases_expired: AtomicU64::new(0),
        };
        for keys in &link.keys {
            link.check_schema(keys).await?;
        }
        Ok(link)
    }

    /// All shards, the first first.
    pub(crate) fn shards(&self) -> std::ops::Range<u16> {
        0..u16::try_from(self.keys.len()).expect("shards are few")
    }

    /// The shard of everything that a tenant has: together it is atomic and exact.
    pub(crate) fn shard_of(&self, tenant: &str) -> u16 {
        keys::shard_of(tenant, self.shards().end)
    }

    /// Where something is stored: for one tenant in its shard, for all of them in every one.
    pub(crate) fn shards_of(&self, tenant: Option<&str>) -> std::ops::Range<u16> {
        match tenant.map(|tenant| self.shard_of(tenant)) {
            Some(shard) => shard..shard + 1,
            None => self.shards(),
        }
    }

    /// The fields of a HASH that every shard has; of equal ones, those of the last.
    pub(crate) async fn read_hashes(&self, name: fn(&Keys) -> String) -> Result<BTreeMap<String, String>, QueueError> {
        let mut all = BTreeMap::new();
        for keys in &self.keys {
            let mut command = redis::cmd("HGETALL");
            command.arg(name(keys));
            let fields: BTreeMap<String, String> = command.query_async(&mut self.connection()).await?;
            all.extend(fields);
        }
        Ok(all)
    }

    /// Whether this queue can have made an id.
    pub(crate) fn holds(&self, id: TaskId) -> bool {
        self.shards().contains(&id.shard())
    }

    pub(crate) fn keys(&self, shard: u16) -> &Keys {
        &self.keys[usize::from(shard)]
    }

    /// A new task id. Ids of one process rise strictly, so tasks enqueued within a millisecond keep their order.
    pub(crate) fn new_id(&self, shard: u16) -> TaskId {
        let now_ms = self.clock.now_ms();
        let mut last = self.last_id.lock().expect("no holder panics");
        *last = if now_ms > last.0 {
            (now_ms, random_u64() >> 20)
        } else {
            (last.0, last.1 + 1)
        };
        TaskId::new(last.0, shard, last.1)
    }

    /// The connection that all quick commands share: pipelined, and renewed when it breaks.
    pub(crate) fn connection(&self) -> Connection {
        self.shared.clone()
    }

    /// A connection for blocking reads of a key alone; see [`Connection::blocking`].
    pub(crate) async fn blocking_connection(&self, key: &str) -> Result<Blocking, QueueError> {
        self.shared.blocking(key).await
    }

    /// A call of a script. In a cluster it also names a key that is never there: while a slot moves, its keys are on
    /// two servers, and either refuses a call that misses one. So no script ever sees half of its shard.
    pub(crate) fn invocation<'s>(
        &self,
        shard: u16,
        script: &'s redis::Script,
        args: &[impl redis::ToRedisArgs],
    ) -> redis::ScriptInvocation<'s> {
        let keys = self.keys(shard);
        let mut invocation = script.key(keys.meta());
        if self.shared.is_cluster() {
            invocation.key(keys.gate());
        }
        for arg in args {
            invocation.arg(arg);
        }
        invocation
    }

    /// Runs a script on the shared connection. One that Redis does not have is sent first.
    pub(crate) async fn call<T: redis::FromRedisValue>(
        &self,
        shard: u16,
        script: &redis::Script,
        args: &[impl redis::ToRedisArgs],
    ) -> Result<T, QueueError> {
        let invocation = self.invocation(shard, script, args);
        Ok(invocation.invoke_async(&mut self.connection()).await?)
    }

    /// Runs a script that somebody will rely on: in the strict tier until a replica has what it wrote.
    pub(crate) async fn commit<T: redis::FromRedisValue>(
        &self,
        shard: u16,
        script: &redis::Script,
        args: &[impl redis::ToRedisArgs],
    ) -> Result<T, QueueError> {
        match &self.replicated {
            None => self.call(shard, script, args).await,
            Some(replicated) => replicated.commit(self, shard, script, args).await,
        }
    }
}

/// Random bits from the operating system.
pub(crate) fn random_u64() -> u64 {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).expect("the operating system should give random bytes");
    u64::from_le_bytes(bytes)
}
