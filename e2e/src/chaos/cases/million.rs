//! One long run: a million tasks, a worker killed every five seconds, and the memory afterwards.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use futures_util::future::FutureExt;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use zoetrope_queue::{Enqueued, FsckMode, NewTask, Queue};

use crate::chaos::arena::Arena;
use crate::chaos::judge::{PREFIX, Verdict};
use crate::chaos::probe::KIND;
use crate::chaos::{Case, Scene};
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
    submit(&mut arena, BATCH).await;
    arena.until_left(0).await;
    prune(&mut arena).await;
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
    let queue = arena.queue().await;
    verdict.fsck = queue.fsck(FsckMode::Check).await.expect("redis should answer").found;
    let pruned = Instant::now();
    prune(&mut arena).await;
    let left = settled_memory(&arena, baseline + SLACK_BYTES).await;
    verdict.promise(
        left <= baseline + SLACK_BYTES,
        format!(
            "memory {:.1} MiB before, {:.1} MiB full, {:.1} MiB after pruning in {:.0} s",
            mib(baseline),
            mib(full),
            mib(left),
            pruned.elapsed().as_secs_f64()
        ),
    );
    verdict.fsck += queue.fsck(FsckMode::Check).await.expect("redis should answer").found;
    verdict
}

async fn submit(arena: &mut Arena, count: usize) {
    let queue = arena.queue().await;
    for first in (0..count).step_by(BATCH) {
        let ids = submit_batch(queue.clone(), first).await;
        arena.ledger.acknowledge(&ids);
    }
}

async fn submit_batch(queue: Queue, first: usize) -> Vec<String> {
    let task = |number: usize| {
        let input = RawValue::from_string(format!("{{\"i\":{number}}}")).expect("JSON");
        let mut task = NewTask::new("chaos", KIND, input);
        task.result_ttl = KEPT;
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
    let queue = arena.queue().await;
    let mut firsts = (0..count).step_by(BATCH);
    let mut submitting = JoinSet::new();
    for first in firsts.by_ref().take(SUBMITTERS) {
        submitting.spawn(submit_batch(queue.clone(), first));
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
                    submitting.spawn(submit_batch(queue.clone(), first));
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
    let acknowledged = ids_of_lines(&arena.dir().join("acknowledged"), 0);
    let mut runs = 0;
    let mut ran = HashSet::with_capacity(acknowledged.len());
    for file in std::fs::read_dir(arena.dir())
        .expect("the folder should be readable")
        .flatten()
    {
        if file.file_name().to_string_lossy().starts_with("diary-") {
            for id in ids_of_lines(&file.path(), 2) {
                runs += 1;
                ran.insert(id);
            }
        }
    }
    // A line when it began and one when it was over.
    let reruns = (runs / 2usize).saturating_sub(ran.len());
    let mut witness = arena.witness().await;
    let kept = kept_ids(&mut witness).await;
    let dead: usize = witness.zcard(format!("{PREFIX}dl")).await.expect("redis should answer");
    let distinct: HashSet<&Id> = kept.iter().collect();
    let known: HashSet<&Id> = acknowledged.iter().collect();
    Verdict {
        tasks: known.len(),
        // The first round was pruned.
        lost: known
            .iter()
            .filter(|id| !distinct.contains(**id))
            .count()
            .saturating_sub(BATCH + dead),
        twice: kept.len() - distinct.len(),
        accepted: distinct.iter().filter(|id| !ran.contains(**id)).count(),
        reruns,
        dead_by_rule: dead,
        ..Verdict::default()
    }
}

fn ids_of_lines(path: &Path, word: usize) -> Vec<Id> {
    let file = std::fs::File::open(path).expect("the file should be readable");
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    let id = |line: String| line.split(' ').nth(word)?.as_bytes().try_into().ok();
    lines.filter_map(id).collect()
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

/// Moves the queue's time on until results may go, and waits until they have gone.
async fn prune(arena: &mut Arena) {
    let later = (KEPT.as_millis() + 120_000).to_string();
    arena
        .redis
        .run(&["HINCRBY", &format!("{PREFIX}meta"), "now", &later])
        .await;
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
