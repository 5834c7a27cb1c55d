//! Single submits that come together travel together, and nobody notices but the clock.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use futures_util::poll;
use redis::AsyncCommands;
use tokio::task::JoinSet;
use zoetrope_queue::{Enqueued, Idempotency, ListQuery, NewTask, QueueError, TaskId};

use crate::stage::{Stage, TENANT, json, key, new_task};

fn numbered(n: usize) -> NewTask {
    let mut task = new_task("echo");
    task.input = json(&n.to_string());
    task
}

async fn scripts_run(stage: &mut Stage) -> u64 {
    let text: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut stage.raw)
        .await
        .unwrap();
    let row = text
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    row.map_or(0, |figures| figures.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn submits_at_the_same_time_are_few_scripts_and_each_gets_its_own_answer() {
    let mut stage = Stage::new().await;
    let before = scripts_run(&mut stage).await;
    let submits = (0..500).map(|n| stage.queue.enqueue(numbered(n)));
    let answers = join_all(submits).await;
    let scripts = scripts_run(&mut stage).await - before;
    assert!(scripts <= 10, "{scripts} scripts for 500 tasks");
    let mut ids: BTreeSet<TaskId> = BTreeSet::new();
    for (n, answer) in answers.into_iter().enumerate() {
        let Enqueued::Created(id) = answer.unwrap() else {
            panic!("all are new")
        };
        assert_eq!(stage.task(id).await.input.get(), n.to_string());
        ids.insert(id);
    }
    assert_eq!(ids.len(), 500);
}

/// Tasks of a page of a tenant's list.
const PAGE: usize = 256;

#[tokio::test]
async fn submits_one_after_another_are_listed_in_pages_and_keep_the_time() {
    let mut stage = Stage::new().await;
    let mut ids = Vec::new();
    for n in 0..2 * PAGE + 10 {
        ids.push(stage.enqueue_task(numbered(n)).await);
    }
    let pages: usize = stage.raw.zcard(key(&format!("ix:{TENANT}"))).await.unwrap();
    assert_eq!(pages, 3);
    let newest = ListQuery {
        limit: 100,
        ..ListQuery::default()
    };
    let listed = stage.queue.list(TENANT, &newest).await.unwrap().items;
    assert!(
        listed
            .iter()
            .map(|task| task.id)
            .eq(ids.iter().rev().copied().take(100))
    );
    let known: u64 = stage.raw.hget(key("meta"), "now").await.unwrap();
    assert_eq!(known, listed[0].created_at_ms);
}

#[tokio::test]
async fn a_caller_is_woken_by_its_own_answer_however_many_wait() {
    let stage = Stage::new().await;
    let polls = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    // Enough for five scripts: were each of them to wake everybody, a pile that grew too high would never be worked off.
    for n in 0..5_000 {
        let (queue, polls) = (stage.queue.clone(), Arc::clone(&polls));
        let mut submit = Box::pin(async move { queue.enqueue(numbered(n)).await });
        callers.spawn(poll_fn(move |context| {
            polls.fetch_add(1, Ordering::Relaxed);
            submit.as_mut().poll(context)
        }));
    }
    let answers = callers.join_all().await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Enqueued::Created(_)))));
    assert_eq!(
        polls.load(Ordering::Relaxed),
        2 * 5_000,
        "once to submit, and once for the answer"
    );
}

#[tokio::test]
async fn what_one_submit_meets_is_not_the_others_business() {
    let stage = Stage::new().await;
    let keyed = |fingerprint: &str| {
        let mut task = numbered(1);
        task.idempotency = Some(Idempotency {
            key: "once".to_owned(),
            fingerprint: fingerprint.to_owned(),
        });
        stage.queue.enqueue(task)
    };
    let mut bad = new_task("echo");
    bad.tenant = "a:b".to_owned();
    let (first, same, other, refused, plain) = tokio::join!(
        keyed("f1"),
        keyed("f1"),
        keyed("f2"),
        stage.queue.enqueue(bad),
        stage.queue.enqueue(numbered(2)),
    );
    let Enqueued::Created(id) = first.unwrap() else {
        panic!("the key is new")
    };
    assert_eq!(
        (same.unwrap(), other.unwrap()),
        (Enqueued::Replayed(id), Enqueued::Conflict(id))
    );
    assert!(matches!(refused, Err(QueueError::Invalid { field: "tenant", .. })));
    assert!(matches!(plain, Ok(Enqueued::Created(_))));
}

#[tokio::test]
async fn a_caller_that_gives_up_takes_nobody_with_it() {
    let stage = Stage::new().await;
    let mut callers: Vec<_> = (0..30).map(|n| Box::pin(stage.queue.enqueue(numbered(n)))).collect();
    for caller in &mut callers {
        assert!(poll!(caller).is_pending());
    }
    let rest = callers.split_off(20);
    drop(callers);
    for answer in join_all(rest).await {
        assert!(matches!(answer, Ok(Enqueued::Created(_))));
    }
    let all = ListQuery {
        limit: 100,
        ..ListQuery::default()
    };
    assert!(stage.queue.list(TENANT, &all).await.unwrap().items.len() >= 10);
}
