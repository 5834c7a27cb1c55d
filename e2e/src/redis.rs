//! A Redis of the test's own, on a unix socket, that can be killed and started again on its data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use rustix::process::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::orphan::ends_with_its_test;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// When an acknowledged write is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Never: for tests that kill no Redis.
    None,
    /// Within a second: what most run.
    EverySecond,
    /// Before it is acknowledged.
    Always,
}

impl Durability {
    /// What `redis-server` is told.
    pub const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::None => &["--appendonly", "no"],
            Self::EverySecond => &["--appendonly", "yes", "--appendfsync", "everysec"],
            Self::Always => &["--appendonly", "yes", "--appendfsync", "always"],
        }
    }
}

/// How it is reached.
#[derive(Debug, Clone, Copy)]
enum Listen {
    Socket,
    /// As other programs expect it.
    Port(u16),
}

/// A running server. Its data goes when it is dropped.
#[derive(Debug)]
pub struct Redis {
    dir: TempDir,
    durability: Durability,
    listen: Listen,
    /// Words put before `redis-server`, such as `env FAKETIME=+1h`.
    launcher: Vec<String>,
    child: Child,
    /// Drains its log, so that it never blocks on a full pipe.
    log: JoinSet<()>,
}

impl Redis {
    /// Starts a server on a unix socket and waits until it takes connections.
    pub async fn start(durability: Durability) -> Self {
        Self::start_on(&std::env::temp_dir(), Listen::Socket, durability, Vec::new()).await
    }

    /// The same with its data in memory, whose sync takes no time. While a disk syncs, Redis holds back for up to two
    /// seconds what it is told to sync every second: acknowledged, and lost with the process.
    pub async fn start_in_memory(durability: Durability) -> Self {
        Self::start_on(Path::new("/dev/shm"), Listen::Socket, durability, Vec::new()).await
    }

    /// The first, started by another program: these words come before `redis-server`.
    pub async fn start_by(launcher: Vec<String>, durability: Durability) -> Self {
        Self::start_on(&std::env::temp_dir(), Listen::Socket, durability, launcher).await
    }

    /// Starts a server on this port of 127.0.0.1.
    pub async fn start_on_port(port: u16, durability: Durability) -> Self {
        Self::start_on(&std::env::temp_dir(), Listen::Port(port), durability, Vec::new()).await
    }

    /// The same, with about so much memory of the machine's already its own: a virtual machine is given a page when it is first
    /// touched, and now and then only after tens of milliseconds.
    pub async fn start_warm_on_port(port: u16, mib: u32) -> Self {
        // Keeps what is freed, and takes small pieces of what was large.
        let allocator = "MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1,lg_extent_max_active_fit:30";
        let launcher = ["env", allocator].map(str::to_owned).to_vec();
        let below = std::env::temp_dir();
        let redis = Self::start_on(&below, Listen::Port(port), Durability::None, launcher).await;
        let fill = "for i = 1, ARGV[1] do redis.call('SET', i, string.rep('x', 65536)) end \
            for i = 1, ARGV[1] do redis.call('DEL', i) end";
        redis.run(&["EVAL", fill, "0", &(16 * mib).to_string()]).await;
        // With nothing to give back, the allocator's thread was woken 5,000 times a second, beside Redis on two processors.
        redis.run(&["CONFIG", "SET", "jemalloc-bg-thread", "no"]).await;
        redis
    }

    async fn start_on(below: &Path, listen: Listen, durability: Durability, launcher: Vec<String>) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("zt-redis-")
            .tempdir_in(below)
            .expect("a temporary folder should be makeable");
        let mut log = JoinSet::new();
        let child = start(&dir, listen, durability, &launcher, &mut log).await;
        Self {
            dir,
            durability,
            listen,
            launcher,
            child,
            log,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        let id = self.child.id().expect("the server should be running");
        Pid::from_raw(id.cast_signed()).expect("process ids should not be 0")
    }

    /// What `REDIS_URL` has to be.
    pub fn url(&self) -> String {
        match self.listen {
            Listen::Socket => format!("redis+unix://{}", socket(&self.dir).display()),
            Listen::Port(port) => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// The same for the `redis` crate.
    pub(crate) fn client(&self) -> redis::Client {
        let url = self.url().replace("redis+unix:", "unix:");
        redis::Client::open(url).expect("a server's URL should be one")
    }

    /// A connection that waits for its answers: those of a busy machine come late.
    pub async fn connection(&self) -> MultiplexedConnection {
        let patient = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connecting = self.client();
        let connecting = connecting.get_multiplexed_async_connection_with_config(&patient);
        connecting.await.expect("redis should answer")
    }

    /// Memory that its data takes, bytes.
    pub async fn used_memory(&self) -> u64 {
        let text = self.info("memory", "used_memory").await;
        text.parse().expect("memory is a number")
    }

    /// Processor time that it has used so far.
    pub async fn used_cpu(&self) -> Duration {
        let mut seconds = 0.0;
        for name in ["used_cpu_user", "used_cpu_sys"] {
            seconds += self.info("cpu", name).await.parse::<f64>().expect("time is a number");
        }
        Duration::from_secs_f64(seconds)
    }

    async fn info(&self, section: &str, name: &str) -> String {
        let mut connection = self.connection().await;
        let info: String = redis::cmd("INFO")
            .arg(section)
            .query_async(&mut connection)
            .await
            .expect("redis should answer");
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = lines.find(|(known, _)| *known == name).expect("INFO should tell it");
        value.trim().to_owned()
    }

    /// The names of the keys that match a pattern.
    pub async fn keys(&self, pattern: &str) -> Vec<String> {
        let mut connection = self.connection().await;
        let keys = redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await;
        keys.expect("redis should answer")
    }

    /// Runs one command, such as a test's sabotage.
    pub async fn run(&self, words: &[&str]) {
        let mut connection = self.connection().await;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let (): () = command
            .query_async(&mut connection)
            .await
            .expect("the command should be one");
    }

    /// The commands and keys that its users were refused.
    pub async fn refusals(&self) -> Vec<String> {
        let mut connection = self
            .client()
            .get_multiplexed_async_connection()
            .await
            .expect("redis should answer");
        let log: Vec<BTreeMap<String, redis::Value>> = redis::cmd("ACL")
            .arg("LOG")
            .query_async(&mut connection)
            .await
            .expect("redis should answer");
        let object = |entry: &BTreeMap<String, redis::Value>| {
            redis::from_redis_value(entry["object"].clone()).expect("an entry names its object")
        };
        log.iter().map(object).collect()
    }

    /// Its socket, which it also has if it listens on a port.
    pub fn socket(&self) -> PathBuf {
        socket(&self.dir)
    }

    /// Where its append-only file is.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// SIGKILL, and a new server on what the old one left behind.
    pub async fn kill_and_restart(&mut self) {
        self.kill().await;
        self.start_again().await;
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a child should be killable");
        self.log.shutdown().await;
    }

    /// A new server on what the old one left behind.
    pub async fn start_again(&mut self) {
        self.child = start(&self.dir, self.listen, self.durability, &self.launcher, &mut self.log).await;
    }

    /// The same, started by another program from now on.
    pub async fn start_again_by(&mut self, launcher: Vec<String>) {
        self.launcher = launcher;
        self.start_again().await;
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) {
        self.child.wait().await.expect("a child can be awaited");
        self.log.shutdown().await;
    }
}

fn socket(dir: &TempDir) -> PathBuf {
    dir.path().join("redis.sock")
}

async fn start(
    dir: &TempDir,
    listen: Listen,
    durability: Durability,
    launcher: &[String],
    log: &mut JoinSet<()>,
) -> Child {
    mend_log(dir.path()).await;
    let append_only = durability.arguments();
    let port = match listen {
        Listen::Socket => 0,
        Listen::Port(port) => port,
    };
    let mut words = launcher.iter().map(String::as_str).chain(["redis-server"]);
    let mut command = Command::new(words.next().expect("at least the server itself"));
    command
        .args(words)
        .args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--maxmemory-policy",
            "noeviction",
            "--port",
        ])
        .arg(port.to_string())
        .args(append_only)
        .arg("--unixsocket")
        .arg(socket(dir))
        .arg("--dir")
        .arg(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let started = ends_with_its_test(&mut command).spawn();
    let mut child = started.expect("redis-server should be installed: `make setup`");
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

/// What `zoetrope up` and docker-compose.yml do before each start, too: of a log that ends in the middle of a script, the
/// script's beginning is cut off, which Redis 7.0.15 would carry out at the start after the next one.
async fn mend_log(dir: &Path) {
    let manifest = dir.join("appendonlydir/appendonly.aof.manifest");
    if !manifest.exists() {
        return;
    }
    let checking = Command::new("sh")
        .args(["-c", "redis-check-aof \"$0\" || echo y | redis-check-aof --fix \"$0\""])
        .arg(manifest)
        .output();
    checking.await.expect("redis-check-aof comes with redis-server");
}
