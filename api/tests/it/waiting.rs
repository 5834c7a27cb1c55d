//! Waiting for a task: by parameter, by preference, for its end, for a change.

use reqwest::Method;
use serde_json::json;

use crate::stage::{Answer, Stage};
use crate::worker::TestWorker;

#[tokio::test]
async fn a_submit_that_waits_answers_the_finished_task() {
    let stage = Stage::start().await;
    let worker = stage.worker().await;
    let answer = stage
        .post("/api/v1/tasks/echo?wait=30s", &json!({"message": "hi"}))
        .await;
    assert_eq!(
        (answer.status, &answer.body["result"]),
        (200, &json!({"message": "hi"})),
        "{answer:?}"
    );
    assert_eq!(answer.body["progress"]["percent"].as_u64().unwrap_or(100), 100);
    assert_eq!(answer.header("retry-after"), "");
    let preferred = stage
        .request(Method::POST, "/api/v1/tasks/echo")
        .header("prefer", "wait=30")
        .json(&json!({"message": "ho"}));
    let preferred = Answer::of(preferred).await;
    assert_eq!(
        (preferred.status, preferred.header("preference-applied")),
        (200, "wait=30")
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_failed_task_answers_200_and_says_why() {
    let stage = Stage::start().await;
    let worker = stage.worker().await;
    let answer = stage
        .post("/api/v1/tasks/echo?wait=30s", &json!({"message": "fail"}))
        .await;
    assert_eq!(
        (answer.status, answer.text("/state"), answer.text("/reason")),
        (200, "failed".into(), "non_retryable".into())
    );
    let error = &answer.body["error"];
    assert_eq!(
        (&error["code"], &error["retryable"], &error["attempt"]),
        (&json!("media_invalid"), &json!(false), &json!(1))
    );
    assert_eq!(answer.body["result"], json!(null));
    worker.stop().await;
}

#[tokio::test]
async fn an_etag_tells_whether_a_task_has_changed_and_waits_until_it_does() {
    let stage = Stage::start().await;
    let id = stage.echo("hold").await;
    let path = format!("/api/v1/tasks/{id}");
    let queued = stage.get(&path).await;
    let tag = queued.header("etag").to_owned();
    let unchanged = Answer::of(stage.request(Method::GET, &path).header("if-none-match", &tag)).await;
    assert_eq!(
        (unchanged.status, unchanged.header("etag"), unchanged.bytes.len()),
        (304, tag.as_str(), 0)
    );
    assert_eq!(unchanged.header("retry-after"), "1");

    let waiting = Answer::of(
        stage
            .request(Method::GET, &format!("{path}?wait=30s"))
            .header("if-none-match", &tag),
    );
    let (changed, mut worker) = tokio::join!(waiting, stage.worker());
    assert_eq!(
        (changed.status, changed.text("/state")),
        (200, "running".into()),
        "{changed:?}"
    );
    assert_ne!(changed.header("etag"), tag);
    assert_eq!(worker.has_started().await, id);

    worker.release();
    let ended = stage.get(&format!("{path}?wait=30s")).await;
    assert_eq!((ended.status, ended.text("/state")), (200, "succeeded".into()));
    worker.stop().await;
}

#[tokio::test]
async fn a_wait_that_is_over_answers_the_task_as_it_is() {
    let stage = Stage::start().await;
    let id = stage.echo("hi").await;
    let answer = stage.get(&format!("/api/v1/tasks/{id}?wait=100ms")).await;
    assert_eq!((answer.status, answer.text("/state")), (200, "queued".into()));
    let submitted = stage
        .post("/api/v1/tasks/echo?wait=0.1", &json!({"message": "hi"}))
        .await;
    assert_eq!((submitted.status, submitted.text("/state")), (202, "queued".into()));
}

#[tokio::test]
async fn stopping_ends_waits_with_the_task_as_it_is_and_finishes_requests() {
    let mut stage = Stage::start().await;
    let mut worker = stage.worker().await;
    let id = stage.echo("hold").await;
    worker.has_started().await;
    let waiting = stage.request(Method::GET, &format!("/api/v1/tasks/{id}?wait=60s"));
    let mut waits = tokio::task::JoinSet::new();
    waits.spawn(Answer::of(waiting));
    while !String::from_utf8_lossy(&stage.get("/metrics").await.bytes).contains("\nzoetrope_http_long_polls 1\n") {
        tokio::task::yield_now().await;
    }
    stage.stop().await;
    let answer = waits.join_next().await.expect("one wait").expect("it should not panic");
    assert_eq!((answer.status, answer.text("/state")), (200, "running".into()));
    worker.release();
    worker.stop().await;
}

#[tokio::test]
async fn a_large_result_is_put_into_the_answer_and_stays_a_link_in_lists() {
    let stage = Stage::start().await;
    let picture = stage.upload(crate::pictures::gif()).await;
    let pointer = serde_json::value::to_raw_value(&json!({"$artifact": picture})).expect("JSON");
    let worker = TestWorker::start(stage.queue().await, Some(pointer));
    // The artifact is a picture and no JSON: the api says that it cannot read it, and not that there is none.
    let broken = stage
        .post("/api/v1/tasks/echo?wait=30s", &json!({"message": "large"}))
        .await;
    assert_eq!(broken.refusal().0, 500);
    worker.stop().await;

    let large = json!({"text": "x".repeat(100_000)});
    let artifact = store(&stage, large.to_string().into_bytes()).await;
    let pointer = serde_json::value::to_raw_value(&json!({"$artifact": artifact})).expect("JSON");
    let worker = TestWorker::start(stage.queue().await, Some(pointer));
    let answer = stage
        .post("/api/v1/tasks/echo?wait=30s", &json!({"message": "large"}))
        .await;
    assert_eq!((answer.status, &answer.body["result"]), (200, &large));
    let listed = stage.get("/api/v1/tasks").await;
    assert_eq!(listed.body["items"][0]["result"], json!({"artifact": artifact}));
    worker.stop().await;
}

/// Stores bytes as a worker does.
async fn store(stage: &Stage, bytes: Vec<u8>) -> String {
    use std::sync::Arc;
    use zoetrope_shared::artifacts::{Artifacts, NewArtifact};
    let url = format!("file://{}", stage.artifacts_folder().display());
    let artifacts = Artifacts::open(&url, Arc::new(zoetrope_queue::SystemClock)).expect("the store");
    let new = NewArtifact {
        content_type: "application/json".to_owned(),
        filename: None,
        ttl: std::time::Duration::from_secs(60),
    };
    let tenant = zoetrope_shared::tenant::Tenant::default_tenant();
    artifacts
        .put(&tenant, new, bytes.into())
        .await
        .expect("stored")
        .artifact
}
