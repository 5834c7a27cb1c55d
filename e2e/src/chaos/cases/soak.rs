//! A long run without any fault but a camera's: streams are started, lost, found and stopped over and over, with recording and
//! pictures of them. Whatever is not given back adds up.

use std::time::Duration;

use futures_util::future::FutureExt;
use redis::AsyncCommands;
use reqwest::StatusCode;
use rustix::process::Pid;
use serde_json::{Value, json};
use tokio::time::{Instant, interval};

use crate::chaos::judge::{PREFIX, Verdict};
use crate::chaos::{Case, Scale, Scene, lasts};
use crate::cost::pss_kib;
use crate::rtsp::RtspServer;
use crate::stage::Stage;
use crate::tree::{descendants_of, open_files};

pub(super) const CASES: &[Case] = &[Case {
    id: "S1",
    fault: "for an hour, streams with recording are started, their camera goes and comes back, they are stopped",
    promise: "descriptors, processes, memory, disk and Redis are where they were after the first rounds",
    play: |scene| s1(scene).boxed(),
}];

const STREAMS: usize = 6;
const WORKERS: usize = 2;
/// Of each recording.
const MAX_BYTES: u64 = 1_000_000;
/// A round of a short play.
const SMOKE_ROUNDS: usize = 2;
/// The least that says something about growth.
const LEAST_ROUNDS: usize = 8;
/// Between the last start of a round and the end of its camera, and from there to its stop.
const PLAYS: Duration = Duration::from_secs(12);
/// After everything has stopped, until it is looked at.
const SETTLES: Duration = Duration::from_secs(3);
/// Longest that a picture may take on a machine that is busy.
const PICTURE_LIMIT: Duration = Duration::from_secs(60);
/// Descriptors that may be open or not: connections that are kept for the next request.
const SLACK_FILES: usize = 8;
/// Memory that may be held or not, share of what there is, and MiB.
const SLACK_MEMORY: (f64, f64) = (0.05, 4.0);
const SLACK_REDIS_BYTES: u64 = 2 << 20;
/// Results are kept for a day; the queue's time is moved on by more.
const PRUNED_LATER_MS: u64 = 90_000_000;
const PRUNE_LIMIT: Duration = Duration::from_secs(120);

/// What is held after a round, when nothing runs.
#[derive(Debug, Clone, Copy)]
struct Held {
    files: usize,
    processes: usize,
    /// Of the api and the workers.
    own_kib: u64,
    /// Of the mean media child: how many there are is held by itself.
    child_kib: u64,
    disk_bytes: u64,
}

async fn s1(scene: Scene) -> Verdict {
    let mut server = RtspServer::start(&["--size", "320x180", "--fps", "8", "--gop", "8", "--apart"]).await;
    let stage = Stage::builder()
        .workers(WORKERS)
        .env("NETGUARD_ALLOW_CIDRS", RtspServer::ALLOWED)
        .env("RECORDING_MAX_DISK_PERCENT", "101")
        .env("RUST_LOG", "warn")
        .start()
        .await;
    let mut ids = Vec::new();
    for number in 0..STREAMS {
        let body = json!({"name": format!("camera {number}"), "url": server.url("/h264"), "fps": 1, "store": true,
            "retention": {"max_bytes": MAX_BYTES}, "window": {"size_s": 5}});
        let made = stage.http.post("/api/v1/streams", &body).await;
        assert!(made.status.is_success(), "{}", made.body);
        ids.push(made.id());
    }
    let begun = Instant::now();
    let (mut held, mut redis_early) = (Vec::new(), 0);
    while match scene.scale {
        Scale::Smoke => held.len() < SMOKE_ROUNDS,
        Scale::Full => begun.elapsed() < scene.soak || held.len() < LEAST_ROUNDS,
    } {
        round(&stage, &mut server, &ids, scene.scale).await;
        held.push(look(&stage));
        if held.len() <= LEAST_ROUNDS / 4 {
            redis_early = stage.redis.used_memory().await;
        }
    }
    let full = stage.redis.used_memory().await;
    let redis_late = pruned(&stage).await;
    let mut verdict = judge(&held, scene.scale);
    if server.deaths() > 0 {
        let text = format!("the camera's server died {} times by itself", server.deaths());
        verdict.promise(true, text);
    }
    verdict.promise(
        redis_late <= redis_early + SLACK_REDIS_BYTES,
        format!(
            "Redis: {:.1} MiB at first, {:.1} after {} rounds in {:.0} s, {:.1} once their results are pruned",
            mib(redis_early >> 10),
            mib(full >> 10),
            held.len(),
            begun.elapsed().as_secs_f64(),
            mib(redis_late >> 10)
        ),
    );
    verdict
}

/// Start, watch, lose, find, look, stop.
async fn round(stage: &Stage, server: &mut RtspServer, ids: &[String], scale: Scale) {
    let plays = if scale == Scale::Full { PLAYS } else { PLAYS / 4 };
    steer(stage, ids, "start").await;
    let none = vec![0; ids.len()];
    let frames = server.tend(until_frames(stage, ids, &none)).await;
    server.tend(lasts(plays)).await;
    server.kill().await;
    for id in ids {
        until(stage, id, |status| status["state"] == "reconnecting").await;
    }
    server.restart().await;
    server.tend(until_frames(stage, ids, &frames)).await;
    server.tend(pictures(stage, ids)).await;
    server.tend(lasts(plays)).await;
    steer(stage, ids, "stop").await;
    for id in ids {
        until(stage, id, |status| status["state"] == "stopped").await;
    }
    lasts(SETTLES).await;
}

/// A worker that has too much to do says so and is asked again.
async fn pictures(stage: &Stage, ids: &[String]) {
    for id in ids {
        let path = format!("/api/v1/streams/{id}/snapshot");
        let (mut status, _, mut picture) = stage.http.bytes(&path, &[]).await;
        let give_up = Instant::now() + PICTURE_LIMIT;
        while status == StatusCode::SERVICE_UNAVAILABLE && Instant::now() < give_up {
            (status, _, picture) = stage.http.bytes(&path, &[]).await;
        }
        assert!(status.is_success() && !picture.is_empty(), "{id}: no picture: {status}");
    }
}

async fn steer(stage: &Stage, ids: &[String], action: &str) {
    for id in ids {
        let answer = stage
            .http
            .post(&format!("/api/v1/streams/{id}/{action}"), &json!({}))
            .await;
        assert!(answer.status.is_success(), "{action} {id}: {}", answer.body);
    }
}

/// Waits until every stream has more frames than it had; how many each has.
async fn until_frames(stage: &Stage, ids: &[String], before: &[u64]) -> Vec<u64> {
    let frames = |status: &Value| status["counts"]["frames"].as_u64().unwrap_or_default();
    let mut now = Vec::new();
    for (id, before) in ids.iter().zip(before) {
        let came = |status: &Value| status["state"] == "connected" && frames(status) > *before;
        now.push(frames(&until(stage, id, came).await));
    }
    now
}

async fn until(stage: &Stage, id: &str, done: impl Fn(&Value) -> bool) -> Value {
    stage
        .http
        .until_body(&format!("/api/v1/streams/{id}/status"), done)
        .await
}

fn look(stage: &Stage) -> Held {
    let own: Vec<Pid> = std::iter::once(stage.api.pid())
        .chain(stage.workers.iter().map(crate::Process::pid))
        .collect();
    let children: Vec<Pid> = own.iter().flat_map(|pid| descendants_of(*pid)).collect();
    let kib = |pids: &[Pid]| pids.iter().filter_map(|pid| pss_kib(*pid)).sum();
    Held {
        files: own.iter().map(|pid| open_files(*pid)).sum(),
        processes: own.len() + children.len(),
        own_kib: kib(&own),
        child_kib: kib(&children) / children.len().max(1) as u64,
        disk_bytes: bytes_below(&stage.dir().join("data")),
    }
}

fn bytes_below(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => found.len(),
        // Gone meanwhile.
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}

/// Holds the last quarter of the rounds against the second: the first is for whatever is made once.
fn judge(held: &[Held], scale: Scale) -> Verdict {
    let mut verdict = Verdict {
        tasks: held.len() * STREAMS,
        ..Verdict::default()
    };
    let (files, text) = series(held, "descriptors", |held| held.files as f64);
    verdict.promise(files[3] <= files[1] + SLACK_FILES as f64, text);
    // A media child that is worn is replaced when it is next needed: one less is no loss, and one more is what starts again.
    let (processes, text) = series(held, "processes", |held| held.processes as f64);
    let most = (1 + WORKERS + WORKERS * 2) as f64;
    verdict.promise(processes[3] <= processes[1].max(most), text);
    for (what, of) in [
        ("api and workers, MiB", (|held| mib(held.own_kib)) as fn(&Held) -> f64),
        ("a media child, MiB", |held| mib(held.child_kib)),
    ] {
        let (memory, text) = series(held, what, of);
        let most = memory[1] * (1.0 + SLACK_MEMORY.0) + SLACK_MEMORY.1;
        // Two rounds say nothing about growth.
        verdict.promise(scale == Scale::Smoke || memory[3] <= most, text);
    }
    let (disk, text) = series(held, "disk, MB", |held| held.disk_bytes as f64 / 1e6);
    // A segment more than the bound is there until the next one ends.
    let most = STREAMS as f64 * MAX_BYTES as f64 * 3.0 / 1e6;
    verdict.promise(disk[3] <= most, text);
    verdict
}

/// The medians of the quarters of the rounds, and a text that shows them.
fn series(held: &[Held], what: &str, of: fn(&Held) -> f64) -> ([f64; 4], String) {
    let length = (held.len() / 4).max(1);
    let median = |quarter: usize| {
        let end = (held.len() * (quarter + 1) / 4).max(length);
        let mut all: Vec<f64> = held[end - length..end].iter().map(of).collect();
        all.sort_unstable_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let medians = std::array::from_fn(median);
    let shown = medians.map(|median| format!("{median:.1}"));
    (medians, format!("{what}, quarter by quarter: {}", shown.join(", ")))
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1_024.0
}

/// Moves the queue's time on until all results may go, and waits until they are gone; Redis' memory then, or after two minutes.
async fn pruned(stage: &Stage) -> u64 {
    let later = PRUNED_LATER_MS.to_string();
    stage
        .redis
        .run(&["HINCRBY", &format!("{PREFIX}meta"), "now", &later])
        .await;
    let mut witness = stage.redis.connection().await;
    let (mut looks, give_up) = (interval(Duration::from_millis(500)), Instant::now() + PRUNE_LIMIT);
    loop {
        looks.tick().await;
        let moments: usize = witness
            .zcard(format!("{PREFIX}done"))
            .await
            .expect("redis should answer");
        if moments == 0 || Instant::now() > give_up {
            return stage.redis.used_memory().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(children: usize, child_mib: u64) -> Held {
        Held {
            files: 76,
            processes: 1 + WORKERS + children,
            own_kib: 93 << 10,
            child_kib: child_mib << 10,
            disk_bytes: 6_000_000,
        }
    }

    fn kept(rounds: &[Held]) -> bool {
        judge(rounds, Scale::Full).holds(true)
    }

    #[test]
    fn one_more_media_child_is_no_growth_and_larger_ones_are() {
        let early = [held(3, 34); 6];
        assert!(kept(&[&early[..], &[held(4, 30); 2]].concat()));
        assert!(!kept(&[&early[..], &[held(3, 41); 2]].concat()));
        assert!(
            !kept(&[&early[..], &[held(5, 34); 2]].concat()),
            "no more than two a worker"
        );
    }
}
