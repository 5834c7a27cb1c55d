//! What a Redis must be like to hold a queue: recent, not evicting, with keys of a layout that is known.

use std::collections::HashMap;

use super::Link;
use crate::error::QueueError;
use crate::keys::SCHEMA_VERSION;
use crate::reading::read_owned;

/// Oldest server whose scripts can carry flags.
const MIN_REDIS_MAJOR: u32 = 7;

impl Link {
    /// What every primary says of itself: the fields of `INFO`.
    pub(crate) async fn infos(&self) -> Result<Vec<HashMap<String, String>>, QueueError> {
        let answers = self.shared.ask_all(&redis::cmd("INFO")).await?;
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
    pub(crate) async fn server_settings(&self, name: &str) -> Vec<String> {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg(name);
        let answers = self.shared.ask_all(&command).await.unwrap_or_default();
        let settings = answers
            .into_iter()
            .filter_map(|answer| read_owned::<HashMap<String, String>>(answer).ok());
        settings.filter_map(|found| found.into_values().next()).collect()
    }

    /// An evicting Redis deletes tasks silently, an old one lacks script flags, one that keeps less than was demanded
    /// breaks a promise: better not to start.
    pub(super) async fn check_servers(&self) -> Result<(), QueueError> {
        for info in self.infos().await? {
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
        Ok(())
    }

    pub(super) async fn check_schema(&self) -> Result<(), QueueError> {
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

fn major(version: &str) -> u32 {
    let first = version.split('.').next();
    first.and_then(|part| part.parse().ok()).unwrap_or(0)
}
