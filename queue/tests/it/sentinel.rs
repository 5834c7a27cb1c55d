//! A primary that dies or hangs under load, and the next one that the sentinels choose.

use zoetrope_queue::{ConnectOptions, Durability, Enqueued, Idempotency, Queue, QueueError};

use crate::load::{Load, each_is_kept_once, note};
use crate::servers::{DOWN_AFTER_MS, Sentinels, until};
use crate::stage::{TENANT, config, echoes, new_task, worker_on};

/// Enough that a primary dies in the middle of it.
const TOTAL: usize = 4_000;

async fn connect(sentinels: &Sentinels) -> Queue {
    Queue::connect(ConnectOptions::new(sentinels.url())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_killed_under_load_loses_nothing_and_keeps_nothing_twice() {
    let mut sentinels = Sentinels::start(&[]).await;
    let old = sentinels.servers[0].port;
    let queue = connect(&sentinels).await;
    assert_eq!(queue.health().await.unwrap().form, "sentinel");
    let others = connect(&sentinels).await;
    let workers = vec![
        worker_on(&queue, config("w1", &["echo"], 16), echoes()),
        worker_on(&others, config("w2", &["echo"], 16), echoes()),
    ];
    let mut load = Load::start(&queue, &[TENANT], 16, TOTAL);
    load.reaches(TOTAL / 4).await;
    sentinels.servers[0].kill();
    let seen = load.settle(workers).await;
    note(&format!(
        "sentinel, primary killed: longest time without an acknowledgement {:?}, down-after {DOWN_AFTER_MS} ms; {seen:?}",
        seen.longest_gap
    ));
    assert_eq!((seen.lost, seen.succeeded), (0, TOTAL));
    each_is_kept_once(&queue, &seen).await;
    assert_ne!(sentinels.next_primary(old).await, old);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hangs_is_left_at_once_by_blocking_reads_too() {
    let sentinels = Sentinels::start(&[]).await;
    let old = sentinels.servers[0].port;
    let queue = connect(&sentinels).await;
    let worker = worker_on(&queue, config("w1", &["echo"], 4), echoes());
    until(old, "CLIENT LIST", |list: &String| list.contains("cmd=blmpop")).await;
    sentinels.servers[0].signal("STOP");
    let mut load = Load::start(&queue, &[TENANT], 4, 200);
    load.reaches(200).await;
    let new = sentinels.next_primary(old).await;
    until(new, "CLIENT LIST", |list: &String| list.contains("cmd=blmpop")).await;
    sentinels.servers[0].signal("CONT");
    let seen = load.settle(vec![worker]).await;
    note(&format!("sentinel, primary stopped: {seen:?}"));
    assert_eq!((seen.lost, seen.succeeded), (0, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_shutdown_of_the_primary_loses_nothing() {
    let sentinels = Sentinels::start(&[]).await;
    let old = sentinels.servers[0].port;
    let queue = connect(&sentinels).await;
    let worker = worker_on(&queue, config("w1", &["echo"], 16), echoes());
    let mut load = Load::start(&queue, &[TENANT], 16, TOTAL);
    load.reaches(TOTAL / 4).await;
    // It waits for its replicas before it ends.
    sentinels.servers[0].signal("TERM");
    let seen = load.settle(vec![worker]).await;
    note(&format!("sentinel, primary shut down: {seen:?}"));
    assert_eq!((seen.lost, seen.succeeded, seen.committed), (0, TOTAL, TOTAL as u64));
    assert_ne!(sentinels.next_primary(old).await, old);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_submit_is_acknowledged_once_a_replica_has_it() {
    let sentinels = Sentinels::start(&["--appendonly", "yes"]).await;
    let options = |durability| ConnectOptions {
        durability: Some(durability),
        ..ConnectOptions::new(sentinels.url())
    };
    let refused = Queue::connect(options(Durability::Safe)).await.unwrap_err().to_string();
    assert!(refused.contains("appendfsync always"), "{refused}");
    let queue = Queue::connect(options(Durability::Strict)).await.unwrap();
    let health = queue.health().await.unwrap();
    assert_eq!((health.durability.as_str(), health.replicas), ("strict", 2));
    assert_eq!(connect(&sentinels).await.health().await.unwrap().durability, "fast");
    let mut task = new_task("echo");
    task.idempotency = Some(Idempotency {
        key: "once".to_owned(),
        fingerprint: "same".to_owned(),
    });
    queue.enqueue(new_task("echo")).await.unwrap();
    let replicas = &sentinels.servers[1..];
    replicas.iter().for_each(|replica| replica.signal("STOP"));
    let unsafe_yet = queue.enqueue(task.clone()).await.unwrap_err();
    assert!(unsafe_yet.is_transient(), "{unsafe_yet}");
    replicas.iter().for_each(|replica| replica.signal("CONT"));
    let mut load = Load::start(&queue, &[TENANT], 4, 100);
    load.reaches(100).await;
    assert!(matches!(
        queue.enqueue(task).await,
        Ok(Enqueued::Created(_) | Enqueued::Replayed(_))
    ));
    let worker = worker_on(&queue, config("w1", &["echo"], 4), echoes());
    assert_eq!(load.settle(vec![worker]).await.lost, 0);
}

#[tokio::test]
async fn strict_is_refused_where_no_replica_has_to_follow() {
    let redis = crate::redis_server::Redis::start(&["--appendonly", "yes"]).await;
    let options = ConnectOptions {
        durability: Some(Durability::Strict),
        ..ConnectOptions::new(redis.url())
    };
    let refused = Queue::connect(options).await.unwrap_err();
    assert!(
        matches!(&refused, QueueError::Unsuitable(why) if why.contains("min-replicas-to-write")),
        "{refused}"
    );
}
