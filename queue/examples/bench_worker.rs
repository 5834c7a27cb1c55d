//! Load for `make bench`: enqueues and drains no-op tasks, and prints one line of JSON. No media library is linked,
//! so that the figures are the queue's own.
//!
//! `bench_worker URL VERB ...` with
//! * `batch N SIZE INFLIGHT BYTES`: enqueues N tasks in batches, INFLIGHT of them under way, specs of about BYTES
//! * `single N CALLERS`: enqueues N tasks one by one from CALLERS concurrent callers
//! * `rate N PER_S`: enqueues N tasks on a fixed timetable (open loop), each stamped with its time
//! * `work N SLOTS`: runs tasks until N have been committed

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{
    Attempt, ConnectOptions, Handler, KindSlot, NewTask, Outcome, Queue, SlotClass, Worker, WorkerConfig,
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
        "batch" => batch(&queue, number(2), number(3), number(4), number(5)).await,
        "single" => single(&queue, number(2), number(3)).await,
        "rate" => rate(&queue, number(2), number(3)).await,
        "work" => work(queue, number(2), number(3)).await,
        other => panic!("unknown verb {other}"),
    };
    println!("{line}");
}

async fn batch(queue: &Queue, total: u64, size: u64, in_flight: u64, bytes: u64) -> serde_json::Value {
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
                let tasks = (first..total.min(first + size)).map(|n| task(n, bytes)).collect();
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
                queue.enqueue(task(n, 0)).await.expect("redis should answer");
            }
        });
    }
    senders.join_all().await;
    per_second("enqueue_per_s", total, begun)
}

async fn rate(queue: &Queue, total: u64, per_s: u64) -> serde_json::Value {
    let begun = Instant::now();
    #[expect(clippy::cast_precision_loss, reason = "a rate of a benchmark")]
    let mut timetable = tokio::time::interval(Duration::from_secs_f64(1.0 / per_s as f64));
    let mut senders = JoinSet::new();
    for _ in 0..total {
        timetable.tick().await;
        let queue = queue.clone();
        let input = format!("{{\"t\":{}}}", now_us());
        senders.spawn(async move { queue.enqueue(new_task(input)).await.expect("redis should answer") });
        while senders.try_join_next().is_some() {}
    }
    senders.join_all().await;
    per_second("enqueue_per_s", total, begun)
}

async fn work(queue: Queue, total: u64, slots: u64) -> serde_json::Value {
    let counter = Arc::new(Counter {
        total,
        ..Counter::default()
    });
    let config = WorkerConfig {
        name: format!("bench-{}", std::process::id()),
        classes: vec![SlotClass {
            name: "io",
            units: u32::try_from(slots).expect("a few slots"),
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
    };
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let mut set = JoinSet::new();
    set.spawn(Worker::new(queue, config, Arc::clone(&counter) as Arc<dyn Handler>).run(stop.clone()));
    counter.all.notified().await;
    stop.cancel();
    let report = set
        .join_next()
        .await
        .expect("the worker runs")
        .expect("no panic")
        .expect("redis should answer");
    let mut latencies = std::mem::take(&mut *counter.latencies_us.lock().expect("no holder panics"));
    latencies.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank"
        )]
        latencies.get((latencies.len() as f64 * share) as usize).copied()
    };
    let mut line = per_second("drain_per_s", total, begun);
    line["finished"] = report.finished.into();
    line["rss_mib"] = rss_mib().into();
    line["latency_us"] = serde_json::json!({"p50": at(0.5), "p99": at(0.99), "p999": at(0.999)});
    line
}

/// Counts what it runs, and how long stamped tasks waited.
#[derive(Default)]
struct Counter {
    total: u64,
    done: AtomicU64,
    all: Notify,
    latencies_us: Mutex<Vec<u64>>,
}

impl Handler for Counter {
    fn run(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        if let Some(stamp) = attempt
            .input
            .get()
            .strip_prefix("{\"t\":")
            .and_then(|rest| rest.strip_suffix('}'))
        {
            let waited = now_us().saturating_sub(stamp.parse().expect("a stamp"));
            self.latencies_us.lock().expect("no holder panics").push(waited);
        }
        if self.done.fetch_add(1, Ordering::Relaxed) + 1 == self.total {
            self.all.notify_one();
        }
        let result = RawValue::from_string("{\"ok\":true}".to_owned()).expect("JSON");
        Box::pin(std::future::ready(Outcome::Succeeded(result)))
    }
}

fn task(n: u64, bytes: u64) -> NewTask {
    let filler = "x".repeat(usize::try_from(bytes.saturating_sub(20)).expect("a short filler"));
    new_task(if bytes > 20 {
        format!("{{\"i\":{n},\"f\":\"{filler}\"}}")
    } else {
        format!("{{\"i\":{n}}}")
    })
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
