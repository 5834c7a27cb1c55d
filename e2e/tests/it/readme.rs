//! What README.md shows works, step by step.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::StatusCode;
use serde_json::{Value, json};
use zoetrope_e2e::{SCREENSHOT, Site, Stage};

const OCR: &str = "/api/v1/tasks/ocr?wait=60s";

/// Text of the screenshot, in several sizes, on light and on dark.
const TEXT: [&str; 6] = [
    "Order ZT-1042",
    "Maria Lindqvist",
    "Walnut desk lamp",
    "$318.50",
    "Harbour Street",
    "Payment received",
];

fn items(parent: &Value, name: &str) -> Vec<Value> {
    parent[name].as_array().cloned().unwrap_or_default()
}

fn assert_is_the_screenshots_text(task: &Value) {
    assert_eq!(task["state"], "succeeded", "{task}");
    let text = task["result"]["text"].as_str().expect("the result should have text");
    for expected in TEXT {
        assert!(text.contains(expected), "`{expected}` should be in:\n{text}");
    }
    let blocks = items(&task["result"], "blocks");
    let lines: Vec<Value> = blocks.iter().flat_map(|block| items(block, "lines")).collect();
    let words: Vec<Value> = lines.iter().flat_map(|line| items(line, "words")).collect();
    let order = words
        .iter()
        .find(|word| word["text"] == "Order")
        .expect("`Order` should be a word of its own");
    let bbox: Vec<i64> = items(order, "bbox").iter().filter_map(Value::as_i64).collect();
    assert_eq!(bbox.len(), 4, "{order}");
    let expected = [242, 27, 78, 23];
    let near = bbox
        .iter()
        .zip(expected)
        .all(|(found, expected)| (found - expected).abs() <= 6);
    assert!(near, "the box of `Order` is {bbox:?} and should be about {expected:?}");
    assert!(
        order["confidence"]
            .as_f64()
            .is_some_and(|confidence| (0.5..=1.0).contains(&confidence)),
        "{order}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screenshot_is_read_from_a_file_a_url_base64_and_an_artifact() {
    let (stage, site) = (Stage::builder().start().await, Site::start().await);

    let by_file = stage.http.post_file(OCR, "shot.png", SCREENSHOT).await;
    assert_eq!(by_file.status, StatusCode::OK, "{}", by_file.body);
    assert_is_the_screenshots_text(&by_file.body);

    let by_url = stage
        .http
        .post(OCR, &json!({"input": {"image": {"url": site.url("/shot.png")}}}))
        .await;
    assert_is_the_screenshots_text(&by_url.body);

    let base64 = BASE64_STANDARD.encode(SCREENSHOT);
    let by_base64 = stage
        .http
        .post(OCR, &json!({"input": {"image": {"base64": base64}}}))
        .await;
    assert_is_the_screenshots_text(&by_base64.body);

    let upload = stage.http.post_file("/api/v1/uploads", "shot.png", SCREENSHOT).await;
    let artifact = upload.body["artifact"].as_str().expect("an upload is an artifact");
    let by_artifact = stage
        .http
        .post(OCR, &json!({"input": {"image": {"artifact": artifact}}}))
        .await;
    assert_is_the_screenshots_text(&by_artifact.body);

    let analysis = json!({"input": {"image": {"artifact": artifact}}});
    let analysis = stage
        .http
        .post("/api/v1/tasks/image-analysis?wait=60s", &analysis)
        .await;
    assert_eq!(analysis.body["state"], "succeeded", "{}", analysis.body);
    let codes = items(&analysis.body["result"], "codes");
    let qr = |code: &Value| code["format"] == "qr_code" && code["text"] == "https://shop.example/orders/ZT-1042";
    assert!(codes.iter().any(qr), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_without_wait_is_followed_by_its_url() {
    let stage = Stage::builder().start().await;
    let accepted = stage.http.post_file("/api/v1/tasks/ocr", "shot.png", SCREENSHOT).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{}", accepted.body);
    assert!(accepted.headers.contains_key("retry-after"), "{:?}", accepted.headers);
    let location = accepted.headers["location"].to_str().unwrap().to_owned();
    assert!(location.ends_with(&accepted.id()), "{location}");

    let task = stage.http.get(&format!("{location}?wait=60s")).await;
    assert_is_the_screenshots_text(&task.body);
}
