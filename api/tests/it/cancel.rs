//! Cancelling.

use reqwest::StatusCode;

use crate::stage::Stage;

#[tokio::test]
async fn a_queued_task_is_canceled_at_once_and_again_as_often_as_asked() {
    let stage = Stage::start().await;
    let path = format!("/api/v1/tasks/{}", stage.echo("hi").await);
    for _ in 0..2 {
        let answer = stage.delete(&path).await;
        assert_eq!(
            (answer.status, answer.text("/state"), answer.text("/reason")),
            (200, "canceled".into(), "cancel_requested".into())
        );
    }
}

#[tokio::test]
async fn a_running_task_is_told_and_ends_canceled() {
    let stage = Stage::start().await;
    let mut worker = stage.worker().await;
    let path = format!("/api/v1/tasks/{}", stage.echo("hold").await);
    worker.has_started().await;
    let answer = stage.delete(&path).await;
    assert_eq!(
        (answer.status, answer.body["cancel_requested"].as_bool()),
        (202, Some(true)),
        "{answer:?}"
    );
    let ended = stage.get(&format!("{path}?wait=30s")).await;
    assert_eq!((ended.status, ended.text("/state")), (200, "canceled".into()));
    worker.stop().await;
}

#[tokio::test]
async fn a_task_that_has_ended_cannot_be_canceled() {
    let stage = Stage::start().await;
    let worker = stage.worker().await;
    for message in ["hi", "fail"] {
        let id = stage.echo(message).await;
        stage.get(&format!("/api/v1/tasks/{id}?wait=30s")).await;
        stage.delete(&format!("/api/v1/tasks/{id}")).await.is_refused(
            StatusCode::CONFLICT,
            "already_finished",
            "",
            message,
        );
    }
    worker.stop().await;
}
