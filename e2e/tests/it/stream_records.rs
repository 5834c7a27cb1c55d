//! Streams that are kept: started, looked at, stopped and deleted, over a foreign RTSP server.

use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, timeout};
use zoetrope_e2e::{RtspServer, Stage, free_port};

use crate::cli::zoetrope;
use crate::streams::stage;

const STREAMS: &str = "/api/v1/streams";
/// A key of 32 bytes, for tests only.
pub(crate) const KEYS: (&str, &str) = ("SECRETS_KEYS", "test:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
/// Longest wait for a state to be shown; a busy machine takes a while.
const STATE_LIMIT: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(crate) async fn created(stage: &Stage, body: Value) -> String {
    let answer = stage.http.post(STREAMS, &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    answer.id()
}

pub(crate) async fn steer(stage: &Stage, id: &str, action: &str) -> Value {
    let answer = stage.http.post(&format!("{STREAMS}/{id}/{action}"), &json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body
}

/// Waits until a stream's status is as `done` wants it.
pub(crate) async fn until(stage: &Stage, id: &str, done: impl Fn(&Value) -> bool) -> Value {
    let path = format!("{STREAMS}/{id}/status");
    let mut last = Value::Null;
    let look = async {
        let mut ticks = interval(LOOK_AGAIN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let answer = stage.http.get(&path).await;
            last = answer.body;
            // A Redis that is being replaced is no answer yet.
            if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                continue;
            }
            assert_eq!(answer.status, StatusCode::OK, "{last}");
            if done(&last) {
                return;
            }
        }
    };
    let looked = timeout(STATE_LIMIT, look).await;
    assert!(
        looked.is_ok(),
        "the stream should get there within {STATE_LIMIT:?}: {last}"
    );
    last
}

fn is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |status| status["state"] == state
}

/// Pictures are coming: some have, at some rate.
fn is_connected_with_pictures(status: &Value) -> bool {
    is("connected")(status) && status["counts"]["frames"].as_u64() >= Some(2) && status["live_fps"].as_f64() > Some(1.0)
}

/// Files below a folder.
fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let count = |path: std::path::PathBuf| if path.is_dir() { files(&path) } else { 1 };
    entries.map(|entry| count(entry.path())).sum()
}

/// Width and height of a JPEG, decoded by FFmpeg's command.
async fn size_of(jpeg: &Path) -> String {
    let mut probe = tokio::process::Command::new("ffprobe");
    probe.args([
        "-v",
        "error",
        "-show_entries",
        "stream=codec_name,width,height",
        "-of",
        "csv=p=0",
    ]);
    let output = probe
        .arg(jpeg)
        .output()
        .await
        .expect("ffprobe should be installed: `make setup`");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_started_seen_lost_found_stopped_and_deleted_without_a_trace() {
    let mut server = RtspServer::start(&[]).await;
    let stage = stage().start().await;
    let url = server.url("/h264");
    let made = zoetrope(
        &stage,
        &[
            "stream",
            "create",
            &url,
            "--name",
            "front door",
            "--window",
            "1s",
            "-o",
            "id",
        ],
    )
    .await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let id = made.stdout.trim();
    let tested = zoetrope(&stage, &["stream", "test", id]).await;
    assert_eq!(tested.code, Some(0), "{tested:?}");
    let found = tested.json();
    assert_eq!(
        (&found["ok"], &found["codec"]),
        (&json!(true), &json!("h264")),
        "{found}"
    );
    assert!(
        found["width"].as_u64() > Some(0) && found["fps"].as_f64() > Some(1.0),
        "{found}"
    );

    let started = zoetrope(&stage, &["stream", "start", id]).await;
    assert_eq!(started.code, Some(0), "{started:?}");
    let status = until(&stage, id, is_connected_with_pictures).await;
    assert!(
        status["last_frame_at"].is_string() && status["codec"] == "h264",
        "{status}"
    );
    let task = status["task_id"]
        .as_str()
        .expect("a started stream has a task")
        .to_owned();

    let picture = stage.dir().join("seen.jpg");
    let path = picture.display().to_string();
    let seen = zoetrope(&stage, &["stream", "snapshot", id, "--out", &path]).await;
    assert_eq!(seen.code, Some(0), "{seen:?}");
    let size = format!("mjpeg,{},{}", found["width"], found["height"]);
    assert_eq!(size_of(&picture).await, size);

    server.kill().await;
    let away = until(&stage, id, |status| {
        is("reconnecting")(status) && status["cause"] == "refused"
    })
    .await;
    assert!(away["detail"].is_string() && away["live_fps"] == 0.0, "{away}");
    let shown = zoetrope(&stage, &["stream", "list", "--state", "reconnecting", "-o", "table"]).await;
    assert!(
        shown.stdout.contains(id) && shown.stdout.contains("reconnecting: refused"),
        "{shown:?}"
    );
    server.restart().await;
    let before = status["counts"]["frames"].as_u64();
    let back = until(&stage, id, |status| {
        is("connected")(status) && status["counts"]["frames"].as_u64() > before
    })
    .await;
    assert!(back["counts"]["reconnects"]["refused"].as_u64() > Some(0), "{back}");
    assert_eq!(back["task_id"], json!(task), "one task throughout");

    let stopped = zoetrope(&stage, &["stream", "stop", id]).await;
    assert_eq!(
        (stopped.code, &stopped.json()[0]["state"]),
        (Some(0), &json!("stopped")),
        "{stopped:?}"
    );
    assert_eq!(
        stage.http.get(&format!("/api/v1/tasks/{task}")).await.body["state"],
        "canceled"
    );
    let picture = zoetrope(&stage, &["stream", "snapshot", id]).await;
    assert!(
        picture.code == Some(1) && picture.stderr.contains("started"),
        "{picture:?}"
    );
    let deleted = zoetrope(&stage, &["stream", "delete", id, "-o", "id"]).await;
    assert_eq!((deleted.code, deleted.stdout.trim()), (Some(0), id), "{deleted:?}");
    assert_eq!(zoetrope(&stage, &["stream", "show", id]).await.code, Some(3));
    assert_eq!(stage.redis.keys("zs:*stream*").await, Vec::<String>::new());
    assert_eq!(
        files(&stage.dir().join("data/artifacts")),
        0,
        "the picture goes with the stream"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_recorded_under_its_own_id_over_a_stop_and_deleted_with_its_media() {
    let server = RtspServer::start(&[]).await;
    // However full the disk of the tests is.
    let stage = stage().env("RECORDING_MAX_DISK_PERCENT", "101").start().await;
    let id = created(
        &stage,
        json!({"url": server.url("/h264"), "store": true, "window": {"size_s": 1}}),
    )
    .await;
    let recordings = format!("{STREAMS}/{id}/recordings");
    for started in 1..=2 {
        steer(&stage, &id, "start").await;
        until(&stage, &id, |status| status["counts"]["scenes"].as_u64() >= Some(3)).await;
        steer(&stage, &id, "stop").await;
        let found = stage.http.get(&recordings).await.body;
        let ranges = found["ranges"].as_array().map_or(0, Vec::len);
        assert_eq!(ranges, started, "{found}");
    }
    let found = stage.http.get(&recordings).await.body;
    assert_eq!(found["gaps"][0]["cause"], "stopped", "{found}");
    let export = found["ranges"][1]["export"].as_str().expect("a range can be exported");
    let (status, _, bytes) = stage.http.bytes(export, &[]).await;
    assert_eq!((status, &bytes[4..8]), (StatusCode::OK, &b"ftyp"[..]));

    let media = stage.dir().join("data");
    assert!(files(&media) > 0, "segments lie there");
    let deleted = zoetrope(&stage, &["stream", "delete", &id]).await;
    assert_eq!(deleted.code, Some(0), "{deleted:?}");
    let gone = stage.http.get(&recordings).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND, "{}", gone.body);
    assert_eq!(files(&media), 0, "what was recorded goes with the stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_taken_over_and_its_status_goes_on() {
    let server = RtspServer::start(&[]).await;
    let mut stage = stage().start().await;
    let id = created(&stage, json!({"url": server.url("/h264"), "window": {"size_s": 1}})).await;
    steer(&stage, &id, "start").await;
    let first = until(&stage, &id, is_connected_with_pictures).await;
    stage.add_worker();
    stage.workers[0].kill().await;
    let frames = first["counts"]["frames"].as_u64();
    let later = until(&stage, &id, |status| {
        is("connected")(status)
            && status["counts"]["frames"].as_u64() > frames
            && status["reported_at"] != first["reported_at"]
    });
    assert_eq!(later.await["task_id"], first["task_id"]);
    steer(&stage, &id, "stop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_tried_and_used_and_what_a_person_has_to_mend_is_an_error() {
    let server = RtspServer::start(&["--auth", "digest"]).await;
    let stage = stage().env(KEYS.0, KEYS.1).start().await;
    let (user, password) = (RtspServer::USER, RtspServer::PASSWORD);
    let tried = async |body: Value| {
        let answer = stage.http.post(&format!("{STREAMS}/test"), &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.body
    };
    let url = server.url("/h264");
    let found = tried(json!({"url": url, "username": user, "password": password})).await;
    assert_eq!(found["ok"], true, "{found}");
    for (body, cause) in [
        (json!({"url": url}), "auth"),
        (json!({"url": url, "username": user, "password": "wr0ng-pa55"}), "auth"),
        (
            json!({"url": server.url_as(user, password, "/nothing-here")}),
            "not_found",
        ),
        (json!({"url": format!("rtsp://127.0.0.1:{}/x", free_port())}), "refused"),
    ] {
        let found = tried(body).await;
        assert_eq!(
            (&found["ok"], &found["cause"]),
            (&json!(false), &json!(cause)),
            "{found}"
        );
        assert!(!found.to_string().contains("wr0ng-pa55"), "{found}");
    }

    let wrong = json!({"url": url, "username": user, "password": "wr0ng-pa55", "window": {"size_s": 1}});
    let id = created(&stage, wrong).await;
    steer(&stage, &id, "start").await;
    let status = until(&stage, &id, is("error")).await;
    assert_eq!(status["cause"], "auth", "{status}");
    steer(&stage, &id, "stop").await;
    let file = stage.dir().join("password");
    std::fs::write(&file, format!("{password}\n")).expect("there should be room for a file");
    let file = file.display().to_string();
    let mended = ["stream", "update", &id, "--username", user, "--password-file", &file];
    let mended = zoetrope(&stage, &mended).await;
    assert_eq!(
        (mended.code, &mended.json()["has_credentials"]),
        (Some(0), &json!(true)),
        "{mended:?}"
    );
    steer(&stage, &id, "start").await;
    until(&stage, &id, is_connected_with_pictures).await;
    steer(&stage, &id, "stop").await;
    for log in ["api.log", "worker-0.log"] {
        let log = std::fs::read_to_string(stage.dir().join(log)).expect("processes should have logs");
        assert!(!log.contains("wr0ng-pa55") && !log.contains(user), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_substream_is_watched_where_there_is_one() {
    let server = RtspServer::start(&[]).await;
    let stage = stage().start().await;
    let nobody = format!("rtsp://127.0.0.1:{}/main", free_port());
    let body = json!({"url": nobody, "detect_url": server.url("/h265"), "window": {"size_s": 1}});
    let id = created(&stage, body).await;
    steer(&stage, &id, "start").await;
    let status = until(&stage, &id, is_connected_with_pictures).await;
    assert_eq!(status["codec"], "h265", "{status}");
    let picture = stage.dir().join("sub.jpg");
    let path = picture.display().to_string();
    let seen = zoetrope(&stage, &["stream", "snapshot", &id, "--out", &path]).await;
    assert_eq!(seen.code, Some(0), "{seen:?}");
    assert!(size_of(&picture).await.starts_with("mjpeg,"));
    steer(&stage, &id, "stop").await;
}
