//! One long run: a million tasks, a worker killed every five seconds, and the memory afterwards.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::FutureExt;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use zoetrope_queue::{Enqueued, FsckMode, NewTask, Queue};

use crate::chaos::arena::{Arena, limit_ms};
use crate::chaos::judge::{self, PREFIX, Verdict};
use crate::chaos::probe::KIND;
use crate::chaos::{Case, Scene};
use crate::ledger::{Deed, Diary};
use crate::redis::Durability;

pub(super) const CASES: &[Case] = &[Case {
    id: "M1",
    fault: "1,000,000 tasks, SIGKILL of a worker every 5 s",
    promise: "each is delivered and kept once, and Redis' memory is back where it was once they are pruned",
    play: |scene| m1(scene).boxed(),
}];

const BATCH: usize = 1_000;
const PROBES: usize = 3;
/// Batches under way at once.
const SUBMITTERS: usize = 3;
/// Results are kept this long; then time is moved on.
const KEPT: Duration = Duration::from_secs(3_600);
/// What the memory may differ by: buffers of connections, the table of keys on its way to its old size.
const SLACK_BYTES: u64 = 2 << 20;
const IDS_READ: isize = 5_000;
/// Longest that pruning may take.
const PRUNE_LIMIT: Duration = Duration::from_secs(300);

type Id = [u8; 20];

async fn m1(mut scene: Scene) -> Verdict {
    let mut arena = Arena::start(Durability::None).await;
    arena.settings.units = 32;
    arena.settings.claim_ahead = true;
    arena.add_probes(PROBES);
    // A first round, so that whatever is made once is there.
    submit_batch(arena.patient_queue().await, 0, Duration::from_secs(1)).await;
    arena.until_left(0).await;
    until_pruned(&arena).await;
    let baseline = arena.redis.used_memory().await;

    let begun = Instant::now();
    let tasks = scene.scale.of(1_000_000, 20_000);
    let kills = submit_and_kill(&mut arena, tasks, &mut scene).await;
    let took = begun.elapsed();
    let full = arena.redis.used_memory().await;
    let mut verdict = delivered(&arena).await;
    verdict.promise(
        kills > 0,
        format!("{kills} workers killed in {:.0} s", took.as_secs_f64()),
    );
    let queue = arena.patient_queue().await;
    let checked = Instant::now();
    verdict.fsck = queue.fsck(FsckMode::Check).await.expect("redis should answer").found;
    verdict.promise(
        verdict.fsck == 0,
        format!("fsck is clean, in {:.0} s", checked.elapsed().as_secs_f64()),
    );
    verdict.promise_recovery(limit_ms());
    let pruning = Instant::now();
    prune(&arena).await;
    let left = settled_memory(&arena, baseline + SLACK_BYTES).await;
    verdict.promise(
        left <= baseline + SLACK_BYTES,
        format!(
            "memory {:.1} MiB before, {:.1} MiB full, {:.1} MiB after pruning in {:.0} s",
            mib(baseline),
            mib(full),
            mib(left),
            pruning.elapsed().as_secs_f64()
        ),
    );
    verdict.fsck += queue.fsck(FsckMode::Check).await.expect("redis should answer").found;
    verdict
}

async fn submit_batch(queue: Queue, first: usize, kept: Duration) -> Vec<String> {
    let task = |number: usize| {
        let input = RawValue::from_string(format!("{{\"i\":{number}}}")).expect("JSON");
        let mut task = NewTask::new("chaos", KIND, input);
        task.result_ttl = kept;
        task
    };
    let tasks = (first..first + BATCH).map(task).collect();
    let answers = queue.enqueue_batch(tasks).await.expect("redis should answer");
    let id = |answer| match answer {
        Ok(Enqueued::Created(id)) => id.to_string(),
        other => panic!("{other:?} should be a new task"),
    };
    answers.into_iter().map(id).collect()
}

/// Submits while workers are killed, and goes on killing until all tasks have ended; how many were killed.
async fn submit_and_kill(arena: &mut Arena, count: usize, scene: &mut Scene) -> usize {
    let queue = arena.patient_queue().await;
    let mut firsts = (0..count).step_by(BATCH);
    let mut submitting = JoinSet::new();
    for first in firsts.by_ref().take(SUBMITTERS) {
        submitting.spawn(submit_batch(queue.clone(), first, KEPT));
    }
    let mut kills = 0;
    let mut due = interval(Duration::from_secs(5));
    let mut looks = interval(Duration::from_millis(200));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    due.tick().await;
    loop {
        tokio::select! {
            biased;
            _ = due.tick() => {
                arena.kill_and_replace(scene.random.below(PROBES)).await;
                kills += 1;
            }
            Some(ids) = submitting.join_next() => {
                arena.ledger.acknowledge(&ids.expect("a submit should not panic"));
                if let Some(first) = firsts.next() {
                    submitting.spawn(submit_batch(queue.clone(), first, KEPT));
                }
            }
            _ = looks.tick(), if submitting.is_empty() => {
                if arena.unfinished().await == 0 {
                    return kills;
                }
            }
        }
    }
}

/// Compares the ledger, the diaries and the lists of results, each read as a stream.
async fn delivered(arena: &Arena) -> Verdict {
    let known: HashSet<Id> = lines(&arena.dir().join("acknowledged"), |line| id(line, 0)).collect();
    let mut ran: HashMap<Id, u32> = HashMap::with_capacity(known.len());
    for diary in diaries(arena) {
        lines(&diary, began).for_each(|id| *ran.entry(id).or_default() += 1);
    }
    let mut witness = arena.witness().await;
    let kept = kept_ids(&mut witness).await;
    let distinct: HashSet<&Id> = kept.iter().collect();
    let dead: Vec<String> = witness
        .zrange(format!("{PREFIX}dl"), 0, -1)
        .await
        .expect("redis should answer");
    let dead: HashSet<Id> = dead.iter().filter_map(|id| id.as_bytes().try_into().ok()).collect();
    Verdict {
        tasks: known.len(),
        lost: known
            .iter()
            .filter(|id| !distinct.contains(*id) && !dead.contains(*id))
            .count(),
        twice: kept.len() - distinct.len(),
        accepted: distinct.iter().filter(|id| !ran.contains_key(**id)).count(),
        reruns: ran.values().map(|runs| *runs as usize - 1).sum(),
        recovery_ms: recoveries(arena, &ran, &mut witness).await,
        dead_by_rule: dead.len(),
        ..Verdict::default()
    }
}

/// How long what the killed workers held waited: only those that ran again are read whole.
async fn recoveries(arena: &Arena, ran: &HashMap<Id, u32>, witness: &mut MultiplexedConnection) -> Vec<u64> {
    let again = |id: &Id| ran.get(id).is_some_and(|runs| *runs > 1);
    let mut diary = Diary::read_some(arena.dir(), |line| began(line).is_some_and(|id| again(&id)));
    diary.retain(|entry| entry.deed == Deed::Ran);
    let ids: HashSet<&String> = diary.iter().map(|entry| &entry.id).collect();
    let ids: Vec<(String, usize)> = ids.into_iter().map(|id| (id.clone(), 1)).collect();
    let ended = judge::read_ended(witness, &ids).await;
    judge::recoveries(&diary, &arena.kills, &ended)
}

fn diaries(arena: &Arena) -> Vec<PathBuf> {
    let files = std::fs::read_dir(arena.dir()).expect("the folder should be readable");
    let paths = files.flatten().map(|file| file.path());
    paths
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("diary-"))
        })
        .collect()
}

fn lines<'a>(path: &Path, read: impl Fn(&str) -> Option<Id> + 'a) -> impl Iterator<Item = Id> + 'a {
    let file = std::fs::File::open(path).expect("the file should be readable");
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    lines.filter_map(move |line| read(&line))
}

fn id(line: &str, word: usize) -> Option<Id> {
    line.split(' ').nth(word)?.as_bytes().try_into().ok()
}

/// The task, if this line of a diary says that an attempt began.
fn began(line: &str) -> Option<Id> {
    (line.split(' ').nth(1)? == "r").then(|| id(line, 2))?
}

async fn kept_ids(witness: &mut MultiplexedConnection) -> Vec<Id> {
    let lists: Vec<String> = witness
        .keys(format!("{PREFIX}done:*"))
        .await
        .expect("redis should answer");
    let mut kept = Vec::new();
    for list in lists {
        let mut start = 0;
        loop {
            let ids: Vec<String> = witness
                .lrange(&list, start, start + IDS_READ - 1)
                .await
                .expect("redis should answer");
            start += IDS_READ;
            let read = ids.len();
            kept.extend(ids.iter().filter_map(|id| Id::try_from(id.as_bytes()).ok()));
            if read < usize::try_from(IDS_READ).expect("a small number") {
                break;
            }
        }
    }
    kept
}

/// Moves the queue's time on until results may go, and waits until they have gone. It goes on at half speed afterwards:
/// nothing that is timed may follow.
async fn prune(arena: &Arena) {
    let later = (KEPT.as_millis() + 120_000).to_string();
    arena
        .redis
        .run(&["HINCRBY", &format!("{PREFIX}meta"), "now", &later])
        .await;
    until_pruned(arena).await;
}

async fn until_pruned(arena: &Arena) {
    let mut witness = arena.witness().await;
    let (mut looks, give_up) = (interval(Duration::from_millis(100)), Instant::now() + PRUNE_LIMIT);
    loop {
        looks.tick().await;
        let moments: usize = witness
            .zcard(format!("{PREFIX}done"))
            .await
            .expect("redis should answer");
        if moments == 0 {
            return;
        }
        assert!(Instant::now() < give_up, "pruning should end within {PRUNE_LIMIT:?}");
    }
}

/// The memory once it is below this, or what it is after half a minute.
async fn settled_memory(arena: &Arena, wanted: u64) -> u64 {
    let (mut looks, give_up) = (
        interval(Duration::from_millis(500)),
        Instant::now() + Duration::from_secs(30),
    );
    loop {
        looks.tick().await;
        let used = arena.redis.used_memory().await;
        if used <= wanted || Instant::now() > give_up {
            return used;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
