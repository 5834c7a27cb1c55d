//! What our processes take, and what a stream counted.

use std::path::Path;
use std::time::Duration;

use rustix::process::Pid;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use zoetrope_e2e::{RtspServer, Stage, cpu_ms, descendants_of, pss_kib};

use crate::Tools;

/// Processor time and memory at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    at: Instant,
    cpu_ms: u64,
    /// Of all processes, KiB.
    pub(super) pss_kib: u64,
}

/// Frames that streams counted, and which of them came short.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// Sampled.
    pub(super) frames: u64,
    /// Of these, what passed the gate.
    pub(super) passed: u64,
    /// What each stream that lost something says.
    pub(super) stalls: Vec<String>,
}

/// One api and one worker, beside a server that replays a film.
pub(super) async fn stage(tools: &Tools, film: &Path) -> (RtspServer, Stage) {
    let server = RtspServer::start(&["--file", &film.display().to_string()]).await;
    let stage = Stage::builder()
        .programs(tools.programs.clone())
        .env("NETGUARD_ALLOW_CIDRS", RtspServer::ALLOWED)
        .env("MEDIA_SIGNING_KEY", "a long random key")
        // However full the disk of the machine is.
        .env("RECORDING_MAX_DISK_PERCENT", "101")
        .start()
        .await;
    (server, stage)
}

/// Has a stream watched for so long, at a frame a second.
pub(super) async fn submit(stage: &Stage, url: &str, length: Duration, store: bool) -> String {
    let mut input = json!({"url": url, "fps": 1, "duration": length.as_secs(), "window": {"size_s": 10}});
    if store {
        input["store"] = json!(true);
    }
    stage.http.submit("stream_ingest", &json!({"input": input})).await
}

impl Counted {
    /// Waits for the end of these streams and adds what they counted.
    pub(super) async fn of(stage: &Stage, ids: &[String], length: Duration) -> Self {
        let mut counted = Self::default();
        for id in ids {
            let task = stage.http.until_ended(id).await;
            counted.add(&task, length.as_secs());
        }
        counted
    }

    fn add(&mut self, task: &Value, seconds: u64) {
        let counts = &task["result"]["counts"];
        let frames = counts["frames"].as_u64().unwrap_or_default();
        self.frames += frames;
        self.passed += counts["passed"].as_u64().unwrap_or_default();
        let sum = |group: &str| -> u64 {
            let values = counts[group].as_object().into_iter().flat_map(|group| group.values());
            values.filter_map(Value::as_u64).sum()
        };
        // The connection and the first key frame take their time.
        let enough = frames + 5 >= seconds;
        if !enough || sum("drops") > 0 || sum("reconnects") > 0 {
            self.stalls.push(format!("{frames} frames in {seconds} s: {task}"));
        }
    }
}

/// Milliseconds of processor time a second, over this long.
pub(super) async fn over(stage: &Stage, time: Duration) -> f64 {
    let before = spent(stage);
    pass(time).await;
    let after = spent(stage);
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    (after.cpu_ms - before.cpu_ms) as f64 / seconds
}

/// Lets time pass: what is measured runs by itself.
pub(super) async fn pass(time: Duration) {
    let _ = timeout(time, std::future::pending::<()>()).await;
}

/// Until now.
pub(super) fn spent(stage: &Stage) -> Spent {
    let pids = pids(stage);
    Spent {
        at: Instant::now(),
        cpu_ms: pids.iter().map(|pid| cpu_ms(*pid)).sum(),
        pss_kib: pids.iter().filter_map(|pid| pss_kib(*pid)).sum(),
    }
}

fn pids(stage: &Stage) -> Vec<Pid> {
    let mut pids = vec![stage.api.pid(), stage.redis.pid()];
    for worker in &stage.workers {
        pids.push(worker.pid());
        pids.extend(descendants_of(worker.pid()));
    }
    pids
}
