//! Queue deadlines: a task that does not run by its own ends as `expired`, wherever it waits.

use std::time::Duration;

use redis::AsyncCommands;
use zoetrope_queue::{Attempt, ErrorClass, Failure, NewTask, Outcome, QueueError, Reason, State};

use crate::stage::{Does, Stage, TENANT, echoes, key, new_task};

const SECOND: Duration = Duration::from_secs(1);

fn expiring(after: Duration) -> NewTask {
    NewTask {
        expires_in: Some(after),
        ..new_task("echo")
    }
}

/// A handler that must not be called.
fn forbidden() -> impl zoetrope_queue::Handler {
    Does(|attempt: Attempt| async move { panic!("{} ran after its deadline", attempt.id) })
}

#[tokio::test]
async fn a_task_that_has_not_begun_by_its_deadline_expires_and_never_runs() {
    let mut stage = Stage::new().await;
    stage.advance(SECOND).await;
    let id = stage.enqueue_task(expiring(10 * SECOND)).await;
    let seen = stage.task(id).await;
    assert_eq!(
        (seen.state, seen.deadline_ms),
        (State::Queued, Some(seen.created_at_ms + 10_000))
    );
    let why = stage.queue.why(TENANT, id).await.unwrap().unwrap();
    assert_eq!(why.deadline_ms, seen.deadline_ms);
    stage.advance(10 * SECOND).await;
    let worker = stage.worker("w1", &["echo"], 4, forbidden());
    let ended = stage.reaches(id, State::Expired).await;
    assert_eq!((ended.reason, ended.attempt), (Some(Reason::DeadlineBeforeStart), 0));
    let error = ended.error.unwrap();
    assert_eq!((error.code.as_str(), error.retryable), ("expired", true));
    assert_eq!(worker.stop().await.finished, 0);
}

#[tokio::test]
async fn a_task_that_runs_at_its_deadline_ends_as_it_ends() {
    let mut stage = Stage::new().await;
    stage.advance(SECOND).await;
    let id = stage.enqueue_task(expiring(5 * SECOND)).await;
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let waits = std::sync::Arc::clone(&gate);
    let handler = Does(move |attempt: Attempt| {
        let gate = std::sync::Arc::clone(&waits);
        async move {
            gate.acquire().await.unwrap().forget();
            Outcome::Succeeded(attempt.input)
        }
    });
    let worker = stage.worker("w1", &["echo"], 1, handler);
    stage.reaches(id, State::Running).await;
    stage.advance(6 * SECOND).await;
    // The deadline has been dealt with once nothing is kept of it.
    stage
        .until(redis::cmd("EXISTS").arg(key("exp")), |there: &bool| !there)
        .await;
    gate.add_permits(1);
    stage.reaches(id, State::Succeeded).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_delayed_task_expires_while_it_waits_and_so_does_one_that_waits_for_its_retry() {
    let mut stage = Stage::new().await;
    stage.advance(SECOND).await;
    let retried = expiring(60 * SECOND);
    let mut later = expiring(60 * SECOND);
    (later.delay, later.kind) = (Some(59 * SECOND), "unserved".to_owned());
    let (retried, later) = (stage.enqueue_task(retried).await, stage.enqueue_task(later).await);
    let fails = Does(|_: Attempt| async {
        let mut failure = Failure::retryable("slow_down", "come back in an hour");
        failure.class = ErrorClass::RateLimited(Some(3_600 * SECOND));
        Outcome::Failed(failure)
    });
    let worker = stage.worker("w1", &["echo"], 1, fails);
    stage.reaches(retried, State::Scheduled).await;
    stage.advance(60 * SECOND).await;
    let (first, second) = (
        stage.reaches_end(retried).await,
        stage.reaches(later, State::Expired).await,
    );
    assert_eq!((first.state, first.attempt), (State::Expired, 1));
    assert_eq!((second.attempt, second.started_at_ms), (0, None));
    worker.stop().await;
}

#[tokio::test]
async fn a_task_whose_worker_dies_past_its_deadline_is_not_begun_again() {
    let mut stage = Stage::new().await;
    stage.advance(SECOND).await;
    let id = stage.enqueue_task(expiring(5 * SECOND)).await;
    let victim = stage.worker("victim", &["echo"], 1, crate::stage::hangs());
    stage.reaches(id, State::Running).await;
    victim.kill().await;
    stage.advance(16 * SECOND).await;
    let worker = stage.worker("w2", &["echo"], 1, forbidden());
    let ended = stage.reaches_end(id).await;
    assert_eq!(
        (ended.state, ended.losses, ended.worker.as_deref()),
        (State::Expired, 1, Some("victim"))
    );
    worker.stop().await;
}

#[tokio::test]
async fn none_of_many_that_expire_at_once_runs_and_others_do() {
    let mut stage = Stage::new().await;
    stage.advance(SECOND).await;
    let answers = stage.queue.enqueue_batch(vec![expiring(5 * SECOND); 500]).await;
    assert!(answers.unwrap().iter().all(Result::is_ok));
    stage.advance(5 * SECOND).await;
    let lasting = stage.enqueue_task(expiring(5 * SECOND)).await;
    let handler = Does(move |attempt: Attempt| async move {
        assert_eq!(attempt.id, lasting, "it ran after its deadline");
        Outcome::Succeeded(attempt.input)
    });
    let worker = stage.worker("w1", &["echo"], 64, handler);
    stage.until_kept(|count| count == 501).await;
    assert_eq!(stage.task(lasting).await.state, State::Succeeded);
    assert_eq!(worker.stop().await.finished, 1);
    let queued: u64 = stage.raw.zcard(key("q:echo")).await.unwrap();
    assert_eq!(queued, 0);
}

#[tokio::test]
async fn a_deadline_that_cannot_be_is_refused() {
    let stage = Stage::new().await;
    let mut late = expiring(5 * SECOND);
    late.delay = Some(5 * SECOND);
    let mut live = expiring(5 * SECOND);
    live.losses = zoetrope_queue::LossPolicy::Live;
    for task in [expiring(Duration::ZERO), expiring(Duration::MAX), late, live] {
        let refused = stage.queue.enqueue(task).await;
        assert!(
            matches!(
                refused,
                Err(QueueError::Invalid {
                    field: "expires_in",
                    ..
                })
            ),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_worker_of_another_kind_ends_what_is_overdue() {
    let mut stage = Stage::new().await;
    stage.advance(SECOND).await;
    // A ticker that sleeps until the timer of a day hence learns of an earlier one.
    let mut tomorrow = new_task("echo");
    tomorrow.delay = Some(86_400 * SECOND);
    stage.enqueue_task(tomorrow).await;
    let worker = stage.worker("w1", &["other"], 1, echoes());
    stage
        .until(redis::cmd("GET").arg(key("tick")), |holder: &Option<String>| {
            holder.as_deref() == Some("w1")
        })
        .await;
    let id = stage.enqueue_task(expiring(5 * SECOND)).await;
    stage.advance(5 * SECOND).await;
    stage.reaches(id, State::Expired).await;
    worker.stop().await;
}
