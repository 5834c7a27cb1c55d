//! Watching streams: what viewers are told and shown, in both forms; what one that is slow costs the others.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use zoetrope_queue::ConnectOptions;
use zoetrope_shared::keys;
use zoetrope_shared::live_view::{BoxKind, FrameHead, LiveBox, LiveFrame, LiveLink};
use zoetrope_shared::redis_link::RedisLink;
use zoetrope_shared::streams::{Reporting, StreamId, StreamReport, StreamStore};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{StreamCause, StreamState};

use crate::camera::report;
use crate::live_stage::{Held, Puppet, Ws, metric};
use crate::stage::{Answer, Stage, TENANT};
use crate::streams::created;

/// A bound for a broken system, not a promise.
const PATIENCE: Duration = Duration::from_secs(60);
const CAMERA: &str = "rtsp://camera.example.com/live";

/// A stream whose worker is the test.
struct Camera {
    stage: Stage,
    id: String,
    run: u64,
    leave: Reporting,
    puppet: Puppet,
    held: Held,
    redis: redis::aio::MultiplexedConnection,
}

impl Camera {
    async fn playing() -> Self {
        let stage = Stage::start().await;
        let id = created(&stage, json!({"url": CAMERA})).await.text("/id");
        let started = stage.post(&format!("/api/v1/streams/{id}/start"), &json!({})).await;
        assert_eq!(started.status, 200, "{started:?}");
        let mut puppet = Puppet::start(stage.queue().await, &["stream_ingest"]);
        let held = puppet.takes().await;
        let store = StreamStore::new(RedisLink::at(ConnectOptions::new(stage.redis_url())));
        let (tenant, stream) = (Tenant::default_tenant(), StreamId::parse(&id).expect("an id"));
        let listed = store.get(&tenant, stream).await.expect("Redis").expect("a stream");
        let run = listed.record.run;
        let leave = store.begin(&tenant, stream, run).await.expect("Redis");
        let camera = Self {
            redis: stage.redis_connection().await,
            stage,
            id,
            run,
            leave: leave.expect("the run is wanted"),
            puppet,
            held,
        };
        camera.says(StreamState::Connected, None).await;
        camera
    }

    /// What its worker reports.
    async fn says(&self, state: StreamState, cause: Option<StreamCause>) {
        let report = StreamReport {
            cause,
            live_fps: 15.0,
            ..report(self.run, state)
        };
        let said = self.leave.report(&report).await.expect("Redis");
        assert!(said.is_some(), "the run is wanted");
    }

    fn live(&self) -> String {
        format!("/api/v1/streams/{}/live", self.id)
    }

    /// Publishes a frame, once the api listens.
    async fn shows(&mut self, frame: &LiveFrame) {
        let channel = keys::frames(&Tenant::default_tenant(), &self.id);
        let shown = async {
            loop {
                let mut publish = redis::cmd("PUBLISH");
                publish.arg(&channel).arg(&frame.message()[..]);
                let heard_by: u64 = publish.query_async(&mut self.redis).await.expect("Redis");
                if heard_by > 0 {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, shown).await.expect("the api should listen");
    }

    async fn ends(self) {
        self.held.succeeds(&json!(null));
        self.puppet.stop().await;
    }
}

fn frame(seq: u64, jpeg: &[u8]) -> LiveFrame {
    let head = FrameHead {
        seq,
        pts_ms: seq * 66,
        at: "2026-11-20T09:00:00.250Z".to_owned(),
        width: 640,
        height: 360,
        boxes: vec![LiveBox {
            kind: BoxKind::Motion,
            label: None,
            confidence: None,
            bbox: [1, 2, 3, 4],
        }],
    };
    LiveFrame::new(head, jpeg).expect("it is small enough")
}

/// What comes next but pings.
async fn next(viewer: &mut Ws) -> Message {
    let next = async {
        loop {
            match viewer.0.next().await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return message,
                other => panic!("instead of a message: {other:?}"),
            }
        }
    };
    timeout(PATIENCE, next).await.expect("something should come")
}

async fn next_state(viewer: &mut Ws) -> Value {
    match next(viewer).await {
        Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
        other => panic!("instead of a state: {other:?}"),
    }
}

async fn next_frame(viewer: &mut Ws) -> LiveFrame {
    loop {
        match next(viewer).await {
            Message::Binary(bytes) => {
                return LiveFrame::read(Bytes::copy_from_slice(&bytes)).expect("frames are as documented");
            }
            Message::Text(_) => {}
            other => panic!("instead of a frame: {other:?}"),
        }
    }
}

async fn until_closed(viewer: &mut Ws) -> CloseFrame {
    match next(viewer).await {
        Message::Close(Some(close)) => close,
        other => panic!("instead of the end: {other:?}"),
    }
}

#[tokio::test]
async fn a_viewer_is_told_how_the_stream_is_and_shown_its_frames() {
    let mut camera = Camera::playing().await;
    let mut viewer = Ws::connect(&camera.stage, &camera.live(), &[])
        .await
        .expect("it should be let in");
    while next_state(&mut viewer).await["state"] != "connected" {}
    let sent = frame(1, b"\xff\xd8\xffone");
    camera.shows(&sent).await;
    assert_eq!(next_frame(&mut viewer).await, sent);
    camera.says(StreamState::Reconnecting, Some(StreamCause::Timeout)).await;
    let away = next_state(&mut viewer).await;
    assert_eq!(
        away,
        json!({"type": "state", "state": "reconnecting", "cause": "timeout", "over": false})
    );
    assert_eq!(metric(&camera.stage, "zoetrope_viewers").await, 1.0);

    let (path, nothing) = (format!("/api/v1/streams/{}/stop", camera.id), json!({}));
    let stop = camera.stage.post(&path, &nothing);
    let (stopped, over) = tokio::join!(stop, async {
        loop {
            let state = next_state(&mut viewer).await;
            if state["over"] == true {
                return state;
            }
        }
    });
    assert_eq!(
        (stopped.status, &over["state"]),
        (200, &json!("stopped")),
        "{stopped:?}"
    );
    assert_eq!(u16::from(until_closed(&mut viewer).await.code), 1000);
    let again = camera.stage.get(&camera.live()).await;
    again.is_refused(StatusCode::CONFLICT, "stream_stopped", "", "a stream that is stopped");
    while metric(&camera.stage, "zoetrope_viewers").await > 0.0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(metric(&camera.stage, "zoetrope_viewed_streams").await, 0.0);
    camera.ends().await;
}

#[tokio::test]
async fn whoever_watches_is_heard_of_by_workers_and_only_as_long() {
    let mut camera = Camera::playing().await;
    let link = LiveLink::at(ConnectOptions::new(camera.stage.redis_url()));
    let (mut channels, mut heard) = link.listen().await.expect("Redis");
    channels.add(keys::WANTS).await.expect("Redis");
    let viewer = Ws::connect(&camera.stage, &camera.live(), &[]).await;
    for _ in 0..2 {
        let (channel, name) = heard.next().await.expect("a word");
        assert_eq!(channel, keys::WANTS);
        assert_eq!(name, format!("default/{}", camera.id).as_bytes());
    }
    drop(viewer);
    while metric(&camera.stage, "zoetrope_viewed_streams").await > 0.0 {
        tokio::task::yield_now().await;
    }
    let mut kept = redis::cmd("KEYS");
    let kept: Vec<String> = kept.arg("zl:*").query_async(&mut camera.redis).await.expect("Redis");
    assert!(kept.is_empty(), "nothing of it is kept: {kept:?}");
    camera.ends().await;
}

#[tokio::test]
async fn the_older_form_is_that_of_its_program() {
    let mut camera = Camera::playing().await;
    let named = format!("/ws/video-stream?stream={}", camera.id);
    for path in ["/ws/video-stream", named.as_str()] {
        let mut viewer = Ws::connect(&camera.stage, path, &[])
            .await
            .expect("it should be let in");
        camera.shows(&frame(1, b"\xff\xd8\xffone")).await;
        let message = next_state(&mut viewer).await;
        assert_eq!(
            message,
            json!({"type": "frame", "data": STANDARD.encode(b"\xff\xd8\xffone"), "timestamp": 1_795_165_200.25}),
            "{path}"
        );
    }
    camera.ends().await;
}

#[tokio::test]
async fn where_there_is_nothing_to_show_the_older_form_says_so_and_closes() {
    let stage = Stage::start().await;
    let id = created(&stage, json!({"url": CAMERA})).await.text("/id");
    let foreign = format!("/ws/video-stream?stream={id}");
    for (path, tenant) in [
        ("/ws/video-stream", "default"),
        ("/ws/video-stream?stream=st_nothing", "default"),
        (foreign.as_str(), "bob"),
    ] {
        let mut viewer = Ws::connect(&stage, path, &[(TENANT, tenant)])
            .await
            .expect("it should be let in");
        let error = next_state(&mut viewer).await;
        let message = error["message"].as_str().unwrap_or_default();
        assert!(
            error["type"] == "error" && message.starts_with("no such stream"),
            "{path}: {error}"
        );
        assert_eq!(u16::from(until_closed(&mut viewer).await.code), 1008, "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_watched_is_refused_before_the_upgrade() {
    let camera = Camera::playing().await;
    let stage = &camera.stage;
    let film = stage.echo("no stream").await;
    for (path, tenant) in [
        ("/api/v1/streams/nothing/live".to_owned(), "default"),
        (format!("/api/v1/streams/{film}/live"), "default"),
        (camera.live(), "bob"),
    ] {
        let answer = Answer::of(stage.request(Method::GET, &path).header(TENANT, tenant)).await;
        answer.is_refused(StatusCode::NOT_FOUND, "not_found", "", &path);
    }
    let evil = [("origin", "https://evil.example")];
    for path in [camera.live().as_str(), "/ws/video-stream"] {
        assert_eq!(Ws::connect(stage, path, &evil).await.err(), Some(403), "{path}");
        let plain = stage.get(path).await;
        assert_eq!(plain.status, 400, "{plain:?}");
        let answer = stage.get(&format!("{path}?steam=1")).await;
        answer.is_refused(StatusCode::UNPROCESSABLE_ENTITY, "unknown_field", "?steam", path);
    }
    assert_eq!(metric(stage, "zoetrope_viewers").await, 0.0);
    camera.ends().await;
}

#[tokio::test]
async fn a_task_without_a_stream_is_watched_by_its_own_id() {
    let stage = Stage::start().await;
    let answer = stage
        .post("/api/v1/tasks/stream_ingest", &json!({"input": {"url": CAMERA}}))
        .await;
    let mut viewer = Ws::connect(&stage, &format!("/api/v1/streams/{}/live", answer.text("/id")), &[])
        .await
        .expect("it should be let in");
    while next_state(&mut viewer).await["detail"] != "it waits for a worker" {}
    let mut puppet = Puppet::start(stage.queue().await, &["stream_ingest"]);
    let held = puppet.takes().await;
    held.attempt.progress(0, "down: refused; 0 scenes so far");
    let away = loop {
        let state = next_state(&mut viewer).await;
        if state["state"] == "reconnecting" {
            break state;
        }
    };
    assert_eq!(away["cause"], "refused", "{away}");
    held.succeeds(&json!(null));
    while next_state(&mut viewer).await["over"] != true {}
    assert_eq!(u16::from(until_closed(&mut viewer).await.code), 1000);
    puppet.stop().await;
}

#[tokio::test]
async fn one_viewer_of_twenty_that_takes_nothing_delays_nobody_and_goes_on_with_what_is_now() {
    const FRAMES: u64 = 100;
    let mut camera = Camera::playing().await;
    let mut viewers = Vec::new();
    for _ in 0..20 {
        let viewer = Ws::connect(&camera.stage, &camera.live(), &[]).await;
        viewers.push(viewer.expect("it should be let in"));
    }
    let (stuck, quick) = viewers.split_first_mut().expect("there are twenty");
    // In all 20 MB: more than any buffer between holds.
    let picture = vec![0xab; 200 * 1024];
    for seq in 1..=FRAMES {
        camera.shows(&frame(seq, &picture)).await;
        for viewer in &mut *quick {
            assert_eq!(next_frame(viewer).await.head.seq, seq, "nobody else misses a frame");
        }
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&FRAMES) {
        seen.push(next_frame(stuck).await.head.seq);
    }
    assert!(
        seen.is_sorted() && seen.len() < 20,
        "it has some, in order, and the newest: {seen:?}"
    );
    let missed = (FRAMES - seen.len() as u64) as f64;
    while metric(&camera.stage, "zoetrope_viewer_frames_missed_total").await != missed {
        tokio::task::yield_now().await;
    }
    camera.ends().await;
}

#[tokio::test]
async fn a_stream_has_so_many_viewers_and_not_one_more() {
    const MOST: usize = 100;
    let camera = Camera::playing().await;
    let mut viewers = Vec::new();
    for _ in 0..MOST {
        let viewer = Ws::connect(&camera.stage, &camera.live(), &[]).await;
        viewers.push(viewer.expect("it should be let in"));
    }
    assert_eq!(Ws::connect(&camera.stage, &camera.live(), &[]).await.err(), Some(503));
    let mut late = Ws::connect(&camera.stage, "/ws/video-stream", &[])
        .await
        .expect("it should be let in");
    let error = next_state(&mut late).await;
    assert!(
        error["message"].as_str().is_some_and(|why| why.contains("100 viewers")),
        "{error}"
    );
    assert_eq!(u16::from(until_closed(&mut late).await.code), 1013);
    viewers.pop();
    while metric(&camera.stage, "zoetrope_viewers").await >= MOST as f64 {
        tokio::task::yield_now().await;
    }
    assert!(Ws::connect(&camera.stage, &camera.live(), &[]).await.is_ok());
    camera.ends().await;
}

#[tokio::test]
async fn viewers_are_heard_again_after_redis_was_away() {
    let mut camera = Camera::playing().await;
    let mut viewer = Ws::connect(&camera.stage, &camera.live(), &[])
        .await
        .expect("it should be let in");
    camera.shows(&frame(1, b"before")).await;
    assert_eq!(next_frame(&mut viewer).await.head.seq, 1);
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("TYPE").arg("pubsub");
    let killed: u64 = kill.query_async(&mut camera.redis).await.expect("Redis");
    assert_eq!(killed, 1, "one connection hears for all viewers");
    camera.shows(&frame(2, b"after")).await;
    assert_eq!(next_frame(&mut viewer).await.jpeg(), b"after");
    camera.ends().await;
}

#[tokio::test]
async fn the_page_is_everybodys_and_loads_nothing_from_elsewhere() {
    let stage = Stage::start().await;
    let page = stage.get("/watch?stream=st_any").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy");
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = String::from_utf8(page.bytes.clone()).expect("text");
    for (path, kind) in [("/watch/watch.js", "text/javascript"), ("/watch/watch.css", "text/css")] {
        assert!(text.contains(path));
        let asset = stage.get(path).await;
        assert!(
            asset.status == 200 && asset.header("content-type").starts_with(kind),
            "{asset:?}"
        );
    }
    assert!(!text.contains("st_any"), "it holds nothing that it was asked with");
}
