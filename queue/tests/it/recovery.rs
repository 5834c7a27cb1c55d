//! What becomes of tasks whose workers die, hang or lose their lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::AsyncCommands;
use tokio::sync::{Notify, mpsc};
use zoetrope_queue::{Attempt, Failure, LossPolicy, Outcome, Priority, Reason, State, StopReason, TaskId};

use crate::stage::{Does, LEASE, RunningWorker, Stage, config, echoes, hangs, json, key, new_task};

const A_LEASE_LATER: Duration = Duration::from_secs(16);

/// A worker that runs nothing of interest, but does the background duties.
fn ticker(stage: &Stage) -> RunningWorker {
    stage.worker("ticker", &["nothing"], 1, echoes())
}

/// Has one more worker claim the task and die.
async fn lose(stage: &mut Stage, id: TaskId) {
    let worker = stage.worker("victim", &["echo"], 1, hangs());
    stage.reaches(id, State::Running).await;
    worker.kill().await;
    stage.advance(A_LEASE_LATER).await;
}

#[tokio::test]
async fn a_task_whose_worker_died_is_run_by_another_and_costs_no_attempt() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    lose(&mut stage, id).await;
    let worker = stage.worker("w2", &["echo"], 1, echoes());
    let task = stage.reaches(id, State::Succeeded).await;
    assert_eq!((task.attempt, task.losses, task.worker.as_deref()), (1, 1, Some("w2")));
    worker.stop().await;
}

#[tokio::test]
async fn what_is_overdue_is_seen_to_although_whoever_has_the_duty_is_dead() {
    let mut stage = Stage::new().await;
    stage.without_ticks().await;
    let held = stage.enqueue("echo").await;
    let ticker = ticker(&stage);
    lose(&mut stage, held).await;
    stage.reaches(held, State::Queued).await;
    stage.without_ticks().await;
    let mut later = new_task("echo");
    later.delay = Some(A_LEASE_LATER);
    let scheduled = stage.enqueue_task(later).await;
    stage.advance(A_LEASE_LATER + Duration::from_secs(1)).await;
    stage.reaches(scheduled, State::Queued).await;
    let holder: Option<String> = stage.raw.get(key("tick")).await.unwrap();
    assert_eq!(holder.as_deref(), Some("ticker"));
    ticker.stop().await;
}

#[tokio::test]
async fn losses_wait_longer_and_longer_and_the_third_in_a_row_is_a_dead_letter() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let ticker = ticker(&stage);
    lose(&mut stage, id).await;
    let first = stage.reaches(id, State::Queued).await;
    assert_eq!((first.losses, first.attempt), (1, 0));
    lose(&mut stage, id).await;
    let second = stage.reaches(id, State::Scheduled).await;
    let now: u64 = stage.raw.hget(key("meta"), "now").await.unwrap();
    assert_eq!((second.losses, second.run_at_ms), (2, Some(now + 5_000)));
    stage.advance(Duration::from_secs(5)).await;
    lose(&mut stage, id).await;
    let third = stage.reaches(id, State::Failed).await;
    assert_eq!((third.losses, third.reason), (3, Some(Reason::WorkerLost)));
    assert_eq!(third.error.unwrap().code, "worker_lost");
    ticker.stop().await;
}

#[tokio::test]
async fn a_handler_that_blocks_its_thread_past_its_timeout_loses_its_task_to_another_worker() {
    let stage = Stage::new().await;
    let mut task = new_task("echo");
    task.timeout = Some(Duration::from_millis(200));
    let id = stage.enqueue_task(task).await;
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let blocks = Does(move |attempt: Attempt| {
        let held = Arc::clone(&held);
        async move {
            // No await: nothing can end this but the test.
            let _ = held.lock().unwrap().recv();
            Outcome::Succeeded(attempt.input)
        }
    });
    let mut hung = config("hung", &["echo"], 1);
    hung.kinds[0].lease = Duration::from_millis(900);
    // As the product's workers: a thread that blocks may be the one that reads the sockets of its runtime.
    let apart = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    hung.handlers_on = Some(apart.handle().clone());
    let hung = stage.worker_with(hung, blocks);
    stage.reaches(id, State::Running).await;
    let worker = stage.worker("w2", &["echo"], 1, echoes());
    let task = stage.reaches(id, State::Succeeded).await;
    assert_eq!((task.losses, task.worker.as_deref()), (1, Some("w2")));
    drop(let_go);
    assert_eq!(hung.stop().await.abandoned, 1);
    worker.stop().await;
    apart.shutdown_background();
}

#[tokio::test]
async fn a_live_task_is_never_given_up() {
    let mut stage = Stage::new().await;
    let mut task = new_task("echo");
    task.losses = LossPolicy::Live;
    let id = stage.enqueue_task(task).await;
    let ticker = ticker(&stage);
    for losses in 1..=5 {
        lose(&mut stage, id).await;
        let state = if losses == 1 { State::Queued } else { State::Scheduled };
        assert_eq!(stage.reaches(id, state).await.losses, losses);
        stage.advance(Duration::from_secs(30)).await;
        stage.reaches(id, State::Queued).await;
    }
    ticker.stop().await;
}

#[tokio::test]
async fn an_attempt_that_lived_long_starts_a_new_row_of_losses() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let ticker = ticker(&stage);
    lose(&mut stage, id).await;
    stage.reaches(id, State::Queued).await;
    let worker = stage.worker("old", &["echo"], 1, hangs());
    let started = stage.reaches(id, State::Running).await.started_at_ms.unwrap();
    worker.kill().await;
    // As if it had been renewed for over four leases.
    let long_ago = started - 5 * u64::try_from(LEASE.as_millis()).unwrap();
    let attempt: String = stage.raw.hget(key("a"), id.as_str()).await.unwrap();
    let attempt = attempt.replace(&started.to_string(), &long_ago.to_string());
    let (): () = stage.raw.hset(key("a"), id.as_str(), attempt).await.unwrap();
    stage.advance(A_LEASE_LATER).await;
    assert_eq!(stage.reaches(id, State::Queued).await.losses, 1);
    ticker.stop().await;
}

#[tokio::test]
async fn a_task_that_cost_two_workers_runs_alone() {
    let mut stage = Stage::new().await;
    let poison = stage.enqueue("echo").await;
    let ticker = ticker(&stage);
    lose(&mut stage, poison).await;
    stage.reaches(poison, State::Queued).await;
    lose(&mut stage, poison).await;
    stage.reaches(poison, State::Scheduled).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(stage.enqueue("echo").await);
    }
    stage.advance(Duration::from_secs(5)).await;
    stage.reaches(poison, State::Queued).await;
    let go = Arc::new(Notify::new());
    let waits = Arc::clone(&go);
    let waiting = Does(move |attempt: Attempt| {
        let waits = Arc::clone(&waits);
        async move {
            if attempt.id == poison {
                waits.notified().await;
            }
            Outcome::Succeeded(attempt.input)
        }
    });
    let worker = stage.worker("w1", &["echo"], 4, waiting);
    stage.reaches(poison, State::Running).await;
    for id in &others {
        assert_eq!(stage.task(*id).await.state, State::Queued, "nothing may run beside it");
    }
    go.notify_one();
    stage.reaches(poison, State::Succeeded).await;
    for id in others {
        stage.reaches(id, State::Succeeded).await;
    }
    worker.stop().await;
    ticker.stop().await;
}

#[tokio::test]
async fn a_finish_that_comes_after_the_lease_passed_on_is_refused() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let go = Arc::new(Notify::new());
    let waits = Arc::clone(&go);
    let slow = Does(move |_| {
        let waits = Arc::clone(&waits);
        async move {
            waits.notified().await;
            Outcome::Succeeded(json(r#""from the first""#))
        }
    });
    let first = stage.worker("w1", &["echo"], 1, slow);
    stage.reaches(id, State::Running).await;
    stage.advance(A_LEASE_LATER).await;
    let second = stage.worker(
        "w2",
        &["echo"],
        1,
        Does(|_| async { Outcome::Succeeded(json(r#""from the second""#)) }),
    );
    let task = stage.reaches(id, State::Succeeded).await;
    assert_eq!(task.result.unwrap().get(), r#""from the second""#);
    go.notify_one();
    assert_eq!(second.stop().await.finished, 1);
    let report = first.stop().await;
    assert_eq!((report.finished, report.abandoned), (0, 1));
    assert_eq!(stage.task(id).await.result.unwrap().get(), r#""from the second""#);
}

#[tokio::test]
async fn a_worker_that_claims_its_own_lost_task_again_keeps_the_two_attempts_apart() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let (stopped_in, mut stopped) = mpsc::channel(1);
    let runs = AtomicU32::new(0);
    let first_stays = Does(move |attempt: Attempt| {
        let run = runs.fetch_add(1, Ordering::Relaxed);
        let stopped_in = stopped_in.clone();
        async move {
            if run > 0 {
                return Outcome::Succeeded(json(r#""in time""#));
            }
            stopped_in.send(attempt.stopped().await).await.unwrap();
            Outcome::Succeeded(json(r#""too late""#))
        }
    });
    let worker = stage.worker("w1", &["echo"], 2, first_stays);
    stage.reaches(id, State::Running).await;
    stage.advance(A_LEASE_LATER).await;
    assert_eq!(stopped.recv().await, Some(StopReason::LeaseLost));
    let task = stage.reaches(id, State::Succeeded).await;
    assert_eq!((task.losses, task.result.unwrap().get()), (1, r#""in time""#));
    // Both units are free again.
    let (one, two) = (stage.enqueue("echo").await, stage.enqueue("echo").await);
    stage.reaches(one, State::Succeeded).await;
    stage.reaches(two, State::Succeeded).await;
    assert_eq!(worker.stop().await.finished, 3);
}

#[tokio::test]
async fn however_often_leases_pass_on_each_task_ends_once() {
    let mut stage = Stage::new().await;
    let tasks = 600;
    let answers = stage.queue.enqueue_batch(vec![new_task("echo"); tasks]).await.unwrap();
    assert_eq!(answers.len(), tasks);
    let workers: Vec<RunningWorker> = ["w1", "w2", "w3"]
        .iter()
        .map(|name| stage.worker(name, &["echo"], 20, echoes()))
        .collect();
    // Twice all leases lapse while results are on their way; a third time would be the end of a task.
    for reached in [tasks / 3, tasks / 2] {
        stage.until_kept(|count| count >= reached).await;
        stage.advance(A_LEASE_LATER).await;
    }
    stage.until_kept(|count| count == tasks).await;
    let mut finished = 0;
    for worker in workers {
        finished += worker.stop().await.finished;
    }
    assert_eq!(finished, tasks as u64);
}

#[tokio::test]
async fn renewals_keep_a_long_task_with_its_worker() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let mut short = config("w1", &["echo"], 1);
    short.kinds[0].lease = Duration::from_millis(600);
    let worker = stage.worker_with(short, hangs());
    let other = stage.worker("w2", &["echo"], 1, echoes());
    let started = stage.reaches(id, State::Running).await.started_at_ms.unwrap();
    let mut deadline = redis::cmd("ZSCORE");
    deadline.arg(key("lease")).arg(id.as_str());
    let third_lease = (started + 1_800) as f64;
    stage
        .until(&deadline, |deadline: &Option<f64>| *deadline > Some(third_lease))
        .await;
    let task = stage.task(id).await;
    assert_eq!((task.losses, task.worker.as_deref()), (0, Some("w1")));
    worker.kill().await;
    other.stop().await;
}

#[tokio::test]
async fn priority_and_place_survive_a_retry_and_a_loss() {
    let mut stage = Stage::new().await;
    let mut urgent = new_task("echo");
    urgent.priority = Priority::High;
    urgent.backoff = Duration::from_secs(0);
    let retried = stage.enqueue_task(urgent.clone()).await;
    let lost = stage.enqueue_task(urgent).await;
    for _ in 0..5 {
        stage.enqueue("echo").await;
    }
    let fails_once = Does(move |attempt: Attempt| async move {
        if attempt.id == retried && attempt.number == 1 {
            return Outcome::Failed(Failure::retryable("upstream", "no answer"));
        }
        std::future::pending().await
    });
    let failing = stage.worker("failing", &["echo"], 1, fails_once);
    stage.reaches(lost, State::Running).await;
    failing.kill().await;
    stage.advance(A_LEASE_LATER).await;
    let ticker = ticker(&stage);
    let (retried, lost) = (
        stage.reaches(retried, State::Queued).await,
        stage.reaches(lost, State::Queued).await,
    );
    let mut places = [retried.queue_position, lost.queue_position];
    places.sort_unstable();
    assert_eq!(places, [Some(0), Some(1)]);
    assert_eq!((retried.attempt, lost.attempt, lost.losses), (1, 0, 1));
    ticker.stop().await;
}
