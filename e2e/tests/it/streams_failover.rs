//! Workers that hold streams are killed: the streams go on elsewhere, and no scene is written twice.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::time::Instant;
use zoetrope_e2e::{RtspServer, Stage};
use zoetrope_queue::{ConnectOptions, Queue};

use crate::streams::{scenes, stage};

const KILLS: usize = 10;
/// Scenes of a second between two kills: an attempt that lived over four leases counts as a good one.
const SCENES_A_KILL: u64 = 6;

/// Every scene of a task, from the queue itself.
async fn written(queue: &Queue, id: &str) -> Vec<Value> {
    let id = id.parse().expect("the api answers ids");
    let mut all = Vec::new();
    let mut after = 0;
    loop {
        let chunks = queue
            .read_output("default", id, after, 500)
            .await
            .expect("Redis should answer");
        let chunks = chunks.expect("the task should be there");
        let Some(last) = chunks.last() else { return all };
        after = last.seq;
        all.extend(chunks.iter().map(|chunk| {
            let scene: Value = serde_json::from_str(chunk.json.get()).expect("scenes are JSON");
            assert_eq!(scene["seq"], chunk.seq, "{scene}");
            scene
        }));
    }
}

fn held_by(stage: &Stage, worker: &str) -> usize {
    let holds = |pid: i32| worker.contains(&format!("-{pid}-"));
    let position = stage
        .workers
        .iter()
        .position(|process| holds(process.pid().as_raw_pid()));
    position.unwrap_or_else(|| panic!("{worker} should be one of the stage's"))
}

#[tokio::test(flavor = "multi_thread")]
async fn over_ten_killed_workers_no_scene_is_written_twice() {
    let server = RtspServer::start(&[]).await;
    let mut stage = stage().workers(2).env("LEASE_SECONDS", "1").start().await;
    let queue = Queue::connect(ConnectOptions::new(stage.redis.url()))
        .await
        .expect("the queue should be reachable");
    let input = json!({"url": server.url("/h264"), "window": {"size_s": 1}});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    let mut wanted = 0;
    let mut longest = std::time::Duration::ZERO;
    for _ in 0..KILLS {
        wanted += SCENES_A_KILL;
        let task = stage.http.until(&id, |task| scenes(task) >= wanted).await;
        wanted = scenes(&task);
        let task = queue
            .get("default", id.parse().expect("an id"))
            .await
            .expect("Redis should answer");
        let worker = task
            .and_then(|task| task.worker)
            .expect("somebody should hold the stream");
        let victim = held_by(&stage, &worker);
        stage.workers[victim].kill().await;
        let killed = Instant::now();
        stage.http.until(&id, |task| scenes(task) > wanted).await;
        longest = longest.max(killed.elapsed());
        stage.workers[victim].restart();
    }
    let all = written(&queue, &id).await;
    let numbers: Vec<u64> = all.iter().filter_map(|scene| scene["seq"].as_u64()).collect();
    println!(
        "{KILLS} kills, {} scenes up to window {:?}; the longest way to the next scene took {longest:?}",
        all.len(),
        numbers.last()
    );
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "positions should rise: {numbers:?}"
    );
    let ids: BTreeSet<&str> = all.iter().filter_map(|scene| scene["id"].as_str()).collect();
    assert_eq!(ids.len(), all.len(), "every scene has an id of its own");
    let starts: BTreeSet<&str> = all.iter().filter_map(|scene| scene["wall_start"].as_str()).collect();
    assert_eq!(starts.len(), all.len(), "no window is described twice");
    let last = all.last().expect("there are scenes");
    assert_eq!(
        last["totals"]["scenes"],
        all.len() as u64,
        "counts go over from worker to worker: {last}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_worker_hands_its_stream_over_at_once() {
    let server = RtspServer::start(&[]).await;
    let mut stage = stage().start().await;
    let input = json!({"url": server.url("/h264"), "window": {"size_s": 1}});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    let task = stage.http.until(&id, |task| scenes(task) >= 2).await;
    stage.add_worker();
    let asked = Instant::now();
    let status = stage.workers[0].terminate().await;
    assert!(status.success(), "{status}");
    println!("the draining worker was gone after {:?}", asked.elapsed());
    let task = stage.http.until(&id, |now| scenes(now) > scenes(&task) + 1).await;
    assert_eq!(
        (&task["state"], &task["attempt"]),
        (&json!("running"), &json!(1)),
        "{task}"
    );
    println!("the next worker's scenes were there after {:?}", asked.elapsed());
}
