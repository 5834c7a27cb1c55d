//! Submitting a task, in every form.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::pictures::{base64, png};
use crate::stage::{Answer, Stage, file};

#[tokio::test]
async fn a_submit_answers_202_with_the_task_and_where_to_find_it() {
    let stage = Stage::start().await;
    let body = json!({"input": {"message": "hi"}, "priority": "high", "max_attempts": 5, "tags": ["a", "b"], "metadata": {"k": [1, null]}});
    let answer = stage.post("/api/v1/tasks/echo", &body).await;
    assert_eq!((answer.status, answer.header("retry-after")), (202, "1"), "{answer:?}");
    let id = answer.text("/id");
    assert_eq!(answer.header("location"), format!("/api/v1/tasks/{id}"));
    assert_eq!(answer.text("/urls/self"), answer.header("location"));
    let expected = json!({"kind": "echo", "state": "queued", "priority": "high", "attempt": 0, "max_attempts": 5, "tags": ["a", "b"],
        "metadata": {"k": [1, null]}, "result": null, "error": null, "reason": null, "batch_id": null, "cancel_requested": false});
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&answer.body[field], value, "{field}");
    }
    assert!(answer.text("/created_at").ends_with('Z'));
    assert_eq!(stage.get(answer.header("location")).await.body, answer.body);
}

#[tokio::test]
async fn an_input_is_taken_at_top_level_and_kinds_in_both_spellings() {
    let stage = Stage::start().await;
    let queue = stage.queue().await;
    let image = json!({"url": "https://example.com/a.png"});
    let bodies = [
        json!({"image": image, "features": ["hash"], "tags": ["x"]}),
        json!({"input": {"image": image, "features": ["hash"]}, "tags": ["x"]}),
    ];
    for (path, body) in ["image-analysis", "image_analysis"].iter().zip(bodies) {
        let answer = stage.post(&format!("/api/v1/tasks/{path}"), &body).await;
        assert_eq!(
            (answer.status, answer.text("/kind").as_str()),
            (202, "image_analysis"),
            "{answer:?}"
        );
        let task = queue
            .get("default", answer.text("/id").parse().expect("an id"))
            .await
            .expect("Redis")
            .expect("the task");
        assert_eq!(
            serde_json::from_str::<Value>(task.input.get()).expect("JSON"),
            json!({"image": image, "features": ["hash"]})
        );
        assert_eq!(task.tags, ["x"]);
    }
}

#[tokio::test]
async fn inline_pictures_become_artifacts_before_they_are_queued() {
    let stage = Stage::start().await;
    let picture = png(20, 10);
    let uploaded = stage.upload(picture.clone()).await;
    let form = Form::new()
        .part("file", file("../shot.png", picture.clone()))
        .part("input", Part::text("{\"level\": \"line\"}"))
        .part("task", Part::text("{\"priority\": \"low\"}"));
    let by_form = stage.post_form("/api/v1/tasks/ocr", form).await;
    let by_base64 = stage
        .post(
            "/api/v1/tasks/ocr",
            &json!({"image": {"base64": base64(&picture)}, "level": "line", "priority": "low"}),
        )
        .await;
    let by_artifact = stage
        .post(
            "/api/v1/tasks/ocr",
            &json!({"image": {"artifact": uploaded}, "level": "line", "priority": "low"}),
        )
        .await;
    let queue = stage.queue().await;
    for answer in [by_form, by_base64, by_artifact] {
        assert_eq!(
            (answer.status, answer.text("/priority").as_str()),
            (202, "low"),
            "{answer:?}"
        );
        let task = queue
            .get("default", answer.text("/id").parse().expect("an id"))
            .await
            .expect("Redis")
            .expect("the task");
        let input: Value = serde_json::from_str(task.input.get()).expect("JSON");
        assert_eq!(input["level"], "line");
        let artifact = input["image"]["artifact"].as_str().expect("an artifact");
        assert_eq!(stage.get(&format!("/api/v1/artifacts/{artifact}")).await.bytes, picture);
    }
}

#[tokio::test]
async fn a_task_can_be_put_off() {
    let stage = Stage::start().await;
    for body in [
        json!({"message": "hi", "delay": "1h"}),
        json!({"message": "hi", "run_at": "2099-01-01T00:00:00Z", "delay": null}),
    ] {
        let answer = stage.post("/api/v1/tasks/echo", &body).await;
        if body["run_at"].is_string() {
            // Further ahead than a year is refused.
            assert_eq!(answer.refusal().0, 422);
            continue;
        }
        assert_eq!(
            (
                answer.status,
                answer.text("/state").as_str(),
                answer.header("retry-after")
            ),
            (202, "scheduled", "60"),
            "{answer:?}"
        );
        assert!(answer.text("/run_at") > answer.text("/created_at"));
    }
}

#[tokio::test]
async fn an_input_too_large_for_the_queue_is_kept_as_an_artifact() {
    let stage = Stage::start().await;
    let message = "\u{1f600}".repeat(16_384);
    let answer = stage.post("/api/v1/tasks/echo", &json!({"message": message})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let task = stage
        .queue()
        .await
        .get("default", answer.text("/id").parse().expect("an id"))
        .await
        .expect("Redis")
        .expect("the task");
    let pointer: Value = serde_json::from_str(task.input.get()).expect("JSON");
    let artifact = pointer["$artifact"].as_str().expect("a pointer").to_owned();
    assert_eq!(
        stage.get(&format!("/api/v1/artifacts/{artifact}")).await.body,
        json!({"message": message})
    );
}

#[tokio::test]
async fn a_request_id_is_taken_over_or_made() {
    let stage = Stage::start().await;
    let given = Answer::of(stage.request(Method::GET, "/health").header("x-request-id", "client-7")).await;
    assert_eq!(given.header("x-request-id"), "client-7");
    let harmful = Answer::of(stage.request(Method::GET, "/health").header("x-request-id", "a b {}")).await;
    assert_eq!(harmful.header("x-request-id").len(), 16);
}

#[tokio::test]
async fn a_task_that_does_not_start_in_time_ends_as_expired() {
    let stage = Stage::start().await;
    let task = json!({"input": {"message": "hi"}, "expires_in": "500ms"});
    let submitted = stage.post("/api/v1/tasks/echo", &task).await;
    let path = format!("/api/v1/tasks/{}", submitted.text("/id"));
    let why = stage.get(&format!("{path}/why")).await;
    assert_eq!(why.text("/deadline_at"), submitted.text("/deadline_at"));
    stage.post("/api/v1/queue/echo/pause", &Value::Null).await;
    let _worker = stage.worker().await;
    let late = stage.post("/api/v1/tasks/echo", &task).await.text("/id");
    let ended = stage.get(&format!("/api/v1/tasks/{late}?wait=30s")).await;
    assert_eq!(
        (ended.text("/state"), ended.text("/reason"), ended.text("/error/code")),
        ("expired".into(), "deadline_before_start".into(), "expired".into())
    );
    assert_eq!(ended.body["started_at"], Value::Null);
}

#[tokio::test]
async fn a_unique_task_is_the_answer_until_it_ends() {
    let stage = Stage::start().await;
    let task = json!({"input": {"message": "hi"}, "unique_key": "nightly"});
    let first = stage.post("/api/v1/tasks/echo", &task).await;
    assert_eq!((first.status, first.header("unique-existing")), (202, ""));
    assert_eq!(first.text("/unique_key"), "nightly");
    let second = stage.post("/api/v1/tasks/echo", &task).await;
    assert_eq!((second.status, second.header("unique-existing")), (202, "true"));
    assert_eq!(second.text("/id"), first.text("/id"));
    let tasks = json!({"tasks": [{"kind": "echo", "input": {"message": "hi"}, "unique_key": "nightly"},
                                 {"kind": "echo", "input": {"message": "hi"}, "unique_key": "other"}]});
    let batch = stage.post("/api/v1/tasks/batch", &tasks).await;
    assert_eq!(batch.text("/items/0/task_id"), first.text("/id"));
    assert_eq!(batch.body["items"][0]["existing"], true);
    assert_eq!(batch.body["items"][1].get("existing"), None);
    stage.delete(&format!("/api/v1/tasks/{}", first.text("/id"))).await;
    let third = stage.post("/api/v1/tasks/echo", &task).await;
    assert_eq!((third.status, third.header("unique-existing")), (202, ""));
    assert_ne!(third.text("/id"), first.text("/id"));
}
