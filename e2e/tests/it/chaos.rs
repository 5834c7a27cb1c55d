//! Worker processes and Redis are killed over and over while they work: no acknowledged task is lost, and none is
//! committed twice.
//!
//! The schedule follows the work, not the clock: a kill comes after so many starts. Which worker it hits comes from a
//! fixed seed, printed with the figures.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use zoetrope_e2e::chaos::Random;
use zoetrope_e2e::{Durability, Event, Events, Http, Ledger, Stage};
use zoetrope_queue::{Clock, ConnectOptions, Queue, State, SystemClock};

const TASKS: usize = 3_000;
const BATCH: usize = 1_000;
const WORKERS: usize = 4;
const KILLS: usize = 32;
/// Starts between two kills: all kills fall while the bulk of the tasks runs.
const STARTS_A_KILL: usize = 75;
const SEED: u64 = 0x5eed_2026;

#[tokio::test(flavor = "multi_thread")]
async fn tasks_survive_32_killed_workers() {
    chaos(Durability::None, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_survive_killed_workers_and_a_redis_that_is_killed_twice() {
    chaos(Durability::Always, &[KILLS / 3, 2 * KILLS / 3]).await;
}

/// Runs everything; Redis is killed together with the workers at these places in the schedule.
async fn chaos(durability: Durability, redis_kills: &[usize]) {
    let mut stage = Stage::builder()
        .workers(WORKERS)
        .durability(durability)
        .env("LEASE_SECONDS", "2")
        .env("WORKER_IO_SLOTS", "16")
        .env("WORKER_KINDS", "echo")
        .env("RUST_LOG", "warn")
        .start()
        .await;
    let mut random = Random::new(SEED);
    let mut ledger = Ledger::create(stage.dir());
    let mut events = Events::watch(&stage.redis).await;
    let queue = Queue::connect(ConnectOptions::new(stage.redis.url()))
        .await
        .expect("the queue should be reachable");
    let began = Instant::now();
    submit_all(&stage.http, &mut random, &mut ledger).await;

    let mut deaths = Vec::new();
    for kill in 1..=KILLS {
        let calm = |seen: &[Event]| starts(seen) >= kill * STARTS_A_KILL && !somebody_is_at_the_last_chance(seen);
        events.until("tasks start", calm).await;
        // What the last victim held is still in its name, for its leases have not run out yet.
        look_after(&mut deaths, &queue, &events.so_far()).await;
        let victim = &mut stage.workers[random.below(WORKERS)];
        let pid = victim.pid().as_raw_pid();
        victim.kill().await;
        deaths.push(Death {
            pid,
            at_ms: SystemClock.now_ms(),
            held: Vec::new(),
        });
        if redis_kills.contains(&kill) {
            stage.redis.kill_and_restart().await;
        }
        victim.restart();
    }
    events
        .until("the last victim is missed", |seen| starts(seen) > KILLS * STARTS_A_KILL)
        .await;
    look_after(&mut deaths, &queue, &events.so_far()).await;
    let acknowledged = ledger.ids();
    assert_eq!(acknowledged.len(), TASKS);
    events
        .until("every acknowledged task succeeds", |seen| {
            succeeded(seen).is_superset(&acknowledged)
        })
        .await;
    let took = began.elapsed();
    stage.http.until_ready().await;

    let seen = events.so_far();
    let commits = |id: &str| {
        seen.iter()
            .filter(|event| event.id == id && event.letter == 's')
            .count()
    };
    let twice: Vec<&String> = acknowledged.iter().filter(|id| commits(id) != 1).collect();
    assert!(twice.is_empty(), "committed more than once: {twice:?}");
    let failed = seen.iter().filter(|event| matches!(event.letter, 'f' | 'c')).count();
    assert_eq!(failed, 0, "no task may fail because workers die");
    assert_eq!(
        read_back(&stage.http).await,
        acknowledged,
        "the api should show every task as succeeded"
    );
    report(&seen, &deaths, took.as_millis(), redis_kills.len());
}

async fn submit_all(http: &Http, random: &mut Random, ledger: &mut Ledger) {
    for batch in 0..TASKS / BATCH {
        let tasks: Vec<Value> = (0..BATCH)
            .map(|number| {
                let message = format!("{batch}-{number}");
                json!({"kind": "echo", "input": {"message": message, "sleep_ms": 50 + random.below(151)}})
            })
            .collect();
        let answer = http.post("/api/v1/tasks/batch", &json!({"tasks": tasks})).await;
        assert!(answer.status.is_success(), "{} {}", answer.status, answer.body);
        let items = answer.body["items"].as_array().expect("a batch answers its items");
        let id = |item: &Value| {
            item["task_id"]
                .as_str()
                .unwrap_or_else(|| panic!("{item} should be accepted"))
                .to_owned()
        };
        ledger.acknowledge(&items.iter().map(id).collect::<Vec<_>>());
    }
}

fn starts(seen: &[Event]) -> usize {
    seen.iter().filter(|event| event.letter == 'r').count()
}

fn succeeded(seen: &[Event]) -> BTreeSet<String> {
    seen.iter()
        .filter(|event| event.letter == 's')
        .map(|event| event.id.clone())
        .collect()
}

/// Three losses in a row make a dead letter on purpose, for tasks that kill their workers. Here the workers die of
/// something else, so that nobody is killed while a task is on its third attempt.
fn somebody_is_at_the_last_chance(seen: &[Event]) -> bool {
    let mut attempts: BTreeMap<&str, u32> = BTreeMap::new();
    for event in seen {
        match event.letter {
            'r' => *attempts.entry(&event.id).or_default() += 1,
            's' => drop(attempts.remove(event.id.as_str())),
            _ => {}
        }
    }
    attempts.values().any(|count| *count >= 3)
}

/// A killed worker.
struct Death {
    pid: i32,
    at_ms: u64,
    /// The tasks it took along.
    held: Vec<String>,
}

/// Finds out what the last of the dead held.
async fn look_after(deaths: &mut [Death], queue: &Queue, seen: &[Event]) {
    let Some(death) = deaths.last_mut() else { return };
    let mut running = BTreeSet::new();
    for event in seen {
        match event.letter {
            'r' => drop(running.insert(event.id.as_str())),
            'p' => {}
            _ => drop(running.remove(event.id.as_str())),
        }
    }
    let mut looks = JoinSet::new();
    for id in running {
        let (queue, id) = (queue.clone(), id.parse().expect("events carry ids"));
        // Redis may be on its way back: then this task adds nothing to the figures.
        looks.spawn(async move { queue.get("default", id).await.ok().flatten() });
    }
    let name = format!("-{}-", death.pid);
    let tasks = looks.join_all().await.into_iter().flatten();
    let held = tasks.filter(|task| {
        task.state == State::Running && task.worker.as_ref().is_some_and(|worker| worker.contains(&name))
    });
    death.held = held.map(|task| task.id.to_string()).collect();
}

/// Every succeeded task, page by page.
async fn read_back(http: &Http) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut query = "state=succeeded&limit=200".to_owned();
    loop {
        let page = http.get(&format!("/api/v1/tasks?{query}")).await.body;
        let items = page["items"]
            .as_array()
            .unwrap_or_else(|| panic!("{page} should be a page"));
        ids.extend(
            items
                .iter()
                .map(|task| task["id"].as_str().expect("tasks have ids").to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("state=succeeded&limit=200&cursor={cursor}"),
            None => return ids,
        }
    }
}

#[expect(clippy::print_stdout, reason = "these figures are what the test is read for")]
fn report(seen: &[Event], deaths: &[Death], took_ms: u128, redis_kills: usize) {
    let next_start = |id: &String, died_ms: u64| {
        let again = seen
            .iter()
            .find(|event| event.id == *id && event.letter == 'r' && event.at_ms > died_ms);
        again.map(|event| event.at_ms - died_ms)
    };
    let mut recovery: Vec<u64> = deaths
        .iter()
        .flat_map(|death| death.held.iter().filter_map(|id| next_start(id, death.at_ms)))
        .collect();
    recovery.sort_unstable();
    let at = |share: usize| {
        recovery
            .get((recovery.len() * share / 100).min(recovery.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    println!(
        "chaos, seed {SEED:#x}: {TASKS} tasks in {took_ms} ms, {KILLS} workers and {redis_kills} times Redis killed, \
         {} re-runs; from a kill to the next start of a task it held, ms: p50 {}, p99 {}, max {} over {} \
         (leases of 2 s; a second loss in a row waits 5 s more)",
        starts(seen) - TASKS,
        at(50),
        at(99),
        at(100),
        recovery.len()
    );
}
