//! How attempts end: by cancel, panic, timeout, snooze, or with more to say than fits.

use std::sync::Arc;
use std::time::Duration;

use redis::AsyncCommands;
use tokio::sync::{Semaphore, mpsc};
use zoetrope_queue::{Attempt, CancelOutcome, Enqueued, Failure, MAX_RESULT_BYTES, Outcome, Reason, State, StopReason};

use crate::stage::{Does, Stage, TENANT, config, echoes, hangs, json, key, new_task};

#[tokio::test]
async fn a_handler_that_panics_fails_its_attempt_alone() {
    let stage = Stage::new().await;
    let mut task = new_task("echo");
    task.max_attempts = 1;
    let panics = stage.enqueue_task(task).await;
    let sound = stage.enqueue("echo").await;
    let worker = stage.worker(
        "w1",
        &["echo"],
        2,
        Does(move |attempt: Attempt| async move {
            assert!(attempt.id != panics, "as asked");
            Outcome::Succeeded(attempt.input)
        }),
    );
    let task = stage.reaches(panics, State::Failed).await;
    assert_eq!(
        (task.reason, task.error.unwrap().code.as_str()),
        (Some(Reason::RetriesExhausted), "handler_panicked")
    );
    stage.reaches(sound, State::Succeeded).await;
    worker.stop().await;
}

#[tokio::test]
async fn an_attempt_over_its_time_is_stopped_and_counts_as_a_failure() {
    let stage = Stage::new().await;
    let mut task = new_task("echo");
    task.max_attempts = 1;
    task.timeout = Some(Duration::from_millis(50));
    let id = stage.enqueue_task(task).await;
    let worker = stage.worker("w1", &["echo"], 1, hangs());
    let task = stage.reaches(id, State::Failed).await;
    assert_eq!(
        (task.reason, task.error.unwrap().code.as_str()),
        (Some(Reason::Timeout), "timeout")
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_snoozed_task_comes_back_and_has_used_no_attempt() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let snoozes = Does(|_| async { Outcome::Snoozed(Duration::from_secs(600)) });
    let worker = stage.worker("w1", &["echo"], 1, snoozes);
    let task = stage.reaches(id, State::Scheduled).await;
    assert_eq!(task.attempt, 0);
    worker.stop().await;
    let worker = stage.worker("w2", &["echo"], 1, echoes());
    stage.advance(Duration::from_secs(601)).await;
    assert_eq!(stage.reaches(id, State::Succeeded).await.attempt, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_result_over_the_limit_fails_the_task_and_says_so() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let verbose = Does(|_| async { Outcome::Succeeded(json(&format!("\"{}\"", "x".repeat(MAX_RESULT_BYTES)))) });
    let worker = stage.worker("w1", &["echo"], 1, verbose);
    let task = stage.reaches(id, State::Failed).await;
    assert_eq!(
        (task.reason, task.error.unwrap().code.as_str()),
        (Some(Reason::NonRetryable), "result_too_large")
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_scheduled_task_and_one_that_waits_for_its_retry_are_canceled_at_once() {
    let stage = Stage::new().await;
    let mut later = new_task("echo");
    later.delay = Some(Duration::from_secs(600));
    let later = stage.enqueue_task(later).await;
    let mut fails = new_task("echo");
    fails.backoff = Duration::from_secs(3_000);
    let fails = stage.enqueue_task(fails).await;
    let failing = Does(|_| async { Outcome::Failed(Failure::retryable("upstream", "no answer")) });
    let worker = stage.worker("w1", &["echo"], 1, failing);
    stage.reaches(fails, State::Scheduled).await;
    for id in [later, fails] {
        assert_eq!(stage.queue.cancel(TENANT, id).await.unwrap(), CancelOutcome::Canceled);
        assert_eq!(stage.task(id).await.state, State::Canceled);
    }
    assert_eq!(stage.task(fails).await.attempt, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_task_that_was_claimed_ahead_is_canceled_before_it_begins() {
    let mut stage = Stage::new().await;
    let (begun_in, mut begun) = mpsc::channel(200);
    let gate = Arc::new(Semaphore::new(100));
    let waits = Arc::clone(&gate);
    let handler = Does(move |attempt: Attempt| {
        let (begun_in, waits) = (begun_in.clone(), Arc::clone(&waits));
        async move {
            waits.acquire().await.unwrap().forget();
            begun_in.send(attempt.id).await.unwrap();
            Outcome::Succeeded(attempt.input)
        }
    });
    let mut ahead = config("w1", &["echo"], 1);
    ahead.kinds[0].claim_ahead = true;
    let worker = stage.worker_with(ahead, handler);
    // Short runs teach the worker to claim ahead.
    stage.queue.enqueue_batch(vec![new_task("echo"); 100]).await.unwrap();
    for _ in 0..100 {
        begun.recv().await.unwrap();
    }
    let blocks = stage.enqueue("echo").await;
    let waiting = stage.enqueue("echo").await;
    for id in [blocks, waiting] {
        stage.reaches(id, State::Running).await;
    }
    assert_eq!(
        stage.queue.cancel(TENANT, waiting).await.unwrap(),
        CancelOutcome::Requested
    );
    stage.reaches(waiting, State::Canceled).await;
    gate.add_permits(1);
    stage.reaches(blocks, State::Succeeded).await;
    assert_eq!(begun.recv().await, Some(blocks));
    worker.stop().await;
    let left: u64 = stage.raw.zcard(key("lease")).await.unwrap();
    assert_eq!((left, begun.recv().await), (0, None));
}

#[tokio::test]
async fn a_canceled_handler_that_succeeds_all_the_same_has_succeeded() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let finishes = Does(|attempt: Attempt| async move {
        assert_eq!(attempt.stopped().await, StopReason::Canceled);
        Outcome::Succeeded(attempt.input)
    });
    let worker = stage.worker("w1", &["echo"], 1, finishes);
    stage.reaches(id, State::Running).await;
    assert_eq!(stage.queue.cancel(TENANT, id).await.unwrap(), CancelOutcome::Requested);
    stage.reaches(id, State::Succeeded).await;
    assert_eq!(
        stage.queue.cancel(TENANT, id).await.unwrap(),
        CancelOutcome::AlreadyFinished(State::Succeeded)
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_cancel_that_races_the_end_of_its_task_leads_to_one_end() {
    let mut stage = Stage::new().await;
    let worker = stage.worker("w1", &["echo"], 4, echoes());
    let mut ends = [0, 0];
    for _ in 0..200 {
        let Enqueued::Created(id) = stage.queue.enqueue(new_task("echo")).await.unwrap() else {
            panic!("a new task")
        };
        let first = stage.queue.cancel(TENANT, id).await.unwrap();
        let task = stage.reaches_end(id).await;
        let again = stage.queue.cancel(TENANT, id).await.unwrap();
        match task.state {
            State::Succeeded => {
                ends[0] += 1;
                assert_ne!(first, CancelOutcome::Canceled);
                assert_eq!(again, CancelOutcome::AlreadyFinished(State::Succeeded));
            }
            State::Canceled => {
                ends[1] += 1;
                assert_eq!(again, CancelOutcome::Canceled);
            }
            other => panic!("{other:?} is no end of this race"),
        }
    }
    assert_eq!(ends[0] + ends[1], 200);
    stage.until_kept(|count| count == 200).await;
    worker.stop().await;
}
