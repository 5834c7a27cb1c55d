//! A private `redis-server` for a test. Also compiled into the crate's own tests, which drive the scripts directly.

use std::process::{Child, Command, Stdio};

/// A `redis-server` of its own on a unix socket, without persistence.
pub(crate) struct Redis {
    child: Child,
    dir: tempfile::TempDir,
}

impl Redis {
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("redis.sock");
        let mut command = Command::new("redis-server");
        command
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket);
        command
            .arg("--dir")
            .arg(dir.path())
            .args(settings)
            .stdout(Stdio::null());
        let child = command.spawn().expect("redis-server should be installed: make setup");
        let redis = Self { child, dir };
        while redis.try_connection().await.is_none() {
            tokio::task::yield_now().await;
        }
        redis
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.dir.path().join("redis.sock").display())
    }

    pub(crate) async fn try_connection(&self) -> Option<redis::aio::MultiplexedConnection> {
        let client = redis::Client::open(self.url()).ok()?;
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        redis::cmd("PING").query_async::<String>(&mut connection).await.ok()?;
        Some(connection)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
