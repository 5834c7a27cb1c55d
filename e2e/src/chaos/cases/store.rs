//! A Redis that dies, stays away, loses the end of its log, has no room on its disk, or meets everybody at once.

use std::time::Duration;

use futures_util::future::FutureExt;
use tokio::time::{Instant, interval, timeout};

use crate::chaos::arena::{Arena, LEASE, PATIENCE, TENANT};
use crate::chaos::judge::{PREFIX, Verdict};
use crate::chaos::load::{Load, id_of};
use crate::chaos::probe::ProbeInput;
use crate::chaos::{Case, Scene, lasts};
use crate::redis::{Durability, Redis};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "C07",
        fault: "SIGKILL of Redis under load, five times, log synced always and every second",
        promise: "no acknowledged task is lost; submits are taken again within 5 s",
        play: |scene| c07(scene).boxed(),
    },
    Case {
        id: "C08",
        fault: "Redis away for ten leases while tasks run",
        promise: "no worker ends; work goes on within 5 s of its return",
        play: |scene| c08(scene).boxed(),
    },
    Case {
        id: "C10",
        fault: "SIGKILL of Redis, and up to 4 KiB of the end of its log are gone",
        promise: "it starts; what its log still holds is whole and ends",
        play: |scene| c10(scene).boxed(),
    },
    Case {
        id: "C28",
        fault: "no room for the log, synced always (Redis ends) and every second (Redis refuses)",
        promise: "what was refused was not acknowledged; what was acknowledged ends once there is room",
        play: |scene| c28(scene).boxed(),
    },
    Case {
        id: "C36",
        fault: "SIGKILL of Redis with 200 workers connected, which all come back at once",
        promise: "work goes on within 10 s; at most 3 connections a worker",
        play: |scene| c36(scene).boxed(),
    },
];

fn works(scene: &mut Scene) -> impl FnMut(u64) -> ProbeInput {
    let mut random = scene.random.clone();
    move |_| ProbeInput {
        works_ms: 20 + random.below(81) as u64,
        ..ProbeInput::default()
    }
}

async fn c07(mut scene: Scene) -> Verdict {
    let tiers = [Durability::Always, Durability::EverySecond];
    let mut total = Verdict::default();
    let kills = scene.scale.of(5, 1);
    for durability in tiers {
        let mut arena = match durability {
            Durability::EverySecond => Arena::on(Redis::start_in_memory(durability).await),
            _ => Arena::start(durability).await,
        };
        arena.settings.units = 16;
        arena.add_probes(4);
        let tasks = scene.scale.of(5_000, 500);
        let load = Load::start(&arena.queue().await, &arena.ledger, &[TENANT], tasks);
        // The last kill falls while the last of them are submitted.
        for kill in 1..=kills {
            load.reaches(tasks * kill / (kills + 1)).await;
            lasts(Duration::from_millis(scene.random.below(20) as u64)).await;
            arena.redis.kill_and_restart().await;
        }
        let told = load.told().await;
        let mut verdict = arena.judge().await;
        let limit = Duration::from_secs(5);
        verdict.promise_in_time(
            told.gap <= limit,
            format!(
                "{durability:?}: longest time that a submitter had no acknowledgement, at most {limit:?}: {:?}; submits \
                 repeated {}: {:?}",
                told.gap,
                told.repeats(),
                told.errors
            ),
        );
        total.absorb(verdict);
    }
    total
}

async fn c08(mut scene: Scene) -> Verdict {
    let mut arena = Arena::start(Durability::Always).await;
    arena.settings.units = 64;
    arena.add_probes(4);
    let long = |_| ProbeInput {
        works_ms: 3_000,
        writes: true,
        ..ProbeInput::default()
    };
    arena.submit(scene.scale.of(500, 100), long).await;
    arena.submit(100, works(&mut scene)).await;
    lasts(Duration::from_millis(500)).await;
    let before = arena.unfinished().await;
    arena.redis.kill().await;
    lasts(LEASE * 10).await;
    let ended = arena.probes.iter_mut().filter_map(crate::Process::has_ended).count();
    arena.redis.start_again().await;
    let back = Instant::now();
    arena.until_left(before.saturating_sub(1)).await;
    // What ran during the outage was abandoned: the first to end was claimed anew and worked for 3 s.
    let (took, limit) = (back.elapsed(), Duration::from_secs(5 + 3));
    let mut verdict = arena.judge().await;
    verdict.promise(ended == 0, format!("workers that ended: {ended}"));
    verdict.promise_in_time(took <= limit, format!("a task ends within {limit:?}: {took:?}"));
    verdict
}

async fn c10(mut scene: Scene) -> Verdict {
    let mut total = Verdict::default();
    for _ in 0..scene.scale.of(3, 1) {
        let mut arena = Arena::start(Durability::Always).await;
        arena.submit(500, works(&mut scene)).await;
        arena.add_probes(2);
        lasts(Duration::from_millis(400)).await;
        arena.redis.kill().await;
        let cut = 1 + scene.random.below(4_096) as u64;
        let folder = std::fs::read_dir(arena.redis.dir().join("appendonlydir")).expect("there is a log");
        let log = folder
            .flatten()
            .find(|file| file.file_name().to_string_lossy().contains(".incr."))
            .expect("there is a log of changes");
        let file = std::fs::File::options()
            .write(true)
            .open(log.path())
            .expect("the log should be writable");
        let length = file.metadata().expect("it is a file").len();
        file.set_len(length.saturating_sub(cut))
            .expect("the log should be writable");
        arena.redis.start_again().await;
        let mut verdict = arena.judge().await;
        // What the tail held is gone: at most one submit of 250 tasks, or ends that happen again.
        let lost = std::mem::take(&mut verdict.lost);
        verdict.promise(lost <= 250, format!("{cut} bytes cut off: {lost} tasks were in them"));
        // A worker may know of an end that the log has forgotten; then the task ran again.
        total.absorb(verdict);
    }
    total
}

/// `redis-server` that cannot write more than this into a file, as on a full disk.
fn with_room_for(kib: u64) -> Vec<String> {
    // The signal for too large a file is ignored, so that the write fails as one on a full disk does.
    let script = format!("trap '' XFSZ; ulimit -S -f {}; exec \"$0\" \"$@\"", kib * 1024 / 512);
    ["sh", "-c", &script].map(str::to_owned).to_vec()
}

async fn c28(mut scene: Scene) -> Verdict {
    let mut total = Verdict::default();
    for durability in [Durability::Always, Durability::EverySecond] {
        let redis = Redis::start_by(with_room_for(2_048), durability).await;
        let mut arena = Arena::on(redis);
        arena.add_probes(2);
        let queue = arena.queue().await;
        let mut make = works(&mut scene);
        let (mut acknowledged, mut refused) = (0, 0);
        let mut looks = interval(Duration::from_millis(20));
        // Until it is refused for the third time, or Redis has ended.
        while refused < 3 {
            looks.tick().await;
            let tasks = (0..50).map(|number| {
                let filler = "x".repeat(2_000);
                let input = ProbeInput { filler, ..make(number) };
                crate::chaos::arena::new_task(1_000_000 + acknowledged + number, input)
            });
            match timeout(Duration::from_secs(10), queue.enqueue_batch(tasks.collect())).await {
                Ok(Ok(answers)) => {
                    let ids: Vec<String> = answers.into_iter().map(|answer| id_of(answer).to_string()).collect();
                    acknowledged += ids.len() as u64;
                    arena.ledger.acknowledge(&ids);
                }
                Ok(Err(error)) if error.is_transient() => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        match durability {
            Durability::Always => {
                arena.redis.ended().await;
                arena.redis.start_again_by(Vec::new()).await;
            }
            Durability::None | Durability::EverySecond => {
                let pid = arena.redis.pid().as_raw_pid().to_string();
                let freed = tokio::process::Command::new("prlimit")
                    .args(["--pid", &pid, "--fsize=unlimited"])
                    .status()
                    .await;
                assert!(freed.is_ok_and(|status| status.success()), "prlimit should be there");
            }
        }
        let mut verdict = arena.judge().await;
        let text = format!("{durability:?}: {acknowledged} acknowledged, then {refused} submits refused");
        verdict.promise(acknowledged > 0 && refused > 0, text);
        // A refused submit may have been carried out before the log failed; it was not acknowledged, and its tasks may run.
        verdict.promises.retain(|promise| !promise.text.contains("too many"));
        total.absorb(verdict);
    }
    total
}

async fn c36(mut scene: Scene) -> Verdict {
    let workers = scene.scale.of(200, 40);
    let mut arena = Arena::start(Durability::Always).await;
    // The lease that a worker has by default: 200 workers in one machine's memory share its cores, too.
    arena.settings.lease_ms = 15_000;
    arena.settings.workers = workers / 10;
    arena.settings.units = 1;
    arena.add_probes(10);
    arena.submit(scene.scale.of(2_000, 200), works(&mut scene)).await;
    until_registered(&arena, workers).await;
    arena.redis.kill_and_restart().await;
    let back = Instant::now();
    arena.submit(1_000, works(&mut scene)).await;
    let before = arena.unfinished().await;
    arena.until_left(before.saturating_sub(workers)).await;
    let (took, limit) = (back.elapsed(), Duration::from_secs(10));
    let connections = connections(&arena).await;
    let mut verdict = arena.judge().await;
    verdict.promise_in_time(took <= limit, format!("{workers} tasks end within {limit:?}: {took:?}"));
    verdict.promise(
        connections <= 3 * workers + 20,
        format!("connections of {workers} workers: {connections}"),
    );
    verdict
}

async fn until_registered(arena: &Arena, workers: usize) {
    let mut connection = arena.witness().await;
    let mut looks = interval(Duration::from_millis(50));
    let registered = async {
        loop {
            looks.tick().await;
            let mut count = redis::cmd("HLEN");
            count.arg(format!("{PREFIX}workers"));
            let count: usize = count.query_async(&mut connection).await.expect("redis should answer");
            if count >= workers {
                return;
            }
        }
    };
    timeout(PATIENCE, registered).await.expect("all workers should come");
}

async fn connections(arena: &Arena) -> usize {
    let mut connection = arena.witness().await;
    let info: String = redis::cmd("INFO")
        .arg("clients")
        .query_async(&mut connection)
        .await
        .expect("redis should answer");
    let line = info.lines().find_map(|line| line.strip_prefix("connected_clients:"));
    line.and_then(|count| count.trim().parse().ok())
        .expect("INFO should tell it")
}
