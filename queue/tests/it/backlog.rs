//! How much a tenant may have in the queue.

use std::time::Duration;

use zoetrope_queue::{Bound, Enqueued, Failure, Idempotency, NewTask, Outcome, QueueError, State};

use crate::stage::{Does, Stage, TENANT, echoes, key, new_task};

fn tasks(most: u64) -> Bound {
    Bound {
        tasks: Some(most),
        bytes: None,
    }
}

#[tokio::test]
async fn a_tenant_with_as_many_tasks_as_it_may_have_adds_none_until_one_has_ended() {
    let stage = Stage::new().await;
    stage.queue.set_bound(Some(TENANT), tasks(2)).await.unwrap();
    let (first, _) = (stage.enqueue("echo").await, stage.enqueue("unserved").await);
    let refused = stage.queue.enqueue(new_task("echo")).await;
    assert!(matches!(refused, Err(QueueError::Backlog)), "{refused:?}");
    let stranger = NewTask::new("stranger", "echo", crate::stage::json("1"));
    stage.enqueue_task(stranger).await;
    let worker = stage.worker("w1", &["echo"], 1, echoes());
    stage.reaches(first, State::Succeeded).await;
    stage.enqueue("unserved").await;
    let has = stage.queue.backlog(TENANT).await.unwrap();
    assert_eq!((has.tasks, has.most_tasks), (2, 2));
    worker.stop().await;
}

#[tokio::test]
async fn a_batch_that_does_not_fit_as_a_whole_is_refused_as_a_whole() {
    let stage = Stage::new().await;
    stage.queue.set_bound(None, tasks(10)).await.unwrap();
    let batch = |size: usize| stage.queue.enqueue_batch(vec![new_task("echo"); size]);
    let full = |answers: Vec<Result<Enqueued, QueueError>>| {
        answers.iter().all(|answer| matches!(answer, Err(QueueError::Backlog)))
    };
    assert!(full(batch(11).await.unwrap()));
    assert!(batch(6).await.unwrap().iter().all(Result::is_ok));
    assert!(full(batch(5).await.unwrap()));
    assert!(batch(4).await.unwrap().iter().all(Result::is_ok));
    assert_eq!(stage.queue.backlog(TENANT).await.unwrap().tasks, 10);
    stage.queue.set_bound(None, Bound::default()).await.unwrap();
    assert!(batch(11).await.unwrap().iter().all(Result::is_ok));
}

#[tokio::test]
async fn single_submits_that_go_together_are_taken_as_far_as_there_is_room() {
    let stage = Stage::new().await;
    stage.queue.set_bound(Some(TENANT), tasks(30)).await.unwrap();
    let submits = (0..100).map(|_| stage.queue.enqueue(new_task("echo")));
    let answers = futures_util::future::join_all(submits).await;
    let taken = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(taken, 30);
    assert_eq!(stage.queue.backlog(TENANT).await.unwrap().tasks, 30);
}

#[tokio::test]
async fn what_was_taken_before_is_answered_whatever_the_bound() {
    let stage = Stage::new().await;
    let mut task = new_task("echo");
    task.idempotency = Some(Idempotency {
        key: "k".to_owned(),
        fingerprint: "f".to_owned(),
    });
    let id = stage.enqueue_task(task.clone()).await;
    stage.queue.set_bound(Some(TENANT), tasks(0)).await.unwrap();
    assert_eq!(stage.queue.enqueue(task).await.unwrap(), Enqueued::Replayed(id));
    assert!(matches!(
        stage.queue.enqueue(new_task("echo")).await,
        Err(QueueError::Backlog)
    ));
}

#[tokio::test]
async fn bytes_count_for_as_long_as_their_task_has_not_ended() {
    let stage = Stage::new().await;
    let bound = Bound {
        tasks: None,
        bytes: Some(2_000),
    };
    stage.queue.set_bound(Some(TENANT), bound).await.unwrap();
    let large = || {
        let mut task = new_task("echo");
        task.input = crate::stage::json(&format!("\"{}\"", "x".repeat(1_500)));
        task
    };
    let id = stage.enqueue_task(large()).await;
    assert!(matches!(stage.queue.enqueue(large()).await, Err(QueueError::Backlog)));
    let has = stage.queue.backlog(TENANT).await.unwrap();
    assert!(has.bytes > 1_500 && has.bytes < 1_700, "{has:?}");
    stage.queue.cancel(TENANT, id).await.unwrap();
    assert_eq!(stage.queue.backlog(TENANT).await.unwrap().bytes, 0);
    stage.enqueue_task(large()).await;
}

#[tokio::test]
async fn every_end_of_a_task_makes_room() {
    let mut stage = Stage::new().await;
    stage.advance(Duration::from_secs(1)).await;
    stage.queue.set_bound(Some(TENANT), tasks(3)).await.unwrap();
    let mut expires = new_task("unserved");
    expires.expires_in = Some(Duration::from_secs(5));
    let expires = stage.enqueue_task(expires).await;
    let fails = stage.enqueue("fails").await;
    let lost = stage.enqueue("lost").await;
    let handler = Does(|_| async { Outcome::Failed(Failure::non_retryable("no", "no")) });
    let worker = stage.worker("w1", &["fails"], 1, handler);
    stage.reaches(fails, State::Failed).await;
    stage.advance(Duration::from_secs(5)).await;
    stage.reaches(expires, State::Expired).await;
    for _ in 0..3 {
        let victim = stage.worker("victim", &["lost"], 1, crate::stage::hangs());
        stage.reaches(lost, State::Running).await;
        victim.kill().await;
        stage.advance(Duration::from_secs(60)).await;
        stage
            .until(redis::cmd("EXISTS").arg(key("lease")), |there: &bool| !there)
            .await;
        stage.advance(Duration::from_secs(60)).await;
    }
    stage.reaches(lost, State::Failed).await;
    let has = stage.queue.backlog(TENANT).await.unwrap();
    assert_eq!((has.tasks, has.bytes), (0, 0));
    worker.stop().await;
}
