//! `make bench`: the queue's figures in one table, beside its peers where their folder is there.
//!
//! Both sides run one after the other on one machine, each with its own worker process, a fresh Redis on TCP without
//! persistence, and the same number of no-op tasks with results kept; of several concurrencies the best counts. Only
//! ratios travel between machines.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tokio::process::Command as AsyncCommand;
use zoetrope_e2e::{Redis, free_port};

const TASKS: u64 = 50_000;
const BATCH: u64 = 500;
/// Enough for a payload of the peers' size.
const SPEC_BYTES: u64 = 30;
const CONCURRENCIES: [u64; 3] = [16, 64, 256];
const SINGLE_TASKS: u64 = 20_000;
const CALLERS: u64 = 64;
/// Open loop: tasks come on a timetable, whatever the queue does.
const RATE_TASKS: u64 = 1_000;
const RATE_PER_S: u64 = 100;
const PEER: &str = "bullmq-rs";

/// Settings of a benchmark, which no process of ours reads.
fn variable(name: &str) -> Option<String> {
    std::env::vars()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

/// One side's figures; what is not measured is `None`.
#[derive(Debug, Default)]
struct Figures {
    drain_per_s: Option<f64>,
    batch_per_s: Option<f64>,
    single_per_s: [Option<f64>; 2],
    start_ms: [Option<f64>; 2],
    bytes_a_task: Option<f64>,
    rss_mib: Option<f64>,
}

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]
async fn main() {
    let worker =
        PathBuf::from(variable("BENCH_WORKER").expect("BENCH_WORKER should name bench_worker: use `make bench`"));
    let ours = measure_ours(&worker).await;
    let folder = variable("BENCH_PEERS");
    let peer = match folder.filter(|folder| !folder.is_empty()).map(PathBuf::from) {
        Some(folder) if folder.join("run.py").is_file() => match measure_peer(&folder, &worker) {
            Ok(figures) => Some(figures),
            Err(why) => {
                eprintln!("bench: the peer could not be measured: {why}");
                None
            }
        },
        _ => {
            eprintln!("bench: no folder of peers (set BENCH_PEERS); only our own figures follow");
            None
        }
    };
    println!("{}", table(&ours, &peer.unwrap_or_default()));
}

async fn measure_ours(worker: &Path) -> Figures {
    let mut best = Figures::default();
    for slots in CONCURRENCIES {
        let redis = Redis::start_on_port(free_port()).await;
        let before = redis.used_memory().await;
        let batch = bench(
            worker,
            &redis,
            &["batch", &text(TASKS), &text(BATCH), "1", &text(SPEC_BYTES)],
        )
        .await;
        let drain = bench(worker, &redis, &["work", &text(TASKS), &text(slots)]).await;
        let bytes = (redis.used_memory().await - before) as f64 / TASKS as f64;
        if drain["drain_per_s"].as_f64() > best.drain_per_s {
            best.drain_per_s = drain["drain_per_s"].as_f64();
            best.rss_mib = drain["rss_mib"].as_f64();
        }
        best.batch_per_s = higher(best.batch_per_s, batch["enqueue_per_s"].as_f64());
        best.bytes_a_task = Some(bytes);
    }
    let redis = Redis::start_on_port(free_port()).await;
    for (place, callers) in [CALLERS, 1].into_iter().enumerate() {
        let single = bench(worker, &redis, &["single", &text(SINGLE_TASKS), &text(callers)]).await;
        best.single_per_s[place] = single["enqueue_per_s"].as_f64();
    }
    let redis = Redis::start_on_port(free_port()).await;
    let (count, per_s) = (text(RATE_TASKS), text(RATE_PER_S));
    let slots = text(CONCURRENCIES[0]);
    let (work, rate) = (["work", &count, &slots], ["rate", &count, &per_s]);
    let (worked, _) = tokio::join!(bench(worker, &redis, &work), bench(worker, &redis, &rate));
    for (place, share) in ["p50", "p99"].into_iter().enumerate() {
        best.start_ms[place] = worked["latency_us"][share].as_f64().map(|us| us / 1_000.0);
    }
    best
}

/// Runs our worker program and reads its line.
async fn bench(worker: &Path, redis: &Redis, arguments: &[&str]) -> Value {
    let output = AsyncCommand::new(worker)
        .arg(redis.url())
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .await
        .expect("bench_worker should run");
    assert!(output.status.success(), "bench_worker {arguments:?}: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("bench_worker should print one line of JSON")
}

/// Builds the peer into our own target folder and runs the folder's script at each concurrency.
fn measure_peer(folder: &Path, worker: &Path) -> Result<Figures, String> {
    // The script changes its working folder.
    let target = std::path::absolute(worker.with_file_name("peers")).map_err(|error| error.to_string())?;
    let manifest = folder.join("rust").join("Cargo.toml");
    let mut build = Command::new("cargo");
    build
        .args([
            "build",
            "--release",
            "--locked",
            "--bin",
            "bullmq_rs",
            "--manifest-path",
        ])
        .arg(manifest);
    let built = build
        .arg("--target-dir")
        .arg(&target)
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    if !built.success() {
        return Err(format!("it does not build: {built}"));
    }
    let mut best = Figures::default();
    for concurrency in CONCURRENCIES {
        let line = run_peer(folder, &target.join("release"), concurrency)?;
        if line["drain_per_s"].as_f64() > best.drain_per_s {
            best.drain_per_s = line["drain_per_s"].as_f64();
            best.rss_mib = line["worker_rss_mib"].as_f64();
        }
        best.batch_per_s = higher(best.batch_per_s, line["enqueue_per_s"].as_f64());
        best.start_ms = [
            best.start_ms[0].or(line["lat_p50_ms"].as_f64()),
            best.start_ms[1].or(line["lat_p99_ms"].as_f64()),
        ];
        let all = (TASKS + line["lat_n"].as_u64().unwrap_or_default()) as f64;
        // An empty Redis takes about a megabyte.
        best.bytes_a_task = line["redis_mib"].as_f64().map(|mib| (mib - 1.0) * 1_048_576.0 / all);
    }
    Ok(best)
}

fn run_peer(folder: &Path, target: &Path, concurrency: u64) -> Result<Value, String> {
    let mut run = Command::new("python3");
    run.arg(folder.join("run.py"))
        .args(["--peers", PEER, "--n", &text(TASKS), "--c", &text(concurrency)]);
    // The timetable only once: it takes its time, and its result does not depend on the concurrency.
    let rate_tasks = if concurrency == CONCURRENCIES[0] { RATE_TASKS } else { 1 };
    run.args(["--rate-n", &text(rate_tasks), "--rate", &text(RATE_PER_S), "--target"])
        .arg(target);
    let output = run
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    let line: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("run.py prints no JSON: {error}"))?;
    match line["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(line),
    }
}

fn table(ours: &Figures, peer: &Figures) -> String {
    let rows = [
        (
            format!("drain, tasks/s ({TASKS}, results kept)"),
            ours.drain_per_s,
            peer.drain_per_s,
            0,
        ),
        (
            format!("enqueue in batches of {BATCH}, tasks/s"),
            ours.batch_per_s,
            peer.batch_per_s,
            0,
        ),
        (
            format!("enqueue one by one, {CALLERS} callers, tasks/s"),
            ours.single_per_s[0],
            peer.single_per_s[0],
            0,
        ),
        (
            "enqueue one by one, 1 caller, tasks/s".to_owned(),
            ours.single_per_s[1],
            peer.single_per_s[1],
            0,
        ),
        (
            format!("submit to start at {RATE_PER_S}/s, p50, ms"),
            ours.start_ms[0],
            peer.start_ms[0],
            2,
        ),
        (
            format!("submit to start at {RATE_PER_S}/s, p99, ms"),
            ours.start_ms[1],
            peer.start_ms[1],
            2,
        ),
        (
            format!("Redis bytes a finished task (spec of about {SPEC_BYTES})"),
            ours.bytes_a_task,
            peer.bytes_a_task,
            0,
        ),
        (
            "worker's resident memory, MiB".to_owned(),
            ours.rss_mib,
            peer.rss_mib,
            0,
        ),
    ];
    let mut text = format!("{:<52} {:>12} {:>14} {:>10}\n", "", "zoetrope", "BullMQ Rust", "ratio");
    for (name, ours, peer, digits) in rows {
        let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"));
        let ratio = ours
            .zip(peer)
            .map_or_else(|| "-".to_owned(), |(ours, peer)| format!("{:.2}x", ours / peer));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<52} {:>12} {:>14} {ratio:>10}", cell(ours), cell(peer));
    }
    text
}

fn higher(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    if other > one { other } else { one }
}

fn text(number: u64) -> String {
    number.to_string()
}
