//! The append-only file of the private Redis, put right before it is read.
//!
//! A server that is killed while it writes down a script leaves the beginning of that script's transaction at the end of
//! its log. Redis 7.0.15 cuts such a log behind the last whole command, writes on behind the unfinished transaction, and
//! carries its beginning out at the start after the next one: a part of a script. The program that checks logs, which
//! comes with every server, cuts before the transaction. What is cut off was never acknowledged where the log is synced
//! always, and was within the last second otherwise.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What the checking program says of a transaction that an older start has written on behind: all that came since would
/// be cut off with it.
const WRITTEN_ON: &str = "Unexpected MULTI";

/// The log of one server.
#[derive(Debug)]
pub(super) struct AppendOnlyLog {
    checker: String,
    manifest: PathBuf,
}

impl AppendOnlyLog {
    /// That of a server program, such as `redis-server`, in the folder where it keeps its data.
    pub(super) fn of(server: &str, dir: &Path) -> Self {
        Self {
            checker: server.replace("-server", "-check-aof"),
            manifest: dir.join("appendonlydir").join("appendonly.aof.manifest"),
        }
    }

    /// Cuts off a transaction that was not written to its end, and says so. Only while no server runs on it; 200 MB of log
    /// take a second.
    pub(super) async fn mend(&self) -> Option<String> {
        if !self.manifest.exists() {
            return None;
        }
        let checked = match self.check(&[], "").await {
            Ok(checked) => checked,
            Err(error) => {
                return Some(format!(
                    "{} cannot be run, so that nobody checks Redis' log: {error}",
                    self.checker
                ));
            }
        };
        if checked.status.success() || String::from_utf8_lossy(&checked.stdout).contains(WRITTEN_ON) {
            return None;
        }
        let cut = self.check(&["--fix"], "y\n").await.ok()?;
        let said = String::from_utf8_lossy(&cut.stdout);
        let shrunk = said.lines().find(|line| line.starts_with("This will shrink the AOF"))?;
        Some(format!(
            "Redis was killed as it wrote its log, whose end is cut off: {shrunk}"
        ))
    }

    async fn check(&self, arguments: &[&str], answer: &str) -> io::Result<Output> {
        let mut command = Command::new(&self.checker);
        command.args(arguments).arg(&self.manifest).kill_on_drop(true);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // It asks nothing of a log that is whole, and may have ended.
            let _ = stdin.write_all(answer.as_bytes()).await;
        }
        child.wait_with_output().await
    }
}
