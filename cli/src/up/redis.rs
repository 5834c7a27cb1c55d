//! The private Redis of `zoetrope up`: found, checked, started on a unix socket, waited for.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::redis_log::AppendOnlyLog;
use super::service::Service;
use crate::exit::CliError;

/// First major version whose scripts and functions the queue relies on.
const OLDEST_MAJOR: u32 = 7;
/// The kernel's limit for a socket's path is 108 bytes, its end included.
const LONGEST_SOCKET_PATH: usize = 100;
/// Longest start: loading a large append-only file.
const START_LIMIT: Duration = Duration::from_secs(120);
const PING_LIMIT: Duration = Duration::from_secs(2);
const PING_PAUSE: Duration = Duration::from_millis(20);
/// How long its last write may take.
const GRACE: Duration = Duration::from_secs(20);

/// A server program that is installed.
#[derive(Debug)]
pub(crate) struct Program {
    /// What to run.
    pub(crate) name: &'static str,
    /// Its version, such as `7.0.15`.
    pub(crate) version: String,
}

/// Finds `redis-server`, or Valkey's, and checks that it is recent enough.
pub(crate) async fn find_program() -> Result<Program, CliError> {
    for name in ["redis-server", "valkey-server"] {
        let output = match Command::new(name).arg("--version").output().await {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(CliError::unavailable(format!("{name} cannot be run: {error}"))),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let version = version_in(&text)
            .ok_or_else(|| CliError::unavailable(format!("`{name} --version` says no version: {}", text.trim())))?;
        let major: u32 = version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .unwrap_or(0);
        if major < OLDEST_MAJOR {
            return Err(CliError::unavailable(format!(
                "{name} is version {version}, and Zoetrope needs {OLDEST_MAJOR}.0 or newer; \
                 update it, or set REDIS_URL to a newer server"
            )));
        }
        return Ok(Program {
            name,
            version: version.to_owned(),
        });
    }
    Err(CliError::unavailable(
        "redis-server is not installed; on Debian or Ubuntu: `sudo apt-get install redis-server` (or `make setup`), \
         on macOS: `brew install redis`; or set REDIS_URL to a running server",
    ))
}

fn version_in(text: &str) -> Option<&str> {
    text.split_whitespace().find_map(|word| word.strip_prefix("v="))
}

/// Where the private server listens and writes.
#[derive(Debug)]
pub(crate) struct Private {
    socket: PathBuf,
    log: PathBuf,
    dir: PathBuf,
    /// Holds the socket where the data directory's path is too long for one.
    short: Option<TempDir>,
}

impl Private {
    /// Chooses the places below the data directory, which has to be absolute.
    pub(crate) fn below(data_dir: &Path) -> Result<Self, CliError> {
        let dir = data_dir.join("redis");
        std::fs::create_dir_all(&dir)
            .map_err(|error| CliError::unavailable(format!("{} cannot be made: {error}", dir.display())))?;
        let near = socket_below(data_dir);
        let short = if near.as_os_str().len() <= LONGEST_SOCKET_PATH {
            None
        } else {
            let made = tempfile::Builder::new().prefix("zoetrope-").tempdir();
            Some(made.map_err(|error| CliError::unavailable(format!("no directory for a socket: {error}")))?)
        };
        let socket = short.as_ref().map_or(near, |short| short.path().join("redis.sock"));
        Ok(Self {
            socket,
            log: dir.join("redis.log"),
            dir,
            short,
        })
    }

    /// What `REDIS_URL` has to be for clients of it.
    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }

    /// The child to run. It holds the data directory's lock, so that a successor never writes beside it.
    pub(super) fn service(&mut self, program: &Program, fsync: &str, lock: OwnedFd) -> Service {
        let mut args: Vec<OsString> = [
            "--port",
            "0",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            fsync,
            "--maxmemory-policy",
            "noeviction",
            "--daemonize",
            "no",
            "--unixsocketperm",
            "700",
        ]
        .map(OsString::from)
        .to_vec();
        for (name, path) in [
            ("--unixsocket", &self.socket),
            ("--dir", &self.dir),
            ("--logfile", &self.log),
        ] {
            args.extend([name.into(), path.into()]);
        }
        Service {
            name: program.name.to_owned(),
            program: program.name.into(),
            args,
            env: Vec::new(),
            when_orphaned: Signal::TERM,
            log: Some(AppendOnlyLog::of(program.name, &self.dir)),
            grace: GRACE,
            holds: Some(lock),
            scratch: self.short.take(),
        }
    }

    /// Returns once the server answers, which it does not while it loads its data.
    pub(crate) async fn wait_until_ready(&self) -> Result<(), CliError> {
        let give_up = Instant::now() + START_LIMIT;
        while !self.answers().await {
            if Instant::now() >= give_up {
                return Err(CliError::unavailable(format!(
                    "redis did not start within {} s{}",
                    START_LIMIT.as_secs(),
                    self.last_words()
                )));
            }
            sleep(PING_PAUSE).await;
        }
        Ok(())
    }

    async fn answers(&self) -> bool {
        matches!(timeout(PING_LIMIT, ping(&self.socket)).await, Ok(Ok(true)))
    }

    /// The end of its log, to be appended to a message.
    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines
            .iter()
            .rev()
            .fold(format!("; the end of {}:", self.log.display()), |text, line| {
                text + "\n  " + line
            })
    }
}

/// Where the private server of a data directory usually listens.
pub(crate) fn socket_below(data_dir: &Path) -> PathBuf {
    data_dir.join("redis").join("redis.sock")
}

async fn ping(socket: &Path) -> io::Result<bool> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0_u8; 5];
    stream.read_exact(&mut answer).await?;
    Ok(&answer == b"+PONG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_the_servers_say() {
        assert_eq!(
            version_in("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
            Some("7.0.15")
        );
        assert_eq!(
            version_in("Valkey server v=8.1.1 sha=0:0 malloc=jemalloc bits=64"),
            Some("8.1.1")
        );
        assert_eq!(version_in("who knows"), None);
    }

    #[test]
    fn a_data_directory_with_a_long_path_gets_a_short_socket() {
        let root = tempfile::tempdir().unwrap();
        let long = root.path().join("d".repeat(120));
        let private = Private::below(&long).unwrap();
        assert!(
            private.socket.as_os_str().len() <= LONGEST_SOCKET_PATH,
            "{}",
            private.socket.display()
        );
        assert!(private.dir.starts_with(&long));
    }
}
