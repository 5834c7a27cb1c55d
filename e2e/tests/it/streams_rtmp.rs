//! A live stream from a foreign RTMP server.

use serde_json::json;
use zoetrope_e2e::{RtmpServer, Stage};

use crate::streams::{cancel, down, live_again, scenes};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_over_rtmp_becomes_scenes_and_is_read_on_when_its_server_comes_back() {
    let stage = Stage::builder()
        .env("NETGUARD_ALLOW_CIDRS", RtmpServer::ALLOWED)
        .start()
        .await;
    let mut server = RtmpServer::start(stage.dir()).await;
    let input = json!({"url": server.url(), "window": {"size_s": 1}});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    stage.http.until(&id, |task| scenes(task) >= 2).await;
    server.kill().await;
    down(&stage, &id, "refused").await;
    server.restart();
    live_again(&stage, &id, 3).await;
    cancel(&stage, &id).await;

    // Every picture, so that those between key frames are decoded too.
    let input = json!({"url": server.url(), "fps": 15, "duration": 6, "window": {"size_s": 2}});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    let task = stage.http.until_ended(&id).await;
    let counts = &task["result"]["counts"];
    assert_eq!(task["result"]["ended_by"], "duration", "{task}");
    assert!(counts["frames"].as_u64() >= Some(20), "{task}");
    assert_eq!(counts["drops"]["decode_errors"], 0, "{task}");
}
