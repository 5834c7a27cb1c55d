//! A queue of several shards on one Redis: whatever spans tenants spans shards, and nothing else does.

use std::collections::BTreeSet;

use zoetrope_queue::{ConnectOptions, Enqueued, FsckMode, ListQuery, NewTask, Queue, QueueError, TaskId};

use crate::redis_server::Redis;
use crate::stage::{LIMIT, config, echoes, hangs, json, worker_on};

const TENANTS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

async fn sharded(redis: &Redis, shards: Option<u16>) -> Result<Queue, QueueError> {
    let options = ConnectOptions {
        shards,
        ..ConnectOptions::new(redis.url())
    };
    Queue::connect(options).await
}

fn tasks_of_all(kind: &str) -> Vec<(&'static str, NewTask)> {
    let task = |tenant| (tenant, NewTask::new(tenant, kind, json("1")));
    TENANTS.into_iter().map(task).collect()
}

async fn enqueue_all(queue: &Queue, kind: &str) -> Vec<(&'static str, TaskId)> {
    let (tenants, tasks): (Vec<&str>, Vec<NewTask>) = tasks_of_all(kind).into_iter().unzip();
    let answers = queue.enqueue_batch(tasks).await.unwrap();
    let created = |(tenant, answer): (&'static str, _)| match answer {
        Ok(Enqueued::Created(id)) => (tenant, id),
        other => panic!("expected a new task, got {other:?}"),
    };
    tenants.into_iter().zip(answers).map(created).collect()
}

#[tokio::test]
async fn a_queue_keeps_the_number_of_shards_that_it_was_made_with() {
    let redis = Redis::start(&[]).await;
    assert_eq!(
        sharded(&redis, Some(5)).await.unwrap().health().await.unwrap().shards,
        5
    );
    assert_eq!(sharded(&redis, None).await.unwrap().health().await.unwrap().shards, 5);
    let refused = sharded(&redis, Some(4)).await.unwrap_err();
    assert!(
        matches!(&refused, QueueError::Unsuitable(why) if why.contains("5 shards")),
        "{refused}"
    );
    assert!(matches!(
        sharded(&redis, Some(0)).await,
        Err(QueueError::Invalid { .. })
    ));
    assert!(matches!(
        sharded(&redis, Some(65)).await,
        Err(QueueError::Invalid { .. })
    ));
}

#[tokio::test]
async fn a_queue_made_before_there_were_shards_has_one() {
    let redis = Redis::start(&[]).await;
    sharded(&redis, None).await.unwrap();
    let mut raw = redis.try_connection().await.unwrap();
    let (): () = redis::cmd("DEL").arg("z:meta").query_async(&mut raw).await.unwrap();
    assert!(matches!(sharded(&redis, Some(8)).await, Err(QueueError::Unsuitable(_))));
    assert_eq!(sharded(&redis, None).await.unwrap().health().await.unwrap().shards, 1);
}

#[tokio::test]
async fn tenants_of_all_shards_are_served_and_seen_by_one_worker() {
    let redis = Redis::start(&[]).await;
    let queue = sharded(&redis, Some(16)).await.unwrap();
    let tasks = enqueue_all(&queue, "echo").await;
    let shards: BTreeSet<String> = tasks.iter().map(|(_, id)| id.as_str()[9..11].to_owned()).collect();
    assert!(shards.len() > 3, "{shards:?}");
    assert_eq!(queue.status().await.unwrap().kinds[0].queued, TENANTS.len() as u64);
    let (watch, watcher) = queue.watch();
    // One unit: every shard gets its turn.
    let worker = worker_on(&queue, config("w1", &["echo"], 1), echoes());
    let all = ListQuery {
        limit: 10,
        ..ListQuery::default()
    };
    let ended = async {
        for (tenant, id) in &tasks {
            let task = watch
                .wait_until(tenant, *id, LIMIT, |task| task.state.is_terminal())
                .await;
            assert!(task.unwrap().unwrap().result.is_some());
            assert!(queue.get("stranger", *id).await.unwrap().is_none());
            let page = queue.list(tenant, &all).await.unwrap();
            assert_eq!(page.items.iter().map(|task| task.id).collect::<Vec<_>>(), [*id]);
        }
        worker.stop.cancel();
    };
    tokio::join!(ended, watcher.run(worker.stop.clone()));
    assert_eq!(worker.stop().await.finished, TENANTS.len() as u64);
    let report = queue.fsck(FsckMode::Check).await.unwrap();
    assert!(report.is_clean() && report.tasks == TENANTS.len() as u64, "{report:?}");
    assert!(
        queue.get("a", TaskId::new(1, 900, 1)).await.unwrap().is_none(),
        "no such shard"
    );
}

#[tokio::test]
async fn a_busy_shard_takes_no_more_than_its_turns() {
    let redis = Redis::start(&[]).await;
    let queue = sharded(&redis, Some(16)).await.unwrap();
    let task = |tenant: &str| NewTask::new(tenant, "echo", json("1"));
    let mut tasks: Vec<NewTask> = (0..999).map(|_| task("a")).collect();
    tasks.push(task("c"));
    let answers = queue.enqueue_batch(tasks).await.unwrap();
    let shard = |answer: &Result<Enqueued, QueueError>| match answer {
        Ok(Enqueued::Created(id)) => id.as_str()[9..11].to_owned(),
        other => panic!("expected a new task, got {other:?}"),
    };
    assert_ne!(shard(&answers[0]), shard(&answers[999]), "or the test means nothing");
    let (order_in, mut order) = tokio::sync::mpsc::unbounded_channel();
    let handler = crate::stage::Does(move |attempt: zoetrope_queue::Attempt| {
        order_in.send(attempt.tenant.clone()).unwrap();
        async move { zoetrope_queue::Outcome::Succeeded(attempt.input) }
    });
    let worker = worker_on(&queue, config("w1", &["echo"], 1), handler);
    let mut before = 0;
    while order.recv().await.unwrap() != "c" {
        before += 1;
    }
    assert!(before < 100, "{before} tasks of another shard ran before it");
    worker.stop().await;
}

#[tokio::test]
async fn cancels_and_drains_reach_a_worker_through_any_shard() {
    let redis = Redis::start(&[]).await;
    let queue = sharded(&redis, Some(16)).await.unwrap();
    let worker = worker_on(&queue, config("w1", &["hang"], 8), hangs());
    let tasks = enqueue_all(&queue, "hang").await;
    let (watch, watcher) = queue.watch();
    let stop = worker.stop.child_token();
    let all = async {
        for (tenant, id) in &tasks {
            let running = |task: &zoetrope_queue::Task| task.state == zoetrope_queue::State::Running;
            watch.wait_until(tenant, *id, LIMIT, running).await.unwrap().unwrap();
            queue.cancel(tenant, *id).await.unwrap();
            let ended = watch
                .wait_until(tenant, *id, LIMIT, |task| task.state.is_terminal())
                .await;
            assert_eq!(ended.unwrap().unwrap().state, zoetrope_queue::State::Canceled);
        }
        stop.cancel();
    };
    tokio::join!(all, watcher.run(stop.clone()));
    assert!(queue.drain_worker("w1").await.unwrap());
    let report = tokio::time::timeout(LIMIT, worker.done)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(report.finished, TENANTS.len() as u64);
}
