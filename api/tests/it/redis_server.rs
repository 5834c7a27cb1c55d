//! A private redis-server on a unix socket, gone with its owner.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running redis-server.
pub(crate) struct RedisServer {
    child: Child,
}

impl RedisServer {
    /// Starts one and returns when it takes connections.
    pub(crate) async fn start(socket: &Path) -> Self {
        let mut child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(socket)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server should be on the PATH");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        loop {
            let line = lines
                .next_line()
                .await
                .expect("its output is text")
                .expect("redis-server should start");
            if line.contains("ready to accept connections") || line.contains("Ready to accept connections") {
                break;
            }
        }
        Self { child }
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("it was running");
    }
}
