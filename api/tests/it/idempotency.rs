//! `Idempotency-Key` on submits and uploads.

use reqwest::multipart::Form;
use reqwest::{Method, StatusCode};
use serde_json::json;
use zoetrope_shared::tenant::Tenant;

use crate::pictures::{base64, gif, png};
use crate::stage::{Answer, Stage, file};

const ECHO: &str = "/api/v1/tasks/echo";
const OCR: &str = "/api/v1/tasks/ocr";
const UPLOADS: &str = "/api/v1/uploads";

#[tokio::test]
async fn a_repeated_submit_answers_the_same_task() {
    let stage = Stage::start().await;
    let send = |body: &str| {
        let request = stage
            .request(Method::POST, ECHO)
            .header("idempotency-key", "\"k-1\"")
            .header("content-type", "application/json");
        Answer::of(request.body(body.to_owned()))
    };
    let first = send("{\"message\": \"hi\", \"tags\": [\"a\"]}").await;
    let again = send("{\"tags\":[\"a\"],\"message\":\"hi\"}").await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (202, ""));
    assert_eq!((again.status, again.header("idempotent-replayed")), (202, "true"));
    assert_eq!(first.body, again.body);
    let other = send("{\"message\": \"ho\", \"tags\": [\"a\"]}").await;
    other.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_conflict",
        "",
        "another body",
    );
}

#[tokio::test]
async fn a_key_belongs_to_its_route() {
    let stage = Stage::start().await;
    let send = |path: &str, body| {
        Answer::of(
            stage
                .request(Method::POST, path)
                .header("idempotency-key", "k")
                .json(&body),
        )
    };
    let image = json!({"url": "https://example.com/a.png"});
    let ids = [
        send(ECHO, json!({"message": "hi"})).await.text("/id"),
        send(OCR, json!({"image": image})).await.text("/id"),
        send(
            "/api/v1/tasks/batch",
            json!({"tasks": [{"kind": "echo", "message": "hi"}]}),
        )
        .await
        .text("/items/0/task_id"),
    ];
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
}

#[tokio::test]
async fn a_repeated_picture_is_the_same_request_and_is_not_stored_twice() {
    let stage = Stage::start().await;
    let by_base64 = |bytes: &[u8]| {
        let body = json!({"image": {"base64": base64(bytes)}});
        Answer::of(
            stage
                .request(Method::POST, OCR)
                .header("idempotency-key", "b")
                .json(&body),
        )
    };
    let by_form = |bytes: &[u8]| {
        let form = Form::new().part("file", file("a.png", bytes.to_vec()));
        Answer::of(
            stage
                .request(Method::POST, OCR)
                .header("idempotency-key", "f")
                .multipart(form),
        )
    };
    let (first, first_form) = (by_base64(&png(20, 10)).await, by_form(&png(20, 10)).await);
    let stored = stage.stored_files();
    assert_eq!(by_base64(&png(20, 10)).await.text("/id"), first.text("/id"));
    assert_eq!(by_form(&png(20, 10)).await.text("/id"), first_form.text("/id"));
    by_base64(&png(20, 11)).await.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_conflict",
        "",
        "another picture",
    );
    by_form(&gif()).await.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_conflict",
        "",
        "another picture",
    );
    assert_eq!(stage.stored_files(), stored);
}

#[tokio::test]
async fn a_repeated_upload_answers_the_same_artifact() {
    let stage = Stage::start().await;
    let send = |bytes: Vec<u8>| {
        Answer::of(
            stage
                .request(Method::POST, UPLOADS)
                .header("idempotency-key", "k")
                .body(bytes),
        )
    };
    let refused = send(b"text".to_vec()).await;
    refused.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "media_invalid",
        "/file",
        "a refused upload does not use up its key",
    );
    let first = send(png(20, 10)).await;
    let stored = stage.stored_files();
    let again = send(png(20, 10)).await;
    assert_eq!(
        (first.status, again.status, again.header("idempotent-replayed")),
        (201, 201, "true")
    );
    assert_eq!(first.body, again.body);
    send(gif()).await.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_conflict",
        "",
        "other bytes",
    );
    assert_eq!(stage.stored_files(), stored);
}

#[tokio::test]
async fn an_upload_with_the_key_of_one_in_flight_is_told_so() {
    let stage = Stage::start().await;
    // As an upload that has begun leaves it.
    let key = zoetrope_shared::keys::idempotency(&Tenant::default_tenant(), "POST /uploads", "k");
    let mut redis = stage.redis_connection().await;
    let (): () = redis::cmd("SET")
        .arg(&key)
        .arg("in flight")
        .query_async(&mut redis)
        .await
        .expect("Redis");
    let answer = Answer::of(
        stage
            .request(Method::POST, UPLOADS)
            .header("idempotency-key", "k")
            .body(png(20, 10)),
    )
    .await;
    answer.is_refused(StatusCode::CONFLICT, "idempotency_in_flight", "", "in flight");
    assert_eq!(answer.body["retryable"], true);
    stage.nothing_is_left("an upload whose key is in flight").await;
}
