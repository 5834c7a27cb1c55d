//! What an acknowledged task outlives: the tiers, what Redis must be set to for each, and submits that wait for replicas.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use redis::{FromRedisValue, RedisResult, Script, ToRedisArgs};
use tokio::time::timeout;

use crate::connection::{Blocking, Link};
use crate::error::QueueError;

/// Longest wait for a replica to have a submit.
const REPLICA_WAIT: Duration = Duration::from_secs(2);
/// First version that can wait for the append-only files, too: major and minor.
const WAITAOF_SINCE: (u32, u32) = (7, 2);

/// What an acknowledged task outlives; each tier also outlives what those before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// The death of every process: an append-only file, written every second. Power loss costs up to two seconds.
    Fast,
    /// Loss of power: an append-only file, written before each answer.
    Safe,
    /// Loss of the primary: `min-replicas-to-write`, and every submit waits until a replica has it.
    Strict,
}

impl Durability {
    /// As it is written in settings and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Safe => "safe",
            Self::Strict => "strict",
        }
    }
}

/// What one primary says of itself.
pub(crate) type Info = HashMap<String, String>;

/// What the append-only files of all servers keep; `None` where they do not tell.
pub(crate) fn kept_on_disk(servers: &[Info], fsync: &[String]) -> Option<Option<Durability>> {
    let off = |info: &Info| info.get("aof_enabled").is_some_and(|enabled| enabled == "0");
    if servers.iter().any(off) {
        return Some(None);
    }
    if fsync.is_empty() || fsync.iter().any(|policy| policy != "always" && policy != "everysec") {
        return None;
    }
    let always = fsync.iter().all(|policy| policy == "always");
    Some(Some(if always { Durability::Safe } else { Durability::Fast }))
}

/// The tier in force: `none`, `fast`, `safe`, `strict` or `unknown`.
pub(crate) fn tier(demanded: Option<Durability>, servers: &[Info], fsync: &[String]) -> &'static str {
    match kept_on_disk(servers, fsync) {
        Some(None) => "none",
        _ if demanded == Some(Durability::Strict) && followers(servers).is_some_and(|count| count > 0) => "strict",
        Some(Some(tier)) => tier.as_str(),
        None => "unknown",
    }
}

/// Refuses servers that give less than was demanded. Those that do not tell pass: nothing proves them wrong.
pub(crate) fn check(demanded: Durability, servers: &[Info], fsync: &[String]) -> Result<(), QueueError> {
    let lacks = |what: &str| {
        let demanded = demanded.as_str();
        Err(QueueError::Unsuitable(format!(
            "durability {demanded} is asked for: {what}"
        )))
    };
    match kept_on_disk(servers, fsync) {
        Some(None) => return lacks("set appendonly yes"),
        Some(Some(Durability::Fast)) if demanded == Durability::Safe => return lacks("set appendfsync always"),
        Some(Some(_)) | None => {}
    }
    if demanded == Durability::Strict {
        match followers(servers) {
            None => {
                return lacks("set min-replicas-to-write 1 and min-replicas-max-lag 2 on the primary and its replicas");
            }
            Some(0) => return Err(QueueError::Unavailable("no replica follows the primary".to_owned())),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Replicas that keep up, of the server with the fewest; `None` where `min-replicas-to-write` is not set.
fn followers(servers: &[Info]) -> Option<u64> {
    let count = |info: &Info| info.get("min_slaves_good_slaves").and_then(|count| count.parse().ok());
    let counts: Option<Vec<u64>> = servers.iter().map(count).collect();
    counts?.into_iter().min()
}

/// Submits of the strict tier. `WAIT` counts what its own connection has written, and holds up whatever comes after it
/// there: so each shard's submits have a connection of their own.
#[derive(Debug)]
pub(crate) struct Replicated {
    connections: Vec<Mutex<Option<Blocking>>>,
    for_disk: bool,
}

impl Replicated {
    pub(crate) fn new(shards: usize, servers: &[Info]) -> Self {
        let version = |info: &Info| {
            let mut parts = info.get("redis_version")?.split('.').map(|part| part.parse().ok());
            Some((parts.next()??, parts.next()??))
        };
        Self {
            connections: (0..shards).map(|_| Mutex::default()).collect(),
            for_disk: servers.iter().all(|info| version(info) >= Some(WAITAOF_SINCE)),
        }
    }

    /// Runs a script and waits until a replica has what it wrote.
    pub(crate) async fn commit<T: FromRedisValue>(
        &self,
        link: &Link,
        shard: u16,
        script: &Script,
        args: &[impl ToRedisArgs],
    ) -> Result<T, QueueError> {
        let place = &self.connections[usize::from(shard)];
        let writing = async {
            let open = place.lock().expect("no holder panics").clone();
            let mut connection = match open {
                Some(connection) => connection,
                None => link.blocking_connection(&link.keys(shard).meta()).await?,
            };
            *place.lock().expect("no holder panics") = Some(connection.clone());
            let answer = link
                .invocation(shard, script, args)
                .invoke_async(&mut connection)
                .await?;
            Ok::<_, QueueError>((answer, self.replicas_with_it(&mut connection).await?))
        };
        match timeout(link.response_timeout, writing).await {
            Ok(Ok((answer, 1..))) => Ok(answer),
            Ok(Ok((_, 0))) => Err(QueueError::Unavailable("no replica has it yet".to_owned())),
            Ok(Err(error)) => {
                *place.lock().expect("no holder panics") = None;
                Err(error)
            }
            Err(_) => {
                *place.lock().expect("no holder panics") = None;
                Err(QueueError::Unavailable("no answer to a submit".to_owned()))
            }
        }
    }

    async fn replicas_with_it(&self, connection: &mut Blocking) -> RedisResult<u64> {
        let wait_ms = REPLICA_WAIT.as_millis() as u64;
        if self.for_disk {
            // The primary's own file and that of one replica.
            let mut command = redis::cmd("WAITAOF");
            command.arg(1).arg(1).arg(wait_ms);
            let (_, replicas): (u64, u64) = command.query_async(connection).await?;
            return Ok(replicas);
        }
        redis::cmd("WAIT").arg(1).arg(wait_ms).query_async(connection).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(fields: &[(&str, &str)]) -> Info {
        fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_tier_is_that_of_the_weakest_server() {
        let (aof, plain) = (info(&[("aof_enabled", "1")]), info(&[("aof_enabled", "0")]));
        let policies = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (always, mixed) = (policies(&["always", "always"]), policies(&["always", "everysec"]));
        let two = [aof.clone(), aof.clone()];
        assert_eq!(tier(None, &two, &always), "safe");
        assert_eq!(tier(None, &two, &mixed), "fast");
        assert_eq!(tier(None, &[aof.clone(), plain], &always), "none");
        assert_eq!(tier(None, &two, &[]), "unknown");
        let followed = info(&[("aof_enabled", "1"), ("min_slaves_good_slaves", "2")]);
        let (strict, both) = (Some(Durability::Strict), [followed.clone(), followed.clone()]);
        assert_eq!(tier(strict, &both, &always), "strict");
        assert_eq!(tier(strict, &[followed, aof], &always), "safe");
        assert_eq!(tier(None, &both, &always), "safe");
    }

    #[test]
    fn less_than_was_demanded_is_refused_with_what_to_set() {
        let refused = |demanded, fields: &[(&str, &str)], fsync: &str| match check(
            demanded,
            &[info(fields)],
            &[fsync.to_owned()],
        ) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        let aof = ("aof_enabled", "1");
        assert_eq!(refused(Durability::Fast, &[aof], "everysec"), "");
        assert!(refused(Durability::Fast, &[("aof_enabled", "0")], "always").contains("appendonly yes"));
        assert!(refused(Durability::Safe, &[aof], "everysec").contains("appendfsync always"));
        assert!(refused(Durability::Strict, &[aof], "always").contains("min-replicas-to-write"));
        assert!(refused(Durability::Strict, &[aof, ("min_slaves_good_slaves", "0")], "always").contains("no replica"));
        assert_eq!(
            refused(Durability::Strict, &[aof, ("min_slaves_good_slaves", "1")], "everysec"),
            ""
        );
    }
}
