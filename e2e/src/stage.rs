//! Everything a test plays on: a Redis, an api, workers, a folder, and a client.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::http::Http;
use crate::ports::free_port;
use crate::process::{Process, executable};
use crate::redis::{Durability, Redis};
use crate::site::Site;

/// The running system.
#[derive(Debug)]
pub struct Stage {
    /// Its Redis.
    pub redis: Redis,
    /// Its api.
    pub api: Process,
    /// Its workers.
    pub workers: Vec<Process>,
    /// A client of its api.
    pub http: Http,
    env: BTreeMap<String, String>,
    programs: Option<PathBuf>,
    dir: TempDir,
}

/// What to start.
#[derive(Debug)]
pub struct StageBuilder {
    workers: usize,
    durability: Durability,
    env: BTreeMap<String, String>,
    programs: Option<PathBuf>,
    redis_rule: Option<Vec<String>>,
}

impl Stage {
    /// A stage with one worker and no durability, unless told otherwise.
    pub fn builder() -> StageBuilder {
        let env = [
            ("RUST_LOG", "info"),
            ("WORKER_PORT", "0"),
            ("NETGUARD_ALLOW_CIDRS", Site::ALLOWED),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        StageBuilder {
            workers: 1,
            durability: Durability::None,
            env,
            programs: None,
            redis_rule: None,
        }
    }

    /// A folder for whatever a test keeps.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts one more worker.
    pub fn add_worker(&mut self) {
        let name = format!("worker-{}", self.workers.len());
        let program = program(self.programs.as_deref(), "zoetrope-worker");
        self.workers
            .push(Process::start(&name, program, &self.env, self.dir.path()));
    }
}

impl StageBuilder {
    /// How many workers to start.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// What survives when Redis is killed.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// A setting of every process.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Every process is the user `zoetrope` of Redis, with this password and these ACL rules.
    #[must_use]
    pub fn redis_user(mut self, password: &str, rules: Vec<String>) -> Self {
        self.redis_rule = Some([vec![format!(">{password}")], rules].concat());
        self.env("REDIS_USERNAME", "zoetrope").env("REDIS_PASSWORD", password)
    }

    /// Where our executables are, if not beside the tests.
    #[must_use]
    pub fn programs(mut self, folder: PathBuf) -> Self {
        self.programs = Some(folder);
        self
    }

    /// Starts everything and waits until the api is ready. Workers may still be starting.
    pub async fn start(mut self) -> Stage {
        let dir = tempfile::Builder::new()
            .prefix("zt-stage-")
            .tempdir()
            .expect("a temporary folder should be makeable");
        let redis = Redis::start(self.durability).await;
        if let Some(rule) = &self.redis_rule {
            let words = ["ACL", "SETUSER", "zoetrope", "on"].into_iter();
            redis
                .run(&words.chain(rule.iter().map(String::as_str)).collect::<Vec<_>>())
                .await;
        }
        let port = free_port();
        let own = [
            ("REDIS_URL", redis.url()),
            ("PORT", port.to_string()),
            ("DATA_DIR", dir.path().join("data").display().to_string()),
        ];
        self.env.extend(own.map(|(name, value)| (name.to_owned(), value)));
        let program = program(self.programs.as_deref(), "zoetrope-api");
        let api = Process::start("api", program, &self.env, dir.path());
        let http = Http::on_port(port);
        let mut stage = Stage {
            redis,
            api,
            workers: Vec::new(),
            http,
            env: self.env,
            programs: self.programs,
            dir,
        };
        for _ in 0..self.workers {
            stage.add_worker();
        }
        stage.http.until_ready().await;
        stage
    }
}

fn program(folder: Option<&Path>, name: &str) -> PathBuf {
    folder.map_or_else(|| executable(name), |folder| folder.join(name))
}
