//! Live streams from a foreign RTSP server: what is read, what a failure is called, and that it is over when it is.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use zoetrope_e2e::{RtspServer, Stage, StageBuilder, descendants_of, free_port, open_files};
use zoetrope_shared::wire::parse_rfc3339_ms;

/// A key of 32 bytes, for tests only.
const KEYS: &str = "SECRETS_KEYS";
const KEY: &str = "test:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
/// What a worker holds of a media child: its socket, its standard error, its process.
pub(crate) const FILES_A_CHILD: usize = 3;
/// Longest wait for a cause to be shown. The promise is 10 s, 15 s for a frozen server; a busy machine gets more.
const CAUSE_LIMIT: Duration = Duration::from_secs(60);

fn message(task: &Value) -> &str {
    task["progress"]["message"].as_str().unwrap_or_default()
}

/// Scenes written, as a running task's progress tells.
pub(crate) fn scenes(task: &Value) -> u64 {
    let words: Vec<&str> = message(task).split([' ', ',', ';']).collect();
    let at = words.iter().position(|word| *word == "scenes");
    at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok())
        .unwrap_or(0)
}

/// Waits until the task says that its source is down for this cause.
pub(crate) async fn down(stage: &Stage, id: &str, cause: &str) -> Duration {
    let asked = Instant::now();
    let shown = stage
        .http
        .until(id, |task| message(task).starts_with(&format!("down: {cause};")));
    let task = timeout(CAUSE_LIMIT, shown).await;
    let task = task.unwrap_or_else(|_| panic!("{cause} should be shown within {CAUSE_LIMIT:?}"));
    assert_eq!(task["state"], "running", "a stream waits for its source: {task}");
    asked.elapsed()
}

/// A stage whose workers may reach the server.
pub(crate) fn stage() -> StageBuilder {
    Stage::builder().env("NETGUARD_ALLOW_CIDRS", RtspServer::ALLOWED)
}

pub(crate) async fn live_again(stage: &Stage, id: &str, more_than: u64) -> Duration {
    let asked = Instant::now();
    let live = |task: &Value| message(task).starts_with("live:") && scenes(task) > more_than;
    stage.http.until(id, live).await;
    asked.elapsed()
}

pub(crate) async fn cancel(stage: &Stage, id: &str) {
    stage.http.delete(&format!("/api/v1/tasks/{id}")).await;
    let task = stage.http.until_ended(id).await;
    assert_eq!(task["state"], "canceled", "{task}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_and_h265_over_tcp_and_udp_become_scenes() {
    let server = RtspServer::start(&[]).await;
    let stage = stage().start().await;
    // One client a mount at a time: GStreamer answers 503 for good when two ask for a mount that is just starting.
    for transport in ["tcp", "udp"] {
        let mut ids = Vec::new();
        for path in ["/h264", "/h265"] {
            let input =
                json!({"url": server.url(path), "transport": transport, "duration": 8, "window": {"size_s": 2}});
            let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
            ids.push((path, id));
        }
        for (path, id) in ids {
            check_scenes(&stage, path, transport, &id).await;
        }
    }
}

async fn check_scenes(stage: &Stage, path: &str, transport: &str, id: &str) {
    let task = stage.http.until_ended(id).await;
    let result = &task["result"];
    assert_eq!(
        (&task["state"], &result["ended_by"]),
        (&json!("succeeded"), &json!("duration")),
        "{task}"
    );
    let scenes = result["counts"]["scenes"].as_u64().unwrap_or_default();
    assert!((2..=5).contains(&scenes), "{path} over {transport}: {result}");
    assert!(
        result["counts"]["frames"].as_u64() >= Some(4),
        "{path} over {transport}: {result}"
    );
    assert_eq!(
        result["counts"]["drops"]["decode_errors"], 0,
        "{path} over {transport}: {result}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_open_a_guarded_stream_and_are_never_shown() {
    for auth in ["basic", "digest"] {
        let server = RtspServer::start(&["--auth", auth]).await;
        let stage = stage().env(KEYS, KEY).start().await;
        let url = server.url_as(RtspServer::USER, RtspServer::PASSWORD, "/h264");
        let input = json!({"url": url, "window": {"size_s": 1}});
        let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
        let task = stage.http.until(&id, |task| scenes(task) >= 1).await;
        assert!(!task.to_string().contains(RtspServer::USER), "{task}");
        cancel(&stage, &id).await;

        let input = json!({"url": server.url("/h264"), "username": RtspServer::USER, "password": "wr0ng-pa55"});
        let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
        println!(
            "{auth}: a wrong password was shown after {:?}",
            down(&stage, &id, "auth").await
        );
        cancel(&stage, &id).await;
        for log in ["api.log", "worker-0.log"] {
            let log = std::fs::read_to_string(stage.dir().join(log)).expect("processes should have logs");
            assert!(!log.contains("wr0ng-pa55") && !log.contains(RtspServer::USER), "{log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_refused_where_they_cannot_be_sealed() {
    let stage = stage().workers(0).start().await;
    let input = json!({"url": "rtsp://alice:secret@127.0.0.1:8554/h264"});
    let answer = stage
        .http
        .post("/api/v1/tasks/stream_ingest", &json!({"input": input}))
        .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    assert_eq!(answer.body["code"], "secrets_not_configured", "{}", answer.body);
    assert!(!answer.body.to_string().contains("alice"), "{}", answer.body);
    for url in [
        "rtsp://127.0.0.2:8554/h264",
        "rtsp://169.254.169.254/a",
        "ftp://127.0.0.1/a.m3u8",
        "http://127.0.0.2/a.m3u8",
    ] {
        let answer = stage
            .http
            .post("/api/v1/tasks/stream_ingest", &json!({"input": {"url": url}}))
            .await;
        assert_eq!(
            (&answer.body["code"], &answer.body["errors"][0]["pointer"]),
            (&json!("url_forbidden"), &json!("/input/url")),
            "{url}: {}",
            answer.body
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_and_a_port_where_nobody_listens_are_named() {
    let server = RtspServer::start(&[]).await;
    let stage = stage().start().await;
    let nobody = format!("rtsp://127.0.0.1:{}/h264", free_port());
    for (url, cause) in [(server.url("/nothing-here"), "not_found"), (nobody, "refused")] {
        let id = stage
            .http
            .submit("stream_ingest", &json!({"input": {"url": url}}))
            .await;
        println!("{cause} was shown after {:?}", down(&stage, &id, cause).await);
        cancel(&stage, &id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_noticed_and_the_stream_comes_back() {
    let server = RtspServer::start(&[]).await;
    let stage = stage().start().await;
    let input = json!({"url": server.url("/h264"), "window": {"size_s": 1}});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    let task = stage.http.until(&id, |task| scenes(task) >= 2).await;
    server.freeze();
    println!("frozen: shown after {:?}", down(&stage, &id, "timeout").await);
    server.thaw();
    println!(
        "thawed: live after {:?}",
        live_again(&stage, &id, scenes(&task) + 1).await
    );
    cancel(&stage, &id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_and_comes_back_is_read_on() {
    let mut server = RtspServer::start(&[]).await;
    let stage = stage().start().await;
    let mut ids = Vec::new();
    // A mount each: GStreamer may never answer again when two ask for one that is just starting.
    for (path, transport) in [("/h264", "tcp"), ("/h264aac", "udp")] {
        let input = json!({"url": server.url(path), "transport": transport, "window": {"size_s": 1}});
        ids.push(stage.http.submit("stream_ingest", &json!({"input": input})).await);
    }
    for id in &ids {
        stage.http.until(id, |task| scenes(task) >= 2).await;
    }
    server.kill().await;
    for id in &ids {
        println!("killed: shown after {:?}", down(&stage, id, "refused").await);
    }
    server.restart().await;
    for id in &ids {
        println!("restarted: live after {:?}", live_again(&stage, id, 3).await);
    }
    for id in &ids {
        cancel(&stage, id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_streams_leave_no_descriptor_and_no_process() {
    let server = RtspServer::start(&[]).await;
    let stage = stage().env("MAX_WORKERS", "1").start().await;
    let worker = stage.workers[0].pid();
    let round = async || {
        let mut ids = Vec::new();
        for (path, fps) in [("/h264", 1), ("/h264aac", 5), ("/h265", 5)] {
            let input = json!({"url": server.url(path), "fps": fps, "window": {"size_s": 1}});
            ids.push(stage.http.submit("stream_ingest", &json!({"input": input})).await);
        }
        for id in &ids {
            stage.http.until(id, |task| scenes(task) >= 4).await;
        }
        for id in &ids {
            cancel(&stage, id).await;
        }
        settled(worker).await
    };
    // The pool may keep its children, unless a cancel met them at work: that is told apart from what leaks. There are two
    // even with one slot, so that one can decode while one reads.
    let without_child = |(files, processes): (usize, usize)| {
        assert!(processes <= 2, "the pool has two children, not {processes}");
        files - processes * FILES_A_CHILD
    };
    let before = without_child(round().await);
    for _ in 0..2 {
        assert_eq!(without_child(round().await), before, "open descriptors of the worker");
    }
}

/// Six seconds of a moving picture, made by FFmpeg's command.
fn film(dir: &std::path::Path) -> Vec<u8> {
    let path = dir.join("film.mp4");
    let made = std::process::Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc=size=320x180:rate=10",
            "-t",
            "6",
        ])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-g",
            "20",
            "-pix_fmt",
            "yuv420p",
        ])
        .arg(&path)
        .status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "ffmpeg should be installed: `make setup`"
    );
    std::fs::read(path).expect("the film should be there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_is_read_to_its_end_from_a_form_and_from_an_upload() {
    let stage = stage().start().await;
    let bytes = film(stage.dir());
    let answer = stage
        .http
        .post_file("/api/v1/tasks/stream_ingest", "film.mp4", bytes.clone())
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let form = answer.id();
    let upload = stage.http.post_file("/api/v1/uploads", "film.mp4", bytes).await;
    assert_eq!(upload.status, StatusCode::CREATED, "{}", upload.body);
    let window = json!({"size_s": 2, "hop_s": 1, "frame_count": 2});
    let input = json!({"media": {"artifact": upload.body["artifact"]}, "fps": 2, "duration": 4, "window": window});
    let uploaded = stage.http.submit("stream_ingest", &json!({"input": input})).await;

    let task = stage.http.until_ended(&form).await;
    let result = &task["result"];
    assert_eq!(result["ended_by"], "end_of_file", "{task}");
    assert_eq!(
        (&result["counts"]["frames"], &result["counts"]["scenes"]),
        (&json!(6), &json!(1)),
        "{task}"
    );
    let task = stage.http.until_ended(&uploaded).await;
    let result = &task["result"];
    assert_eq!(result["ended_by"], "duration", "{task}");
    assert_eq!(
        (&result["counts"]["frames"], &result["counts"]["scenes"]),
        (&json!(8), &json!(4)),
        "{task}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_in_real_time_has_each_scene_no_sooner_than_its_time_in_it() {
    let stage = stage().start().await;
    let upload = stage
        .http
        .post_file("/api/v1/uploads", "film.mp4", film(stage.dir()))
        .await;
    let input =
        json!({"media": {"artifact": upload.body["artifact"]}, "realtime": true, "fps": 5, "window": {"size_s": 1}});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    let task = stage.http.until_ended(&id).await;
    assert_eq!(task["result"]["ended_by"], "end_of_file", "{task}");
    let page = stage.http.get(&format!("/api/v1/tasks/{id}/scenes")).await.body;
    let scenes = page["items"].as_array().expect("a list of scenes");
    assert_eq!(scenes.len(), 6, "{page}");
    let ms = |time: &Value| {
        let time = time.as_str().expect("a time");
        parse_rfc3339_ms(time).expect("it is RFC 3339")
    };
    let started_ms = ms(&task["started_at"]);
    for scene in scenes {
        let end_ms = scene["end_ms"].as_u64().expect("a time of the film");
        assert!(ms(&scene["wall_start"]) >= started_ms + end_ms, "{scene}");
    }
}

/// Descriptors and processes of a worker once they have stopped becoming fewer: sessions are ended in the background.
pub(crate) async fn settled(worker: rustix::process::Pid) -> (usize, usize) {
    let look = || (open_files(worker), descendants_of(worker).len());
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    let mut last = look();
    let mut same = 0;
    while same < 6 {
        ticks.tick().await;
        let now = look();
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_rtsp_stream_url_runs_from_boot_on_and_once() {
    let server = RtspServer::start(&[]).await;
    let mut stage = stage()
        .env("RTSP_STREAM_URL", &server.url("/h264"))
        .env("FRAME_RATE", "2")
        .start()
        .await;
    let boot = async |stage: &Stage| {
        let page = stage.http.get("/api/v1/tasks?kind=stream_ingest").await.body;
        page["items"].as_array().cloned().unwrap_or_default()
    };
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let first = loop {
        ticks.tick().await;
        if let Some(task) = boot(&stage).await.pop() {
            break task;
        }
    };
    let id = first["id"].as_str().expect("tasks have ids").to_owned();
    stage.http.until(&id, |task| scenes(task) >= 1).await;
    stage.api.kill().await;
    stage.api.restart();
    stage.http.until_ready().await;
    stage.http.until(&id, |task| scenes(task) >= 2).await;
    let tasks = boot(&stage).await;
    assert_eq!((tasks.len(), &tasks[0]["tags"]), (1, &json!(["boot"])), "{tasks:?}");
}
