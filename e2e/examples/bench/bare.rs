//! What half the load would be to Redis alone: none of our code, a script that writes as many records as tasks come, and
//! reads until Redis is as busy as our tasks keep it. What this machine does to a Redis that has so little time to spare
//! (it slows down for tens of milliseconds when its neighbours use the memory, and what has gathered then has to be worked
//! off) it does to both.

use std::sync::Arc;
use std::time::Duration;

use redis::Script;
use redis::aio::MultiplexedConnection;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use zoetrope_e2e::Redis;

use crate::far::park_until;
use crate::table::median;

/// One call comes each millisecond.
const EVERY: Duration = Duration::from_millis(1);
/// About what a task's record takes.
const RECORD_BYTES: usize = 130;
/// Calls, and reads in each, by which the script's time is measured.
const TRIAL_CALLS: u64 = 500;
const TRIAL_READS: [u64; 2] = [100, 1_000];

/// Writes ARGV[1] records of the bytes of ARGV[2], each to a hash and to a sorted set from which the oldest go, and reads
/// ARGV[3] times.
const WRITES: &str = r"
local last = redis.call('INCRBY', 'count', ARGV[1])
for i = last - ARGV[1] + 1, last do
  local id = string.format('record-%012d', i)
  redis.call('HSET', 'records', id, ARGV[2])
  redis.call('ZADD', 'order', i, id)
end
redis.call('ZREMRANGEBYRANK', 'order', 0, -1000)
for i = 1, ARGV[3] do redis.call('HGET', 'records', 'none-' .. i) end
return last";

/// How long after it was due a call is answered.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Lateness {
    pub(crate) p99_ms: Option<f64>,
    /// Of the median second.
    pub(crate) p99_second_ms: Option<f64>,
    /// Share of a core that Redis took, percent.
    pub(crate) busy: Option<f64>,
}

/// For so many records a second, on an empty Redis that is to be busy for this share of the time.
pub(crate) async fn measure(redis: &Redis, records_per_s: u64, busy: f64, seconds: u32) -> Lateness {
    let writes = Writes {
        connection: redis.connection().await,
        script: Script::new(WRITES),
        records: records_per_s / 1_000,
        body: "x".repeat(RECORD_BYTES),
    };
    let [few, many] = [
        trial(&writes, redis, TRIAL_READS[0]).await,
        trial(&writes, redis, TRIAL_READS[1]).await,
    ];
    #[expect(clippy::cast_precision_loss, reason = "a few reads")]
    let [first, second] = TRIAL_READS.map(|reads| reads as f64);
    let reads = first + (busy * EVERY.as_secs_f64() - few) * (second - first) / (many - few);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of reads"
    )]
    let reads = reads.max(0.0) as u64;
    let (begun, before) = (Instant::now(), redis.used_cpu().await);
    let waits = on_a_timetable(writes, reads, 1_000 * seconds).await;
    let used = redis.used_cpu().await.saturating_sub(before);
    let seconds = waits.chunks(1_000).map(p99);
    Lateness {
        p99_ms: Some(p99(&waits)),
        p99_second_ms: median(seconds),
        busy: Some(100.0 * used.as_secs_f64() / begun.elapsed().as_secs_f64()),
    }
}

struct Writes {
    connection: MultiplexedConnection,
    script: Script,
    records: u64,
    body: String,
}

impl Writes {
    async fn call(&self, reads: u64) {
        let mut connection = self.connection.clone();
        let mut call = self.script.arg(self.records);
        let answer = call.arg(&self.body).arg(reads).invoke_async(&mut connection).await;
        let (): () = answer.expect("redis should answer");
    }
}

/// Seconds that Redis works for a call.
async fn trial(writes: &Writes, redis: &Redis, reads: u64) -> f64 {
    let before = redis.used_cpu().await;
    for _ in 0..TRIAL_CALLS {
        writes.call(reads).await;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few calls")]
    let calls = TRIAL_CALLS as f64;
    redis.used_cpu().await.saturating_sub(before).as_secs_f64() / calls
}

/// By call how long after it was due it was answered, ms.
async fn on_a_timetable(writes: Writes, reads: u64, calls: u32) -> Vec<f64> {
    let begun = Instant::now();
    let mut ticks = milliseconds_since(begun);
    let writes = Arc::new(writes);
    let mut answers = JoinSet::new();
    for n in 1..=calls {
        ticks.recv().await.expect("time goes on");
        let writes = Arc::clone(&writes);
        answers.spawn(async move {
            writes.call(reads).await;
            (n, (begun + EVERY * n).elapsed().as_secs_f64() * 1e3)
        });
    }
    let mut waits = answers.join_all().await;
    waits.sort_unstable_by_key(|(n, _)| *n);
    waits.into_iter().map(|(_, wait)| wait).collect()
}

/// Says when each millisecond has passed. The runtime's timer would do so up to two of them late: it rounds up twice.
fn milliseconds_since(begun: Instant) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1_000);
    std::thread::spawn(move || {
        for n in 1.. {
            park_until(begun + EVERY * n);
            if sender.blocking_send(()).is_err() {
                return;
            }
        }
    });
    receiver
}

fn p99(waits: &[f64]) -> f64 {
    let mut sorted = waits.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() * 99 / 100]
}
