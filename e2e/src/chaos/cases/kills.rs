//! Workers that are killed, stopped, frozen, or die of their tasks.

use std::time::Duration;

use futures_util::future::FutureExt;
use redis::AsyncCommands;
use rustix::process::Signal;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::chaos::arena::{Arena, LEASE, limit_ms};
use crate::chaos::judge::{self, PREFIX, Verdict};
use crate::chaos::probe::{Dies, POINTS, ProbeInput};
use crate::chaos::{Case, Scene, lasts};
use crate::ledger::{Deed, Diary};
use crate::redis::Durability;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "C01",
        fault: "SIGKILL of a random one of 4 workers, every second",
        promise: "what it held runs again within its lease and 2 s",
        play: |scene| c01(scene).boxed(),
    },
    Case {
        id: "C02",
        fault: "SIGKILL of all workers at once, new ones after 5 s",
        promise: "all tasks end within the lease, 3 s and their work",
        play: |scene| c02(scene).boxed(),
    },
    Case {
        id: "C03",
        fault: "SIGTERM to one worker after the other, twice around",
        promise: "no attempt is used up, no task runs twice, each exits 0 within its grace",
        play: |scene| c03(scene).boxed(),
    },
    Case {
        id: "C04",
        fault: "SIGSTOP of a worker for three leases, then SIGCONT",
        promise: "every write that it still tries is refused",
        play: |scene| c04(scene).boxed(),
    },
    Case {
        id: "C06",
        fault: "abort at each of 8 points of an attempt's and a worker's life",
        promise: "what was held runs again",
        play: |scene| c06(scene).boxed(),
    },
    Case {
        id: "C25",
        fault: "tasks that abort their worker every time, and tasks that never end",
        promise: "they are dead letters after 3 workers or their timeout; all others end",
        play: |scene| c25(scene).boxed(),
    },
    Case {
        id: "C26",
        fault: "workers that the kernel kills, by a limit on the memory of their control group",
        promise: "as C01",
        play: |scene| c26(scene).boxed(),
    },
    Case {
        id: "C38",
        fault: "SIGKILL of whoever has the duty of the background work, again and again",
        promise: "somebody else has it within two of its periods and its lease",
        play: |scene| c38(scene).boxed(),
    },
];

/// Tasks of 50 to 200 ms.
fn works(scene: &mut Scene) -> impl FnMut(u64) -> ProbeInput {
    let mut random = scene.random.clone();
    move |_| ProbeInput {
        works_ms: 50 + random.below(151) as u64,
        ..ProbeInput::default()
    }
}

async fn c01(mut scene: Scene) -> Verdict {
    let mut arena = Arena::start(Durability::None).await;
    arena.add_probes(4);
    arena.submit(scene.scale.of(3_000, 300), works(&mut scene)).await;
    let mut kills = interval(Duration::from_secs(1));
    kills.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while arena.unfinished().await > 20 {
        kills.tick().await;
        arena.kill_and_replace(scene.random.below(4)).await;
    }
    let mut verdict = arena.judge().await;
    verdict.promise_recovery(limit_ms());
    let most = arena.kills.len() * 4;
    verdict.promise(
        verdict.reruns <= most,
        format!("re-runs at most kills times slots: {} of {most}", verdict.reruns),
    );
    verdict
}

async fn c02(mut scene: Scene) -> Verdict {
    let mut arena = Arena::start(Durability::None).await;
    arena.add_probes(4);
    let tasks = scene.scale.of(1_000, 100);
    arena.submit(tasks, works(&mut scene)).await;
    arena.until_left(tasks * 3 / 4).await;
    for place in 0..4 {
        arena.kill(place).await;
    }
    lasts(Duration::from_secs(scene.scale.of(5, 1) as u64)).await;
    let back = Instant::now();
    (0..4).for_each(|place| arena.replace(place));
    let left = arena.unfinished().await;
    let mut verdict = arena.judge().await;
    // Nobody was there to run anything: only the return counts.
    verdict.recovery_ms.clear();
    // 16 slots, at most 200 ms a task.
    let work = Duration::from_millis(200) * u32::try_from(left / 16 + 1).expect("few tasks");
    let (took, limit) = (back.elapsed(), LEASE + Duration::from_secs(3) + work);
    verdict.promise_in_time(took <= limit, format!("{left} tasks end within {limit:?}: {took:?}"));
    verdict
}

async fn c03(mut scene: Scene) -> Verdict {
    let mut arena = Arena::start(Durability::None).await;
    // The one that workers have by default: what runs twice here, a drain has let go of.
    arena.settings.lease_ms = 15_000;
    arena.add_probes(4);
    arena.submit(scene.scale.of(1_000, 200), works(&mut scene)).await;
    let mut worst = Duration::ZERO;
    let mut clean = true;
    for place in (0..4).chain(0..4) {
        lasts(Duration::from_millis(300)).await;
        let asked = Instant::now();
        clean &= arena.probes[place].terminate().await.success();
        worst = worst.max(asked.elapsed());
        arena.replace(place);
    }
    let mut verdict = arena.judge().await;
    let ended = judge::all_ended(&mut arena.witness().await).await;
    let burnt = ended
        .values()
        .filter(|task| task.attempt != 1 || task.losses != 0)
        .count();
    verdict.promise(burnt == 0, format!("attempts used up: {burnt}"));
    verdict.promise(verdict.reruns == 0, format!("executions too many: {}", verdict.reruns));
    verdict.promise(clean, "each worker exits 0");
    verdict.promise_in_time(
        worst <= Duration::from_secs(5),
        format!("slowest exit, grace 5 s: {worst:?}"),
    );
    verdict
}

async fn c04(scene: Scene) -> Verdict {
    let mut arena = Arena::start(Durability::None).await;
    arena.settings.units = 64;
    arena.add_probes(1);
    let long = |_| ProbeInput {
        works_ms: 1_000,
        writes: true,
        ..ProbeInput::default()
    };
    let tasks = scene.scale.of(200, 64);
    arena.submit(tasks, long).await;
    let held = begun(&arena, 64).await;
    arena.probes[0].signal(Signal::STOP);
    arena.add_probes(1);
    lasts(LEASE * 3).await;
    // Another has what it held: it comes back to a world that went on.
    arena.until_left(0).await;
    arena.probes[0].signal(Signal::CONT);
    let mut looks = interval(Duration::from_millis(20));
    let tried = loop {
        looks.tick().await;
        let late = Diary::read_all(arena.dir());
        let deeds = late.iter().filter(|entry| held.contains(&entry.token));
        let tried = deeds
            .filter(|entry| matches!(entry.deed, Deed::Wrote | Deed::Refused))
            .count();
        if tried >= held.len() {
            break tried;
        }
    };
    let mut verdict = arena.judge().await;
    verdict.promise(
        verdict.refused == tried,
        format!("writes of the frozen worker refused: {} of {tried}", verdict.refused),
    );
    verdict
}

/// Waits until so many attempts have begun, and answers their tokens.
async fn begun(arena: &Arena, count: usize) -> Vec<String> {
    let mut looks = interval(Duration::from_millis(20));
    loop {
        looks.tick().await;
        let diary = Diary::read_all(arena.dir());
        let over = diary.iter().filter(|entry| entry.deed == Deed::Done).count();
        let ran = diary.iter().filter(|entry| entry.deed == Deed::Ran);
        let tokens: Vec<String> = ran.map(|entry| entry.token.clone()).collect();
        if tokens.len() >= count {
            // The first ones may be over already; those count as written in their time.
            return tokens[over..].to_vec();
        }
    }
}

async fn c06(mut scene: Scene) -> Verdict {
    let mut arena = Arena::start(Durability::None).await;
    // One slot each: whoever aborts costs its own task and no other.
    arena.settings.units = 1;
    let each = scene.scale.of(50, 5);
    arena.add_probes(4);
    let aborts = |number: u64| ProbeInput {
        works_ms: 4,
        writes: true,
        aborts: Some(POINTS[usize::try_from(number).expect("few tasks") % POINTS.len()]),
        ..ProbeInput::default()
    };
    arena.submit(each * POINTS.len(), aborts).await;
    arena.until_left(0).await;
    // The last two points: while a worker claims, and while it drains.
    arena.submit(each * 2, works(&mut scene)).await;
    for round in 0..each {
        let place = scene.random.below(4);
        arena.settings.dies = Dies::AfterStart(scene.random.below(12) as u64);
        arena.kill_and_replace(place).await;
        arena.probes[place].ended().await;
        arena.tend_as(Dies::InDrain(scene.random.below(6) as u64));
        if round % 2 == 0 {
            arena.probes[place].signal(Signal::TERM);
            arena.probes[place].ended().await;
            arena.tend_as(Dies::Never);
        }
    }
    // Up to a hundred tasks were held. They are to wait for their leases, and not for each other.
    (arena.settings.dies, arena.settings.units) = (Dies::Never, 4);
    for place in 0..4 {
        arena.kill_and_replace(place).await;
    }
    let mut verdict = arena.judge().await;
    verdict.promise_recovery(limit_ms());
    let aborted = std::fs::read_dir(arena.dir())
        .expect("the folder should be readable")
        .flatten();
    let aborted = aborted
        .filter(|file| file.file_name().to_string_lossy().starts_with("aborted-"))
        .count();
    verdict.promise(
        aborted == each * POINTS.len(),
        format!(
            "aborts at the 6 points of an attempt: {aborted}; deaths in all {}",
            arena.kills.len()
        ),
    );
    verdict
}

async fn c25(mut scene: Scene) -> Verdict {
    let mut arena = Arena::start(Durability::None).await;
    arena.add_probes(4);
    let poison = |_| ProbeInput {
        works_ms: 20,
        aborts: Some(POINTS[2]),
        poison: true,
        ..ProbeInput::default()
    };
    let endless = |_| ProbeInput {
        hangs: true,
        ..ProbeInput::default()
    };
    arena.submit(3, poison).await;
    let once = |mut task: zoetrope_queue::NewTask| {
        task.timeout = Some(Duration::from_secs(1));
        task.max_attempts = 1;
        task
    };
    arena.submit_as(2, endless, once).await;
    arena.submit(scene.scale.of(1_000, 100), works(&mut scene)).await;
    let mut verdict = arena.judge().await;
    verdict.promise(
        (verdict.dead_by_rule, verdict.failed) == (3, 2),
        format!(
            "poison dead-lettered after 3 workers: {} of 3; endless tasks timed out: {} of 2",
            verdict.dead_by_rule, verdict.failed
        ),
    );
    verdict.failed = verdict.failed.saturating_sub(2);
    verdict.promise_recovery(limit_ms());
    let deaths = arena.kills.len();
    verdict.promise(
        deaths <= 9,
        format!("workers that 3 poisonous tasks cost, at most 9: {deaths}"),
    );
    verdict
}

async fn c26(mut scene: Scene) -> Verdict {
    let group = format!("/sys/fs/cgroup/memory/zoetrope-chaos-{}", std::process::id());
    let limit = |group: &str| {
        std::fs::create_dir(group)?;
        std::fs::write(format!("{group}/memory.limit_in_bytes"), "24M")
    };
    if limit(&group).is_err() {
        return Verdict::skipped("needs the right to make memory control groups (version 1)");
    }
    let mut arena = Arena::start(Durability::None).await;
    arena.launcher = [
        "sh",
        "-c",
        &format!("echo $$ > {group}/cgroup.procs; exec \"$0\" \"$@\""),
    ]
    .map(str::to_owned)
    .to_vec();
    arena.add_probes(2);
    arena.submit(scene.scale.of(200, 40), works(&mut scene)).await;
    let glutton = |_| ProbeInput {
        works_ms: 20,
        eats_mib: 64,
        ..ProbeInput::default()
    };
    arena.submit(2, glutton).await;
    arena.submit(scene.scale.of(200, 40), works(&mut scene)).await;
    let mut verdict = arena.judge().await;
    verdict.promise(
        verdict.dead_by_rule == 2,
        format!(
            "tasks that eat too much become dead letters: {} of 2",
            verdict.dead_by_rule
        ),
    );
    // Whether others ran beside them is left to chance.
    if !verdict.recovery_ms.is_empty() {
        verdict.promise_recovery(limit_ms());
    }
    for probe in &mut arena.probes {
        probe.kill().await;
    }
    let gone = std::fs::remove_dir(&group);
    verdict.promise(gone.is_ok(), "no process is left in the control group");
    verdict
}

async fn c38(mut scene: Scene) -> Verdict {
    let mut arena = Arena::start(Durability::None).await;
    arena.add_probes(4);
    let later = |mut task: zoetrope_queue::NewTask| {
        task.delay = Some(Duration::from_millis(500 + scene.random.below(4_000) as u64));
        task
    };
    let quick = |_| ProbeInput {
        works_ms: 20,
        ..ProbeInput::default()
    };
    arena.submit_as(scene.scale.of(500, 100), quick, later).await;
    let mut worst = Duration::ZERO;
    for _ in 0..scene.scale.of(8, 3) {
        let holder = holder_of_duty(&arena, None).await;
        let pid: i32 = holder
            .rsplit('-')
            .next()
            .and_then(|pid| pid.parse().ok())
            .expect("names end with the pid");
        let place = arena
            .probes
            .iter()
            .position(|probe| probe.id() == pid)
            .expect("it is one of ours");
        arena.kill_and_replace(place).await;
        let killed = Instant::now();
        holder_of_duty(&arena, Some(&holder)).await;
        worst = worst.max(killed.elapsed());
    }
    let mut verdict = arena.judge().await;
    verdict.promise_recovery(limit_ms());
    // Two periods of half a second, and the lease on the duty.
    let limit = Duration::from_millis(2_000);
    verdict.promise_in_time(
        worst <= limit,
        format!("without anybody on duty at most {limit:?}: {worst:?}"),
    );
    verdict
}

/// Waits until somebody has the duty, and not the one named.
async fn holder_of_duty(arena: &Arena, but: Option<&str>) -> String {
    let mut connection = arena.witness().await;
    let mut looks = interval(Duration::from_millis(10));
    loop {
        looks.tick().await;
        let holder: Option<String> = connection
            .get(format!("{PREFIX}tick"))
            .await
            .expect("redis should answer");
        if let Some(holder) = holder.filter(|holder| Some(holder.as_str()) != but) {
            return holder;
        }
    }
}
