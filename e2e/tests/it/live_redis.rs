//! Frames for viewers through a Redis of their own: they come through it and through no other, it keeps nothing of them, and nothing but
//! viewers notices that it is away.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use zoetrope_e2e::{Durability, Redis, RtspServer, SeveralRedis, Stage, Viewer};

use crate::stream_records::{created, steer, until};
use crate::streams::stage;

async fn playing(stage: &Stage, server: &RtspServer) -> String {
    let id = created(stage, json!({"url": server.url("/h264"), "window": {"size_s": 1}})).await;
    steer(stage, &id, "start").await;
    until(stage, &id, |status| status["state"] == "connected").await;
    id
}

/// Waits for frames that follow each other: what comes first may be the key frame of before.
async fn sees_frames(viewer: &mut Viewer) {
    let (first, _) = viewer.next_frame().await;
    let first = first["seq"].as_u64().expect("a number");
    while viewer.next_frame().await.0["seq"].as_u64() < Some(first + 10) {}
}

/// Waits until the viewer is told that the stream is like this.
async fn is_told(viewer: &mut Viewer, state: &str) -> Value {
    loop {
        if let Message::Text(text) = viewer.next().await {
            let said: Value = serde_json::from_str(&text).expect("JSON");
            if said["state"] == state {
                return said;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_redis_of_frames_is_away_only_viewers_notice_and_they_are_told() {
    let server = RtspServer::start(&["--size", "320x240"]).await;
    let mut frames = Redis::start(Durability::None).await;
    let stage = stage().env("LIVE_REDIS_URL", &frames.url()).start().await;
    let id = playing(&stage, &server).await;
    let mut viewer = Viewer::open(&stage.http, &format!("/api/v1/streams/{id}/live")).await;
    sees_frames(&mut viewer).await;
    assert_eq!(frames.keys("*").await, [""; 0], "nothing is kept");

    frames.kill().await;
    is_told(&mut viewer, "reconnecting").await;
    let scenes = |status: &Value| status["counts"]["scenes"].as_u64().unwrap_or_default();
    let before = until(&stage, &id, |status| status["state"] == "connected").await;
    until(&stage, &id, |status| {
        assert_eq!(status["state"], "connected", "{status}");
        scenes(status) >= scenes(&before) + 2
    })
    .await;
    frames.start_again().await;
    is_told(&mut viewer, "connected").await;
    sees_frames(&mut viewer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_pass_through_sentinels_and_clusters_and_come_again_after_a_primary_died() {
    let server = RtspServer::start(&["--size", "320x240"]).await;
    for mut frames in [SeveralRedis::sentinel().await, SeveralRedis::cluster().await] {
        let stage = stage().env("LIVE_REDIS_URL", &frames.url()).start().await;
        let id = playing(&stage, &server).await;
        let path = format!("/api/v1/streams/{id}/live");
        let mut viewer = Viewer::open(&stage.http, &path).await;
        sees_frames(&mut viewer).await;
        frames.kill_a_primary();
        sees_frames(&mut viewer).await;
        // Whoever comes now is served, too.
        sees_frames(&mut Viewer::open(&stage.http, &path).await).await;
    }
}
