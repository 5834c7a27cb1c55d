//! `zoetrope ocr` and `zoetrope steps` against a real server: what they print, and the pages that they write.

use serde_json::json;
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
