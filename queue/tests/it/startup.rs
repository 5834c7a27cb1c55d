//! What a queue refuses to start on.

use redis::AsyncCommands;
use zoetrope_queue::{ConnectOptions, Queue, QueueError};

use crate::redis_server::Redis;
use crate::stage::{Stage, config, echoes, key};

async fn refusal(redis: &Redis) -> String {
    match Queue::connect(ConnectOptions::new(redis.url())).await {
        Err(QueueError::Unsuitable(why)) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn a_redis_that_evicts_keys_is_refused() {
    let redis = Redis::start(&["--maxmemory-policy", "allkeys-lru"]).await;
    assert!(refusal(&redis).await.contains("allkeys-lru"));
}

#[tokio::test]
async fn keys_of_a_newer_program_are_refused() {
    let mut stage = Stage::new().await;
    let (): () = stage.raw.hset(key("meta"), "schema", 99).await.unwrap();
    assert!(refusal(&stage.redis).await.contains("upgrade"));
}

#[tokio::test]
async fn keys_of_an_older_program_are_refused_with_the_way_out() {
    let mut stage = Stage::new().await;
    let (): () = stage.raw.hset(key("meta"), "schema", 1).await.unwrap();
    let why = refusal(&stage.redis).await;
    assert!(why.contains("schema 1") && why.contains("drain"), "{why}");
}

#[tokio::test]
async fn a_redis_that_is_away_is_unavailable_and_not_unsuitable() {
    let gone = ConnectOptions::new("redis://127.0.0.1:1");
    assert!(matches!(Queue::connect(gone).await, Err(QueueError::Unavailable(_))));
}

#[tokio::test]
async fn a_worker_that_could_never_run_its_kinds_is_refused() {
    let stage = Stage::new().await;
    let mut costly = config("w1", &["echo"], 1);
    costly.kinds[0].cost = 2;
    let mut hasty = config("w1", &["echo"], 1);
    hasty.kinds[0].lease = std::time::Duration::from_millis(10);
    for bad in [costly, hasty, config("", &["echo"], 1), config("w1", &["Echo"], 1)] {
        let worker = stage.worker_with(bad, echoes());
        assert!(matches!(worker.done.await.unwrap(), Err(QueueError::Invalid { .. })));
    }
}
