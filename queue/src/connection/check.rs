//! What a Redis must be like to hold a queue: recent, not evicting, as durable as was demanded, with keys of a layout
//! that is known.

use std::collections::HashMap;

use super::{ConnectOptions, Connection, Link};
use crate::durability::{self, Durability, Info};
use crate::error::QueueError;
use crate::keys::{self, Keys, MAX_SHARDS, SCHEMA_VERSION};
use crate::reading::read_owned;

/// Oldest server whose scripts can carry flags.
const MIN_REDIS_MAJOR: u32 = 7;
/// Shards of a new queue on Redis Cluster.
const CLUSTER_SHARDS: u16 = 16;

/// What every primary says of itself: the fields of `INFO`.
pub(super) async fn infos(shared: &Connection) -> Result<Vec<Info>, QueueError> {
    let answers = shared.ask_all(&redis::cmd("INFO")).await?;
    let fields = |text: String| {
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        fields
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    };
    answers
        .into_iter()
        .map(|answer| read_owned(answer).map(fields))
        .collect()
}

/// A setting of every primary; empty where `CONFIG` is forbidden, as on most managed servers.
pub(super) async fn server_settings(shared: &Connection, name: &str) -> Vec<String> {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg(name);
    let answers = shared.ask_all(&command).await.unwrap_or_default();
    let settings = answers
        .into_iter()
        .filter_map(|answer| read_owned::<HashMap<String, String>>(answer).ok());
    settings.filter_map(|found| found.into_values().next()).collect()
}

/// An evicting Redis deletes tasks silently, an old one lacks script flags, one that keeps less than was demanded
/// breaks a promise: better not to start.
pub(super) async fn servers(shared: &Connection, demanded: Option<Durability>) -> Result<Vec<Info>, QueueError> {
    let servers = infos(shared).await?;
    for info in &servers {
        let version = info.get("redis_version").map_or("0", String::as_str);
        if major(version) < MIN_REDIS_MAJOR {
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
    }
    if let Some(demanded) = demanded {
        let fsync = server_settings(shared, "appendfsync").await;
        durability::check(demanded, &servers, &fsync)?;
    }
    Ok(servers)
}

/// How many shards the queue has; makes it if it is not there. Queues of before there were shards have one.
pub(super) async fn shards(shared: &Connection, options: &ConnectOptions, first: &Keys) -> Result<u16, QueueError> {
    if options.shards.is_some_and(|shards| !(1..=MAX_SHARDS).contains(&shards)) {
        return Err(QueueError::invalid("shards", format!("must be 1 to {MAX_SHARDS}")));
    }
    let shape = keys::shape(&options.namespace);
    let mut connection = shared.clone();
    let known: Option<u16> = redis::cmd("HGET")
        .arg(&shape)
        .arg("shards")
        .query_async(&mut connection)
        .await?;
    let found = match known {
        Some(found) => found,
        None => {
            // Asked after the above: who makes a queue writes its shape first.
            let schema: Option<u32> = redis::cmd("HGET")
                .arg(first.meta())
                .arg("schema")
                .query_async(&mut connection)
                .await?;
            let usual = if shared.is_cluster() { CLUSTER_SHARDS } else { 1 };
            let made = if schema.is_some() {
                1
            } else {
                options.shards.unwrap_or(usual)
            };
            let (): () = redis::cmd("HSETNX")
                .arg(&shape)
                .arg("shards")
                .arg(made)
                .query_async(&mut connection)
                .await?;
            redis::cmd("HGET")
                .arg(&shape)
                .arg("shards")
                .query_async(&mut connection)
                .await?
        }
    };
    match options.shards {
        Some(wanted) if wanted != found => Err(QueueError::Unsuitable(format!(
            "its queue was made with {found} shards, and {wanted} are asked for: the number never changes"
        ))),
        _ if (1..=MAX_SHARDS).contains(&found) => Ok(found),
        _ => Err(QueueError::Unsuitable(format!("{shape} speaks of {found} shards"))),
    }
}

impl Link {
    /// What every primary says of itself.
    pub(crate) async fn infos(&self) -> Result<Vec<Info>, QueueError> {
        infos(&self.shared).await
    }

    /// A setting of every primary; empty where `CONFIG` is forbidden.
    pub(crate) async fn server_settings(&self, name: &str) -> Vec<String> {
        server_settings(&self.shared, name).await
    }

    pub(super) async fn check_schema(&self, keys: &Keys) -> Result<(), QueueError> {
        let mut pipe = redis::pipe();
        pipe.hset_nx(keys.meta(), "schema", SCHEMA_VERSION)
            .ignore()
            .hget(keys.meta(), "schema");
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
                keys.prefix()
            )));
        }
        Ok(())
    }
}

fn major(version: &str) -> u32 {
    let first = version.split('.').next();
    first.and_then(|part| part.parse().ok()).unwrap_or(0)
}
