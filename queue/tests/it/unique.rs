//! Unique tasks: one at a time of a tenant, a kind and a key.

use redis::AsyncCommands;
use zoetrope_queue::{Enqueued, Idempotency, NewTask, State};

use crate::stage::{Stage, TENANT, echoes, hangs, key, new_task};

fn unique(kind: &str, key: &str) -> NewTask {
    NewTask {
        unique_key: Some(key.to_owned()),
        ..new_task(kind)
    }
}

#[tokio::test]
async fn a_second_task_with_the_key_is_the_first_until_that_ends() {
    let stage = Stage::new().await;
    let first = stage.enqueue_task(unique("echo", "nightly")).await;
    assert_eq!(stage.task(first).await.unique_key.as_deref(), Some("nightly"));
    let again = || stage.queue.enqueue(unique("echo", "nightly"));
    assert_eq!(again().await.unwrap(), Enqueued::Exists(first));
    let worker = stage.worker("w1", &["echo"], 1, hangs());
    stage.reaches(first, State::Running).await;
    assert_eq!(again().await.unwrap(), Enqueued::Exists(first));
    stage.queue.cancel(TENANT, first).await.unwrap();
    stage.reaches(first, State::Canceled).await;
    let second = stage.enqueue_task(unique("echo", "nightly")).await;
    assert_eq!(again().await.unwrap(), Enqueued::Exists(second));
    worker.stop().await;
}

#[tokio::test]
async fn other_kinds_tenants_and_keys_are_not_in_the_way() {
    let stage = Stage::new().await;
    stage.enqueue_task(unique("echo", "nightly")).await;
    stage.enqueue_task(unique("other", "nightly")).await;
    stage.enqueue_task(unique("echo", "night\\ly|\"\u{7fff}")).await;
    let mut strangers = unique("echo", "nightly");
    strangers.tenant = "stranger".to_owned();
    stage.enqueue_task(strangers).await;
    stage.enqueue("echo").await;
}

#[tokio::test]
async fn a_batch_makes_one_of_those_that_share_a_key() {
    let mut stage = Stage::new().await;
    let batch = vec![
        unique("echo", "a"),
        unique("echo", "a"),
        new_task("echo"),
        unique("echo", "b"),
    ];
    let answers = stage.queue.enqueue_batch(batch).await.unwrap();
    let Ok(Enqueued::Created(first)) = answers[0] else {
        panic!("{answers:?}")
    };
    assert!(matches!(answers[1], Ok(Enqueued::Exists(id)) if id == first));
    assert!(matches!(
        answers[2..],
        [Ok(Enqueued::Created(_)), Ok(Enqueued::Created(_))]
    ));
    let queued: u64 = stage.raw.zcard(key("q:echo")).await.unwrap();
    assert_eq!(queued, 3);
}

#[tokio::test]
async fn a_repeated_request_is_answered_by_its_idempotency_key_first() {
    let stage = Stage::new().await;
    let request = |name: &str| {
        let mut task = unique("echo", "a");
        task.idempotency = Some(Idempotency {
            key: name.to_owned(),
            fingerprint: "f".to_owned(),
        });
        stage.queue.enqueue(task)
    };
    let Enqueued::Created(id) = request("one").await.unwrap() else {
        panic!("it is new")
    };
    assert_eq!(request("one").await.unwrap(), Enqueued::Replayed(id));
    assert_eq!(request("two").await.unwrap(), Enqueued::Exists(id));
    let worker = stage.worker("w1", &["echo"], 1, echoes());
    stage.reaches(id, State::Succeeded).await;
    // Nothing was made for the second key, so it is not used up.
    assert!(matches!(request("two").await.unwrap(), Enqueued::Created(other) if other != id));
    worker.stop().await;
}

#[tokio::test]
async fn the_key_of_a_task_whose_worker_dies_stays_held_and_goes_with_its_record() {
    let mut stage = Stage::new().await;
    let mut task = unique("echo", "a");
    task.result_ttl = std::time::Duration::from_secs(60);
    let id = stage.enqueue_task(task).await;
    let victim = stage.worker("victim", &["echo"], 1, hangs());
    stage.reaches(id, State::Running).await;
    victim.kill().await;
    stage.advance(std::time::Duration::from_secs(16)).await;
    assert_eq!(
        stage.queue.enqueue(unique("echo", "a")).await.unwrap(),
        Enqueued::Exists(id)
    );
    let worker = stage.worker("w2", &["echo"], 1, echoes());
    stage.reaches(id, State::Succeeded).await;
    stage.advance(std::time::Duration::from_secs(61)).await;
    let holders = redis::cmd("KEYS").arg(key("u:*")).to_owned();
    stage.until(&holders, Vec::<String>::is_empty).await;
    worker.stop().await;
}
