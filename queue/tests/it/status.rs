//! What the queue says of itself.

use std::time::Duration;

use zoetrope_queue::{Failure, Flow, KindStatus, MAX_KEYS_NAMED, Outcome, State, Subject};

use crate::stage::{Does, Stage, hangs, json, new_task};

async fn kind(stage: &Stage, name: &str) -> KindStatus {
    let status = stage.queue.status().await.unwrap();
    status
        .kinds
        .into_iter()
        .find(|kind| kind.kind == name)
        .unwrap_or_default()
}

#[tokio::test]
async fn every_task_is_counted_where_it_is() {
    let stage = Stage::new().await;
    let fails = Does(|_| async { Outcome::Failed(Failure::non_retryable("broken", "as asked")) });
    let failing = stage.worker("failing", &["ocr"], 1, fails);
    let dead = stage.enqueue("ocr").await;
    stage.reaches(dead, State::Failed).await;
    failing.stop().await;
    let mut later = new_task("echo");
    later.delay = Some(Duration::from_secs(60));
    stage.enqueue_task(later).await;
    let running = stage.enqueue("echo").await;
    let worker = stage.worker("w1", &["echo"], 1, hangs());
    stage.reaches(running, State::Running).await;
    stage.queue.enqueue_batch(vec![new_task("echo"); 3]).await.unwrap();
    let echo = kind(&stage, "echo").await;
    assert_eq!((echo.queued, echo.running, echo.scheduled, echo.dead), (3, 1, 1, 0));
    assert!(echo.oldest_age_ms.is_some());
    assert_eq!(kind(&stage, "ocr").await.dead, 1);
    let workers = stage.queue.status().await.unwrap().workers;
    assert_eq!(workers.len(), 1, "the one that stopped has signed off");
    assert_eq!(
        (workers[0].name.as_str(), &workers[0].kinds[..]),
        ("w1", &["echo".to_owned()][..])
    );
    worker.kill().await;
}

#[tokio::test]
async fn a_kind_with_large_inputs_is_counted_from_those_that_are_read() {
    const TASKS: usize = 60;
    let stage = Stage::new().await;
    let mut large = new_task("echo");
    large.input = json(&format!("\"{}\"", "x".repeat(60_000)));
    large.delay = Some(Duration::from_secs(3_600));
    for answer in stage.queue.enqueue_batch(vec![large; TASKS]).await.unwrap() {
        answer.unwrap();
    }
    assert_eq!(kind(&stage, "echo").await.scheduled, TASKS as u64);
}

#[tokio::test]
async fn a_redis_that_lost_its_data_learns_the_kinds_again() {
    let mut stage = Stage::new().await;
    stage.enqueue("echo").await;
    let (): () = redis::cmd("FLUSHALL").query_async(&mut stage.raw).await.unwrap();
    stage.enqueue("echo").await;
    assert_eq!(kind(&stage, "echo").await.queued, 1);
}

#[tokio::test]
async fn a_redis_without_an_append_only_file_is_warned_of() {
    let stage = Stage::new().await;
    let health = stage.queue.health().await.unwrap();
    assert_eq!(
        (health.durability.as_str(), health.maxmemory_policy.as_str()),
        ("none", "noeviction")
    );
    assert_eq!(health.warnings.len(), 1, "{:?}", health.warnings);
    let always = Stage::with_settings(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let health = always.queue.health().await.unwrap();
    assert_eq!(
        (health.durability.as_str(), health.warnings.len()),
        ("safe", 0),
        "{:?}",
        health.warnings
    );
}

#[tokio::test]
async fn the_longest_backlogs_are_named_by_tenant_and_key() {
    let stage = Stage::new().await;
    let of = |tenant: &str, key: Option<&str>, count: usize| {
        let mut task = new_task("echo");
        (task.tenant, task.fairness_key) = (tenant.to_owned(), key.map(str::to_owned));
        vec![task; count]
    };
    let named = async || -> Vec<(String, Option<String>, u64)> {
        let keys = kind(&stage, "echo").await.keys.into_iter();
        keys.map(|key| (key.tenant, key.fairness_key, key.queued)).collect()
    };
    stage.queue.enqueue_batch(of("a", Some("x"), 3)).await.unwrap();
    assert_eq!(named().await, [("a".to_owned(), Some("x".to_owned()), 3)]);
    stage.queue.enqueue_batch(of("a", None, 5)).await.unwrap();
    let mut urgent = of("b", Some("y:z"), 2);
    urgent[0].priority = zoetrope_queue::Priority::Realtime;
    stage.queue.enqueue_batch(urgent).await.unwrap();
    let expected = [
        ("a".to_owned(), None, 5),
        ("a".to_owned(), Some("x".to_owned()), 3),
        ("b".to_owned(), Some("y:z".to_owned()), 2),
    ];
    assert_eq!(named().await, expected);
    for number in 0..MAX_KEYS_NAMED {
        let key = format!("key-{number}");
        stage.queue.enqueue_batch(of("c", Some(&key), 4)).await.unwrap();
    }
    let many = named().await;
    assert_eq!((many.len(), &many[0], many[1].2), (MAX_KEYS_NAMED, &expected[0], 4));
}

#[tokio::test]
async fn a_paused_kind_is_said_to_be() {
    let stage = Stage::new().await;
    stage.enqueue("echo").await;
    assert!(!kind(&stage, "echo").await.paused);
    let subject = Subject::Kind("echo".to_owned());
    stage.queue.set_flow(&subject, Flow::Paused).await.unwrap();
    assert!(kind(&stage, "echo").await.paused);
}
