//! A primary that dies, hangs or is shut down, and slots that move: Sentinel and Cluster under load.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::FutureExt;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::time::{Instant, interval};
use zoetrope_queue::{ConnectOptions, Fault, FsckMode, Queue, State, Task, TaskId};

use crate::chaos::arena::{LEASE, LOOK, PATIENCE, start_probe};
use crate::chaos::judge::Verdict;
use crate::chaos::load::{Load, Told};
use crate::chaos::probe::{Dies, ProbeSettings};
use crate::chaos::{Case, Scene, lasts};
use crate::cluster_servers::{Cluster, NODE_TIMEOUT_MS};
use crate::ledger::{Deed, Diary, Ledger};
use crate::process::Process;
use crate::servers::{DOWN_AFTER_MS, Sentinels};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "C11",
        fault: "Sentinel: SIGKILL of the primary under load",
        promise: "nothing is lost; submits are taken again within down-after and 3 s",
        play: |scene| c11(scene).boxed(),
    },
    Case {
        id: "C12",
        fault: "Sentinel: SIGSTOP of the primary for 10 s under load, then SIGCONT",
        promise: "nothing is lost; submits are taken again while it still hangs",
        play: |scene| c12(scene).boxed(),
    },
    Case {
        id: "C14",
        fault: "Sentinel: planned SHUTDOWN of the primary under load",
        promise: "nothing is lost; submits are taken again within 5 s",
        play: |scene| c14(scene).boxed(),
    },
    Case {
        id: "C17",
        fault: "Cluster: SIGKILL of a primary under load",
        promise: "nothing is lost; submits are taken again within twice the node timeout and 2 s",
        play: |scene| c17(scene).boxed(),
    },
    Case {
        id: "C18",
        fault: "Cluster: the slots of all 16 shards move under load",
        promise: "nothing is lost, and no submitter is told of an error",
        play: |scene| c18(scene).boxed(),
    },
];

/// A tenant for Sentinel's one shard.
const ALONE: &[&str] = &["chaos"];
/// Tenants of several shards.
const MANY: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h"];
const SHARDS: usize = 16;
const HANGS: Duration = Duration::from_secs(10);

/// Workers on servers that are found by an address.
struct Fleet {
    queue: Queue,
    ledger: Ledger,
    /// End with the fleet.
    _probes: Vec<Process>,
    dir: TempDir,
}

impl Fleet {
    async fn on(url: String) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("zt-fleet-")
            .tempdir()
            .expect("a temporary folder should be makeable");
        let queue = Queue::connect(ConnectOptions::new(url.as_str()))
            .await
            .expect("the servers should answer");
        let settings = ProbeSettings {
            redis: url,
            dir: dir.path().to_owned(),
            units: 16,
            lease_ms: u64::try_from(LEASE.as_millis()).expect("a short time"),
            workers: 1,
            claim_ahead: false,
            dies: Dies::Never,
        };
        Self {
            queue,
            ledger: Ledger::create(dir.path()),
            _probes: (0..2)
                .map(|place| start_probe(&settings, &[], dir.path(), place))
                .collect(),
            dir,
        }
    }

    fn load(&self, tenants: &[&str], tasks: usize) -> Load {
        Load::start(&self.queue, &self.ledger, tenants, tasks)
    }

    /// Waits until all tasks have ended, then holds everything against the promises, by what the queue itself answers:
    /// where a key is, changes.
    async fn judge(self, told: &Told) -> Verdict {
        let mut verdict = Verdict {
            tasks: self.ledger.ids().len(),
            ..Verdict::default()
        };
        let mut winners = Vec::new();
        let give_up = Instant::now() + PATIENCE;
        for (tenant, id) in &told.tasks {
            match self.until_ended(tenant, *id, give_up).await {
                None => verdict.lost += 1,
                Some(task) if !task.state.is_terminal() => verdict.stuck += 1,
                Some(task) if task.state != State::Succeeded => verdict.failed += 1,
                Some(task) => winners.push((id.to_string(), token_of(&task))),
            }
        }
        let diary = Diary::read_all(self.dir.path());
        let runs: BTreeSet<(&str, &str)> = diary
            .iter()
            .filter(|entry| entry.deed == Deed::Done)
            .map(|entry| (entry.id.as_str(), entry.token.as_str()))
            .collect();
        let began = diary.iter().filter(|entry| entry.deed == Deed::Ran);
        let tasks: BTreeSet<&str> = began.clone().map(|entry| entry.id.as_str()).collect();
        verdict.reruns = began.count() - tasks.len();
        verdict.accepted = winners
            .iter()
            .filter(|(id, token)| !runs.contains(&(id.as_str(), token.as_str())))
            .count();
        let fsck = self.queue.fsck(FsckMode::Check).await.expect("redis should answer");
        verdict.fsck = fsck.found;
        verdict.twice = fsck
            .findings
            .iter()
            .filter(|finding| finding.fault == Fault::KeptTwice)
            .count();
        let extra = fsck.tasks.saturating_sub(verdict.tasks as u64);
        verdict.promise(extra == 0, format!("tasks that nobody was told of: {extra}"));
        verdict
    }

    async fn until_ended(&self, tenant: &str, id: TaskId, give_up: Instant) -> Option<Task> {
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            match self.queue.get(tenant, id).await {
                Ok(Some(task)) if task.state.is_terminal() || Instant::now() > give_up => return Some(task),
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => assert!(error.is_transient() && Instant::now() < give_up, "{error}"),
            }
        }
    }
}

/// The token of the attempt whose result is kept.
fn token_of(task: &Task) -> String {
    #[derive(Deserialize)]
    struct Answer {
        token: String,
    }
    let result = task.result.as_ref().expect("it succeeded");
    let answer: Answer = serde_json::from_str(result.get()).expect("a probe's result");
    answer.token
}

/// Holds the longest time without an answer against its promise.
fn promise_gap(verdict: &mut Verdict, told: &Told, limit: Duration) {
    verdict.promise_in_time(
        told.gap <= limit,
        format!(
            "longest time that a submitter had no acknowledgement, at most {limit:?}: {:?}; submits repeated {}",
            told.gap,
            told.repeats()
        ),
    );
}

const AFTER_DOWN: Duration = Duration::from_millis(DOWN_AFTER_MS + 3_000);

async fn c11(scene: Scene) -> Verdict {
    let mut sentinels = Sentinels::start(&[]).await;
    let old = sentinels.servers[0].port;
    let (fleet, tasks) = (Fleet::on(sentinels.url()).await, scene.scale.of(5_000, 500));
    let load = fleet.load(ALONE, tasks);
    load.reaches(tasks / 4).await;
    sentinels.servers[0].kill();
    let told = load.told().await;
    let new = sentinels.next_primary(old).await;
    let mut verdict = fleet.judge(&told).await;
    verdict.promise(new != old, "another server is the primary");
    promise_gap(&mut verdict, &told, AFTER_DOWN);
    verdict
}

async fn c12(scene: Scene) -> Verdict {
    let sentinels = Sentinels::start(&[]).await;
    let old = sentinels.servers[0].port;
    let (fleet, tasks) = (Fleet::on(sentinels.url()).await, scene.scale.of(5_000, 500));
    let load = fleet.load(ALONE, tasks);
    load.reaches(tasks / 4).await;
    sentinels.servers[0].signal("STOP");
    lasts(HANGS).await;
    sentinels.servers[0].signal("CONT");
    let told = load.told().await;
    sentinels.next_primary(old).await;
    let mut verdict = fleet.judge(&told).await;
    promise_gap(&mut verdict, &told, HANGS);
    verdict
}

async fn c14(scene: Scene) -> Verdict {
    let sentinels = Sentinels::start(&[]).await;
    let old = sentinels.servers[0].port;
    let (fleet, tasks) = (Fleet::on(sentinels.url()).await, scene.scale.of(5_000, 500));
    let load = fleet.load(ALONE, tasks);
    load.reaches(tasks / 4).await;
    // It waits for its replicas before it ends.
    sentinels.servers[0].signal("TERM");
    let told = load.told().await;
    sentinels.next_primary(old).await;
    let mut verdict = fleet.judge(&told).await;
    promise_gap(&mut verdict, &told, Duration::from_secs(5));
    verdict
}

async fn c17(scene: Scene) -> Verdict {
    let mut cluster = Cluster::start(3, 3).await;
    let (fleet, tasks) = (Fleet::on(cluster.url()).await, scene.scale.of(5_000, 500));
    let load = fleet.load(MANY, tasks);
    load.reaches(tasks / 4).await;
    cluster.servers[1].kill();
    let told = load.told().await;
    let mut verdict = fleet.judge(&told).await;
    promise_gap(&mut verdict, &told, Duration::from_millis(2 * NODE_TIMEOUT_MS + 2_000));
    let crossed = told.errors.keys().any(|error| error.contains("CROSSSLOT"));
    verdict.promise(!crossed, "no command spans slots");
    verdict
}

async fn c18(scene: Scene) -> Verdict {
    let cluster = Cluster::start(3, 0).await;
    let (fleet, tasks) = (Fleet::on(cluster.url()).await, scene.scale.of(5_000, 500));
    let load = fleet.load(MANY, tasks);
    for shard in 0..SHARDS {
        load.reaches(tasks / 4 + shard * tasks / 32).await;
        cluster.move_shard(u16::try_from(shard).expect("few shards")).await;
    }
    let told = load.told().await;
    let mut verdict = fleet.judge(&told).await;
    verdict.promise(
        told.errors.is_empty(),
        format!("what submitters were told beside acknowledgements: {:?}", told.errors),
    );
    verdict
}
