//! The ordinary life of a task: enqueued, run, read back.

use std::time::Duration;

use redis::AsyncCommands;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{
    Attempt, CancelOutcome, Enqueued, Failure, Idempotency, ListQuery, Outcome, Priority, Reason, State,
};

use crate::stage::{Does, Stage, TENANT, echoes, hangs, key, new_task};

#[tokio::test]
async fn a_task_is_run_once_and_its_result_is_read_back() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    assert_eq!(
        (stage.task(id).await.state, stage.task(id).await.queue_position),
        (State::Queued, Some(0))
    );
    let worker = stage.worker("w1", &["echo"], 4, echoes());
    let task = stage.reaches(id, State::Succeeded).await;
    assert_eq!(task.result.unwrap().get(), r#"{"n":1}"#);
    assert_eq!((task.attempt, task.losses, task.worker.as_deref()), (1, 0, Some("w1")));
    assert!(task.created_at_ms <= task.started_at_ms.unwrap() && task.started_at_ms <= task.finished_at_ms);
    assert!(task.expires_at_ms > task.finished_at_ms && task.error.is_none());
    assert_eq!(worker.stop().await.finished, 1);
}

#[tokio::test]
async fn every_attempt_is_told_where_the_submit_is_in_its_trace() {
    let mut stage = Stage::new().await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut task = new_task("echo");
    task.max_attempts = 2;
    task.traceparent = Some(traceparent.to_owned());
    let id = stage.enqueue_task(task).await;
    let (seen_in, mut seen) = tokio::sync::mpsc::channel(2);
    let fails = Does(move |attempt: Attempt| {
        let seen_in = seen_in.clone();
        async move {
            seen_in.send((attempt.number, attempt.traceparent)).await.unwrap();
            Outcome::Failed(Failure::retryable("upstream", "no answer"))
        }
    });
    let worker = stage.worker("w1", &["echo"], 1, fails);
    assert_eq!(seen.recv().await, Some((1, Some(traceparent.to_owned()))));
    stage.reaches(id, State::Scheduled).await;
    stage.advance(Duration::from_secs(1_000)).await;
    assert_eq!(seen.recv().await, Some((2, Some(traceparent.to_owned()))));
    let ended = stage.reaches(id, State::Failed).await;
    assert_eq!(
        ended.traceparent.as_deref(),
        Some(traceparent),
        "it is read back after the end"
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_running_task_that_is_canceled_stops_and_ends_canceled() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let worker = stage.worker("w1", &["echo"], 1, hangs());
    stage.reaches(id, State::Running).await;
    assert_eq!(stage.queue.cancel(TENANT, id).await.unwrap(), CancelOutcome::Requested);
    let task = stage.reaches(id, State::Canceled).await;
    assert_eq!(task.reason, Some(Reason::CancelRequested));
    assert_eq!(stage.queue.cancel(TENANT, id).await.unwrap(), CancelOutcome::Canceled);
    worker.stop().await;
}

#[tokio::test]
async fn a_queued_task_is_canceled_at_once() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    assert_eq!(stage.queue.cancel(TENANT, id).await.unwrap(), CancelOutcome::Canceled);
    let task = stage.task(id).await;
    assert_eq!(
        (task.state, task.error.unwrap().code.as_str()),
        (State::Canceled, "canceled")
    );
    assert_eq!(
        stage.queue.cancel("someone_else", id).await.unwrap(),
        CancelOutcome::NotFound
    );
}

#[tokio::test]
async fn more_urgent_classes_run_first_and_equals_in_order() {
    let stage = Stage::new().await;
    let mut expected = Vec::new();
    for priority in [Priority::Low, Priority::Normal, Priority::High, Priority::Realtime] {
        for _ in 0..3 {
            let mut task = new_task("echo");
            task.priority = priority;
            expected.push((priority.offset_ms(), stage.enqueue_task(task).await));
        }
    }
    expected.sort_by_key(|row| row.0);
    let (seen_in, mut seen) = tokio::sync::mpsc::channel(16);
    let worker = stage.worker(
        "w1",
        &["echo"],
        1,
        Does(move |attempt: Attempt| {
            let seen_in = seen_in.clone();
            async move {
                seen_in.send(attempt.id).await.unwrap();
                Outcome::Succeeded(attempt.input)
            }
        }),
    );
    for (_, id) in expected {
        assert_eq!(seen.recv().await, Some(id));
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_delayed_task_runs_when_its_time_has_come() {
    let mut stage = Stage::new().await;
    let mut task = new_task("echo");
    task.delay = Some(Duration::from_secs(3_600));
    let id = stage.enqueue_task(task).await;
    let worker = stage.worker("w1", &["echo"], 1, echoes());
    let scheduled = stage.task(id).await;
    assert_eq!(scheduled.state, State::Scheduled);
    assert_eq!(scheduled.run_at_ms.unwrap() - scheduled.created_at_ms, 3_600_000);
    stage.advance(Duration::from_secs(3_601)).await;
    stage.reaches(id, State::Succeeded).await;
    worker.stop().await;
}

#[tokio::test]
async fn retryable_failures_are_retried_and_the_last_one_is_a_dead_letter() {
    let mut stage = Stage::new().await;
    let mut task = new_task("echo");
    task.max_attempts = 2;
    task.backoff = Duration::from_secs(1_000);
    let id = stage.enqueue_task(task).await;
    let fails = Does(|_| async { Outcome::Failed(Failure::retryable("upstream", "no answer")) });
    let worker = stage.worker("w1", &["echo"], 1, fails);
    let waiting = stage.reaches(id, State::Scheduled).await;
    assert_eq!(waiting.attempt, 1);
    stage.advance(Duration::from_secs(1_001)).await;
    let task = stage.reaches(id, State::Failed).await;
    assert_eq!((task.reason, task.attempt), (Some(Reason::RetriesExhausted), 2));
    let error = task.error.unwrap();
    assert_eq!(
        (error.code.as_str(), error.retryable, error.attempt),
        ("upstream", true, 2)
    );
    worker.stop().await;
}

#[tokio::test]
async fn an_idempotency_key_makes_repeated_submits_one_task() {
    let stage = Stage::new().await;
    let mut task = new_task("echo");
    task.idempotency = Some(Idempotency {
        key: "k *\r\n{}".to_owned(),
        fingerprint: "a1".to_owned(),
    });
    let id = stage.enqueue_task(task.clone()).await;
    assert_eq!(stage.queue.enqueue(task.clone()).await.unwrap(), Enqueued::Replayed(id));
    let mut other = task.clone();
    other.idempotency.as_mut().unwrap().fingerprint = "b2".to_owned();
    let answers = stage.queue.enqueue_batch(vec![other, task.clone()]).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap(), &Enqueued::Conflict(id));
    assert_eq!(answers[1].as_ref().unwrap(), &Enqueued::Replayed(id));
    let mut foreign = task;
    foreign.tenant = "someone_else".to_owned();
    assert!(matches!(
        stage.queue.enqueue(foreign).await.unwrap(),
        Enqueued::Created(_)
    ));
}

#[tokio::test]
async fn a_listing_pages_through_a_tenants_tasks_newest_first() {
    let stage = Stage::new().await;
    let mut tasks = Vec::new();
    for n in 0..120 {
        let mut task = new_task(if n % 2 == 0 { "echo" } else { "ocr" });
        task.tags = vec![format!("n{n}")];
        tasks.push(task);
    }
    stage.queue.enqueue_batch(tasks).await.unwrap();
    let mut query = ListQuery {
        limit: 50,
        kind: Some("ocr".to_owned()),
        ..ListQuery::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = stage.queue.list(TENANT, &query).await.unwrap();
        seen.extend(page.items.into_iter().map(|task| task.id));
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (60, 60));
    let tagged = ListQuery {
        limit: 5,
        tag: Some("n7".to_owned()),
        ..ListQuery::default()
    };
    assert_eq!(stage.queue.list(TENANT, &tagged).await.unwrap().items.len(), 1);
    assert!(
        stage
            .queue
            .list("someone_else", &tagged)
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn a_listing_goes_on_where_the_task_of_its_cursor_was_removed_meanwhile() {
    let mut stage = Stage::new().await;
    let mut expected = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let answers = stage.queue.enqueue_batch(vec![new_task("echo"); 150]).await.unwrap();
        expected.extend(answers.iter().map(|answer| match answer {
            Ok(Enqueued::Created(id)) => *id,
            other => panic!("{other:?}"),
        }));
    }
    let pages: Vec<String> = stage.raw.keys(key(&format!("ix:{TENANT}:*"))).await.unwrap();
    assert!(pages.len() > 1, "the list should take several pages");
    let mut query = ListQuery {
        limit: 40,
        ..ListQuery::default()
    };
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let page = stage.queue.list(TENANT, &query).await.unwrap();
        let last = page.items.last().expect("pages should have tasks").id;
        seen.extend(page.items.into_iter().map(|task| task.id));
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
        // As it goes when its time is over.
        let records = key(&format!("t:{}", last.span()));
        let (): () = stage.raw.hdel(records, last.as_str()).await.unwrap();
        for page in &pages {
            let (): () = stage.raw.lrem(page, 1, last.as_str()).await.unwrap();
        }
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn progress_of_a_running_task_can_be_read() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let worker = stage.worker(
        "w1",
        &["echo"],
        1,
        Does(|attempt: Attempt| async move {
            attempt.progress(40, "reading page 2 of 5");
            attempt.stopped().await;
            Outcome::Released
        }),
    );
    let (watch, watcher) = stage.queue.watch();
    let stop = CancellationToken::new();
    let reader = tokio::spawn(watcher.run(stop.clone()));
    let seen = watch
        .wait_until(TENANT, id, crate::stage::LIMIT, |task| task.progress.is_some())
        .await
        .unwrap()
        .unwrap();
    let progress = seen.progress.unwrap();
    assert_eq!(
        (progress.percent, progress.message.as_str()),
        (40, "reading page 2 of 5")
    );
    stop.cancel();
    reader.await.unwrap();
    assert_eq!(worker.stop().await.released, 1);
    assert_eq!(
        (stage.task(id).await.state, stage.task(id).await.attempt),
        (State::Queued, 0)
    );
}
