//! A live stream from a foreign RTMP server.

use serde_json::json;
use zoetrope_e2e::{RtmpServer, Stage};

use crate::recordings::{check_export, heard, list, recordings};
use crate::streams::{cancel, down, live_again, scenes};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_over_rtmp_becomes_scenes_and_is_read_on_when_its_server_comes_back() {
    let stage = Stage::builder()
        .env("NETGUARD_ALLOW_CIDRS", RtmpServer::ALLOWED)
        .env("RECORDING_MAX_DISK_PERCENT", "101")
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

    // Every picture, so that those between key frames are decoded too; recorded with its sound. FFmpeg serves one player and is
    // started again for the next, which may take some of the time.
    let input = json!({"url": server.url(), "fps": 15, "store": true, "duration": 12, "window": {"size_s": 2}});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    let task = stage.http.until_ended(&id).await;
    let counts = &task["result"]["counts"];
    assert_eq!(task["result"]["ended_by"], "duration", "{task}");
    assert!(counts["frames"].as_u64() >= Some(20), "{task}");
    assert_eq!(counts["drops"]["decode_errors"], 0, "{task}");
    let found = stage.http.get(&recordings(&id)).await.body;
    let [range] = list(&found, "ranges") else {
        panic!("one range: {found}")
    };
    check_export(&stage.http, range, stage.dir()).await;
    let pictures_s = range["end"]
        .as_f64()
        .zip(range["start"].as_f64())
        .map_or(0.0, |(end, start)| end - start);
    let sound_s = heard(&stage.dir().join("export.mp4"));
    assert!(
        (sound_s - pictures_s).abs() < 1.0,
        "{sound_s} s of sound beside {pictures_s} s of pictures"
    );
}
