//! Stopping workers, and the duties that pass on when they go.

use std::time::Duration;

use redis::AsyncCommands;
use zoetrope_queue::{Attempt, Outcome, QueueError, State, StopReason};

use crate::proxy::Proxy;
use crate::stage::{Does, LIMIT, Stage, config, echoes, hangs, key, worker_on};

#[tokio::test]
async fn a_drained_worker_gives_back_what_it_holds_at_no_cost() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let gives_back = Does(|attempt: Attempt| async move {
        assert_eq!(attempt.stopped().await, StopReason::Draining);
        Outcome::Released
    });
    let worker = stage.worker("w1", &["echo"], 1, gives_back);
    stage.reaches(id, State::Running).await;
    let report = worker.stop().await;
    assert_eq!((report.finished, report.released, report.abandoned), (0, 1, 0));
    let task = stage.task(id).await;
    assert_eq!((task.state, task.attempt, task.losses), (State::Queued, 0, 0));
    let next = stage.worker("w2", &["echo"], 1, echoes());
    assert_eq!(stage.reaches(id, State::Succeeded).await.attempt, 1);
    next.stop().await;
}

#[tokio::test]
async fn a_handler_that_ignores_the_drain_is_dropped_at_the_end_of_the_grace() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let mut impatient = config("w1", &["echo"], 1);
    impatient.drain_grace = Duration::from_millis(50);
    let worker = stage.worker_with(impatient, hangs());
    stage.reaches(id, State::Running).await;
    assert_eq!(worker.stop().await.released, 1);
    assert_eq!(stage.task(id).await.state, State::Queued);
}

#[tokio::test]
async fn a_handler_may_finish_within_the_grace() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let finishes = Does(|attempt: Attempt| async move {
        attempt.stopped().await;
        Outcome::Succeeded(attempt.input)
    });
    let worker = stage.worker("w1", &["echo"], 1, finishes);
    stage.reaches(id, State::Running).await;
    assert_eq!(worker.stop().await.finished, 1);
    assert_eq!(stage.task(id).await.state, State::Succeeded);
}

#[tokio::test]
async fn a_worker_can_be_drained_by_its_name() {
    let mut stage = Stage::new().await;
    let worker = stage.worker("w1", &["echo"], 1, echoes());
    let mut known = redis::cmd("HEXISTS");
    known.arg(key("workers")).arg("w1");
    stage.until(&known, |known: &bool| *known).await;
    assert!(!stage.queue.drain_worker("nobody").await.unwrap());
    assert!(stage.queue.drain_worker("w1").await.unwrap());
    let report = tokio::time::timeout(LIMIT, worker.done)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(report.released, 0);
    assert!(!stage.queue.drain_worker("w1").await.unwrap(), "it has signed off");
    let left: u64 = stage
        .raw
        .exists(&[
            key("idle:echo"),
            key("w:w1"),
            key("rp:w1:0"),
            key("rp:w1:1"),
            key("tick"),
        ])
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn the_duty_of_the_ticker_passes_on_when_its_holder_dies() {
    let mut stage = Stage::new().await;
    let mut holder = redis::cmd("GET");
    holder.arg(key("tick"));
    let first = stage.worker("w1", &["nothing"], 1, echoes());
    stage
        .until(&holder, |name: &Option<String>| name.as_deref() == Some("w1"))
        .await;
    let second = stage.worker("w2", &["nothing"], 1, echoes());
    first.kill().await;
    stage
        .until(&holder, |name: &Option<String>| name.as_deref() == Some("w2"))
        .await;
    second.stop().await;
}

#[tokio::test]
async fn a_worker_cut_off_from_redis_gives_up_its_drain() {
    let stage = Stage::new().await;
    let proxy = Proxy::before(stage.redis.socket()).await;
    let queue = stage.queue_behind(&proxy).await;
    let mut impatient = config("w1", &["echo"], 1);
    impatient.drain_grace = Duration::ZERO;
    let worker = worker_on(&queue, impatient, hangs());
    let id = stage.enqueue("echo").await;
    stage.reaches(id, State::Running).await;
    proxy.swallow();
    worker.stop.cancel();
    let stopped = tokio::time::timeout(LIMIT, worker.done).await.unwrap().unwrap();
    assert!(matches!(stopped, Err(QueueError::Unavailable(_))), "{stopped:?}");
}
