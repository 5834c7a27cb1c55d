//! Where a case is played: a Redis, probes that are killed and replaced, a submitter that writes down what was
//! acknowledged, and the clock of the killings.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisResult};
use serde_json::value::RawValue;
use tempfile::TempDir;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use zoetrope_queue::{Clock, ConnectOptions, Idempotency, NewTask, Queue, SystemClock};

use super::judge::{self, Kill, PREFIX, Verdict};
use super::load::id_of;
use super::probe::{Dies, KIND, ProbeInput, ProbeSettings};
use crate::ledger::{Diary, Ledger};
use crate::process::{Process, executable};
use crate::redis::{Durability, Redis};

/// Lease of the probes.
pub(crate) const LEASE: Duration = Duration::from_secs(2);
/// What recovery may take beyond the lease.
pub(crate) const BEYOND_LEASE: Duration = Duration::from_secs(2);
/// Tasks of one submit.
const BATCH: usize = 250;
/// How often somebody looks whether all is over, or whether a probe has died.
pub(crate) const LOOK: Duration = Duration::from_millis(20);
/// Longest wait for tasks to end after the last fault.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const TENANT: &str = "chaos";
/// Whoever else has tasks in a case.
pub(crate) const OTHER_TENANT: &str = "other";

/// Longest recovery that is promised, milliseconds.
pub(crate) fn limit_ms() -> u64 {
    u64::try_from((LEASE + BEYOND_LEASE).as_millis()).expect("a short time")
}

/// The place and everybody on it.
pub(crate) struct Arena {
    pub(crate) redis: Redis,
    pub(crate) probes: Vec<Process>,
    pub(crate) settings: ProbeSettings,
    pub(crate) ledger: Ledger,
    pub(crate) kills: Vec<Kill>,
    /// Where the submitter reaches Redis; its own socket, unless a proxy stands between.
    pub(crate) submits_to: String,
    /// Words put before a probe's executable.
    pub(crate) launcher: Vec<String>,
    next_number: u64,
    dir: TempDir,
}

impl Arena {
    pub(crate) async fn start(durability: Durability) -> Self {
        Self::on(Redis::start(durability).await)
    }

    pub(crate) fn on(redis: Redis) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("zt-arena-")
            .tempdir()
            .expect("a temporary folder should be makeable");
        let settings = ProbeSettings {
            redis: redis.url(),
            dir: dir.path().to_owned(),
            units: 4,
            lease_ms: u64::try_from(LEASE.as_millis()).expect("a short time"),
            workers: 1,
            claim_ahead: false,
            dies: Dies::Never,
        };
        Self {
            submits_to: redis.url(),
            ledger: Ledger::create(dir.path()),
            redis,
            probes: Vec::new(),
            settings,
            kills: Vec::new(),
            launcher: Vec::new(),
            next_number: 0,
            dir,
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts probes as the settings are now.
    pub(crate) fn add_probes(&mut self, count: usize) {
        for _ in 0..count {
            let probe = self.new_probe(self.probes.len());
            self.probes.push(probe);
        }
    }

    fn new_probe(&self, place: usize) -> Process {
        start_probe(&self.settings, &self.launcher, self.dir.path(), place)
    }

    /// SIGKILL, written down.
    pub(crate) async fn kill(&mut self, place: usize) {
        let pid = self.probes[place].pid().as_raw_pid();
        self.probes[place].kill().await;
        self.note_death(pid);
    }

    fn note_death(&mut self, pid: i32) {
        self.kills.push(Kill {
            pid: pid.cast_unsigned(),
            at_ms: SystemClock.now_ms(),
        });
    }

    /// A new probe in this place, as the settings are now.
    pub(crate) fn replace(&mut self, place: usize) {
        self.probes[place] = self.new_probe(place);
    }

    pub(crate) async fn kill_and_replace(&mut self, place: usize) {
        self.kill(place).await;
        self.replace(place);
    }

    /// Replaces probes that have died by themselves; how many.
    pub(crate) fn tend(&mut self) -> usize {
        let mut died = 0;
        for place in 0..self.probes.len() {
            let pid = self.probes[place].id();
            if self.probes[place].has_ended().is_some() {
                self.note_death(pid);
                self.replace(place);
                died += 1;
            }
        }
        died
    }

    /// The same; whoever is replaced now will die like this.
    pub(crate) fn tend_as(&mut self, dies: Dies) {
        self.settings.dies = dies;
        self.tend();
    }

    /// A queue that waits for its answers, past every proxy: for whoever judges, not for what is judged.
    pub(crate) async fn patient_queue(&self) -> Queue {
        patient_queue(&self.redis).await
    }

    /// A queue of the submitter's own.
    pub(crate) async fn queue(&self) -> Queue {
        let mut looks = interval(LOOK);
        let give_up = Instant::now() + PATIENCE;
        loop {
            looks.tick().await;
            match Queue::connect(ConnectOptions::new(self.submits_to.as_str())).await {
                Ok(queue) => return queue,
                Err(error) => assert!(error.is_transient() && Instant::now() < give_up, "{error}"),
            }
        }
    }

    /// Submits tasks, each with an idempotency key, again and again until they are acknowledged; how often it had to be
    /// repeated. `make` says what the one with a number does.
    pub(crate) async fn submit(&mut self, count: usize, make: impl FnMut(u64) -> ProbeInput) -> usize {
        self.submit_as(count, make, |task| task).await
    }

    pub(crate) async fn submit_as(
        &mut self,
        count: usize,
        mut make: impl FnMut(u64) -> ProbeInput,
        mut shape: impl FnMut(NewTask) -> NewTask,
    ) -> usize {
        let queue = self.queue().await;
        let mut tasks: Vec<NewTask> = Vec::with_capacity(count);
        for _ in 0..count {
            let number = self.next_number;
            self.next_number += 1;
            tasks.push(shape(new_task(number, make(number))));
        }
        let (mut repeats, mut pauses) = (0, interval(LOOK));
        pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for batch in tasks.chunks(BATCH) {
            let answers = loop {
                match queue.enqueue_batch(batch.to_vec()).await {
                    Ok(answers) => break answers,
                    Err(error) => assert!(error.is_transient(), "{error}"),
                }
                repeats += 1;
                pauses.tick().await;
            };
            let ids: Vec<String> = answers.into_iter().map(|answer| id_of(answer).to_string()).collect();
            self.ledger.acknowledge(&ids);
        }
        repeats
    }

    /// A connection of the witness, which never goes through a proxy.
    pub(crate) async fn witness(&self) -> MultiplexedConnection {
        let mut looks = interval(LOOK);
        let give_up = Instant::now() + PATIENCE;
        loop {
            looks.tick().await;
            let patient = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
            let client = self.redis.client();
            match client.get_multiplexed_async_connection_with_config(&patient).await {
                Ok(connection) => return connection,
                Err(error) => assert!(Instant::now() < give_up, "{error}"),
            }
        }
    }

    /// Tasks that have not ended.
    pub(crate) async fn unfinished(&self) -> usize {
        let mut connection = self.witness().await;
        let mut pipe = redis::pipe();
        for index in [
            format!("q:{KIND}"),
            format!("solo:{KIND}"),
            format!("f:{KIND}:{TENANT}:"),
            format!("f:{KIND}:{OTHER_TENANT}:"),
            "lease".to_owned(),
            "tm".to_owned(),
        ] {
            pipe.zcard(format!("{PREFIX}{index}"));
        }
        let counts: RedisResult<Vec<usize>> = pipe.query_async(&mut connection).await;
        // Redis may be loading its data.
        counts.map_or(usize::MAX, |counts| counts.iter().sum())
    }

    /// Waits until so few tasks are left, and replaces probes that die meanwhile. False if that takes too long.
    pub(crate) async fn until_left(&mut self, left: usize) -> bool {
        let mut looks = interval(LOOK);
        let ended = async {
            loop {
                looks.tick().await;
                self.tend();
                if self.unfinished().await <= left {
                    return;
                }
            }
        };
        timeout(PATIENCE, ended).await.is_ok()
    }

    /// Waits until all tasks have ended, then holds everything against the promises.
    pub(crate) async fn judge(&mut self) -> Verdict {
        let all_ended = self.until_left(0).await;
        let queue = self.patient_queue().await;
        let ended = judge::all_ended(&mut self.witness().await).await;
        let diary = Diary::read_all(self.dir.path());
        let acknowledged = self.ledger.ids();
        let mut verdict = judge::judge(&queue, &acknowledged, &ended, &diary, &self.kills).await;
        if !all_ended {
            verdict.stuck = self.unfinished().await;
        }
        // Each key made one task.
        let extra = ended.len().saturating_sub(acknowledged.len());
        if extra > 0 {
            verdict.promise(
                false,
                format!("a submit that was repeated makes one task: {extra} too many"),
            );
        }
        verdict
    }
}

/// A queue that waits for its answers.
pub(crate) async fn patient_queue(redis: &Redis) -> Queue {
    let options = ConnectOptions {
        response_timeout: PATIENCE,
        ..ConnectOptions::new(redis.url())
    };
    Queue::connect(options).await.expect("redis should answer")
}

/// A probe, with these words before its executable.
pub(crate) fn start_probe(settings: &ProbeSettings, launcher: &[String], dir: &Path, place: usize) -> Process {
    let settings = serde_json::to_string(settings).expect("settings are JSON");
    let own = executable("examples/probe").display().to_string();
    let mut words = launcher.iter().cloned().chain([own, settings]);
    let program = words.next().expect("at least the probe").into();
    Process::start_with(
        &format!("probe-{place}"),
        program,
        words.collect(),
        &BTreeMap::new(),
        dir,
    )
}

/// The task with this number.
pub(crate) fn new_task(number: u64, input: ProbeInput) -> NewTask {
    let input = ProbeInput { number, ..input };
    let text = serde_json::to_string(&input).expect("an input is JSON");
    let mut task = NewTask::new(TENANT, KIND, RawValue::from_string(text).expect("it is JSON"));
    task.idempotency = Some(Idempotency {
        key: format!("n{number}"),
        fingerprint: "f".to_owned(),
    });
    task
}
