//! What only fetching or decoding shows fails the task with its code, and nothing else.

use reqwest::StatusCode;
use serde_json::json;
use zoetrope_e2e::{SCREENSHOT, Site, Stage};

const OCR: &str = "/api/v1/tasks/ocr?wait=60s";

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_into_the_machine_fails_the_task_and_is_not_followed() {
    let (stage, site) = (Stage::builder().start().await, Site::start().await);
    let answer = stage
        .http
        .post(OCR, &json!({"input": {"image": {"url": site.url("/inside")}}}))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let task = answer.body;
    assert_eq!(
        (&task["state"], &task["error"]["code"]),
        (&json!("failed"), &json!("url_forbidden")),
        "{task}"
    );
    assert_eq!(
        (&task["reason"], &task["attempt"]),
        (&json!("non_retryable"), &json!(1)),
        "{task}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_picture_fails_its_task_and_no_other() {
    let stage = Stage::builder().start().await;
    let truncated = &SCREENSHOT[..SCREENSHOT.len() / 2];
    let answer = stage.http.post_file(OCR, "half.png", truncated).await;
    let task = answer.body;
    assert_eq!(
        (&task["state"], &task["error"]["code"]),
        (&json!("failed"), &json!("media_invalid")),
        "{task}"
    );
    assert_eq!(
        (&task["reason"], &task["attempt"]),
        (&json!("non_retryable"), &json!(1)),
        "{task}"
    );

    let whole = stage.http.post_file(OCR, "whole.png", SCREENSHOT).await;
    assert_eq!(whole.body["state"], "succeeded", "{}", whole.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_into_the_machine_is_refused_at_once() {
    let stage = Stage::builder().workers(0).start().await;
    let answer = stage
        .http
        .post(OCR, &json!({"input": {"image": {"url": "http://127.0.0.1:6379/"}}}))
        .await;
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("url_forbidden"))
    );
    assert_eq!(answer.body["errors"][0]["pointer"], "/input/image/url");
    assert_eq!(stage.http.get("/api/v1/tasks").await.body["items"], json!([]));
}
