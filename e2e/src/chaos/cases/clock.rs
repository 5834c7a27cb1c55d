//! Clocks that are wrong: those of workers, and that of Redis' machine, forward and back.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::FutureExt;
use tokio::time::Instant;

use crate::chaos::arena::{Arena, BEYOND_LEASE, LEASE};
use crate::chaos::judge::{self, Verdict};
use crate::chaos::probe::ProbeInput;
use crate::chaos::{Case, Scene, lasts};
use crate::redis::{Durability, Redis};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "C23",
        fault: "workers whose clocks are an hour ahead and an hour behind",
        promise: "no effect: leases are judged by Redis' clock",
        play: |scene| c23(scene).boxed(),
    },
    Case {
        id: "C24",
        fault: "the clock of Redis' machine jumps an hour ahead, then an hour back",
        promise: "leases run out once, delayed tasks run, and time goes on",
        play: |scene| c24(scene).boxed(),
    },
];

/// Words that start a program with a clock that is off by this, as `faketime` writes it; none where that is not installed.
fn off_by(hours: &str) -> Option<Vec<String>> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let library: PathBuf = folders
        .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
        .find(|path| path.is_file())?;
    // `faketime` itself would stay in between and take the signals. Redis' own allocator asks for the time before the
    // library is ready: libc's comes first.
    let preload = format!("LD_PRELOAD={} libc.so.6", library.display());
    let offset = format!("FAKETIME={hours}");
    let words = ["env", &preload, &offset, "FAKETIME_DONT_FAKE_MONOTONIC=1"];
    Some(words.map(str::to_owned).to_vec())
}

fn not_here() -> Verdict {
    Verdict::skipped("needs libfaketime: `make setup-tests`")
}

async fn c23(mut scene: Scene) -> Verdict {
    let (Some(ahead), Some(behind)) = (off_by("+1h"), off_by("-1h")) else {
        return not_here();
    };
    let mut arena = Arena::start(Durability::None).await;
    for launcher in [ahead, behind] {
        arena.launcher = launcher;
        arena.add_probes(2);
    }
    let works = |_| ProbeInput {
        works_ms: 20 + scene.random.below(2_500) as u64,
        ..ProbeInput::default()
    };
    arena.submit(scene.scale.of(100, 30), works).await;
    let mut verdict = arena.judge().await;
    let ended = judge::all_ended(&mut arena.witness().await).await;
    let losses: u32 = ended.values().map(|task| task.losses).sum();
    verdict.promise(
        losses == 0,
        format!("leases lost: {losses}; executions too many: {}", verdict.reruns),
    );
    verdict
}

async fn c24(mut scene: Scene) -> Verdict {
    let Some(ahead) = off_by("+1h") else {
        return not_here();
    };
    let redis = Redis::start(Durability::Always).await;
    let mut arena = Arena::on(redis);
    arena.add_probes(2);
    let long = |_| ProbeInput {
        works_ms: 3_000 + scene.random.below(1_000) as u64,
        ..ProbeInput::default()
    };
    let delays = [2, 5, 1_800].map(Duration::from_secs);
    arena.submit(16, long).await;
    let mut next = delays.iter().cycle();
    let delayed = |mut task: zoetrope_queue::NewTask| {
        task.delay = next.next().copied();
        task
    };
    arena.submit_as(30, |_| ProbeInput::default(), delayed).await;
    lasts(Duration::from_millis(500)).await;
    arena.redis.kill().await;
    arena.redis.start_again_by(ahead).await;
    lasts(Duration::from_secs(2)).await;
    // Back again: what the queue has seen is an hour ahead of its server.
    arena.redis.kill().await;
    arena.redis.start_again_by(Vec::new()).await;
    arena
        .submit_as(
            8,
            |_| ProbeInput::default(),
            |mut task| {
                task.delay = Some(Duration::from_secs(2));
                task
            },
        )
        .await;
    let long = |_| ProbeInput {
        works_ms: 1_500,
        ..ProbeInput::default()
    };
    arena.submit(8, long).await;
    lasts(Duration::from_millis(300)).await;
    arena.kill_and_replace(0).await;
    let killed = Instant::now();
    let mut verdict = arena.judge().await;
    // While the queue's clock waits for its server's, it runs at half speed. What was lost to the jump and to the kill
    // waits 5 s on purpose, and works up to 4 s.
    let limit = 2 * (LEASE + BEYOND_LEASE + Duration::from_secs(5)) + Duration::from_secs(6);
    let took = killed.elapsed();
    verdict.promise_in_time(
        took <= limit,
        format!("what a killed worker held and what was delayed by 2 s ends within {limit:?}: {took:?}"),
    );
    verdict
}
