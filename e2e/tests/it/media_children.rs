//! Media children end with what they work for: a canceled task, a dead worker.

use reqwest::StatusCode;
use rustix::process::Pid;
use serde_json::json;
use zoetrope_e2e::{Stage, ended, huge_page, until_children_of};

/// Submits the page and waits until a child reads it.
async fn start_reading(stage: &Stage) -> (String, Vec<Pid>) {
    let answer = stage.http.post_file("/api/v1/tasks/ocr", "huge.png", huge_page()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let id = answer.id();
    stage.http.until(&id, |task| task["state"] == "running").await;
    let children = until_children_of(stage.workers[0].pid(), "zoetrope-media").await;
    (id, children)
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_running_task_ends_its_media_child() {
    let stage = Stage::builder().env("MAX_WORKERS", "1").start().await;
    let (id, children) = start_reading(&stage).await;

    let asked = tokio::time::Instant::now();
    let answer = stage.http.delete(&format!("/api/v1/tasks/{id}")).await;
    let told = answer.body["cancel_requested"] == true || answer.body["state"] == "canceled";
    assert!(answer.status.is_success() && told, "{} {}", answer.status, answer.body);
    for child in children {
        ended(child).await;
    }
    println!("the child of a canceled task was gone after {:?}", asked.elapsed());

    let task = stage.http.until_ended(&id).await;
    assert_eq!(
        (&task["state"], &task["reason"]),
        (&json!("canceled"), &json!("cancel_requested")),
        "{task}"
    );
    let again = stage.http.delete(&format!("/api/v1/tasks/{id}")).await;
    assert_eq!(
        again.status,
        StatusCode::OK,
        "canceling twice is no error: {}",
        again.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_leaves_no_media_child_behind() {
    let mut stage = Stage::builder().env("MAX_WORKERS", "1").start().await;
    let (_, children) = start_reading(&stage).await;
    stage.workers[0].kill().await;
    for child in children {
        ended(child).await;
    }
}
