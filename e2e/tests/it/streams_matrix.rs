//! Every kind of RTSP source that is taken, all of them at once on one worker, recorded: state, pictures and sound.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use zoetrope_e2e::{Http, RtspServer};

use crate::recordings::{check_export, heard, list, recordings, stage};

const VIDEOS: [(&str, &str); 3] = [("h264", "h264"), ("h264b", "h264"), ("h265", "hevc")];
const SOUNDS: [&str; 3] = ["none", "aac", "pcmu"];
const TRANSPORTS: [&str; 2] = ["tcp", "udp"];
/// Seconds of each stream.
const DURATION_S: u32 = 14;

/// Codecs of a file's tracks, in their order.
pub(crate) fn codecs(file: &Path) -> Vec<String> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("`make setup` installs ffprobe");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).expect("it writes text");
    listed.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_video_with_every_sound_over_every_transport_is_watched_and_recorded_at_once() {
    let server = RtspServer::start(&["--size", "160x120", "--fps", "10", "--gop", "10"]).await;
    let stage = stage().start().await;
    let mut streams = Vec::new();
    for (video, codec) in VIDEOS {
        for sound in SOUNDS {
            for transport in TRANSPORTS {
                let path = format!("/{video}-{sound}-{transport}");
                let input = json!({
                    "url": server.url(&path), "transport": transport, "store": true, "duration": DURATION_S,
                    "window": {"size_s": 2},
                });
                let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
                streams.push((path, codec, sound != "none", id));
            }
        }
    }
    for (path, codec, has_sound, id) in streams {
        let task = stage.http.until_ended(&id).await;
        let counts = &task["result"]["counts"];
        assert_eq!(task["state"], "succeeded", "{path}: {task}");
        assert_eq!(task["result"]["ended_by"], "duration", "{path}: {task}");
        assert_eq!(counts["reconnects"]["codec"], 0, "{path}: {task}");
        assert!(counts["frames"].as_u64() >= Some(4), "{path}: {task}");
        check_recording(&stage.http, stage.dir(), (&path, codec, has_sound), &id).await;
    }
}

/// What is recorded is what was sent, and FFmpeg has nothing to say about it.
async fn check_recording(http: &Http, folder: &Path, (path, codec, has_sound): (&str, &str, bool), id: &str) {
    let found = http.get(&recordings(id)).await.body;
    let seconds =
        |range: &serde_json::Value| range["end"].as_f64().unwrap_or(0.0) - range["start"].as_f64().unwrap_or(0.0);
    // A connection that was made again on a busy machine begins another range.
    let longest = list(&found, "ranges")
        .iter()
        .max_by(|a, b| seconds(a).total_cmp(&seconds(b)));
    let range = longest.unwrap_or_else(|| panic!("{path}: {found}"));
    let count = check_export(http, range, folder).await;
    let file = folder.join("export.mp4");
    let expected: &[&str] = if has_sound { &[codec, "aac"] } else { &[codec] };
    assert_eq!(codecs(&file), expected, "{path}");
    assert!(count >= 10, "{path}: {count} pictures");
    if has_sound {
        let (sound_s, pictures_s) = (heard(&file), seconds(range));
        assert!(
            (sound_s - pictures_s).abs() < 1.5,
            "{path}: {sound_s} s of sound beside {pictures_s} s of pictures"
        );
    }
}
