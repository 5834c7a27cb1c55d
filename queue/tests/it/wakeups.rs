//! Idle workers are woken without polling, and a wake-up that is lost is repeated.

use std::sync::Arc;
use std::time::Duration;

use redis::AsyncCommands;
use tokio::sync::Barrier;
use zoetrope_queue::{Attempt, Outcome, State};

use crate::stage::{Does, Stage, config, echoes, hangs, key, new_task};

fn is_idle(worker: &str) -> redis::Cmd {
    let mut command = redis::cmd("ZSCORE");
    command.arg(key("idle:echo")).arg(worker);
    command
}

#[tokio::test]
async fn a_wake_up_that_went_to_a_dead_worker_is_repeated_by_the_tick() {
    let mut stage = Stage::new().await;
    let worker = stage.worker("w1", &["echo"], 1, echoes());
    let since: Option<f64> = stage.until(&is_idle("w1"), Option::<f64>::is_some).await;
    // The newest registration is woken first; this one is of nobody.
    let (): () = stage
        .raw
        .zadd(key("idle:echo"), "ghost", since.unwrap() + 1.0)
        .await
        .unwrap();
    let id = stage.enqueue("echo").await;
    let eaten: Vec<String> = stage.raw.lrange(key("w:ghost"), 0, -1).await.unwrap();
    assert_eq!(eaten, ["w"]);
    stage.reaches(id, State::Succeeded).await;
    worker.stop().await;
}

#[tokio::test]
async fn one_batch_wakes_as_many_workers_as_it_needs_without_the_tick() {
    let mut stage = Stage::new().await;
    stage.without_ticks().await;
    let all_at_work = Arc::new(Barrier::new(4));
    let mut workers = Vec::new();
    for n in 0..4 {
        let meets = Arc::clone(&all_at_work);
        let handler = Does(move |attempt: Attempt| {
            let meets = Arc::clone(&meets);
            async move {
                meets.wait().await;
                Outcome::Succeeded(attempt.input)
            }
        });
        let name = format!("w{n}");
        workers.push(stage.worker(&name, &["echo"], 1, handler));
        stage.until(&is_idle(&name), Option::<f64>::is_some).await;
    }
    let answers = stage.queue.enqueue_batch(vec![new_task("echo"); 4]).await.unwrap();
    assert!(answers.iter().all(Result::is_ok));
    for worker in workers {
        // A worker is stopped once it has met the three others.
        stage.until_kept(|count| count == 4).await;
        assert_eq!(worker.stop().await.finished, 1);
    }
}

#[tokio::test]
async fn submits_one_after_another_wake_a_worker_each() {
    let mut stage = Stage::new().await;
    let worker = stage.worker("w1", &["echo"], 1, echoes());
    let since: Option<f64> = stage.until(&is_idle("w1"), Option::<f64>::is_some).await;
    worker.stop().await;
    for ghost in ["first", "second"] {
        let (): () = stage.raw.zadd(key("idle:echo"), ghost, since.unwrap()).await.unwrap();
    }
    for _ in 0..3 {
        stage.enqueue("echo").await;
    }
    for ghost in ["first", "second"] {
        let woken: Vec<String> = stage.raw.lrange(key(&format!("w:{ghost}")), 0, -1).await.unwrap();
        assert_eq!(woken, ["w"], "{ghost}");
    }
}

#[tokio::test]
async fn a_worker_whose_slots_are_full_leaves_wake_ups_to_others() {
    let mut stage = Stage::new().await;
    stage.without_ticks().await;
    let busy_with = stage.enqueue("echo").await;
    let full = stage.worker("full", &["echo"], 1, hangs());
    stage.reaches(busy_with, State::Running).await;
    stage.until(&is_idle("full"), Option::<f64>::is_none).await;
    let free = stage.worker("free", &["echo"], 1, echoes());
    for _ in 0..5 {
        stage.until(&is_idle("free"), Option::<f64>::is_some).await;
        let id = stage.enqueue("echo").await;
        stage.reaches(id, State::Succeeded).await;
        let waits: Option<f64> = stage.raw.zscore(key("idle:echo"), "full").await.unwrap();
        assert_eq!(waits, None);
    }
    full.kill().await;
    free.stop().await;
}

#[tokio::test]
async fn a_worker_that_leaves_hands_its_wake_up_on() {
    let mut stage = Stage::new().await;
    stage.without_ticks().await;
    let staying = stage.worker("staying", &["echo"], 1, echoes());
    stage.until(&is_idle("staying"), Option::<f64>::is_some).await;
    let mut impatient = config("leaving", &["echo"], 1);
    impatient.drain_grace = Duration::ZERO;
    let leaving = stage.worker_with(impatient, hangs());
    let id = stage.enqueue("echo").await;
    leaving.stop().await;
    stage.reaches(id, State::Succeeded).await;
    staying.stop().await;
}

#[tokio::test]
async fn a_due_timer_is_promoted_although_nothing_else_happens() {
    let mut stage = Stage::new().await;
    let worker = stage.worker("w1", &["echo"], 1, echoes());
    stage.until(&is_idle("w1"), Option::<f64>::is_some).await;
    let mut soon = new_task("echo");
    soon.delay = Some(Duration::from_millis(50));
    let id = stage.enqueue_task(soon).await;
    stage.reaches(id, State::Succeeded).await;
    worker.stop().await;
}
