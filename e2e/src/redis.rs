//! A Redis of the test's own, on a unix socket, that can be killed and started again on its data.

use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// When an acknowledged write is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Never: for tests that kill no Redis.
    None,
    /// Before it is acknowledged.
    Always,
}

/// A running server. Its data goes when it is dropped.
#[derive(Debug)]
pub struct Redis {
    dir: TempDir,
    durability: Durability,
    child: Child,
    /// Drains its log, so that it never blocks on a full pipe.
    log: JoinSet<()>,
}

impl Redis {
    /// Starts a server and waits until it takes connections.
    pub async fn start(durability: Durability) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("zt-redis-")
            .tempdir()
            .expect("a temporary folder should be makeable");
        let mut log = JoinSet::new();
        let child = start(&dir, durability, &mut log).await;
        Self {
            dir,
            durability,
            child,
            log,
        }
    }

    /// What `REDIS_URL` has to be.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", socket(&self.dir).display())
    }

    /// The same for the `redis` crate.
    pub(crate) fn client(&self) -> redis::Client {
        redis::Client::open(format!("unix://{}", socket(&self.dir).display())).expect("a socket's path should be a URL")
    }

    /// SIGKILL, and a new server on what the old one left behind.
    pub async fn kill_and_restart(&mut self) {
        self.child.kill().await.expect("a child should be killable");
        self.log.shutdown().await;
        self.child = start(&self.dir, self.durability, &mut self.log).await;
    }
}

fn socket(dir: &TempDir) -> PathBuf {
    dir.path().join("redis.sock")
}

async fn start(dir: &TempDir, durability: Durability, log: &mut JoinSet<()>) -> Child {
    let append_only: &[&str] = match durability {
        Durability::None => &["--appendonly", "no"],
        Durability::Always => &["--appendonly", "yes", "--appendfsync", "always"],
    };
    let mut child = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--maxmemory-policy", "noeviction"])
        .args(append_only)
        .arg("--unixsocket")
        .arg(socket(dir))
        .arg("--dir")
        .arg(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server should be installed: `make setup`");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout should be a pipe")).lines();
    loop {
        let line = lines.next_line().await.expect("the log should be text");
        let line = line.expect("redis-server should not end before it is ready");
        if line.contains("eady to accept connections") {
            break;
        }
    }
    log.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    child
}
