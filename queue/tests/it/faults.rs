//! Lost answers, dead connections, a Redis that restarts, is full or forgets its scripts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::AsyncCommands;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{Attempt, Outcome, QueueError, State, StopReason, TaskId};

use crate::proxy::Proxy;
use crate::stage::{Does, LIMIT, Stage, TENANT, config, echoes, json, key, new_task, worker_on};

/// A handler that echoes, and how often it ran each task.
fn counted() -> (impl zoetrope_queue::Handler, Arc<Mutex<HashMap<TaskId, u32>>>) {
    let runs: Arc<Mutex<HashMap<TaskId, u32>>> = Arc::default();
    let counts = Arc::clone(&runs);
    let handler = Does(move |attempt: Attempt| {
        *counts.lock().unwrap().entry(attempt.id).or_default() += 1;
        async move { Outcome::Succeeded(attempt.input) }
    });
    (handler, runs)
}

/// A handler that waits for a permit.
fn gated(gate: &Arc<Semaphore>) -> impl zoetrope_queue::Handler {
    let gate = Arc::clone(gate);
    Does(move |attempt: Attempt| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Outcome::Succeeded(attempt.input)
        }
    })
}

#[tokio::test]
async fn tasks_whose_claim_was_answered_into_the_void_arrive_with_the_repeated_step() {
    let stage = Stage::new().await;
    let proxy = Proxy::before(stage.redis.socket()).await;
    let (handler, runs) = counted();
    let queue = stage.queue_behind(&proxy).await;
    proxy.lose_answer("lost on the way");
    let mut tasks = vec![new_task("echo"); 3];
    tasks
        .iter_mut()
        .for_each(|task| task.input = json(r#""lost on the way""#));
    let answers = stage.queue.enqueue_batch(tasks).await.unwrap();
    let worker = worker_on(&queue, config("w1", &["echo"], 3), handler);
    tokio::time::timeout(LIMIT, proxy.has_lost_one()).await.unwrap();
    for answer in answers {
        let zoetrope_queue::Enqueued::Created(id) = answer.unwrap() else {
            panic!("all are new")
        };
        let task = stage.reaches(id, State::Succeeded).await;
        assert_eq!((task.attempt, task.losses, runs.lock().unwrap()[&id]), (1, 0, 1));
    }
    assert_eq!(worker.stop().await.finished, 3);
}

#[tokio::test]
async fn a_finish_whose_acknowledgement_was_lost_counts_once() {
    let stage = Stage::new().await;
    let proxy = Proxy::before(stage.redis.socket()).await;
    let queue = stage.queue_behind(&proxy).await;
    let says = Does(|_| async { Outcome::Succeeded(json(r#""said twice""#)) });
    let worker = worker_on(&queue, config("w1", &["echo"], 1), says);
    proxy.lose_answer("said twice");
    let id = stage.enqueue("echo").await;
    tokio::time::timeout(LIMIT, proxy.has_lost_one()).await.unwrap();
    let task = stage.reaches(id, State::Succeeded).await;
    assert_eq!((task.attempt, task.losses), (1, 0));
    let report = worker.stop().await;
    assert_eq!((report.finished, report.abandoned), (1, 0));
}

#[tokio::test]
async fn answers_lost_while_two_steps_are_under_way_cost_no_task_and_repeat_none() {
    let stage = Stage::new().await;
    let proxy = Proxy::before(stage.redis.socket()).await;
    let (handler, runs) = counted();
    let queue = stage.queue_behind(&proxy).await;
    let mut tasks = vec![new_task("echo"); 1_000];
    for (n, task) in tasks.iter_mut().enumerate() {
        task.input = json(&format!(r#""task {n:03} of many""#));
    }
    let answers = stage.queue.enqueue_batch(tasks).await.unwrap();
    let mut busy = config("w1", &["echo"], 64);
    busy.kinds[0].claim_ahead = true;
    proxy.lose_answer("task 150 of many");
    let worker = worker_on(&queue, busy, handler);
    for n in [300, 450, 600, 750] {
        tokio::time::timeout(LIMIT, proxy.has_lost_one()).await.unwrap();
        proxy.lose_answer(&format!("task {n} of many"));
    }
    tokio::time::timeout(LIMIT, proxy.has_lost_one()).await.unwrap();
    for answer in answers {
        let zoetrope_queue::Enqueued::Created(id) = answer.unwrap() else {
            panic!("all are new")
        };
        let task = stage.reaches(id, State::Succeeded).await;
        assert_eq!((task.attempt, task.losses, runs.lock().unwrap()[&id]), (1, 0, 1));
    }
    let report = worker.stop().await;
    assert_eq!((report.finished, report.abandoned), (1_000, 0));
}

#[tokio::test]
async fn a_worker_that_cannot_renew_abandons_its_attempt_and_another_runs_the_task() {
    let stage = Stage::new().await;
    let proxy = Proxy::before(stage.redis.socket()).await;
    let queue = stage.queue_behind(&proxy).await;
    let (reason_in, mut reason) = mpsc::channel(1);
    let watching = Does(move |attempt: Attempt| {
        let reason_in = reason_in.clone();
        async move {
            reason_in.send(attempt.stopped().await).await.unwrap();
            Outcome::Succeeded(json(r#""from beyond""#))
        }
    });
    let mut short = config("w1", &["echo"], 1);
    short.kinds[0].lease = Duration::from_millis(900);
    let cut_off = worker_on(&queue, short, watching);
    let id = stage.enqueue("echo").await;
    stage.reaches(id, State::Running).await;
    proxy.swallow();
    assert_eq!(reason.recv().await, Some(StopReason::LeaseLost));
    let other = stage.worker("w2", &["echo"], 1, echoes());
    let task = stage.reaches(id, State::Succeeded).await;
    assert_eq!(
        (task.losses, task.worker.as_deref(), task.result.unwrap().get()),
        (1, Some("w2"), r#"{"n":1}"#)
    );
    proxy.heal();
    let report = cut_off.stop().await;
    assert_eq!((report.finished, report.abandoned), (0, 1));
    other.stop().await;
}

#[tokio::test]
async fn scripts_that_redis_forgot_are_loaded_again() {
    let mut stage = Stage::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let worker = stage.worker("w1", &["echo"], 2, gated(&gate));
    let running = stage.enqueue("echo").await;
    stage.reaches(running, State::Running).await;
    let (): () = redis::cmd("SCRIPT")
        .arg("FLUSH")
        .query_async(&mut stage.raw)
        .await
        .unwrap();
    let queued = stage.enqueue("echo").await;
    gate.add_permits(2);
    stage.reaches(running, State::Succeeded).await;
    stage.reaches(queued, State::Succeeded).await;
    assert_eq!(worker.stop().await.finished, 2);
}

#[tokio::test]
async fn workers_and_watchers_outlive_a_restart_of_redis() {
    let mut stage = Stage::with_settings(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let gate = Arc::new(Semaphore::new(0));
    let worker = stage.worker("w1", &["echo"], 2, gated(&gate));
    let answers = stage.queue.enqueue_batch(vec![new_task("echo"); 20]).await.unwrap();
    let ids: Vec<TaskId> = answers
        .into_iter()
        .map(|answer| match answer.unwrap() {
            zoetrope_queue::Enqueued::Created(id) => id,
            other => panic!("{other:?}"),
        })
        .collect();
    stage.reaches(ids[0], State::Running).await;
    let (watch, watcher) = stage.queue.watch();
    let stop = CancellationToken::new();
    let reader = tokio::spawn(watcher.run(stop.clone()));
    stage.redis.restart().await;
    gate.add_permits(20);
    for id in ids {
        let ended = async {
            loop {
                // A reading may fail while the connection is renewed.
                if let Ok(Some(task)) = watch
                    .wait_until(TENANT, id, LIMIT, |task| task.state.is_terminal())
                    .await
                {
                    return task;
                }
            }
        };
        let task = tokio::time::timeout(LIMIT, ended).await.unwrap();
        assert_eq!((task.state, task.attempt, task.losses), (State::Succeeded, 1, 0));
    }
    stop.cancel();
    reader.await.unwrap();
    let report = worker.stop().await;
    assert_eq!((report.finished, report.abandoned), (20, 0));
}

#[tokio::test]
async fn a_full_redis_refuses_new_tasks_and_finishes_the_running_ones() {
    let mut stage = Stage::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let mut short = config("w1", &["echo"], 1);
    short.kinds[0].lease = Duration::from_millis(600);
    let worker = stage.worker_with(short, gated(&gate));
    let (running, queued) = (stage.enqueue("echo").await, stage.enqueue("echo").await);
    let started = stage.reaches(running, State::Running).await.started_at_ms.unwrap();
    set_maxmemory(&mut stage, "1").await;
    assert!(matches!(
        stage.queue.enqueue(new_task("echo")).await,
        Err(QueueError::Full(_))
    ));
    let mut deadline = redis::cmd("ZSCORE");
    deadline.arg(key("lease")).arg(running.as_str());
    let renewed = (started + 1_500) as f64;
    stage
        .until(&deadline, |deadline: &Option<f64>| *deadline > Some(renewed))
        .await;
    gate.add_permits(1);
    assert_eq!(stage.reaches(running, State::Succeeded).await.losses, 0);
    stage.reaches(queued, State::Running).await;
    stage.queue.cancel(TENANT, queued).await.unwrap();
    stage.reaches(queued, State::Canceled).await;
    set_maxmemory(&mut stage, "0").await;
    gate.add_permits(1);
    let next = stage.enqueue("echo").await;
    stage.reaches(next, State::Succeeded).await;
    worker.stop().await;
}

async fn set_maxmemory(stage: &mut Stage, bytes: &str) {
    let mut command = redis::cmd("CONFIG");
    let (): () = command
        .arg("SET")
        .arg("maxmemory")
        .arg(bytes)
        .query_async(&mut stage.raw)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_clock_that_goes_back_goes_on_slowly_until_its_server_has_caught_up() {
    let mut stage = Stage::new().await;
    let created = async |stage: &Stage| {
        let id = stage.enqueue("echo").await;
        stage.task(id).await.created_at_ms
    };
    let before = created(&stage).await;
    // From here on the server's own clock is an hour behind what the queue has seen.
    let (): () = stage.raw.hincr(key("meta"), "now", 3_600_000).await.unwrap();
    let one = created(&stage).await;
    assert!(before + 3_600_000 <= one, "{before} {one}");
    let goes_on = async {
        let mut latest = one;
        while latest == one {
            latest = created(&stage).await;
            assert!(latest >= one, "{one} {latest}");
        }
    };
    tokio::time::timeout(LIMIT, goes_on).await.unwrap();

    let server = async |stage: &mut Stage| -> u64 {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut stage.raw).await.unwrap();
        seconds * 1_000 + micros / 1_000
    };
    let ahead = server(&mut stage).await + 400;
    let (): () = stage.raw.hset(key("meta"), "now", ahead).await.unwrap();
    let mut catch_up = redis::cmd("HEXISTS");
    catch_up.arg(key("meta")).arg("behind");
    loop {
        let (latest, now) = (created(&stage).await, server(&mut stage).await);
        let behind: bool = catch_up.query_async(&mut stage.raw).await.unwrap();
        if !behind {
            assert!(latest >= ahead && now >= ahead, "{ahead} {latest} {now}");
            break;
        }
    }
}
