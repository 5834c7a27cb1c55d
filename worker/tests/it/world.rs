//! A world for one worker process: a Redis of its own, a data folder, the queue and the artifacts as the api sees them.
//! Everything that was started is gone when it is dropped.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{ConnectOptions, Enqueued, NewTask, Queue, SystemClock, Task, TaskId, Watch};
use zoetrope_shared::artifacts::{Artifacts, NewArtifact};
use zoetrope_shared::tenant::Tenant;

/// Longest wait for a task: a bound for a broken world, not a promise.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) queue: Queue,
    pub(crate) artifacts: Artifacts,
    watch: Watch,
    _watcher: JoinSet<()>,
    redis: Child,
    folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let socket = folder.path().join("redis.sock");
        let redis = start_redis(&socket);
        let options = ConnectOptions::new(format!("redis+unix://{}", socket.display()));
        let queue = Queue::connect(options).await.expect("redis is ready");
        let artifacts_url = format!("file://{}/data/artifacts", folder.path().display());
        let artifacts = Artifacts::open(&artifacts_url, Arc::new(SystemClock)).expect("the folder is ours");
        let (watch, watcher) = queue.watch();
        let mut watching = JoinSet::new();
        watching.spawn(watcher.run(CancellationToken::new()));
        Self {
            queue,
            artifacts,
            watch,
            _watcher: watching,
            redis,
            folder,
        }
    }

    pub(crate) fn redis_url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("redis.sock").display())
    }

    /// Starts a worker with one cpu slot; further settings as variables.
    pub(crate) fn start_worker(&self, variables: &[(&str, &str)]) -> WorkerProcess {
        let mut process = Command::new(env!("CARGO_BIN_EXE_zoetrope-worker"))
            .env_clear()
            .env("REDIS_URL", self.redis_url())
            .env("DATA_DIR", self.folder.path().join("data"))
            .envs([("WORKER_PORT", "0"), ("MAX_WORKERS", "1"), ("DRAIN_SECONDS", "20")])
            .envs(variables.iter().copied())
            .current_dir(self.folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let mut log = BufReader::new(process.stderr.take().expect("standard error is a pipe"));
        let health = health_address(&mut log);
        // A full pipe would stop the worker. The thread ends with the worker.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        WorkerProcess { process, health }
    }

    pub(crate) async fn submit(&self, kind: &str, input: &Value) -> TaskId {
        let input = serde_json::value::to_raw_value(input).expect("a value is JSON");
        match self.queue.enqueue(NewTask::new("default", kind, input)).await {
            Ok(Enqueued::Created(id)) => id,
            other => panic!("a new task was expected, not {other:?}"),
        }
    }

    /// The task once `done` says yes.
    pub(crate) async fn until(&self, id: TaskId, done: impl Fn(&Task) -> bool) -> Task {
        let read = self.watch.wait_until("default", id, PATIENCE, &done).await;
        let task = read.expect("redis answers").expect("the task exists");
        assert!(done(&task), "after {PATIENCE:?} it is still {task:?}");
        task
    }

    /// The task once it has ended.
    pub(crate) async fn ended(&self, id: TaskId) -> Task {
        self.until(id, |task| task.state.is_terminal()).await
    }

    /// The task of another tenant once it has ended.
    pub(crate) async fn ended_of(&self, tenant: &str, id: TaskId) -> Task {
        let done = |task: &Task| task.state.is_terminal();
        let read = self.watch.wait_until(tenant, id, PATIENCE, &done).await;
        read.expect("redis answers").expect("the task exists")
    }

    pub(crate) async fn store(&self, bytes: Vec<u8>) -> String {
        let new = NewArtifact {
            content_type: "application/octet-stream".into(),
            filename: None,
            ttl: Duration::from_secs(600),
        };
        let stored = self.artifacts.put(&Tenant::default_tenant(), new, bytes.into()).await;
        stored.expect("the folder takes it").artifact
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.redis.kill();
        let _ = self.redis.wait();
    }
}

fn start_redis(socket: &Path) -> Child {
    let mut redis = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(socket)
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-server is installed");
    let out = BufReader::new(redis.stdout.as_mut().expect("standard output is a pipe"));
    let ready = out
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("ready to accept connections at"));
    assert!(ready, "redis should say that its socket is ready");
    redis
}

/// A running worker process; killed when dropped.
pub(crate) struct WorkerProcess {
    process: Child,
    pub(crate) health: String,
}

impl WorkerProcess {
    /// Process ids of its children, living or dead and not yet buried.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let folder = format!("/proc/{}/task", self.process.id());
        let threads = std::fs::read_dir(folder)
            .expect("the worker is alive")
            .filter_map(Result::ok);
        let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
        lists
            .flat_map(|list| {
                list.split_whitespace()
                    .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).expect("a pid is small")).expect("a pid is not 0");
        kill_process(pid, Signal::TERM).expect("the worker is ours");
        self.process.wait().expect("the worker is ours")
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the log up to the line that tells the health port.
fn health_address(log: &mut impl BufRead) -> String {
    let mut seen = String::new();
    for line in log.lines().map_while(Result::ok) {
        if let Some((_, address)) = line.split_once("health on ") {
            return address.split_whitespace().next().unwrap_or_default().to_owned();
        }
        seen += &line;
        seen.push('\n');
    }
    panic!("the worker ended before it told its health port: {seen}");
}
