//! SIGTERM: a worker finishes what it can and gives back the rest, at no cost.

use serde_json::json;
use zoetrope_e2e::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_finishes_what_it_runs() {
    let mut stage = Stage::builder().start().await;
    let id = stage
        .http
        .submit(
            "echo",
            &json!({"input": {"message": "before the end", "sleep_ms": 1_500}}),
        )
        .await;
    stage.http.until(&id, |task| task["state"] == "running").await;
    // Redis counts a task as running before its worker has read the answer that brings it, and a worker that is told to
    // stop in between gives it back. Answers are read in order: once a later task has ended, this one has begun.
    let later = stage.http.submit("echo", &json!({"input": {"message": "later"}})).await;
    stage.http.until(&later, |task| task["state"] == "succeeded").await;

    let status = stage.workers[0].terminate().await;
    assert!(status.success(), "{status}");
    let task = stage.http.get(&format!("/api/v1/tasks/{id}")).await.body;
    assert_eq!(
        (&task["state"], &task["attempt"]),
        (&json!("succeeded"), &json!(1)),
        "{task}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_drain_cannot_wait_for_is_given_back_and_costs_no_attempt() {
    let mut stage = Stage::builder().env("DRAIN_SECONDS", "1").start().await;
    let id = stage
        .http
        .submit(
            "echo",
            &json!({"input": {"message": "long", "sleep_ms": 60_000}, "max_attempts": 1}),
        )
        .await;
    stage.http.until(&id, |task| task["state"] == "running").await;

    let status = stage.workers[0].terminate().await;
    assert!(status.success(), "{status}");
    let task = stage.http.get(&format!("/api/v1/tasks/{id}")).await.body;
    assert_eq!(
        (&task["state"], &task["attempt"]),
        (&json!("queued"), &json!(0)),
        "{task}"
    );

    stage.add_worker();
    let task = stage.http.until(&id, |task| task["state"] == "running").await;
    assert_eq!(task["attempt"], 1, "{task}");
}
