//! What ended is kept for its time and then gone without a trace.

use std::time::Duration;

use redis::AsyncCommands;
use zoetrope_queue::{CancelOutcome, Enqueued, Idempotency, ListQuery, State, TaskId};

use crate::stage::{Stage, TENANT, echoes, key, new_task};

const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn keyed_task(stage: &Stage, ttl: Duration) -> TaskId {
    let mut task = new_task("echo");
    task.result_ttl = ttl;
    task.idempotency = Some(Idempotency {
        key: "once".to_owned(),
        fingerprint: "f".to_owned(),
    });
    match stage.queue.enqueue(task).await.unwrap() {
        Enqueued::Created(id) | Enqueued::Replayed(id) | Enqueued::Conflict(id) | Enqueued::Exists(id) => id,
    }
}

async fn wait_until_pruned(stage: &mut Stage, id: TaskId) {
    let mut record = redis::cmd("HEXISTS");
    record.arg(key(&format!("t:{}", id.span()))).arg(id.as_str());
    stage.until(&record, |there: &bool| !there).await;
}

#[tokio::test]
async fn a_pruned_task_leaves_no_record_no_listing_and_no_key() {
    let mut stage = Stage::new().await;
    let id = keyed_task(&stage, DAY).await;
    let worker = stage.worker("w1", &["echo"], 1, echoes());
    stage.reaches(id, State::Succeeded).await;
    // Results that are kept for long go by the minute.
    stage.advance(DAY + Duration::from_secs(60)).await;
    wait_until_pruned(&mut stage, id).await;
    assert!(stage.queue.get(TENANT, id).await.unwrap().is_none());
    assert_eq!(stage.queue.cancel(TENANT, id).await.unwrap(), CancelOutcome::NotFound);
    let all = ListQuery {
        limit: 10,
        ..ListQuery::default()
    };
    assert!(stage.queue.list(TENANT, &all).await.unwrap().items.is_empty());
    worker.stop().await;
    let mut left: Vec<String> = stage.raw.keys("*").await.unwrap();
    // Counters and the word that somebody waits lapse by themselves.
    left.retain(|name| !name.contains(":rt:") && *name != key("watched"));
    left.sort();
    assert_eq!(
        left,
        ["z:meta".to_owned(), key("ev"), key("kinds"), key("meta"), key("own")]
    );
}

#[tokio::test]
async fn an_idempotency_key_outlives_a_short_result() {
    let mut stage = Stage::new().await;
    let id = keyed_task(&stage, Duration::ZERO).await;
    let worker = stage.worker("w1", &["echo"], 1, echoes());
    wait_until_pruned(&mut stage, id).await;
    assert_eq!(
        keyed_task(&stage, Duration::ZERO).await,
        id,
        "the request may still be repeated"
    );
    let keys: Vec<String> = stage.raw.keys(key("idem:*")).await.unwrap();
    let left_ms: u64 = stage.raw.pttl(&keys[0]).await.unwrap();
    assert!((DAY / 2).as_millis() < u128::from(left_ms) && u128::from(left_ms) <= DAY.as_millis());
    worker.stop().await;
}

#[tokio::test]
async fn an_id_without_a_record_is_kept_aside_instead_of_dropped() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let (): () = stage
        .raw
        .hdel(key(&format!("t:{}", id.span())), id.as_str())
        .await
        .unwrap();
    let worker = stage.worker("w1", &["echo"], 1, echoes());
    let sound = stage.enqueue("echo").await;
    stage.reaches(sound, State::Succeeded).await;
    let parked: Vec<String> = stage.raw.zrange(key("park"), 0, -1).await.unwrap();
    assert_eq!(parked, [id.to_string()]);
    worker.stop().await;
}
