//! Watching a stream from a foreign RTSP server: twenty viewers of which one is slow, and a browser's page whose server and
//! worker die under it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use zoetrope_e2e::{Browser, Http, RtspServer, Stage, Viewer, descendants_of, resident_kib};

use crate::onnx_network::{Export, network};
use crate::stream_records::{created, steer, until};
use crate::streams::stage;

/// A bound for a broken system, not a promise.
const PATIENCE: Duration = Duration::from_secs(180);
const VIEWERS: usize = 20;
/// Of the stream's own time.
const WATCHED_MS: u64 = 10_000;
/// Fewest frames of each second that every other viewer has to be shown, of the camera's 15, however busy the machine is: whoever waited for
/// the slow one would have one in several seconds. `make bench-view` tells how many they are.
const LEAST_FPS: u64 = 4;
/// What one viewer takes a second, bytes.
const SLOWLY: usize = 1_000;
/// By how much the api may grow while it serves them. A frame has at most 256 KiB, and so has what waits for each.
const MOST_GROWTH_KIB: u64 = 24 * 1024;

async fn playing(stage: &Stage, url: &str) -> String {
    let id = created(stage, json!({"url": url, "name": "gate"})).await;
    steer(stage, &id, "start").await;
    until(stage, &id, |status| status["state"] == "connected").await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_viewers_one_that_reads_slowly_costs_the_others_nothing() {
    let server = RtspServer::start(&["--size", "320x240"]).await;
    let stage = stage().start().await;
    let id = playing(&stage, &server.url("/h264")).await;
    let path = format!("/api/v1/streams/{id}/live");
    let slow = Viewer::open_slow(&stage.http, &path).await;
    let mut quick = join_all((1..VIEWERS).map(|_| Viewer::open(&stage.http, &path))).await;
    // Decoding begins with the first of them; what comes until then is the key frame of before.
    for viewer in &mut quick {
        while viewer.next_frame().await.0["seq"].as_u64() < Some(5) {}
    }
    let before = resident_kib(stage.api.pid()).expect("the api runs");
    let mut others = JoinSet::new();
    others.spawn(slow.take_slowly(SLOWLY));
    let mut watching = JoinSet::new();
    quick.into_iter().for_each(|viewer| {
        watching.spawn(viewer.watch(WATCHED_MS));
    });
    let (mut most, mut seen) = (before, Vec::new());
    while let Some(viewer) = watching.join_next().await {
        seen.push(viewer.expect("it watches to the end"));
        most = most.max(resident_kib(stage.api.pid()).expect("the api runs"));
    }
    assert!(others.try_join_next().is_none(), "the slow one is still served");
    tell(&format!(
        "{VIEWERS} viewers, one of them at {SLOWLY} bytes a second: {seen:?}; the api held {before} KiB, {} KiB more at most",
        most - before
    ));
    for sight in &seen {
        assert!(sight.seen * 1_000 >= LEAST_FPS * sight.span_ms, "{sight:?}");
    }
    assert!(most - before <= MOST_GROWTH_KIB, "it grew by {} KiB", most - before);
}

/// Media children that a worker with one cpu slot has at most for a stream that nobody watches: two that wait for work, and the one of its
/// decoder.
const OTHER_CHILDREN: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_decoded_for_viewers_only_while_somebody_watches() {
    let server = RtspServer::start(&["--size", "320x240", "--gop", "15"]).await;
    let stage = stage().env("MAX_WORKERS", "1").start().await;
    let id = playing(&stage, &server.url("/h264")).await;
    assert_eq!(watched(&stage).await, 0);
    let mut viewer = Viewer::open(&stage.http, &format!("/ws/video-stream?stream={id}")).await;
    let mut stamps = Vec::new();
    while stamps.len() < 20 {
        let Message::Text(text) = viewer.next().await else {
            panic!("frames of that program are text")
        };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(frame.as_object().map(serde_json::Map::len), Some(3), "{frame}");
        assert_eq!(frame["type"], "frame");
        let jpeg = STANDARD
            .decode(frame["data"].as_str().expect("base64"))
            .expect("base64");
        assert!(jpeg.starts_with(&[0xff, 0xd8, 0xff]));
        stamps.push(frame["timestamp"].as_f64().expect("seconds"));
    }
    assert!(stamps.is_sorted(), "{stamps:?}");
    assert_eq!(watched(&stage).await, 1);
    drop(viewer);
    let mut ticks = interval(Duration::from_millis(100));
    let gone = async {
        while watched(&stage).await > 0 || descendants_of(stage.workers[0].pid()).len() > OTHER_CHILDREN {
            ticks.tick().await;
        }
    };
    timeout(PATIENCE, gone)
        .await
        .expect("the worker should hear that nobody watches");
    assert!(stage.redis.keys("*frames*").await.is_empty(), "no frame is kept");
}

/// A film in which nothing moves: a red square and a face on a grey ground.
fn square_and_face(folder: &Path) -> PathBuf {
    let film = folder.join("square-and-face.mp4");
    let face = concat!(env!("CARGO_MANIFEST_DIR"), "/../worker/tests/fixtures/face.jpg");
    let drawn = "[0:v]drawbox=x=128:y=64:w=64:h=64:color=red:t=fill[ground];[1:v]scale=200:200[face];\
                 [ground][face]overlay=300:28,format=yuv420p[all]";
    let made = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-v",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            "color=0x5a5a5a:s=512x256:r=15:d=120",
            "-i",
            face,
        ])
        .args(["-filter_complex", drawn, "-map", "[all]"])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-g",
            "15",
        ])
        .arg(&film)
        .status();
    assert!(made.expect("`make setup` installs ffmpeg").success());
    film
}

/// ONNX Runtime's library in its own place below the target folder.
fn onnx_runtime() -> PathBuf {
    let own = std::env::current_exe().expect("a test should know its own path");
    let places = own
        .ancestors()
        .map(|folder| folder.join("onnxruntime/libonnxruntime.so"));
    let found = places.into_iter().find(|path| path.exists());
    found.expect("ONNX Runtime should be installed: `scripts/setup tests`, or `make test`")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_detector_and_the_search_for_faces_find_is_in_the_frames() {
    let folder = tempfile::tempdir().expect("a temporary folder should be makeable");
    let model = folder.path().join("squares.onnx");
    let export = Export {
        rows: false,
        names: true,
    };
    std::fs::write(&model, network(export)).expect("there is room for a file");
    let film = square_and_face(folder.path());
    let server = RtspServer::start(&["--file", &film.display().to_string()]).await;
    let stage = stage()
        .env("DETECTOR_MODEL", &model.display().to_string())
        .env("ONNXRUNTIME_LIBRARY", &onnx_runtime().display().to_string())
        .start()
        .await;
    let id = playing(&stage, &server.url("/replay")).await;
    let mut viewer = Viewer::open(&stage.http, &format!("/api/v1/streams/{id}/live")).await;
    let bbox = |found: &Value| -> [u32; 4] { serde_json::from_value(found["bbox"].clone()).expect("four numbers") };
    let found = async {
        loop {
            let (head, jpeg) = viewer.next_frame().await;
            let boxes = head["boxes"].as_array().cloned().unwrap_or_default();
            let square = boxes.iter().find(|found| found["label"] == "red square");
            let face = boxes.iter().find(|found| found["kind"] == "face");
            if let Some((square, face)) = square.zip(face) {
                return (bbox(square), bbox(face), jpeg);
            }
        }
    };
    let (square, face, jpeg) = timeout(PATIENCE, found).await.expect("both should be found");
    let off = square
        .iter()
        .zip([128, 64, 64, 64])
        .map(|(seen, drawn)| seen.abs_diff(drawn))
        .max();
    assert!(off <= Some(8), "{square:?}");
    let [x, _, width, height] = face;
    assert!(x >= 290 && x + width <= 512 && (40..=220).contains(&height), "{face:?}");
    // Its name stands above it, where the film has nothing but its ground.
    let picture = image::load_from_memory(&jpeg).expect("a JPEG").into_rgb8();
    let above = (square[0]..square[0] + 64).flat_map(|x| (square[1] - 12..square[1] - 2).map(move |y| (x, y)));
    let drawn = above.filter(|(x, y)| {
        let levels = picture.get_pixel(*x, *y).0;
        levels.iter().any(|level| level.abs_diff(0x5a) > 25)
    });
    assert!(drawn.count() > 300, "{square:?}");
}

/// Streams that the first worker shows to viewers, as it tells at its own port.
pub(crate) async fn watched(stage: &Stage) -> u64 {
    let log = stage.workers[0].log();
    let port = log.split("health on 127.0.0.1:").nth(1);
    let port = port.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    let told = Http::on_port(port.expect("the worker says its port"))
        .text("/metrics")
        .await;
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("zoetrope_streams_watched "));
    line.map_or(0, |value| value.parse().expect("a number"))
}

/// What the page says of itself.
const STATUS: &str = "document.getElementById('status').dataset.state";
const TEXT: &str = "document.getElementById('status').textContent";
const DRAWN: &str = "Number(document.getElementById('picture').dataset.drawn || 0)";
/// Brightness of the picture's squares: it is another one when the ball has moved.
const LOOK: &str = "(() => { const canvas = document.getElementById('picture'); \
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; \
    const side = 16, sums = new Array(side * side).fill(0); \
    for (let at = 0; at < pixels.length; at += 4) { const p = at / 4, x = p % canvas.width, y = Math.floor(p / canvas.width); \
    sums[Math.floor(y * side / canvas.height) * side + Math.floor(x * side / canvas.width)] += pixels[at]; } \
    return sums.map((sum) => Math.round(sum / 4096)).join(); })()";

/// The picture moves: what is drawn becomes another picture, more than once.
async fn moves(browser: &mut Browser) {
    let since = browser.until(DRAWN, |drawn| drawn.as_u64() > Some(0)).await;
    let mut last = browser.evaluate(LOOK).await;
    for _ in 0..3 {
        let seen = last.clone();
        last = Some(browser.until(LOOK, |look| Some(look) != seen.as_ref()).await);
    }
    let drawn = browser.until(DRAWN, |drawn| drawn.as_u64() > since.as_u64()).await;
    assert!(drawn.as_u64() > since.as_u64());
}

async fn is(browser: &mut Browser, state: &str) -> String {
    browser.until(STATUS, |found| found == state).await;
    let text = browser.evaluate(TEXT).await.unwrap_or_default();
    text.as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_moving_pictures_and_comes_back_after_server_and_worker_died() {
    let server = RtspServer::start(&["--size", "320x240"]).await;
    let mut stage = stage().env("LEASE_SECONDS", "3").start().await;
    let id = playing(&stage, &server.url("/h264")).await;
    let mut browser = Browser::start().await;
    let page = format!("{}/watch?stream={id}", stage.http.base());
    browser.open(&page).await;
    is(&mut browser, "live").await;
    moves(&mut browser).await;

    stage.api.kill().await;
    let text = is(&mut browser, "reconnecting").await;
    assert!(text.starts_with("Reconnecting"), "{text}");
    stage.api.restart();
    is(&mut browser, "live").await;
    moves(&mut browser).await;

    stage.workers[0].kill().await;
    is(&mut browser, "reconnecting").await;
    stage.workers[0].restart();
    is(&mut browser, "live").await;
    moves(&mut browser).await;

    steer(&stage, &id, "stop").await;
    let text = is(&mut browser, "ended").await;
    assert!(text.starts_with("Ended"), "{text}");
    browser.open(&page).await;
    let text = is(&mut browser, "ended").await;
    assert!(text.contains("the stream is stopped"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_for_a_key_where_one_is_needed_and_says_what_is_wrong() {
    let server = RtspServer::start(&["--size", "320x240"]).await;
    let mut stage = stage().start().await;
    let admin = stage.http.post("/api/v1/keys", &json!({"scopes": ["admin:*"]})).await;
    assert_eq!(admin.status, StatusCode::CREATED, "{}", admin.body);
    let key = admin.body["key"].as_str().expect("a key").to_owned();
    stage.http = stage.http.with_key(&key);
    let id = playing(&stage, &server.url("/h264")).await;
    let mut browser = Browser::start().await;
    browser.open(&format!("{}/watch?stream={id}", stage.http.base())).await;
    assert_eq!(is(&mut browser, "ended").await, "A key is needed.");
    for (given, state) in [("zt_wrong", "ended"), (key.as_str(), "live")] {
        let enter = format!(
            "document.getElementById('secret').value = {}; document.querySelector('#key button').click(); true",
            json!(given)
        );
        browser.evaluate(&enter).await;
        is(&mut browser, state).await;
    }
    moves(&mut browser).await;
    browser
        .open(&format!("{}/watch?stream=st_nothing", stage.http.base()))
        .await;
    assert_eq!(
        is(&mut browser, "ended").await,
        "A key is needed.",
        "the page remembers none"
    );
}

#[expect(clippy::print_stderr, reason = "figures for whoever runs it with --nocapture")]
fn tell(text: &str) {
    eprintln!("{text}");
}
