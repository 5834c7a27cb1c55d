//! Live sources that misbehave: they change in mid-stream, are damaged on their way, send next to nothing or everything at
//! once. What they are said to be, that they come back, what is recorded of them; and that nobody else notices: a healthy
//! stream of the same worker misses no picture, and nothing is left of any of them.

mod changes;
mod damage;
mod pace;

use serde_json::{Value, json};
use zoetrope_e2e::{Compression, Footage, Sender, Stage, descendants_of, open_files};

use crate::recordings::stage;
use crate::stream_records::{created, steer, until};
use crate::streams::{FILES_A_CHILD, settled};

const DAY_MS: f64 = 86_400_000.0;

/// A stage with a healthy stream on it.
struct Beside {
    stage: Stage,
    healthy: Sender,
    id: String,
    /// Descriptors of the worker while no stream runs.
    files: usize,
    /// Descriptors of the media child that has most.
    of_a_child: Option<usize>,
}

impl Beside {
    /// Starts everything. The worker is warm: it has read, decoded and recorded before its descriptors are counted.
    async fn begin() -> Self {
        let stage = stage().env("MAX_WORKERS", "1").env("LOG_FORMAT", "json").start().await;
        let footage = Footage::shoot(stage.dir(), Compression::H264, "160x120", 10).await;
        let camera = Sender::rtsp(footage.clone()).await;
        let mut warm = Vec::new();
        for fps in [1, 5] {
            let body = json!({"url": camera.url(), "store": true, "fps": fps, "window": {"size_s": 1}});
            warm.push(started(&stage, body).await);
        }
        for id in &warm {
            until(&stage, id, |status| count(status, "scenes") >= 2).await;
            steer(&stage, id, "stop").await;
        }
        let files = files(&stage).await;
        let healthy = Sender::rtsp(footage).await;
        let body = json!({"url": healthy.url(), "store": true, "fps": 2, "window": {"size_s": 1}});
        let id = started(&stage, body).await;
        until(&stage, &id, |status| count(status, "scenes") >= 2).await;
        Self {
            of_a_child: files_of_a_child(&stage),
            stage,
            healthy,
            id,
            files,
        }
    }

    /// The healthy stream missed nothing, and once it is stopped nothing is left of anybody.
    async fn end(self) {
        let Self {
            stage,
            healthy,
            id,
            files: before,
            of_a_child,
        } = self;
        healthy.hold();
        let status = until(&stage, &id, |status| count(status, "packets") == healthy.sent()).await;
        assert_untouched(&status);
        assert_eq!(files_of_a_child(&stage), of_a_child, "descriptors of a media child");
        steer(&stage, &id, "stop").await;
        assert_eq!(files(&stage).await, before, "descriptors of the worker");
        let log = stage.workers[0].log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// One connection, and everything that came over it was decoded and recorded.
fn assert_untouched(status: &Value) {
    assert_eq!(reconnects(status), 0, "{status}");
    let drops = status["counts"]["drops"].as_object().expect("drops by cause");
    // A busy machine may hold up a picture for longer than a window waits.
    let lost = drops.iter().filter(|(cause, _)| *cause != "late");
    assert!(lost.into_iter().all(|(_, count)| *count == 0), "{status}");
    assert_eq!(count(status, "decoder_crashes"), 0, "{status}");
}

/// The worker's descriptors once nothing runs. It may keep the children of its pool: what it holds of those is told apart.
async fn files(stage: &Stage) -> usize {
    let (files, processes) = settled(stage.workers[0].pid()).await;
    assert!(processes <= 2, "the pool has two children, not {processes}");
    files - processes * FILES_A_CHILD
}

fn files_of_a_child(stage: &Stage) -> Option<usize> {
    let children = descendants_of(stage.workers[0].pid());
    children.into_iter().map(open_files).max()
}

/// Creates a stream and starts it.
async fn started(stage: &Stage, body: Value) -> String {
    let id = created(stage, body).await;
    steer(stage, &id, "start").await;
    id
}

fn count(status: &Value, name: &str) -> u64 {
    status["counts"][name].as_u64().unwrap_or_default()
}

fn drops(status: &Value, name: &str) -> u64 {
    status["counts"]["drops"][name].as_u64().unwrap_or_default()
}

fn reconnects_for(status: &Value, cause: &str) -> u64 {
    status["counts"]["reconnects"][cause].as_u64().unwrap_or_default()
}

fn reconnects(status: &Value) -> u64 {
    let causes = status["counts"]["reconnects"].as_object().expect("reconnects by cause");
    causes.values().filter_map(Value::as_u64).sum()
}

/// Waits until a stream plays without a complaint, and wrote so many scenes since the status that is given.
async fn plays_on(stage: &Stage, id: &str, since: &Value, scenes: u64) -> Value {
    let more = |status: &Value| count(status, "scenes") >= count(since, "scenes") + scenes;
    until(stage, id, |status| {
        status["state"] == "connected" && status["cause"].is_null() && more(status)
    })
    .await
}

/// The stream was down and played again. Prints how long after its pauses, by the worker's own clock: the promise is 5 s.
#[expect(clippy::print_stdout, reason = "these figures are what the test is read for")]
fn assert_recovered(stage: &Stage, url: &str) {
    let log = stage.workers[0].log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut down_ms = None;
    let mut recoveries = Vec::new();
    for line in lines.filter(|line| line["url"] == url) {
        let message = line["message"].as_str().unwrap_or_default();
        if message.starts_with("the stream is down") {
            down_ms = Some(time_ms(&line["timestamp"]) + span_ms(&line["pause"]));
        } else if message == "the stream plays" {
            let took = down_ms
                .take()
                .map(|due| (time_ms(&line["timestamp"]) - due).rem_euclid(DAY_MS));
            recoveries.extend(took);
        }
    }
    assert!(!recoveries.is_empty(), "{url} was down, and played again: {log}");
    println!("{url} played again {recoveries:.0?} ms after its pauses");
}

/// Milliseconds of the day in `2026-01-01T12:34:56.789Z`.
fn time_ms(timestamp: &Value) -> f64 {
    let text = timestamp.as_str().and_then(|text| text.split_once('T'));
    let clock = text.expect("log lines have times").1.trim_end_matches('Z').to_owned();
    let fields = clock.split(':').map(|field| field.parse::<f64>().expect("a number"));
    fields.fold(0.0, |sum, field| sum * 60.0 + field) * 1_000.0
}

/// Milliseconds in what a duration is written as, such as `12.5ms`.
fn span_ms(span: &Value) -> f64 {
    let text = span.as_str().expect("a pause");
    let unit = text.trim_start_matches(|sign: char| sign.is_ascii_digit() || sign == '.');
    let number: f64 = text.trim_end_matches(unit).parse().expect("a number");
    number
        * match unit {
            "s" => 1_000.0,
            "ms" => 1.0,
            "µs" => 1e-3,
            _ => 1e-6,
        }
}
