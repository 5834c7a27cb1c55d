//! The settings of the command: those of every process, and whether a Redis was named among them.

use std::os::unix::net::UnixStream;

use zoetrope_queue::ConnectOptions;
use zoetrope_shared::config::{Settings, Sources};

use crate::exit::CliError;
use crate::up::redis;

/// Each of these means that somebody runs a Redis for us.
const REDIS_NAMES: [&str; 5] = [
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
];

/// What this process was told.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// The settings.
    pub(crate) settings: Settings,
    /// Whether `up` uses a Redis of somebody else instead of starting its own.
    pub(crate) names_redis: bool,
}

impl Configuration {
    /// Reads everything that this process was told.
    pub(crate) fn load() -> Result<Self, CliError> {
        let wrong = |error: &dyn std::fmt::Display| CliError::usage(format!("configuration: {error}"));
        let sources = Sources::of_process().map_err(|error| wrong(&error))?;
        let settings = Settings::from_sources(&sources).map_err(|error| wrong(&error))?;
        Ok(Self {
            settings,
            names_redis: names_redis(&sources),
        })
    }

    /// The Redis that is in use: the named one, or that of a `zoetrope up` that runs here. `None` without either.
    pub(crate) fn redis(&self) -> Option<ConnectOptions> {
        if self.names_redis {
            return Some(self.settings.redis());
        }
        let socket = redis::socket_below(&self.settings.data_dir).canonicalize().ok()?;
        UnixStream::connect(&socket).ok()?;
        Some(ConnectOptions::new(format!("redis+unix://{}", socket.display())))
    }
}

/// The default URL may be written out on purpose, so that values alone do not tell.
fn names_redis(sources: &Sources) -> bool {
    let file: toml::Table = sources
        .file
        .as_ref()
        .and_then(|(_, text)| text.parse().ok())
        .unwrap_or_default();
    REDIS_NAMES.iter().any(|name| {
        let set = |value: Option<&String>| value.is_some_and(|value| !value.trim().is_empty());
        set(sources.environment.get(*name))
            || set(sources.dotenv.get(*name))
            || file.contains_key(&name.to_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_counts_as_named_in_each_place_where_settings_are_read() {
        let mut sources = Sources::default();
        assert!(!names_redis(&sources));
        sources.environment.insert("REDIS_URL".to_owned(), String::new());
        assert!(!names_redis(&sources), "an empty value is no value");
        sources.environment.insert("REDIS_HOST".to_owned(), "db".to_owned());
        assert!(names_redis(&sources));

        let file = Some((
            "zoetrope.toml".into(),
            "redis_url = 'redis://127.0.0.1:6379'".to_owned(),
        ));
        assert!(names_redis(&Sources {
            file,
            ..Sources::default()
        }));
    }
}
