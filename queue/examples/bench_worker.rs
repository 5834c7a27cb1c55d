//! Load for `make bench`: enqueues and drains no-op tasks, and prints one line of JSON. No media library is linked,
//! so that the figures are the queue's own.
//!
//! `bench_worker URL VERB ...` with
//! * `batch N SIZE INFLIGHT BYTES KEYS`: enqueues N tasks in batches, INFLIGHT of them under way, specs of about BYTES; with
//!   KEYS over 0 of as many fairness keys in turns, each with a limit of concurrency that is never reached
//! * `single N CALLERS`: enqueues N tasks one by one from CALLERS concurrent callers
//! * `rate N PER_S`: once a first task has run, enqueues the others of N on a fixed timetable (open loop), each stamped with
//!   the time it was due, or from 1,000 a second down with the time it was sent
//! * `held N`: enqueues N tasks of a fairness key that is at its limit and stays there
//! * `work N SLOTS`: runs tasks until N have been committed, and fails if any of them ran or was committed twice
//! * `share MANY FEW SLOTS MS`: how long the FEW tasks of a tenant wait, of MS each, alone and after the MANY of another

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{
    Attempt, ConnectOptions, Enqueued, Handler, KindSlot, NewTask, Outcome, Queue, Rate, SlotClass, Subject, Worker,
    WorkerConfig,
};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime should start");
    runtime.block_on(run(&args));
}

#[expect(clippy::print_stdout, reason = "the line of JSON is what the benchmark reads")]
async fn run(args: &[String]) {
    let number = |position: usize| args[position].parse::<u64>().expect("a number");
    let queue = Queue::connect(ConnectOptions::new(args[0].as_str()))
        .await
        .expect("redis should answer");
    let line = match args[1].as_str() {
        "batch" => batch(&queue, number(2), number(3), number(4), number(5), number(6)).await,
        "single" => single(&queue, number(2), number(3)).await,
        "rate" => rate(&queue, number(2), number(3)).await,
        "held" => held(&queue, number(2)).await,
        "work" => work(queue, number(2), number(3)).await,
        "share" => share(queue, number(2), number(3), number(4), Duration::from_millis(number(5))).await,
        other => panic!("unknown verb {other}"),
    };
    println!("{line}");
}

async fn batch(queue: &Queue, total: u64, size: u64, in_flight: u64, bytes: u64, keys: u64) -> serde_json::Value {
    if keys > 0 {
        let each = Subject::EachKey("default".to_owned());
        let limited = queue.set_limits(&each, Some(1_000), None).await;
        limited.expect("redis should answer");
    }
    let begun = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..in_flight {
        let (queue, next) = (queue.clone(), Arc::clone(&next));
        senders.spawn(async move {
            loop {
                let first = next.fetch_add(size, Ordering::Relaxed);
                if first >= total {
                    return;
                }
                let tasks = (first..total.min(first + size))
                    .map(|n| keyed(task(n, total, bytes), n, keys))
                    .collect();
                queue.enqueue_batch(tasks).await.expect("redis should answer");
            }
        });
    }
    senders.join_all().await;
    per_second("enqueue_per_s", total, begun)
}

async fn single(queue: &Queue, total: u64, callers: u64) -> serde_json::Value {
    let begun = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..callers {
        let (queue, next) = (queue.clone(), Arc::clone(&next));
        senders.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= total {
                    return;
                }
                queue.enqueue(task(n, total, 0)).await.expect("redis should answer");
            }
        });
    }
    senders.join_all().await;
    per_second("enqueue_per_s", total, begun)
}

async fn rate(queue: &Queue, total: u64, per_s: u64) -> serde_json::Value {
    run_one(queue, task(0, total, 0)).await;
    let begun = Instant::now();
    let begun_us = now_us();
    let (mut ticks, mut passed_ms) = (milliseconds_since(begun), 0);
    let mut senders = JoinSet::new();
    for n in 1..total {
        // What is due within a millisecond goes together. That counts as waiting where the rate is high enough to hide a
        // queue that falls behind; at a few a second peers do not count it either.
        let due_us = n * 1_000_000 / per_s;
        while passed_ms * 1_000 < due_us {
            passed_ms = ticks.recv().await.expect("time goes on");
        }
        let queue = queue.clone();
        let stamp = if per_s > 1_000 { begun_us + due_us } else { now_us() };
        let input = format!("{{\"i\":{n},\"t\":{stamp}}}");
        senders.spawn(async move { queue.enqueue(new_task(input)).await.expect("redis should answer") });
        while senders.try_join_next().is_some() {}
    }
    senders.join_all().await;
    per_second("enqueue_per_s", total, begun)
}

/// Says how many milliseconds have passed, each as it does. The runtime's timer would be up to two of them late: it rounds up twice.
fn milliseconds_since(begun: Instant) -> mpsc::Receiver<u64> {
    let (sender, receiver) = mpsc::channel(1_000);
    std::thread::spawn(move || {
        for passed in 1.. {
            std::thread::sleep((begun + Duration::from_millis(passed)).saturating_duration_since(Instant::now()));
            if sender.blocking_send(passed).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Until it has run: the worker is there then.
async fn run_one(queue: &Queue, task: NewTask) {
    let (watch, watcher) = queue.watch();
    let stop = CancellationToken::new();
    let mut watching = JoinSet::new();
    watching.spawn(watcher.run(stop.clone()));
    let Ok(Enqueued::Created(id)) = queue.enqueue(task).await else {
        panic!("redis should take a task");
    };
    let ended = watch.wait_until("default", id, Duration::from_secs(60), |task| task.state.is_terminal());
    let ended = ended.await.expect("redis should answer").expect("the task is there");
    assert!(ended.state.is_terminal(), "a worker should run it");
    stop.cancel();
    watching.join_all().await;
}

/// In batches, one after the other.
async fn enqueue_all(queue: &Queue, total: u64, task: impl Fn(u64) -> NewTask) {
    for first in (0..total).step_by(500) {
        let tasks = (first..total.min(first + 500)).map(&task).collect();
        queue.enqueue_batch(tasks).await.expect("redis should answer");
    }
}

/// Numbers of held tasks, above those of the tasks that are measured.
const HELD_FROM: u64 = 1_000_000;

async fn held(queue: &Queue, total: u64) -> serde_json::Value {
    let key = "held".to_owned();
    let subject = Subject::Key {
        tenant: "default".to_owned(),
        key: key.clone(),
    };
    // The first runs, the others wait till tomorrow.
    let once = Rate {
        count: 1,
        period_ms: 86_400_000,
    };
    queue
        .set_limits(&subject, None, Some(once))
        .await
        .expect("redis should answer");
    let begun = Instant::now();
    let of_key = |n| NewTask {
        fairness_key: Some(key.clone()),
        ..task(HELD_FROM + n, total, 0)
    };
    enqueue_all(queue, total, of_key).await;
    per_second("enqueue_per_s", total, begun)
}

fn config(slots: u64) -> WorkerConfig {
    WorkerConfig {
        name: format!("bench-{}", std::process::id()),
        classes: vec![SlotClass {
            name: "io",
            units: u32::try_from(slots).expect("a few slots"),
            spread: false,
        }],
        kinds: vec![KindSlot {
            kind: "noop".to_owned(),
            class: 0,
            cost: 1,
            lease: Duration::from_secs(15),
            claim_ahead: true,
        }],
        drain_grace: Duration::from_secs(1),
        handlers_on: None,
    }
}

async fn work(queue: Queue, total: u64, slots: u64) -> serde_json::Value {
    let counter = Arc::new(Counter::new(total));
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let mut set = JoinSet::new();
    set.spawn(Worker::new(queue, config(slots), Arc::clone(&counter) as Arc<dyn Handler>).run(stop.clone()));
    counter.all.notified().await;
    stop.cancel();
    let drained = begun.elapsed();
    let report = set
        .join_next()
        .await
        .expect("the worker runs")
        .expect("no panic")
        .expect("redis should answer");
    let latencies = std::mem::take(&mut *counter.latencies_us.lock().expect("no holder panics"));
    let by_second = p99_of_the_median_second(&latencies);
    let latencies = sorted(latencies.into_iter().map(|(_, waited)| waited));
    let at = |share| rank(&latencies, share);
    assert!(
        report.finished >= total,
        "{} of {total} were committed",
        report.finished
    );
    let twice = counter.twice.load(Ordering::Relaxed);
    assert_eq!(
        (report.abandoned, twice),
        (0, 0),
        "no lease is lost and no task runs twice"
    );
    #[expect(clippy::cast_precision_loss, reason = "a rate of a benchmark")]
    let mut line = serde_json::json!({ "drain_per_s": (total as f64 / drained.as_secs_f64()).round() });
    line["finished"] = report.finished.into();
    line["rss_mib"] = rss_mib().into();
    line["latency_us"] =
        serde_json::json!({"p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "p99_second": by_second});
    line
}

fn sorted(values: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values
}

/// The value below which this share of them lies.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank"
)]
fn rank(sorted: &[u64], share: f64) -> Option<u64> {
    sorted.get((sorted.len() as f64 * share) as usize).copied()
}

/// A machine that stands still for 30 ms now and then spoils the second in which it does, and not the others.
fn p99_of_the_median_second(latencies: &[(u64, u64)]) -> Option<u64> {
    let mut seconds: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (stamp, waited) in latencies {
        seconds.entry(stamp / 1_000_000).or_default().push(*waited);
    }
    let worst = |waits: Vec<u64>| rank(&sorted(waits.into_iter()), 0.99);
    rank(&sorted(seconds.into_values().filter_map(worst)), 0.5)
}

/// How long a few tasks of one tenant wait, alone and beside the many of another, which came before.
async fn share(queue: Queue, many: u64, few: u64, slots: u64, run: Duration) -> serde_json::Value {
    let of = |tenant: &str, n: u64| NewTask::new(tenant, "noop", RawValue::from_string(n.to_string()).expect("JSON"));
    let mut p95 = Vec::new();
    for before in [0, many] {
        enqueue_all(&queue, before, |n| of("many", n)).await;
        let (begun, mut waits_of) = mpsc::channel(1_000);
        let sleeper = Sleeper { run, begun };
        let stop = CancellationToken::new();
        let worker = Worker::new(queue.clone(), config(slots), Arc::new(sleeper));
        let mut set = JoinSet::new();
        set.spawn(worker.run(stop.clone()));
        // Every slot is taken before the few come.
        for _ in 0..before.min(2 * slots) {
            waits_of.recv().await.expect("the worker runs");
        }
        let sent = Instant::now();
        let tasks = (0..few).map(|n| of("few", n)).collect();
        queue.enqueue_batch(tasks).await.expect("redis should answer");
        let mut waits = Vec::new();
        while (waits.len() as u64) < few {
            let (tenant, at) = waits_of.recv().await.expect("the worker runs");
            if tenant == "few" {
                waits.push(at - sent);
            }
        }
        waits.sort_unstable();
        p95.push(waits[(waits.len() * 95).div_ceil(100) - 1].as_secs_f64() * 1e3);
        stop.cancel();
        waits_of.close();
        set.join_next()
            .await
            .expect("the worker runs")
            .expect("no panic")
            .expect("redis should answer");
    }
    serde_json::json!({"alone_p95_ms": p95[0], "beside_p95_ms": p95[1], "ratio": p95[1] / p95[0]})
}

/// Says whose task begins, and takes its time.
struct Sleeper {
    run: Duration,
    begun: mpsc::Sender<(String, Instant)>,
}

impl Handler for Sleeper {
    fn run(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        let (run, begun) = (self.run, self.begun.clone());
        Box::pin(async move {
            // Nobody listens once the few have begun.
            let _ = begun.send((attempt.tenant, Instant::now())).await;
            tokio::time::sleep(run).await;
            Outcome::Succeeded(attempt.input)
        })
    }
}

/// Counts what it runs, and how long stamped tasks waited.
struct Counter {
    total: u64,
    done: AtomicU64,
    all: Notify,
    /// By the number in its input, whether a task has run.
    ran: Mutex<Vec<bool>>,
    twice: AtomicU64,
    /// Of each stamped task the stamp and how long it waited.
    latencies_us: Mutex<Vec<(u64, u64)>>,
}

impl Counter {
    fn new(total: u64) -> Self {
        Self {
            total,
            done: AtomicU64::new(0),
            all: Notify::new(),
            ran: Mutex::default(),
            twice: AtomicU64::new(0),
            latencies_us: Mutex::default(),
        }
    }

    /// Exact delivery is part of every figure.
    fn note(&self, input: &str) {
        let number = |name: &str| -> Option<u64> {
            let rest = input.split_once(name)?.1;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let n = usize::try_from(number("\"i\":").expect("every task has a number")).expect("a few tasks");
        let mut ran = self.ran.lock().expect("no holder panics");
        if ran.len() <= n {
            ran.resize(n + 1, false);
        }
        if std::mem::replace(&mut ran[n], true) {
            self.twice.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(stamp) = number("\"t\":") {
            let waited = now_us().saturating_sub(stamp);
            self.latencies_us
                .lock()
                .expect("no holder panics")
                .push((stamp, waited));
        }
    }
}

impl Handler for Counter {
    fn run(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        self.note(attempt.input.get());
        if self.done.fetch_add(1, Ordering::Relaxed) + 1 == self.total {
            self.all.notify_one();
        }
        let result = RawValue::from_string("{\"ok\":true}".to_owned()).expect("JSON");
        Box::pin(std::future::ready(Outcome::Succeeded(result)))
    }
}

/// The peers' payload, filled up to a size.
fn task(n: u64, total: u64, bytes: u64) -> NewTask {
    let plain = format!("{{\"i\":{n},\"n\":{total}");
    let missing = usize::try_from(bytes)
        .expect("a few bytes")
        .saturating_sub(plain.len() + 8);
    new_task(match missing {
        0 => plain + "}",
        _ => format!("{plain},\"f\":\"{}\"}}", "x".repeat(missing)),
    })
}

/// With one of as many fairness keys, in turns.
fn keyed(task: NewTask, n: u64, keys: u64) -> NewTask {
    NewTask {
        fairness_key: (keys > 0).then(|| format!("key-{}", n % keys)),
        ..task
    }
}

fn new_task(input: String) -> NewTask {
    NewTask::new("default", "noop", RawValue::from_string(input).expect("JSON"))
}

#[expect(clippy::cast_precision_loss, reason = "a rate of a benchmark")]
fn per_second(name: &str, total: u64, begun: Instant) -> serde_json::Value {
    serde_json::json!({ name: (total as f64 / begun.elapsed().as_secs_f64()).round() })
}

#[expect(
    clippy::disallowed_methods,
    reason = "latency between two processes needs the machine's clock in microseconds"
)]
fn now_us() -> u64 {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock should be past 1970");
    u64::try_from(since_1970.as_micros()).expect("microseconds fit 64 bits")
}

/// Resident memory of this process.
fn rss_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or_default()
        / 1024
}
