//! `make bench-view`: twenty viewers of one stream, one of which takes a kilobyte a second: what the others are shown, and what it costs.
//!
//! The camera is `GStreamer`'s RTSP server with a moving ball, 720p at 15 frames a second. Frames are counted by the stream's own time;
//! time and memory are those of our processes, from `/proc`. One is idle first, to tell what watching adds.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Pid;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use zoetrope_e2e::{RtspServer, Sight, Stage, Viewer, cpu_ms, descendants_of, resident_kib};

const VIEWERS: usize = 20;
/// What the slow one takes a second, bytes.
const SLOWLY: usize = 1_000;
/// Of the stream's own time.
const WATCHED_MS: u64 = 60_000;
/// Nobody watches.
const IDLE: Duration = Duration::from_secs(20);
/// From the first viewer to steady work, frames.
const WARM: u64 = 60;

/// Processor time of a moment, milliseconds.
#[derive(Clone, Copy)]
struct Spent {
    at: Instant,
    api_ms: u64,
    worker_ms: u64,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program that prints figures")]
async fn main() {
    let server = RtspServer::start(&["--size", "1280x720"]).await;
    let stage = Stage::builder()
        .env("NETGUARD_ALLOW_CIDRS", RtspServer::ALLOWED)
        .programs(programs())
        .start()
        .await;
    let created = stage
        .http
        .post("/api/v1/streams", &json!({"url": server.url("/h264")}))
        .await;
    let path = format!("/api/v1/streams/{}", created.id());
    stage.http.post(&format!("{path}/start"), &json!({})).await;
    stage
        .http
        .until_body(&format!("{path}/status"), |status| status["state"] == "connected")
        .await;
    let idle_from = spent(&stage);
    // Nothing else happens: what passes is measured.
    let _ = timeout(IDLE, std::future::pending::<()>()).await;
    let idle = share(idle_from, spent(&stage));

    let live = format!("{path}/live");
    let slow = Viewer::open_slow(&stage.http, &live).await;
    let mut watching = JoinSet::new();
    let mut quick = Vec::new();
    for _ in 1..VIEWERS {
        let mut viewer = Viewer::open(&stage.http, &live).await;
        while viewer.next_frame().await.0["seq"].as_u64() < Some(WARM) {}
        quick.push(viewer);
    }
    let mut others = JoinSet::new();
    others.spawn(slow.take_slowly(SLOWLY));
    let (before, from) = (resident_kib(stage.api.pid()).unwrap_or_default(), spent(&stage));
    for viewer in quick {
        watching.spawn(viewer.watch(WATCHED_MS));
    }
    let mut sights: Vec<Sight> = Vec::new();
    while let Some(sight) = watching.join_next().await {
        sights.push(sight.expect("a viewer should watch to the end"));
    }
    let watched = share(from, spent(&stage));
    let after = resident_kib(stage.api.pid()).unwrap_or_default();
    let rate = |sight: &Sight| sight.seen as f64 * 1_000.0 / sight.span_ms as f64;
    let least = sights.iter().map(rate).fold(f64::INFINITY, f64::min);
    let missed: u64 = sights.iter().map(|sight| sight.missed).sum();
    println!(
        "| viewers | slow one | least frames a second of the others | frames they missed | api before, after | cores of worker and api, idle | watched |\n\
         |---|---|---|---|---|---|---|\n\
         | {VIEWERS} | {SLOWLY} B/s | {least:.2} | {missed} | {before} KiB, {after} KiB | {:.3}, {:.3} | {:.3}, {:.3} |",
        idle.0, idle.1, watched.0, watched.1
    );
}

/// The folder of our executables, which no process of ours is told this way.
fn programs() -> PathBuf {
    let set = std::env::vars().find(|(name, _)| name == "BENCH_PROGRAMS");
    PathBuf::from(set.expect("BENCH_PROGRAMS should be set: use `make bench-view`").1)
}

fn spent(stage: &Stage) -> Spent {
    let of = |root: Pid| -> u64 {
        let all = std::iter::once(root).chain(descendants_of(root));
        all.map(cpu_ms).sum()
    };
    Spent {
        at: Instant::now(),
        api_ms: of(stage.api.pid()),
        worker_ms: of(stage.workers[0].pid()),
    }
}

/// Cores of the worker with its children, and of the api, between two moments.
fn share(from: Spent, to: Spent) -> (f64, f64) {
    let passed = (to.at - from.at).as_secs_f64() * 1_000.0;
    let cores = |before: u64, after: u64| after.saturating_sub(before) as f64 / passed;
    (cores(from.worker_ms, to.worker_ms), cores(from.api_ms, to.api_ms))
}
