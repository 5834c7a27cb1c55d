//! Servers that belong together: a primary with replicas and sentinels, each a process of its own on a free port.
//! Also compiled into the chaos cases of `e2e`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisResult};

use crate::ports::free_port;

/// Longer than any wait that ends well.
const LIMIT: Duration = Duration::from_secs(30);

/// Milliseconds without an answer after which a sentinel takes a server for dead. It asks once a second: with no more
/// than that, a machine that is busy for a moment makes the sentinels replace a primary that lives.
pub(crate) const DOWN_AFTER_MS: u64 = 2_000;
/// As the manual says: a primary without a replica takes no writes, which nobody else would have.
const PROTECTED: [&str; 4] = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"];

/// One `redis-server` on a port.
pub(crate) struct Server {
    pub(crate) port: u16,
    child: Child,
}

impl Server {
    pub(crate) fn start(dir: &Path, settings: &[String]) -> Self {
        let port = free_port();
        let place = dir.join(port.to_string());
        std::fs::create_dir(&place).unwrap();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--repl-diskless-sync-delay", "0", "--dir"])
            .arg(&place)
            .args(settings)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server should be installed: make setup");
        Self { port, child }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn connection(port: u16) -> RedisResult<MultiplexedConnection> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
    client.get_multiplexed_async_connection().await
}

/// Asks a server until it answers as wanted.
pub(crate) async fn until<T: FromRedisValue>(port: u16, command: &str, wanted: impl Fn(&T) -> bool) -> T {
    let words: Vec<&str> = command.split(' ').collect();
    let asking = async {
        loop {
            if let Ok(mut connection) = connection(port).await
                && let Ok(answer) = redis::cmd(words[0])
                    .arg(&words[1..])
                    .query_async::<T>(&mut connection)
                    .await
                && wanted(&answer)
            {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let answered = tokio::time::timeout(LIMIT, asking).await;
    answered.unwrap_or_else(|_| panic!("{command} on {port} should come to the wanted answer"))
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// A primary with two replicas, and three sentinels that call it `main`.
pub(crate) struct Sentinels {
    pub(crate) servers: Vec<Server>,
    sentinels: Vec<Server>,
    _dir: tempfile::TempDir,
}

impl Sentinels {
    /// `settings` are those of the primary and the replicas, beside `PROTECTED`.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = [texts(&PROTECTED), texts(settings)].concat();
        let mut servers = vec![Server::start(dir.path(), &settings)];
        let primary = servers[0].port.to_string();
        for _ in 0..2 {
            let replica = [settings.clone(), texts(&["--replicaof", "127.0.0.1", &primary])].concat();
            servers.push(Server::start(dir.path(), &replica));
        }
        let both_follow = |info: &String| info.matches("state=online").count() == 2;
        until(servers[0].port, "INFO replication", both_follow).await;
        let sentinels: Vec<Server> = (0..3).map(|number| sentinel(dir.path(), number, &primary)).collect();
        for sentinel in &sentinels {
            let knows_all = |info: &String| info.contains("slaves=2,sentinels=3");
            until(sentinel.port, "INFO sentinel", knows_all).await;
        }
        Self {
            servers,
            sentinels,
            _dir: dir,
        }
    }

    pub(crate) fn url(&self) -> String {
        let places: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port))
            .collect();
        format!("redis+sentinel://{}/main", places.join(","))
    }

    /// The port of the primary once another than `old` is one.
    pub(crate) async fn next_primary(&self, old: u16) -> u16 {
        let is_other = |place: &(String, u16)| place.1 != old;
        let (_, port) = until(
            self.sentinels[0].port,
            "SENTINEL get-master-addr-by-name main",
            is_other,
        )
        .await;
        until(port, "ROLE", |role: &Vec<redis::Value>| {
            role.first() == Some(&redis::Value::BulkString(b"master".to_vec()))
        })
        .await;
        port
    }
}

fn sentinel(dir: &Path, number: usize, primary: &str) -> Server {
    let file = dir.join(format!("sentinel{number}.conf"));
    let monitor = format!(
        "sentinel monitor main 127.0.0.1 {primary} 2\nsentinel down-after-milliseconds main {DOWN_AFTER_MS}\n\
         sentinel failover-timeout main 5000\nsentinel parallel-syncs main 2\n"
    );
    std::fs::write(&file, monitor).unwrap();
    let port = free_port();
    let place = dir.join(port.to_string());
    std::fs::create_dir(&place).unwrap();
    let child = Command::new("redis-server")
        .arg(&file)
        .args([
            "--sentinel",
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--dir",
        ])
        .arg(&place)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server should be installed: make setup");
    Server { port, child }
}
