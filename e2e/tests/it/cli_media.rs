//! `zoetrope ocr`, `zoetrope steps` and `zoetrope tutorial` against a real server: what they print, and what they write.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use zoetrope_e2e::{SCREENSHOT, Stage, recording};

use crate::cli::zoetrope;

fn put(stage: &Stage, name: &str, bytes: &[u8]) {
    std::fs::write(stage.dir().join(name), bytes).expect("there should be room for a file");
}

fn page(stage: &Stage, name: &str) -> String {
    std::fs::read_to_string(stage.dir().join(name)).expect("a page should have been written")
}

/// Whether it loads nothing: what is in it is all there is.
fn stands_alone(page: &str) -> bool {
    page.matches("src=").count() == page.matches("src=\"data:image/").count()
        && !page.contains("href=")
        && !page.contains("<script")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_printed_as_text_and_written_as_a_page_with_its_words_boxed() {
    let stage = Stage::builder().start().await;
    put(&stage, "shot.png", SCREENSHOT);
    let ran = zoetrope(&stage, &["ocr", "shot.png", "--html", "page.html", "-o", "table"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for expected in ["Order ZT-1042", "Maria Lindqvist", "Walnut desk lamp", " % certain"] {
        assert!(ran.stdout.contains(expected), "{expected}: {ran:?}");
    }
    let page = page(&stage, "page.html");
    assert!(page.contains("<h1>Text of shot.png</h1>") && page.contains("src=\"data:image/png;base64,"));
    assert!(page.contains("<title>ZT-1042 (") && stands_alone(&page));

    let ran = zoetrope(&stage, &["ocr", "shot.png", "--language", "eng"]).await;
    assert!(
        ran.json()["text"].as_str().is_some_and(|text| text.contains("$318.50")),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_said_and_is_not_written_as_a_page() {
    let stage = Stage::builder().start().await;
    put(&stage, "cut.png", &SCREENSHOT[..SCREENSHOT.len() / 2]);
    put(&stage, "shot.png", SCREENSHOT);
    let cut = zoetrope(&stage, &["ocr", "cut.png", "--html", "page.html"]).await;
    assert_eq!(
        (cut.code, &cut.json()["error"]["code"]),
        (Some(1), &json!("media_invalid")),
        "{cut:?}"
    );
    let unknown = zoetrope(&stage, &["ocr", "shot.png", "--language", "xyz", "--html", "page.html"]).await;
    assert_eq!(
        (unknown.code, &unknown.json()["error"]["code"]),
        (Some(1), &json!("language_not_available")),
        "{unknown:?}"
    );
    let missing = zoetrope(&stage, &["ocr", "missing.png"]).await;
    assert!(
        missing.code == Some(2) && missing.stderr.contains("missing.png"),
        "{missing:?}"
    );
    assert!(!stage.dir().join("page.html").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_printed_as_a_guide_and_written_as_a_page_with_its_screenshots() {
    let stage = Stage::builder().start().await;
    put(&stage, "film.mp4", &recording::scrolled_and_typed(stage.dir()));
    let ran = zoetrope(&stage, &["steps", "film.mp4", "--html", "guide.html", "-o", "table"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let starts: Vec<&str> = ran.stdout.lines().map(str::trim_start).collect();
    assert!(
        starts.len() == 2 && starts[0].starts_with("1. Scroll down") && starts[1].starts_with("2. Type"),
        "{ran:?}"
    );
    let page = page(&stage, "guide.html");
    assert!(page.contains("<h1>Steps of film.mp4</h1>") && page.contains("<h2>1. Scroll down"));
    assert_eq!(page.matches("src=\"data:image/jpeg;base64,").count(), 2);
    assert!(stands_alone(&page));

    put(&stage, "still.mp4", &recording::still(stage.dir()));
    let still = zoetrope(&stage, &["steps", "still.mp4", "-o", "table"]).await;
    assert!(
        still.code == Some(0) && still.stdout == "No steps were found.\n",
        "{still:?}"
    );
    let told = zoetrope(&stage, &["steps", "still.mp4"]).await;
    assert_eq!(told.json()["steps"], json!([]), "{told:?}");
}

/// Kinds of its streams, and how long it plays, seconds.
fn probe(path: &Path) -> (Vec<String>, f64) {
    let asked = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "stream=codec_type:format=duration",
            "-of",
            "json",
        ])
        .arg(path)
        .output()
        .expect("ffprobe should start");
    let told: Value = serde_json::from_slice(&asked.stdout).expect("ffprobe tells JSON");
    let streams = told["streams"].as_array().expect("streams").iter();
    let kinds = streams.map(|stream| stream["codec_type"].as_str().unwrap_or_default().to_owned());
    let duration = told["format"]["duration"].as_str().and_then(|text| text.parse().ok());
    (kinds.collect(), duration.expect("a duration"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_becomes_a_guide_a_narration_and_a_narrated_video_without_any_key() {
    let stage = Stage::builder().start().await;
    put(&stage, "order_a_lamp.mp4", &recording::scrolled_and_typed(stage.dir()));
    let ran = zoetrope(&stage, &["tutorial", "order_a_lamp.mp4"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told = ran.json();
    assert_eq!(told["guide"]["by"], "template (template:how_to_guide)", "{told}");
    assert!(
        told["narration"]["by"]
            .as_str()
            .is_some_and(|by| by.starts_with("espeak-ng")),
        "{told}"
    );
    let folder = stage.dir().join("order_a_lamp-tutorial");

    let guide = std::fs::read_to_string(folder.join("guide.md")).expect("a guide");
    assert!(
        guide.starts_with("# order a lamp\n") && guide.contains("1. Scroll down"),
        "{guide}"
    );
    assert!(
        guide.contains("![Step 2](images/step-02.jpg)") && !guide.contains("/api/"),
        "{guide}"
    );
    assert!(folder.join("images/step-01.jpg").exists() && folder.join("images/step-02.jpg").exists());
    let page = std::fs::read_to_string(folder.join("guide.html")).expect("a page");
    assert!(stands_alone(&page) && page.matches("<img").count() == 2, "{page}");

    let (sound, spoken_s) = probe(&folder.join("narration.mp3"));
    assert_eq!(sound, ["audio"]);
    let (streams, seconds) = probe(&folder.join("tutorial.mp4"));
    assert_eq!(streams, ["video", "audio", "subtitle"]);
    assert!(
        (seconds - spoken_s).abs() < 1.0 && seconds > 2.0,
        "{seconds} s of video, {spoken_s} s of words"
    );
    let captions = std::fs::read_to_string(folder.join("narration.vtt")).expect("subtitles");
    assert!(
        captions.starts_with("WEBVTT") && captions.contains("Scroll down"),
        "{captions}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_without_steps_makes_no_tutorial_and_leaves_nothing_behind() {
    let stage = Stage::builder().start().await;
    put(&stage, "still.mp4", &recording::still(stage.dir()));
    let ran = zoetrope(&stage, &["tutorial", "still.mp4", "--no-video", "--out", "made"]).await;
    assert!(
        ran.code == Some(1) && ran.stderr.contains("no steps were found in still.mp4"),
        "{ran:?}"
    );
    assert!(!stage.dir().join("made").exists());
}
