//! Next to no pictures, none for a while and then all at once, and more than anybody decodes.

use std::time::Duration;

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use zoetrope_e2e::{Compression, Footage, RtspServer, Sender, Stage, children_of};

use super::{Beside, assert_untouched, count, drops, reconnects, started};
use crate::recordings::{check_export, list, number, pictures, recordings, text};
use crate::stream_records::{steer, until};

/// A camera that sends a picture a second and a key frame every four.
const SLOW: [&str; 6] = ["--size", "160x120", "--slow-gop", "4", "--fps", "10"];
/// Shorter than what makes a source that usually sends be taken for frozen: 5 s.
const SILENCE: Duration = Duration::from_millis(3_500);
/// Pictures a second of a camera that sends, after that silence, more than the 600 that may wait for a decoder.
const FLOOD_FPS: u32 = 240;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn slow_sources_and_bursts_are_neither_given_up_nor_lost_unseen() {
    let beside = Beside::begin().await;
    let stage = &beside.stage;
    tokio::join!(a_picture_a_second(stage), silence_and_a_burst(stage));
    more_than_is_decoded(stage).await;
    beside.end().await;
}

/// Scenes of a stream's task.
async fn scenes_of(stage: &Stage, task: &str) -> Vec<Value> {
    let page = stage
        .http
        .get(&format!("/api/v1/tasks/{task}/scenes?limit=200"))
        .await
        .body;
    list(&page, "items").to_vec()
}

fn sum(scenes: &[Value]) -> u64 {
    scenes.iter().filter_map(|scene| scene["frame_count"].as_u64()).sum()
}

async fn a_picture_a_second(stage: &Stage) {
    let server = RtspServer::start(&SLOW).await;
    let body = json!({"url": server.url("/slow"), "store": true, "fps": 1, "window": {"size_s": 4}});
    let id = started(stage, body).await;
    let status = until(stage, &id, |status| count(status, "scenes") >= 4).await;
    assert_untouched(&status);
    // Of the first window it may miss the beginning.
    let scenes = scenes_of(stage, text(&status["task_id"])).await;
    let starts: Vec<u64> = scenes.iter().filter_map(|scene| scene["start_ms"].as_u64()).collect();
    assert!(
        starts.windows(2).all(|pair| pair[1] - pair[0] == 4_000),
        "no window is missing: {starts:?}"
    );
    for scene in &scenes[1..] {
        let frames = scene["frame_count"].as_u64().unwrap_or_default() + drops(&status, "late");
        assert!((3..=5).contains(&frames), "a frame a second: {scene}");
    }
    steer(stage, &id, "stop").await;
    let found = stage.http.get(&recordings(&id)).await.body;
    let ([range], []) = (list(&found, "ranges"), list(&found, "gaps")) else {
        panic!("one range: {found}")
    };
    let file = stage.dir().join("slow.mp4");
    let bytes = stage.http.bytes(text(&range["export"]), &[]).await.2;
    std::fs::write(&file, bytes).expect("there is room for a file");
    let shown = pictures(&file);
    let seconds = number(&range["end"]) - number(&range["start"]);
    assert!(
        (seconds - shown.len() as f64).abs() < 1.5,
        "{} pictures in {seconds} s",
        shown.len()
    );
    assert!(shown.len() >= 8, "{shown:?}");
}

async fn silence_and_a_burst(stage: &Stage) {
    let footage = Footage::shoot(stage.dir(), Compression::H264, "160x120", 10).await;
    let camera = Sender::rtsp(footage).await;
    let body = json!({"url": camera.url(), "store": true, "fps": 5, "window": {"size_s": 1}, "duration": 18});
    let id = started(stage, body).await;
    let task = stage.http.get(&format!("/api/v1/streams/{id}")).await.body;
    let task = text(&task["task_id"]).to_owned();
    until(stage, &id, |status| count(status, "scenes") >= 3).await;
    camera.gather(SILENCE);
    let ended = stage.http.until_ended(&task).await;
    let told = json!({"counts": ended["result"]["counts"]});
    assert_eq!(reconnects(&told), 0, "{ended}");
    assert_eq!(
        drops(&told, "network_loss") + drops(&told, "decode_errors"),
        0,
        "{ended}"
    );
    assert_eq!(drops(&told, "recorder_behind"), 0, "{ended}");
    // Every frame is in a scene or counted: those of the window that was described during the silence come too late.
    let scenes = scenes_of(stage, &task).await;
    let lost = drops(&told, "late") + drops(&told, "describer_behind");
    assert_eq!(sum(&scenes) + lost, count(&told, "frames"), "{told} {scenes:?}");
    // Pictures of the silence lie in its windows, not where they arrived.
    let starts: Vec<u64> = scenes.iter().filter_map(|scene| scene["start_ms"].as_u64()).collect();
    assert!(
        starts.windows(2).all(|pair| pair[1] - pair[0] == 1_000),
        "no window is missing: {starts:?}"
    );
    let found = stage.http.get(&recordings(&id)).await.body;
    let ([range], []) = (list(&found, "ranges"), list(&found, "gaps")) else {
        panic!("one range: {found}")
    };
    let folder = stage.dir().join(&id);
    std::fs::create_dir(&folder).expect("there is room for a folder");
    let shown = check_export(&stage.http, range, &folder).await;
    let seconds = number(&range["end"]) - number(&range["start"]);
    assert!(
        (seconds * 10.0 - shown as f64).abs() < 3.0,
        "{shown} pictures in {seconds} s"
    );
}

/// While nobody decodes, as on a machine without a processor left, what may wait is bounded; what is more is counted.
async fn more_than_is_decoded(stage: &Stage) {
    let footage = Footage::shoot(stage.dir(), Compression::H264, "64x64", FLOOD_FPS).await;
    let camera = Sender::rtsp(footage).await;
    let body = json!({"url": camera.url(), "store": true, "fps": 5, "window": {"size_s": 1}});
    let id = started(stage, body).await;
    let before = until(stage, &id, |status| count(status, "scenes") >= 2).await;
    assert_untouched(&before);
    let worker = stage.workers[0].pid();
    let to_children = |signal| {
        for child in children_of(worker, "zoetrope-media") {
            kill_process(child, signal).expect("a running child should take signals");
        }
    };
    to_children(Signal::STOP);
    camera.gather(SILENCE);
    let dropped = until(stage, &id, |status| drops(status, "decoder_behind") > 0).await;
    to_children(Signal::CONT);
    until(stage, &id, |status| {
        count(status, "frames") > count(&dropped, "frames") && count(status, "scenes") >= count(&dropped, "scenes") + 2
    })
    .await;
    camera.hold();
    let status = until(stage, &id, |status| count(status, "packets") == camera.sent()).await;
    assert_eq!(reconnects(&status), 0, "{status}");
    assert_eq!(
        drops(&status, "network_loss") + drops(&status, "recorder_behind"),
        0,
        "{status}"
    );
    steer(stage, &id, "stop").await;
}
