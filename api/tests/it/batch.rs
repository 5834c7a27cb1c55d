//! Batches: one answer for each task.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::pictures::{base64, png};
use crate::stage::{Answer, Stage};

const BATCH: &str = "/api/v1/tasks/batch";

#[tokio::test]
async fn every_task_of_a_batch_gets_its_own_answer() {
    let stage = Stage::start().await;
    let body = json!({"tasks": [
        {"kind": "echo", "input": {"message": "a"}, "tags": ["x"]},
        {"kind": "sing", "input": {}},
        {"kind": "ocr", "image": {"base64": base64(&png(20, 10))}, "priority": "low"},
        {"kind": "ocr", "input": {"image": {"base64": "%"}}},
        {"input": {"message": "a"}},
        "echo",
        {"kind": "echo", "message": "b", "delay": "1h"},
        {"kind": "echo", "message": "b", "webhook": {}},
    ]});
    let answer = stage.post(BATCH, &body).await;
    assert_eq!(
        (answer.status, &answer.body["total"], answer.text("/state")),
        (202, &json!(8), "running".to_owned()),
        "{answer:?}"
    );
    assert_eq!(answer.body["counts"], json!({"queued": 2, "scheduled": 1}));
    let items = answer.body["items"].as_array().expect("items");
    let told: Vec<Value> = items
        .iter()
        .map(|item| {
            json!([
                item["index"],
                item["task_id"].is_string(),
                item["error"]["code"],
                item["error"]["errors"][0]["pointer"]
            ])
        })
        .collect();
    let expected = [
        json!([0, true, null, null]),
        json!([1, false, "unknown_kind", null]),
        json!([2, true, null, null]),
        json!([3, false, "media_invalid", "/tasks/3/input/image/base64"]),
        json!([4, false, "invalid_input", "/tasks/4/kind"]),
        json!([5, false, "invalid_input", "/tasks/5"]),
        json!([6, true, null, null]),
        json!([7, false, "unknown_field", "/tasks/7/webhook"]),
    ];
    assert_eq!(told, expected);

    let listed = stage.get(&answer.text("/urls/self")).await;
    let of_batch: Vec<_> = listed.body["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| (item["batch_id"].clone(), item["tags"].clone()))
        .collect();
    let id = &answer.body["id"];
    assert_eq!(
        of_batch,
        [
            (id.clone(), json!([])),
            (id.clone(), json!([])),
            (id.clone(), json!(["x"]))
        ]
    );
}

#[tokio::test]
async fn a_batch_of_refused_tasks_makes_nothing() {
    let stage = Stage::start().await;
    let picture = json!({"base64": base64(&png(20, 10))});
    let body = json!({"tasks": [{"kind": "ocr", "image": picture, "level": "x"}, {"kind": "ocr", "image": picture, "delay": -1}]});
    let answer = stage.post(BATCH, &body).await;
    assert_eq!(
        (answer.status, answer.text("/state"), &answer.body["counts"]),
        (200, "finished".into(), &json!({})),
        "{answer:?}"
    );
    stage.nothing_is_left("a batch of refused tasks").await;
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_as_a_whole() {
    let stage = Stage::start().await;
    let one = json!({"kind": "echo", "message": "a"});
    let cases = [
        (json!([]), "invalid_input", ""),
        (json!({}), "invalid_input", "/tasks"),
        (json!({"tasks": []}), "invalid_input", "/tasks"),
        (json!({"tasks": {}}), "invalid_input", "/tasks"),
        (json!({"tasks": vec![one.clone(); 1_001]}), "invalid_input", "/tasks"),
        (
            json!({"tasks": [one], "priority": "high"}),
            "unknown_field",
            "/priority",
        ),
        (
            json!({"tasks": [one], "webhook": {"url": "https://example.com"}}),
            "unknown_field",
            "/webhook",
        ),
    ];
    for (body, code, pointer) in cases {
        stage
            .post(BATCH, &body)
            .await
            .is_refused(StatusCode::UNPROCESSABLE_ENTITY, code, pointer, pointer);
    }
    stage.nothing_is_left("batches that are none").await;
}

#[tokio::test]
async fn a_thousand_tasks_go_in_one_batch() {
    let stage = Stage::start().await;
    let tasks: Vec<_> = (0..1_000)
        .map(|n| json!({"kind": "echo", "message": n.to_string()}))
        .collect();
    let answer = stage.post(BATCH, &json!({"tasks": tasks})).await;
    assert_eq!(
        (answer.status, &answer.body["counts"]),
        (202, &json!({"queued": 1_000})),
        "{:?}",
        answer.status
    );
}

#[tokio::test]
async fn a_repeated_batch_makes_no_second_tasks_and_another_body_conflicts() {
    let stage = Stage::start().await;
    let send = |body: Value| {
        Answer::of(
            stage
                .request(Method::POST, BATCH)
                .header("idempotency-key", "k")
                .json(&body),
        )
    };
    let body = json!({"tasks": [{"kind": "echo", "message": "a"}, {"kind": "ocr", "image": {"base64": base64(&png(20, 10))}}]});
    let (first, again) = (send(body.clone()).await, send(body).await);
    assert_eq!((first.status, first.header("idempotent-replayed")), (202, ""));
    assert_eq!((again.status, again.header("idempotent-replayed")), (202, "true"));
    assert_eq!(first.body, again.body);
    let stored = stage.stored_files();
    let other = send(json!({"tasks": [{"kind": "echo", "message": "a"}, {"kind": "echo", "message": "b"}, {"kind": "echo", "message": "c"}]})).await;
    other.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_conflict",
        "",
        "another body",
    );
    let listed = stage.get("/api/v1/tasks").await;
    assert_eq!(listed.body["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(stage.stored_files(), stored);
}
