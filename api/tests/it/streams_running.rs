//! Streams that are started: one task each, whatever races with whatever; what their workers say of them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use zoetrope_queue::SystemClock;
use zoetrope_shared::artifacts::{Artifacts, NewArtifact};
use zoetrope_shared::streams::{Replaced, Reporting, Snapshot, StreamRecord, StreamReport};
use zoetrope_shared::wire::{StreamCause, StreamState};

use crate::camera::{Camera, report};
use crate::stage::{Answer, Stage};
use crate::streams::patched;

#[tokio::test(flavor = "multi_thread")]
async fn however_many_starts_race_there_is_one_task() {
    let mut camera = Camera::new().await.with_worker().await;
    let second = camera.stage.second_api().await;
    let elsewhere = format!("http://{second}{}/start", camera.path);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    while client
        .get(format!("http://{second}/readyz"))
        .send()
        .await
        .is_ok_and(|answer| !answer.status().is_success())
    {
        tokio::task::yield_now().await;
    }
    for round in 0..5 {
        let here = join_all((0..10).map(|_| camera.start()));
        let there = join_all((0..10).map(|_| Answer::of(client.post(&elsewhere))));
        let (here, there) = tokio::join!(here, there);
        let mut tasks: Vec<String> = here
            .iter()
            .chain(&there)
            .map(|answer| answer.text("/task_id"))
            .collect();
        tasks.sort();
        tasks.dedup();
        assert_eq!(camera.live_tasks().await, tasks, "round {round}");
        assert_eq!(tasks.len(), 1, "round {round}: {tasks:?}");
        assert_eq!(camera.stop().await.text("/state"), "stopped");
        assert_eq!(camera.live_tasks().await, Vec::<String>::new(), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_and_stops_that_race_leave_what_the_record_says() {
    let camera = Camera::new().await.with_worker().await;
    for _ in 0..10 {
        let starts = join_all((0..4).map(|_| camera.start()));
        let stops = join_all((0..4).map(|_| camera.stop()));
        let (started, stopped) = tokio::join!(starts, stops);
        for answer in started.iter().chain(&stopped) {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let live = camera.live_tasks().await;
        let record = camera.record().await;
        if record.started {
            assert_eq!(live, [record.task.expect("its task is known")]);
        } else {
            assert_eq!(live, Vec::<String>::new());
        }
    }
    assert_eq!(camera.stop().await.status, 200);
    assert_eq!(camera.live_tasks().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_started_stream_is_stopped_and_started_anew_by_another_task() {
    let camera = Camera::new().await.with_worker().await;
    let first = camera.start().await.text("/task_id");
    camera.until_running(&first).await;
    assert_eq!(camera.start().await.text("/task_id"), first, "it is started already");
    let stopped = camera.stop().await;
    assert_eq!(
        (stopped.text("/state"), stopped.text("/task_id")),
        ("stopped".to_owned(), first.clone())
    );
    let task = camera.stage.get(&format!("/api/v1/tasks/{first}")).await;
    assert_eq!(
        (task.text("/state"), &task.body["tags"]),
        ("canceled".to_owned(), &json!([]))
    );
    assert_eq!(camera.stop().await.text("/state"), "stopped", "it is stopped already");
    let second = camera.start().await.text("/task_id");
    assert_ne!(first, second);
    // Canceled by its own route, the task takes the stream with it; the next start makes another.
    camera.until_running(&second).await;
    camera.stage.delete(&format!("/api/v1/tasks/{second}")).await;
    camera.stage.get(&format!("/api/v1/tasks/{second}?wait=60s")).await;
    assert_eq!(camera.state().await, "stopped");
    assert_ne!(camera.start().await.text("/task_id"), second);
}

#[tokio::test]
async fn what_is_watched_changes_only_while_the_stream_is_stopped() {
    let camera = Camera::new().await;
    camera.start().await;
    for patch in [
        json!({"url": "rtsp://other.example.com/"}),
        json!({"fps": 5}),
        json!({"store": true}),
    ] {
        let answer = patched(&camera.stage, &camera.path, patch.clone()).await;
        answer.is_refused(StatusCode::CONFLICT, "stream_started", "", &patch.to_string());
    }
    let renamed = patched(
        &camera.stage,
        &camera.path,
        json!({"name": "yard", "tags": ["x"], "fps": 1}),
    )
    .await;
    assert_eq!(
        (renamed.status, renamed.text("/name")),
        (200, "yard".to_owned()),
        "{renamed:?}"
    );
    assert_eq!(camera.live_tasks().await.len(), 1);
    camera.stop().await;
    assert_eq!(
        patched(&camera.stage, &camera.path, json!({"fps": 5})).await.status,
        200
    );
    let task = camera.start().await.text("/task_id");
    let queue = camera.stage.queue().await;
    let stored = queue
        .get("default", task.parse().expect("an id"))
        .await
        .expect("Redis")
        .expect("a task");
    let input: Value = serde_json::from_str(stored.input.get()).expect("JSON");
    assert_eq!(input["fps"], 5.0, "{input}");
}

#[tokio::test]
async fn a_start_that_died_half_way_is_finished_by_the_next_and_undone_by_a_stop() {
    let camera = Camera::new().await;
    let begun = async || {
        let listed = camera
            .store
            .get(&camera.tenant, camera.id)
            .await
            .expect("Redis")
            .expect("the stream");
        let half = StreamRecord {
            started: true,
            run: listed.record.run + 1,
            task: None,
            ..listed.record.clone()
        };
        let replaced = camera
            .store
            .replace(&camera.tenant, &listed, &half)
            .await
            .expect("Redis");
        assert_eq!(replaced, Replaced::Yes);
        half.run
    };
    begun().await;
    assert_eq!(camera.state().await, "connecting");
    let task = camera.start().await.text("/task_id");
    assert_eq!(camera.live_tasks().await, [task]);
    assert_eq!(camera.stop().await.text("/state"), "stopped");

    let run = begun().await;
    let leave = camera
        .store
        .begin(&camera.tenant, camera.id, run)
        .await
        .expect("Redis")
        .expect("wanted");
    assert_eq!(
        leave.report(&report(run, StreamState::Connected)).await.expect("Redis"),
        Some(0)
    );
    camera.stop().await;
    let told = leave.report(&report(run, StreamState::Connected)).await.expect("Redis");
    assert_eq!(told, None, "its worker hears that it is over");
    assert!(
        camera
            .store
            .begin(&camera.tenant, camera.id, run)
            .await
            .expect("Redis")
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_worker_of_a_run_is_heard_and_no_other() {
    let camera = Camera::new().await.with_worker().await;
    let task = camera.start().await.text("/task_id");
    camera.until_running(&task).await;
    let status = format!("{}/status", camera.path);
    assert_eq!(camera.stage.get(&status).await.text("/state"), "connecting");
    let (old, new) = (camera.reporting().await, camera.reporting().await);
    let run = camera.record().await.run;
    assert_eq!(
        old.report(&report(run, StreamState::Connected)).await.expect("Redis"),
        None
    );
    let mut away = report(run, StreamState::Reconnecting);
    away.cause = Some(StreamCause::Refused);
    away.detail = Some("describe: Connection refused".to_owned());
    away.counts.packets = 250;
    away.counts.reconnects.refused = 3;
    (away.codec, away.size) = (Some("h264".to_owned()), Some((640, 360)));
    assert_eq!(new.report(&away).await.expect("Redis"), Some(0));
    let told = camera.stage.get(&status).await.body;
    assert_eq!(
        (&told["state"], &told["cause"]),
        (&json!("reconnecting"), &json!("refused")),
        "{told}"
    );
    assert_eq!(told["detail"], "describe: Connection refused");
    assert_eq!(
        (&told["counts"]["packets"], &told["counts"]["reconnects"]["refused"]),
        (&json!(250), &json!(3))
    );
    assert_eq!(
        (&told["codec"], &told["width"], &told["height"]),
        (&json!("h264"), &json!(640), &json!(360))
    );
    assert_eq!(
        (&told["since"], &told["live_fps"]),
        (&json!("2026-11-20T09:00:00.000Z"), &json!(0.0))
    );
    let listed = camera.stage.get("/api/v1/streams?state=reconnecting").await;
    assert_eq!(listed.text("/items/0/cause"), "refused");
    // What was said of the first start is not said of the second.
    camera.stop().await;
    assert_eq!(camera.stage.get(&status).await.body["cause"], Value::Null);
    camera.start().await;
    let again = camera.stage.get(&status).await.body;
    assert_eq!(
        (&again["state"], &again["counts"]["packets"]),
        (&json!("connecting"), &json!(0)),
        "{again}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_made_when_it_is_asked_for() {
    let camera = Camera::new().await.with_worker().await;
    let snapshot = format!("{}/snapshot", camera.path);
    let stopped = camera.stage.get(&snapshot).await;
    stopped.is_refused(StatusCode::CONFLICT, "stream_stopped", "", "nobody watches it");
    let task = camera.start().await.text("/task_id");
    camera.until_running(&task).await;
    let (leave, run) = (camera.reporting().await, camera.record().await.run);
    let store = format!("file://{}", camera.stage.artifacts_folder().display());
    let artifacts = Artifacts::open(&store, Arc::new(SystemClock)).expect("the api's store");
    let (none, answered) = tokio::join!(
        camera.stage.get(&snapshot),
        answer(&leave, report(run, StreamState::Connected), 0, None)
    );
    none.is_refused(StatusCode::NOT_FOUND, "not_found", "", "no picture has come");
    assert!(none.text("/detail").contains("connected"), "{none:?}");
    let late = StreamReport {
        last_frame_ms: Some(1_795_165_200_500),
        ..report(run, StreamState::Connected)
    };
    let (late, answered) = tokio::join!(camera.stage.get(&snapshot), answer(&leave, late, answered, None));
    late.is_refused(StatusCode::SERVICE_UNAVAILABLE, "internal", "", "no picture in time");

    let new = NewArtifact {
        content_type: "image/jpeg".to_owned(),
        filename: None,
        ttl: Duration::from_secs(60),
    };
    let stored = artifacts
        .put(&camera.tenant, new, b"\xff\xd8\xffpicture"[..].into())
        .await
        .expect("room");
    let picture = Snapshot {
        artifact: stored.artifact,
        taken_ms: 1_795_165_200_000,
    };
    let (made, _) = tokio::join!(
        camera.stage.get(&snapshot),
        answer(&leave, report(run, StreamState::Connected), answered, Some(picture))
    );
    assert_eq!(
        (made.status, made.header("content-type")),
        (200, "image/jpeg"),
        "{made:?}"
    );
    assert_eq!(made.header("frame-at"), "2026-11-20T09:00:00.000Z");
    assert_eq!(made.bytes, b"\xff\xd8\xffpicture");

    assert_eq!(camera.stage.delete(&camera.path).await.status, 204);
    assert_eq!(camera.stage.stored_files(), 0, "the picture goes with the stream");
}

/// Answers the request after the one that was answered, with a picture or without, and tells its number.
async fn answer(leave: &Reporting, mut said: StreamReport, answered: u64, picture: Option<Snapshot>) -> u64 {
    said.answered = answered;
    while said.answered == answered {
        tokio::task::yield_now().await;
        let wanted = leave.report(&said).await.expect("Redis");
        said.answered = wanted.expect("the run is wanted").max(answered);
    }
    said.snapshot = picture;
    leave.report(&said).await.expect("Redis");
    said.answered
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_stream_leaves_no_task_and_no_key() {
    let camera = Camera::new().await.with_worker().await;
    let task = camera.start().await.text("/task_id");
    camera.until_running(&task).await;
    let leave = camera.reporting().await;
    let run = camera.record().await.run;
    leave.report(&report(run, StreamState::Connected)).await.expect("Redis");
    let deletes = join_all((0..4).map(|_| Answer::of(camera.stage.request(Method::DELETE, &camera.path)))).await;
    assert!(
        deletes.iter().all(|answer| [204, 404].contains(&answer.status)),
        "{deletes:?}"
    );
    assert_eq!(
        leave.report(&report(run, StreamState::Connected)).await.expect("Redis"),
        None
    );
    assert_eq!(camera.live_tasks().await, Vec::<String>::new());
    let mut redis = camera.stage.redis_connection().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("zs:*stream*")
        .query_async(&mut redis)
        .await
        .expect("keys");
    assert_eq!(keys, Vec::<String>::new());
    assert_eq!(camera.start().await.status, 404);
}

#[tokio::test]
async fn a_start_that_the_queue_refuses_is_none() {
    let camera = Camera::new().await;
    camera.stage.post("/api/v1/queue/stream_ingest/drain", &json!({})).await;
    let refused = camera.start().await;
    refused.is_refused(StatusCode::SERVICE_UNAVAILABLE, "queue_full", "", "the kind is drained");
    assert_eq!(camera.state().await, "stopped");
    camera
        .stage
        .post("/api/v1/queue/stream_ingest/resume", &json!({}))
        .await;
    let task = camera.start().await.text("/task_id");
    assert_eq!(camera.live_tasks().await, [task]);
}

#[tokio::test]
async fn a_key_of_ours_cannot_be_taken_by_a_task() {
    let stage = Stage::start().await;
    let body = json!({"input": {"url": "rtsp://camera.example.com/"}, "unique_key": "zoetrope:stream:st_x"});
    let answer = stage.post("/api/v1/tasks/stream_ingest", &body).await;
    answer.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_input",
        "/unique_key",
        "it is ours",
    );
    for name in ["stream", "sealed"] {
        let body =
            json!({"input": {"url": "rtsp://camera.example.com/", name: {"id": "st_x", "run": 1, "store": true}}});
        let answer = stage.post("/api/v1/tasks/stream_ingest", &body).await;
        let pointer = format!("/input/{name}");
        answer.is_refused(StatusCode::UNPROCESSABLE_ENTITY, "unknown_field", &pointer, name);
    }
}
