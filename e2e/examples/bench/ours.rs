//! Our own figures, by `bench_worker` on a fresh Redis each.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;
use zoetrope_e2e::chaos::Pulse;
use zoetrope_e2e::{Durability, Redis, free_port};

use crate::table::median;
use crate::{
    BATCH, CALLERS, CONCURRENCIES, DURABLE, Figures, HALF_LOAD_SECONDS, KEYS, LARGE_BYTES, LONG_QUEUE, MOST,
    RATE_PER_S, RATE_TASKS, SHORT_QUEUE, SINGLE_TASKS, SUSTAINED_TASKS, TASKS, TURNS, WARM_MIB, bare, fairness, far,
    higher, text,
};

/// What is measured beside a peer.
pub(crate) async fn measure(worker: &Path) -> Figures {
    let mut best = Figures::default();
    for slots in CONCURRENCIES {
        let redis = fresh(Durability::None).await;
        let before = redis.used_memory().await;
        let batch = enqueue(worker, &redis, TASKS, 0).await;
        let worked = bench(worker, redis.url(), &["work", &text(TASKS), &text(slots)]).await;
        if worked["drain_per_s"].as_f64() > best.drain_per_s {
            best.drain_per_s = worked["drain_per_s"].as_f64();
            best.rss_mib = worked["rss_mib"].as_f64();
        }
        best.batch_per_s = higher(best.batch_per_s, batch["enqueue_per_s"].as_f64());
        best.bytes_a_task[0] = Some(bytes_a_task(&redis, before).await);
        let redis = fresh(Durability::None).await;
        keyed(worker, &redis, TASKS, KEYS).await;
        best.keyed_per_s = higher(best.keyed_per_s, drain(worker, redis.url(), TASKS, slots).await);
    }
    let redis = fresh(Durability::None).await;
    let single = bench(worker, redis.url(), &["single", &text(SINGLE_TASKS), &text(CALLERS)]).await;
    best.callers_per_s = single["enqueue_per_s"].as_f64();
    let redis = fresh(Durability::None).await;
    let worked = open_loop(worker, &redis, RATE_TASKS, RATE_PER_S, CONCURRENCIES[0]).await;
    best.start_ms = ["p50", "p99"].map(|share| milliseconds(&worked, share));
    best
}

/// What takes long.
pub(crate) async fn measure_more(worker: &Path, best: &mut Figures) {
    let redis = fresh(Durability::None).await;
    let before = redis.used_memory().await;
    enqueue(worker, &redis, TASKS, LARGE_BYTES).await;
    drain(worker, redis.url(), TASKS, MOST).await;
    best.bytes_a_task[1] = Some(bytes_a_task(&redis, before).await);

    for slots in CONCURRENCIES {
        for (place, durability) in DURABLE.into_iter().enumerate() {
            let redis = fresh(durability).await;
            enqueue(worker, &redis, TASKS, 0).await;
            let rate = drain(worker, redis.url(), TASKS, slots).await;
            best.durable_per_s[place] = higher(best.durable_per_s[place], rate);
        }
        best.far_per_s = higher(best.far_per_s, far_drain(worker, slots).await);
    }

    let mut lengths = [const { Vec::new() }; 2];
    for _ in 0..TURNS {
        for (queued, rates) in [SHORT_QUEUE, LONG_QUEUE].into_iter().zip(&mut lengths) {
            let redis = fresh(Durability::None).await;
            enqueue(worker, &redis, queued, 0).await;
            rates.extend(drain(worker, redis.url(), SHORT_QUEUE, MOST).await);
        }
    }
    best.length_per_s = lengths.map(|rates| median(rates.into_iter()));

    half_load(worker, best).await;
    fairness::measure(worker, best).await;
}

/// Tasks at half the drain rate on a timetable, and what a Redis without us makes of a load as large. The drain rate is one
/// that is held for seconds, just before, on the same kind of Redis: the best of three short ones is that of a lucky moment.
async fn half_load(worker: &Path, best: &mut Figures) {
    let warm = || Redis::start_warm_on_port(free_port(), WARM_MIB);
    let redis = warm().await;
    enqueue(worker, &redis, SUSTAINED_TASKS, 0).await;
    best.sustained_per_s = drain(worker, redis.url(), SUSTAINED_TASKS, MOST).await;
    drop(redis);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
    let half = (best.sustained_per_s.unwrap_or_default() / 2.0) as u64;
    let redis = warm().await;
    let before = redis.used_cpu().await;
    let pulse = Pulse::start();
    let worked = open_loop(worker, &redis, half * u64::from(HALF_LOAD_SECONDS), half, MOST).await;
    best.half_load_stall_ms = Some(pulse.worst().as_secs_f64() * 1e3);
    best.half_load_ms = ["p50", "p99", "p999", "p99_second"].map(|share| milliseconds(&worked, share));
    let busy = redis.used_cpu().await.saturating_sub(before).as_secs_f64() / f64::from(HALF_LOAD_SECONDS);
    best.half_load_busy = Some(100.0 * busy);
    drop(redis);
    best.bare = bare::measure(&warm().await, half, busy, HALF_LOAD_SECONDS).await;
}

/// A drain with a millisecond of network between the worker and Redis.
async fn far_drain(worker: &Path, slots: u64) -> Option<f64> {
    let (near, port) = (free_port(), free_port());
    let redis = Redis::start_on_port(near, Durability::None).await;
    enqueue(worker, &redis, TASKS, 0).await;
    far::listen(port, near);
    drain(worker, format!("redis://127.0.0.1:{port}"), TASKS, slots).await
}

pub(crate) async fn fresh(durability: Durability) -> Redis {
    Redis::start_on_port(free_port(), durability).await
}

async fn enqueue(worker: &Path, redis: &Redis, tasks: u64, bytes: u64) -> Value {
    let arguments = ["batch", &text(tasks), &text(BATCH), "1", &text(bytes), "0"];
    bench(worker, redis.url(), &arguments).await
}

pub(crate) async fn keyed(worker: &Path, redis: &Redis, tasks: u64, keys: u64) -> Value {
    let arguments = ["batch", &text(tasks), &text(BATCH), "1", "0", &text(keys)];
    bench(worker, redis.url(), &arguments).await
}

#[expect(clippy::cast_precision_loss, reason = "bytes a task")]
async fn bytes_a_task(redis: &Redis, before: u64) -> f64 {
    redis.used_memory().await.saturating_sub(before) as f64 / TASKS as f64
}

/// A worker, and a process beside it that submits on a timetable.
async fn open_loop(worker: &Path, redis: &Redis, tasks: u64, per_s: u64, slots: u64) -> Value {
    let (tasks, per_s, slots) = (text(tasks), text(per_s), text(slots));
    let (work, rate) = (["work", &tasks, &slots], ["rate", &tasks, &per_s]);
    tokio::join!(bench(worker, redis.url(), &work), bench(worker, redis.url(), &rate)).0
}

fn milliseconds(worked: &Value, share: &str) -> Option<f64> {
    worked["latency_us"][share].as_f64().map(|us| us / 1_000.0)
}

/// Runs so many of the tasks that wait; tasks a second.
pub(crate) async fn drain(worker: &Path, url: String, tasks: u64, slots: u64) -> Option<f64> {
    bench(worker, url, &["work", &text(tasks), &text(slots)]).await["drain_per_s"].as_f64()
}

/// Runs our worker program and reads its line.
pub(crate) async fn bench(worker: &Path, url: String, arguments: &[&str]) -> Value {
    let output = Command::new(worker)
        .arg(url)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .await
        .expect("bench_worker should run");
    assert!(output.status.success(), "bench_worker {arguments:?}: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("bench_worker should print one line of JSON")
}
