//! Another codec and another size in mid-stream, over the same connection and over another one.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::{Value, json};
use zoetrope_e2e::{Compression, Footage, RtmpServer, RtspServer, Sender, Stage};

use super::{Beside, assert_recovered, assert_untouched, count, plays_on, reconnects, reconnects_for, started};
use crate::recordings::{check_export, decodes, list, recordings, refused_whole, text};
use crate::stream_records::{steer, until};

/// How pictures are compressed, as `ffprobe` and a stream's status name it, and their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Side(&'static str, u64, u64);

const SMALL: Side = Side("h264", 160, 120);
const LARGE: Side = Side("h264", 320, 240);
const SMALL_H265: Side = Side("hevc", 160, 120);
const LARGE_H265: Side = Side("hevc", 320, 240);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sources_that_change_codec_or_size_are_watched_on_and_recorded_on_both_sides() {
    let beside = Beside::begin().await;
    let stage = &beside.stage;
    let shoot = async |compression, size| Footage::shoot(stage.dir(), compression, size, 10).await;
    let small = shoot(Compression::H264, "160x120").await;
    let large = shoot(Compression::H264, "320x240").await;
    let small_h265 = shoot(Compression::H265, "160x120").await;
    let large_h265 = shoot(Compression::H265, "320x240").await;
    tokio::join!(
        in_one_connection(stage, Sender::rtsp(small.clone()).await, &large, 5, [SMALL, LARGE]),
        in_one_connection(
            stage,
            Sender::rtsp(small_h265.clone()).await,
            &large_h265,
            1,
            [SMALL_H265, LARGE_H265]
        ),
        in_one_connection(stage, Sender::rtmp(large.clone()).await, &small, 1, [LARGE, SMALL]),
        in_one_connection(
            stage,
            Sender::rtmp(small.clone()).await,
            &small_h265,
            5,
            [SMALL, SMALL_H265]
        ),
        another_codec_than_was_described(stage, Sender::rtsp(small.clone()).await, &large_h265),
        another_rtsp_server(stage),
        another_rtmp_server(stage),
    );
    beside.end().await;
}

/// Nobody connects anew: every picture that was sent arrives, and both sides are recorded without a gap.
async fn in_one_connection(stage: &Stage, camera: Sender, then: &Arc<Footage>, fps: u32, sides: [Side; 2]) {
    let body = json!({"url": camera.url(), "store": true, "fps": fps, "window": {"size_s": 1}});
    let id = started(stage, body).await;
    let first = until(stage, &id, |status| {
        shows(status, sides[0]) && count(status, "scenes") >= 2
    })
    .await;
    camera.show(Arc::clone(then));
    let changed = until(stage, &id, |status| shows(status, sides[1])).await;
    plays_on(stage, &id, &changed, 3).await;
    camera.hold();
    let status = until(stage, &id, |status| count(status, "packets") == camera.sent()).await;
    assert_untouched(&status);
    steer(stage, &id, "stop").await;
    let found = check_sides(stage, &id, &sides).await;
    assert_eq!(
        (list(&found, "ranges").len(), list(&found, "gaps").len()),
        (2, 0),
        "{sides:?}, from {first}: {found}"
    );
}

/// What was described as H.264 becomes H.265 in the midst of a connection: another one describes it anew, at once.
async fn another_codec_than_was_described(stage: &Stage, camera: Sender, then: &Arc<Footage>) {
    let sides = [SMALL, LARGE_H265];
    let id = started(
        stage,
        json!({"url": camera.url(), "store": true, "window": {"size_s": 1}}),
    )
    .await;
    until(stage, &id, |status| {
        shows(status, sides[0]) && count(status, "scenes") >= 2
    })
    .await;
    camera.show(Arc::clone(then));
    let changed = until(stage, &id, |status| shows(status, sides[1])).await;
    let status = plays_on(stage, &id, &changed, 3).await;
    assert_eq!(
        (reconnects(&status), reconnects_for(&status, "network")),
        (1, 1),
        "{status}"
    );
    steer(stage, &id, "stop").await;
    check_sides(stage, &id, &sides).await;
    assert_recovered(stage, &camera.url());
}

/// `GStreamer`'s server goes, and comes back with another codec and another size under the same URL.
async fn another_rtsp_server(stage: &Stage) {
    let sides = [SMALL, LARGE_H265];
    let mut server = RtspServer::start(&["--camera", "h264", "--size", "160x120", "--fps", "10", "--gop", "10"]).await;
    let url = server.url("/camera");
    let id = started(stage, json!({"url": url, "store": true, "window": {"size_s": 1}})).await;
    until(stage, &id, |status| {
        shows(status, sides[0]) && count(status, "scenes") >= 2
    })
    .await;
    let other = ["--camera", "h265", "--size", "320x240", "--fps", "10", "--gop", "10"];
    server.become_another(&other).await;
    let changed = until(stage, &id, |status| shows(status, sides[1])).await;
    let status = plays_on(stage, &id, &changed, 3).await;
    assert_reconnected_to_a_server_that_was_away(&status);
    steer(stage, &id, "stop").await;
    check_sides(stage, &id, &sides).await;
    assert_recovered(stage, &url);
}

/// FFmpeg's server goes, and comes back with pictures of another size.
async fn another_rtmp_server(stage: &Stage) {
    let sides = [LARGE, SMALL];
    let folder = stage.dir().join("films");
    std::fs::create_dir(&folder).expect("there is room for a folder");
    let mut server = RtmpServer::start(&folder).await;
    let url = server.url();
    let id = started(stage, json!({"url": url, "store": true, "window": {"size_s": 1}})).await;
    until(stage, &id, |status| {
        shows(status, sides[0]) && count(status, "scenes") >= 2
    })
    .await;
    server.become_another(&folder, "160x120").await;
    let changed = until(stage, &id, |status| shows(status, sides[1])).await;
    let status = plays_on(stage, &id, &changed, 3).await;
    assert_reconnected_to_a_server_that_was_away(&status);
    steer(stage, &id, "stop").await;
    check_sides(stage, &id, &sides).await;
    assert_recovered(stage, &url);
}

fn assert_reconnected_to_a_server_that_was_away(status: &Value) {
    let told = reconnects_for(status, "network") + reconnects_for(status, "refused");
    assert!(told >= 1, "{status}");
    assert_eq!(reconnects(status), told, "{status}");
}

fn shows(status: &Value, Side(codec, width, height): Side) -> bool {
    let codec = if codec == "hevc" { "h265" } else { codec };
    status["codec"] == codec && status["width"] == width && status["height"] == height
}

/// Each range is a file that decodes without a complaint, of one side; together they are none, and play with breaks.
async fn check_sides(stage: &Stage, id: &str, sides: &[Side]) -> Value {
    let http = &stage.http;
    let found = http.get(&recordings(id)).await.body;
    let ranges = list(&found, "ranges");
    let folder = stage.dir().join(id);
    std::fs::create_dir(&folder).expect("there is room for a folder");
    let mut recorded = Vec::new();
    for range in ranges {
        check_export(http, range, &folder).await;
        recorded.push(side_of(&folder.join("export.mp4")));
    }
    // A busy machine may lose a connection more.
    let breaks = recorded.len() - 1;
    recorded.dedup();
    assert_eq!(recorded, sides, "{found}");
    assert!(
        list(&found, "gaps").iter().all(|gap| gap["cause"] == "source"),
        "{found}"
    );

    let (part, refused) = refused_whole(http, id, &found).await;
    let named = list(&refused, "errors");
    assert_eq!(named.len(), ranges.len(), "{refused}");
    for range in named {
        let path = format!("/api/v1/streams/{id}/export?{}", text(&range["detail"]));
        assert_eq!(http.bytes(&path, &[]).await.0, StatusCode::OK, "{path}");
    }
    let path = format!("/api/v1/streams/{id}/playlist.m3u8?{part}");
    let playlist = http.text(&path).await;
    assert_eq!(playlist.matches("#EXT-X-DISCONTINUITY\n").count(), breaks, "{playlist}");
    check_playlist(stage, id, &playlist, &folder).await;
    found
}

/// What stands behind each init segment is whole with it. FFmpeg's own player goes on with the parameters that it began with.
async fn check_playlist(stage: &Stage, id: &str, playlist: &str, folder: &Path) {
    let mut sides: Vec<Vec<u8>> = Vec::new();
    for line in playlist.lines() {
        let init = line
            .strip_prefix("#EXT-X-MAP:URI=\"")
            .and_then(|rest| rest.split('"').next());
        let Some(name) = init.or_else(|| Some(line).filter(|line| !line.starts_with('#'))) else {
            continue;
        };
        let (status, _, bytes) = stage.http.bytes(&format!("/api/v1/streams/{id}/{name}"), &[]).await;
        assert_eq!(status, StatusCode::OK, "{name}");
        if init.is_some() {
            sides.push(Vec::new());
        }
        sides
            .last_mut()
            .expect("an init segment stands before others")
            .extend(bytes);
    }
    assert!(sides.len() >= 2, "{playlist}");
    let file = folder.join("side.mp4");
    for side in sides {
        std::fs::write(&file, side).expect("there is room for a file");
        decodes(&file.display().to_string());
    }
}

fn side_of(file: &Path) -> Side {
    let fields = "stream=codec_name,width,height";
    let arguments = [
        "-v",
        "error",
        "-select_streams",
        "v",
        "-show_entries",
        fields,
        "-of",
        "csv=p=0",
    ];
    let output = Command::new("ffprobe").args(arguments).arg(file).output();
    let output = output.expect("`make setup` installs ffprobe");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let known = [SMALL, LARGE, SMALL_H265, LARGE_H265];
    let side = known
        .into_iter()
        .find(|Side(codec, width, height)| told == format!("{codec},{width},{height}"));
    side.unwrap_or_else(|| panic!("{told} is none of the sides"))
}
