//! A network between the queue and Redis that is slow, narrow, cut, or swallows what it is given.

use std::time::Duration;

use futures_util::future::FutureExt;
use tokio::time::Instant;

use crate::chaos::arena::Arena;
use crate::chaos::judge::{self, Verdict};
use crate::chaos::probe::ProbeInput;
use crate::chaos::{Case, Scene, lasts};
use crate::proxy::{Fault, Proxy, Way};
use crate::redis::Durability;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "C19",
        fault: "100 to 300 ms of delay in each direction",
        promise: "no lease is lost for nothing",
        play: |scene| c19(scene).boxed(),
    },
    Case {
        id: "C20",
        fault: "requests swallowed for 10 s without RST, then answers, then both",
        promise: "work goes on within 6 s of the end of it",
        play: |scene| c20(scene).boxed(),
    },
    Case {
        id: "C21",
        fault: "connections reset in the middle of commands, and everything byte by byte",
        promise: "a submit that was repeated makes one task",
        play: |scene| c21(scene).boxed(),
    },
    Case {
        id: "C22",
        fault: "128 kB a second for tasks of 20 kB",
        promise: "nothing is lost, and no worker's memory grows with what waits",
        play: |scene| c22(scene).boxed(),
    },
];

/// Tasks of a submit, and how many more submits are made at most until one is cut.
const SUBMIT: usize = 250;
const MOST_ROUNDS: usize = 40;

fn works(scene: &mut Scene) -> impl FnMut(u64) -> ProbeInput {
    let mut random = scene.random.clone();
    move |_| ProbeInput {
        works_ms: 20 + random.below(81) as u64,
        ..ProbeInput::default()
    }
}

/// An arena whose workers and submitter reach Redis through a proxy; the witness does not.
async fn behind_a_proxy() -> (Arena, Proxy) {
    let mut arena = Arena::start(Durability::None).await;
    let proxy = Proxy::before(arena.redis.socket()).await;
    proxy.url().clone_into(&mut arena.settings.redis);
    proxy.url().clone_into(&mut arena.submits_to);
    (arena, proxy)
}

async fn c19(mut scene: Scene) -> Verdict {
    let (mut arena, proxy) = behind_a_proxy().await;
    // A round trip takes up to 0.6 s, and a renewal goes out at a third of the lease.
    arena.settings.lease_ms = 5_000;
    arena.settings.units = 16;
    proxy.set(Fault::Delay(Duration::from_millis(100), Duration::from_millis(200)));
    arena.add_probes(4);
    let long = |_| ProbeInput {
        works_ms: 8_000,
        ..ProbeInput::default()
    };
    arena.submit(16, long).await;
    arena.submit(scene.scale.of(500, 100), works(&mut scene)).await;
    let mut verdict = arena.judge().await;
    let ended = judge::all_ended(&mut arena.witness().await).await;
    let losses: u32 = ended.values().map(|task| task.losses).sum();
    verdict.promise(
        losses == 0,
        format!("leases lost: {losses}; executions too many: {}", verdict.reruns),
    );
    verdict
}

async fn c20(mut scene: Scene) -> Verdict {
    let (mut arena, proxy) = behind_a_proxy().await;
    arena.settings.units = 8;
    arena.add_probes(4);
    let mut worst = Duration::ZERO;
    for fault in [
        Fault::SwallowWay(Way::Requests),
        Fault::SwallowWay(Way::Answers),
        Fault::Swallow,
    ] {
        arena.submit(scene.scale.of(300, 60), works(&mut scene)).await;
        lasts(Duration::from_millis(200)).await;
        proxy.set(fault);
        lasts(Duration::from_secs(scene.scale.of(10, 3) as u64)).await;
        let before = arena.unfinished().await;
        proxy.heal();
        let healed = Instant::now();
        arena.until_left(before.saturating_sub(1)).await;
        worst = worst.max(healed.elapsed());
    }
    let mut verdict = arena.judge().await;
    let limit = Duration::from_secs(6);
    verdict.promise_in_time(worst <= limit, format!("a task ends within {limit:?}: {worst:?}"));
    verdict
}

async fn c21(mut scene: Scene) -> Verdict {
    let (mut arena, proxy) = behind_a_proxy().await;
    arena.settings.units = 8;
    arena.add_probes(4);
    let tasks = scene.scale.of(2_000, 500);
    // A submit of 250 tasks takes about 75 kB: some come through, some are cut.
    proxy.set(Fault::Reset(20_000 + scene.random.below(10_000) as u64, 200_000));
    let mut repeats = arena.submit(tasks, works(&mut scene)).await;
    for _ in 0..MOST_ROUNDS {
        // Of a few submits every one may come through.
        if repeats == 0 {
            repeats = arena.submit(SUBMIT, works(&mut scene)).await;
        }
    }
    lasts(Duration::from_secs(scene.scale.of(5, 1) as u64)).await;
    proxy.set(Fault::Slice);
    arena.submit(scene.scale.of(500, 100), works(&mut scene)).await;
    lasts(Duration::from_secs(scene.scale.of(5, 1) as u64)).await;
    proxy.heal();
    let mut verdict = arena.judge().await;
    let resets = proxy.resets();
    verdict.promise(
        resets > 0 && repeats > 0,
        format!("{resets} connections reset, {repeats} submits repeated"),
    );
    verdict
}

async fn c22(scene: Scene) -> Verdict {
    let (mut arena, proxy) = behind_a_proxy().await;
    arena.settings.lease_ms = 15_000;
    arena.add_probes(2);
    let large = |_| ProbeInput {
        works_ms: 5,
        filler: "x".repeat(20_000),
        ..ProbeInput::default()
    };
    let tasks = scene.scale.of(100, 20);
    // The submitter comes another way, so that they wait for the workers.
    arena.submits_to = arena.redis.url();
    proxy.set(Fault::Rate(128_000));
    arena.submit(tasks, large).await;
    arena.until_left(0).await;
    let most = arena.probes.iter().map(memory_mib).max().unwrap_or_default();
    let mut verdict = arena.judge().await;
    verdict.promise(
        most <= 64,
        format!("most memory that a worker ever had: {most} MiB of 64"),
    );
    verdict
}

/// The most memory that a process ever had.
fn memory_mib(probe: &crate::Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", probe.id())).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or_default();
    let kib = line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("a running process has memory") / 1024
}
