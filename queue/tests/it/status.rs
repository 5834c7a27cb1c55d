//! What the queue says of itself.

use std::time::Duration;

use zoetrope_queue::{Failure, KindStatus, Outcome, State};

use crate::stage::{Does, Stage, hangs, new_task};

async fn kind(stage: &Stage, name: &str) -> KindStatus {
    let status = stage.queue.status().await.unwrap();
    status
        .kinds
        .into_iter()
        .find(|kind| kind.kind == name)
        .unwrap_or_default()
}

#[tokio::test]
async fn every_task_is_counted_where_it_is() {
    let stage = Stage::new().await;
    let fails = Does(|_| async { Outcome::Failed(Failure::non_retryable("broken", "as asked")) });
    let failing = stage.worker("failing", &["ocr"], 1, fails);
    let dead = stage.enqueue("ocr").await;
    stage.reaches(dead, State::Failed).await;
    failing.stop().await;
    let mut later = new_task("echo");
    later.delay = Some(Duration::from_secs(60));
    stage.enqueue_task(later).await;
    let running = stage.enqueue("echo").await;
    let worker = stage.worker("w1", &["echo"], 1, hangs());
    stage.reaches(running, State::Running).await;
    stage.queue.enqueue_batch(vec![new_task("echo"); 3]).await.unwrap();
    let echo = kind(&stage, "echo").await;
    assert_eq!((echo.queued, echo.running, echo.scheduled, echo.dead), (3, 1, 1, 0));
    assert!(echo.oldest_age_ms.is_some());
    assert_eq!(kind(&stage, "ocr").await.dead, 1);
    let workers = stage.queue.status().await.unwrap().workers;
    assert_eq!(workers.len(), 1, "the one that stopped has signed off");
    assert_eq!(
        (workers[0].name.as_str(), &workers[0].kinds[..]),
        ("w1", &["echo".to_owned()][..])
    );
    worker.kill().await;
}

#[tokio::test]
async fn a_redis_that_lost_its_data_learns_the_kinds_again() {
    let mut stage = Stage::new().await;
    stage.enqueue("echo").await;
    let (): () = redis::cmd("FLUSHALL").query_async(&mut stage.raw).await.unwrap();
    stage.enqueue("echo").await;
    assert_eq!(kind(&stage, "echo").await.queued, 1);
}

#[tokio::test]
async fn a_redis_without_an_append_only_file_is_warned_of() {
    let stage = Stage::new().await;
    let health = stage.queue.health().await.unwrap();
    assert_eq!(
        (health.durability.as_str(), health.maxmemory_policy.as_str()),
        ("none", "noeviction")
    );
    assert_eq!(health.warnings.len(), 1, "{:?}", health.warnings);
    let always = Stage::with_settings(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let health = always.queue.health().await.unwrap();
    assert_eq!(
        (health.durability.as_str(), health.warnings.len()),
        ("safe", 0),
        "{:?}",
        health.warnings
    );
}
