//! A recording in a browser: the player's page plays H.264 from any time that was recorded, and shows the picture of that time.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use zoetrope_e2e::{Browser, RtspServer};

use crate::streams::stage;

/// Recorded, seconds.
const RECORDED: u32 = 24;
/// Luma of the film's first second, and how much brighter each second is than the one before.
const DARKEST: f64 = 40.0;
const STEP: f64 = 6.0;
/// Between what a player says the time is and what it shows, seconds: the camera's clock and ours, a picture, a look.
const OFF: f64 = 1.5;
/// A player may begin a segment before the time that was asked for, and no earlier: they have about four seconds.
const SEGMENT: f64 = 6.0;

/// A film whose every second is brighter than the last.
fn brighter_and_brighter(folder: &Path) -> PathBuf {
    let film = folder.join("brighter.mp4");
    let source = format!(
        "color=black:size=320x240:rate=15:duration={},geq=lum='{DARKEST}+{STEP}*floor(T)':cb=128:cr=128",
        RECORDED + 8
    );
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", &source])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-pix_fmt",
            "yuv420p",
        ])
        .args(["-g", "15", "-keyint_min", "15", "-sc_threshold", "0"])
        .arg(&film)
        .status();
    assert!(made.expect("`make setup` installs ffmpeg").success());
    film
}

/// The player stopped for a moment: its time, how many pictures it has decoded, the brightness of the one that it shows.
const STOPPED: &str = "(async () => { const video = document.querySelector('video'); \
    const stopped = new Promise((done) => video.addEventListener('timeupdate', done, { once: true })); \
    video.pause(); await stopped; \
    const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1; \
    const context = canvas.getContext('2d'); context.drawImage(video, 0, 0, 1, 1); \
    return { at: Date.parse(document.getElementById('when').dateTime) / 1000, position: video.currentTime, \
        pictures: video.getVideoPlaybackQuality().totalVideoFrames, level: context.getImageData(0, 0, 1, 1).data[1] }; })()";
const PLAYED: &str = "(() => { const video = document.querySelector('video'); \
    return video.played.length > 0 && document.getElementById('when').dateTime \
        ? video.currentTime - video.played.start(0) : -1; })()";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} should be a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_plays_a_recording_from_any_start_and_shows_the_picture_of_that_time() {
    let folder = tempfile::tempdir().expect("a temporary folder should be makeable");
    let film = brighter_and_brighter(folder.path());
    let server = RtspServer::start(&["--file", &film.display().to_string()]).await;
    let stage = stage().env("RECORDING_MAX_DISK_PERCENT", "101").start().await;
    let input = json!({"url": server.url("/file"), "store": true, "duration": RECORDED});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    let task = stage.http.until_ended(&id).await;
    assert_eq!(task["state"], "succeeded", "{task}");
    let found = stage.http.get(&format!("/api/v1/streams/{id}/recordings")).await.body;
    let range = &found["ranges"][0];
    let (start, end) = (number(&range["start"]), number(&range["end"]));
    assert!(end - start > f64::from(RECORDED) - 5.0, "{found}");

    let mut browser = Browser::start().await;
    for share in [0.0, 0.22, 0.47, 0.61, 0.85] {
        let asked = start + share * (end - start);
        let page = format!(
            "{}/api/v1/streams/{id}/player?start={asked:.3}&end={end:.3}",
            stage.http.base()
        );
        browser.open(&page).await;
        browser.until(PLAYED, |played| played.as_f64() > Some(0.6)).await;
        let stopped = browser.evaluate(STOPPED).await.expect("the page answers");
        let at = number(&stopped["at"]);
        assert!(number(&stopped["pictures"]) > 5.0, "from {share}: {stopped}");
        assert!(at > asked - SEGMENT && at < asked + SEGMENT, "from {asked}: {stopped}");
        // Luma 16 to 235 are levels 0 to 255.
        let luma = number(&stopped["level"]) * 219.0 / 255.0 + 16.0;
        let film_second = (luma - DARKEST) / STEP;
        assert!(
            (film_second - (at - start)).abs() < OFF,
            "{film_second} s of the film at {} s: {stopped}",
            at - start
        );
    }
}
