//! API keys and tickets in Redis. One hash holds all keys, and a version tells readers whether to read it again: a
//! process knows every key, asks for the version every two seconds, and so learns of a revocation in time.

use std::collections::HashMap;
use std::time::Duration;

use redis::Script;
use zoetrope_shared::keys::{self, API_KEYS, API_KEYS_VERSION};

use super::credential::random_hex;
use super::identity::Remembered;
use super::record::Record;
use crate::http::problem::Refusal;
use crate::limits::MAX_API_KEYS;
use crate::link::Plain;

/// Adds a key: 1, or 0 if it should have been the first and is not, or -1 if there are too many.
const ADD: &str = r"
local held = redis.call('HLEN', KEYS[1])
if ARGV[4] == 'first' and held > 0 then return 0 end
if held >= tonumber(ARGV[5]) then return -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3])
return 1";

/// Replaces a key that is there.
const REPLACE: &str = r"
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3])
return 1";

/// Every key at one moment.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    version: Option<String>,
    pub(crate) keys: HashMap<String, Record>,
}

/// What became of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    Yes,
    NotTheFirst,
    TooMany,
}

/// The keys' and tickets' place.
#[derive(Clone)]
pub(crate) struct Store(Plain);

impl Store {
    /// In this Redis.
    pub(crate) fn new(redis: Plain) -> Self {
        Self(redis)
    }

    /// The keys, if they are others than `known`.
    pub(crate) async fn newer(&self, known: Option<&Ring>) -> Result<Option<Ring>, Refusal> {
        let mut connection = self.0.get().await?;
        if let Some(known) = known {
            let version: Option<String> = ask(redis::cmd("GET").arg(API_KEYS_VERSION), &mut connection).await?;
            if version == known.version {
                return Ok(None);
            }
        }
        // One transaction: keys and a version that do not belong together would hide a revocation.
        let (version, kept): (Option<String>, HashMap<String, String>) = redis::pipe()
            .atomic()
            .get(API_KEYS_VERSION)
            .hgetall(API_KEYS)
            .query_async(&mut connection)
            .await
            .map_err(|error| away(&error))?;
        let mut keys = HashMap::with_capacity(kept.len());
        for (id, text) in kept {
            // Left out it would not count as a key, and the last one left out would open the api.
            let record: Record =
                serde_json::from_str(&text).map_err(|error| Refusal::internal("read an API key", &error))?;
            keys.insert(id, record);
        }
        Ok(Some(Ring { version, keys }))
    }

    /// Adds a key; `only_first`: if there is none yet.
    pub(crate) async fn add(&self, record: &Record, only_first: bool) -> Result<Added, Refusal> {
        let mode = if only_first { "first" } else { "any" };
        let source = Script::new(ADD);
        let mut script = source.prepare_invoke();
        script.key(API_KEYS).key(API_KEYS_VERSION);
        script.arg(&record.id).arg(text(record)).arg(random_hex::<16>());
        script.arg(mode).arg(MAX_API_KEYS);
        let added: i64 = script
            .invoke_async(&mut self.0.get().await?)
            .await
            .map_err(|error| away(&error))?;
        Ok(match added {
            1 => Added::Yes,
            0 => Added::NotTheFirst,
            _ => Added::TooMany,
        })
    }

    /// Replaces a key.
    pub(crate) async fn replace(&self, record: &Record) -> Result<(), Refusal> {
        let source = Script::new(REPLACE);
        let mut script = source.prepare_invoke();
        script.key(API_KEYS).key(API_KEYS_VERSION);
        script.arg(&record.id).arg(text(record)).arg(random_hex::<16>());
        let _: i64 = script
            .invoke_async(&mut self.0.get().await?)
            .await
            .map_err(|error| away(&error))?;
        Ok(())
    }

    /// Keeps a ticket.
    pub(crate) async fn keep_ticket(&self, ticket: &str, of: &Remembered, ttl: Duration) -> Result<(), Refusal> {
        let text = serde_json::to_string(of).expect("a ticket should be JSON");
        let mut command = redis::cmd("SET");
        command
            .arg(keys::ticket(ticket))
            .arg(text)
            .arg("PX")
            .arg(ttl.as_millis() as u64);
        ask(&command, &mut self.0.get().await?).await
    }

    /// Takes a ticket away and answers what it remembers: only one caller ever gets that.
    pub(crate) async fn take_ticket(&self, ticket: &str) -> Result<Option<Remembered>, Refusal> {
        let mut command = redis::cmd("GETDEL");
        command.arg(keys::ticket(ticket));
        let kept: Option<String> = ask(&command, &mut self.0.get().await?).await?;
        let read = kept.map(|text| serde_json::from_str(&text)).transpose();
        read.map_err(|error| Refusal::internal("read a ticket", &error))
    }
}

fn text(record: &Record) -> String {
    serde_json::to_string(record).expect("a key should be JSON")
}

async fn ask<T: redis::FromRedisValue>(
    command: &redis::Cmd,
    connection: &mut zoetrope_queue::Connection,
) -> Result<T, Refusal> {
    command.query_async(connection).await.map_err(|error| away(&error))
}

fn away(error: &redis::RedisError) -> Refusal {
    tracing::warn!(%error, "api.redis.unavailable: cannot read or write API keys");
    Refusal::redis_unavailable()
}
