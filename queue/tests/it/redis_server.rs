//! A private `redis-server` for a test. Also compiled into the crate's own tests, which drive the scripts directly.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A `redis-server` of its own on a unix socket, without persistence unless its settings say otherwise.
pub(crate) struct Redis {
    child: Child,
    dir: tempfile::TempDir,
    settings: Vec<String>,
}

impl Redis {
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let child = spawn(&dir, &settings);
        let mut redis = Self { child, dir, settings };
        redis.answers().await;
        redis
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    pub(crate) fn socket(&self) -> std::path::PathBuf {
        socket(&self.dir)
    }

    pub(crate) async fn try_connection(&self) -> Option<redis::aio::MultiplexedConnection> {
        let client = redis::Client::open(self.url()).ok()?;
        // A busy machine is no failure: the default response timeout is half a second.
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&patient)
            .await
            .ok()?;
        redis::cmd("PING").query_async::<String>(&mut connection).await.ok()?;
        Some(connection)
    }

    /// Ends it as a power cut would and starts it again on what it had written.
    #[allow(dead_code, reason = "used by the integration tests, not by the crate's own")]
    pub(crate) async fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.dir, &self.settings);
        self.answers().await;
    }

    async fn answers(&mut self) {
        while self.try_connection().await.is_none() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "redis-server ended: {ended:?}, {:?}", self.settings);
            tokio::task::yield_now().await;
        }
    }
}

fn socket(dir: &tempfile::TempDir) -> std::path::PathBuf {
    dir.path().join("redis.sock")
}

fn spawn(dir: &tempfile::TempDir, settings: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(socket(dir))
        .arg("--dir")
        .arg(dir.path())
        .args(settings)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server should be installed: make setup")
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
