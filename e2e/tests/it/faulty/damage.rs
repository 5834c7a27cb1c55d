//! Packets that arrive damaged, not at all or twice, for a while.

use std::path::Path;
use std::process::Command;

use futures_util::future::join_all;
use serde_json::{Value, json};
use zoetrope_e2e::{Compression, Damage, Damaging, Footage, RtmpServer, RtspServer, Sender, Stage};

use super::{Beside, assert_recovered, count, drops, plays_on, reconnects, reconnects_for, started};
use crate::recordings::{decodes, list, number, recordings, text};
use crate::stream_records::{steer, until};

/// What has to happen before the network is well again: pauses double with each connection that is lost.
const HITS: u64 = 2;
/// Scenes, of a second each, after that: more than a segment of the recording and the time until a status is told.
const WELL_SCENES: u64 = 9;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn damaged_packets_cost_pictures_and_connections_and_nothing_else() {
    let beside = Beside::begin().await;
    let stage = &beside.stage;
    let server = RtspServer::start(&["--size", "160x120", "--fps", "10", "--gop", "10"]).await;
    let footage = Footage::shoot(stage.dir(), Compression::H264, "160x120", 10).await;
    let cameras = [Sender::rtsp(footage.clone()).await, Sender::rtsp(footage).await];
    let h265 = Footage::shoot(stage.dir(), Compression::H265, "160x120", 10).await;
    let h265 = Sender::rtsp(h265).await;
    let cases = [
        (server.url("/h264-none-tcp"), Damage::Flip, 5),
        (server.url("/h264b-none-tcp"), Damage::Drop, 7),
        (server.url("/h265-none-tcp"), Damage::Cut, 7),
        (cameras[0].url(), Damage::Repeat, 25),
        (cameras[1].url(), Damage::Tear, 25),
        (h265.url(), Damage::Blank, 1),
    ];
    let over_rtsp = cases
        .iter()
        .map(|(url, damage, every)| on_the_way_from(stage, url, *damage, *every));
    tokio::join!(join_all(over_rtsp), from_an_rtmp_server(stage));
    beside.end().await;
}

async fn from_an_rtmp_server(stage: &Stage) {
    let server = RtmpServer::start(stage.dir()).await;
    on_the_way_from(stage, &server.url(), Damage::Noise, 4).await;
}

/// A stream whose packets, or pieces, are damaged for a while, every so many of them.
async fn on_the_way_from(stage: &Stage, camera: &str, damage: Damage, every: u64) {
    let network = Damaging::before(camera, every).await;
    let url = network.url();
    let body = json!({"url": url, "store": true, "fps": 2, "window": {"size_s": 1}});
    let id = started(stage, body).await;
    let well = until(stage, &id, |status| count(status, "scenes") >= 3).await;
    network.set(damage);
    let hurt = until(stage, &id, |status| {
        network.done() >= HITS && is_hurt(damage, &well, status)
    })
    .await;
    network.set(Damage::None);
    let status = plays_on(stage, &id, &hurt, WELL_SCENES).await;
    check_causes(damage, &well, &status);
    assert_eq!(count(&status, "decoder_crashes"), 0, "{damage:?}: {status}");
    if reconnects(&status) > 0 {
        assert_recovered(stage, &url);
    }
    steer(stage, &id, "stop").await;
    check_recording(stage, &id).await;
}

/// Whether the damage shows.
fn is_hurt(damage: Damage, well: &Value, status: &Value) -> bool {
    let more = |cause: &str| drops(status, cause) > drops(well, cause);
    let broken = reconnects(status) > reconnects(well);
    match damage {
        Damage::None => false,
        Damage::Flip | Damage::Cut => broken || more("decode_errors"),
        Damage::Drop => more("network_loss"),
        Damage::Blank | Damage::Repeat | Damage::Tear | Damage::Noise => broken,
    }
}

/// What is missing is no reason to connect anew. What does not read is, and the reason is the network: neither a codec nor a
/// password, for which it would be left alone for minutes.
fn check_causes(damage: Damage, well: &Value, status: &Value) {
    let told = ["network", "timeout", "refused"].map(|cause| reconnects_for(status, cause));
    assert_eq!(told.iter().sum::<u64>(), reconnects(status), "{damage:?}: {status}");
    if damage == Damage::Drop {
        assert_eq!(reconnects(status), reconnects(well), "{status}");
    }
    assert_eq!(drops(status, "recorder_behind"), 0, "{damage:?}: {status}");
}

/// Whatever came, what is recorded are files; and what came once all was well is without a fault.
async fn check_recording(stage: &Stage, id: &str) {
    let found = stage.http.get(&recordings(id)).await.body;
    let folder = stage.dir().join(id);
    std::fs::create_dir(&folder).expect("there is room for a folder");
    let file = folder.join("part.mp4");
    for range in list(&found, "ranges") {
        let (status, _, bytes) = stage.http.bytes(text(&range["export"]), &[]).await;
        assert!(status.is_success(), "{range}");
        std::fs::write(&file, bytes).expect("there is room for a file");
        assert!(is_a_file(&file), "{range}");
    }
    assert!(
        list(&found, "gaps").iter().all(|gap| gap["cause"] == "source"),
        "{found}"
    );
    let last = list(&found, "ranges").last().expect("something is recorded");
    let end = number(&last["end"]);
    let path = format!("/api/v1/streams/{id}/export?start={}&end={end}", end - 1.0);
    decodes(&format!("{}{path}", stage.http.base()));
}

/// Whether a container reads to its end, with times that rise; what its pictures show is another matter.
fn is_a_file(file: &Path) -> bool {
    let arguments = [
        "-v",
        "quiet",
        "-select_streams",
        "v",
        "-show_entries",
        "packet=dts",
        "-of",
        "csv=p=0",
    ];
    let output = Command::new("ffprobe").args(arguments).arg(file).output();
    let output = output.expect("`make setup` installs ffprobe");
    let listed = String::from_utf8_lossy(&output.stdout);
    let times: Vec<i64> = listed
        .lines()
        .filter_map(|line| line.trim_end_matches(',').parse().ok())
        .collect();
    output.status.success() && !times.is_empty() && times.windows(2).all(|pair| pair[0] < pair[1])
}
