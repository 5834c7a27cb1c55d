//! `make bench`: the queue's figures in one table, beside its peers where their folder is there.
//!
//! Both sides run one after the other on one machine, each with its own worker process, a fresh Redis on TCP, and the
//! same number of no-op tasks with the same payload and results kept; of several concurrencies the best counts on
//! either side. Our worker fails a run in which a task was lost or ran twice. Only ratios travel between machines.
//! `BENCH_RUNS=3` measures everything three times, both sides in turns, and prints medians. `BENCH_QUICK=1` leaves out
//! what takes long: the long queue, the open loop, the append-only file, the far Redis, fairness.

mod bare;
mod fairness;
mod far;
mod ours;
mod peer;
mod table;
mod turns;

use std::path::PathBuf;

use zoetrope_e2e::Durability;

const TASKS: u64 = 50_000;
const BATCH: u64 = 500;
const CONCURRENCIES: [u64; 3] = [16, 64, 256];
const MOST: u64 = CONCURRENCIES[CONCURRENCIES.len() - 1];
/// Of each of two that are set beside each other; the median counts, for one drain is a fifth quicker than the next.
const TURNS: usize = 7;
/// Fairness keys that all have tasks.
const KEYS: u64 = 500;
const SINGLE_TASKS: u64 = 50_000;
const CALLERS: u64 = 64;
/// Open loop: tasks come on a timetable, whatever the queue does.
const RATE_TASKS: u64 = 1_000;
const RATE_PER_S: u64 = 100;
/// Bytes of the larger payload; the small one is the peers' own, about 20.
const LARGE_BYTES: u64 = 300;
/// A queue that is long before the measured tasks are taken.
const LONG_QUEUE: u64 = 1_000_000;
const SHORT_QUEUE: u64 = 10_000;
/// A drain that takes seconds.
const SUSTAINED_TASKS: u64 = 500_000;
/// Seconds of the open loop at half that rate.
const HALF_LOAD_SECONDS: u32 = 10;
/// Memory that Redis has before it begins: more than it will use.
const WARM_MIB: u32 = 600;
/// Fairness: tasks of one tenant, tasks of another that come after them, slots, milliseconds that a task takes.
const SHARE: [u64; 4] = [10_000, 10, 4, 10];
/// Tasks of a key that stands at its limit.
const HELD_TASKS: u64 = 10_000;

/// One side's figures; what is not measured is `None`.
#[derive(Debug, Default)]
struct Figures {
    drain_per_s: Option<f64>,
    /// Of many fairness keys, each with a limit of concurrency; a peer's is its plain one, for it has no such thing.
    keyed_per_s: Option<f64>,
    /// The same in turns with the next one.
    keyed_alone_per_s: Option<f64>,
    /// Beside another key's tasks, which its limit holds back.
    keyed_beside_per_s: Option<f64>,
    batch_per_s: Option<f64>,
    /// Of many callers.
    callers_per_s: Option<f64>,
    /// Of one caller.
    single_per_s: Option<f64>,
    /// Of one caller on the unix socket.
    socket_single_per_s: Option<f64>,
    start_ms: [Option<f64>; 2],
    bytes_a_task: [Option<f64>; 2],
    rss_mib: Option<f64>,
    /// With the append-only file synced every second, and always.
    durable_per_s: [Option<f64>; 2],
    /// With a millisecond of network in between.
    far_per_s: Option<f64>,
    /// p95 of what the few tasks of a tenant wait: alone, and behind the many of another.
    share_ms: [Option<f64>; 2],
    /// A drain that takes seconds.
    sustained_per_s: Option<f64>,
    /// At half that rate: p50, p99, p99.9, p99 of the median second.
    half_load_ms: [Option<f64>; 4],
    /// The longest that the machine let a thread wait meanwhile that could run.
    half_load_stall_ms: Option<f64>,
    /// Share of a core that Redis took meanwhile, percent.
    half_load_busy: Option<f64>,
    /// What a Redis as busy makes of calls that have nothing to do with us.
    bare: bare::Lateness,
    /// Drain with few and with many tasks behind those that are taken, in turns.
    length_per_s: [Option<f64>; 2],
}

const DURABLE: [Durability; 2] = [Durability::EverySecond, Durability::Always];

/// Settings of a benchmark, which no process of ours reads.
fn variable(name: &str) -> Option<String> {
    std::env::vars()
        .find(|(known, value)| known == name && !value.is_empty())
        .map(|(_, value)| value)
}

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("far", server)) = words.split_first().map(|(verb, rest)| (verb.as_str(), rest)) {
        return far::stand_in(server).await;
    }
    let worker =
        PathBuf::from(variable("BENCH_WORKER").expect("BENCH_WORKER should name bench_worker: use `make bench`"));
    let quick = variable("BENCH_QUICK").is_some();
    let runs = variable("BENCH_RUNS").map_or(1, |runs| runs.parse().expect("BENCH_RUNS should be a number"));
    let peers = variable("BENCH_PEERS").map(PathBuf::from);
    let peers = peers.filter(|folder| folder.join("run.py").is_file());
    if peers.is_none() {
        eprintln!("bench: no folder of peers (set BENCH_PEERS); only our own figures follow");
    }
    let mut measured = Vec::new();
    for run in 1..=runs {
        eprintln!("bench: run {run} of {runs}");
        let mut ours = ours::measure(&worker).await;
        if !quick {
            ours::measure_more(&worker, &mut ours).await;
        }
        let peer = match &peers {
            Some(folder) => peer::measure(folder, &worker, quick).await.unwrap_or_else(|why| {
                eprintln!("bench: the peer could not be measured: {why}");
                Figures::default()
            }),
            None => Figures::default(),
        };
        let mut both = (ours, peer);
        turns::measure(&worker, peers.is_some(), &mut both).await;
        measured.push(both);
    }
    println!("{}", table::print(&measured));
}

fn higher(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    if other > one { other } else { one }
}

fn text(number: u64) -> String {
    number.to_string()
}
