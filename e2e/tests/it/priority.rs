//! Who waits least starts first, however much is queued.

use serde_json::{Value, json};
use zoetrope_e2e::{Events, Stage};
use zoetrope_shared::wire::parse_rfc3339_ms;

const LOW: usize = 5_000;
const BATCH: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_realtime_task_behind_5000_low_ones_starts_next() {
    let stage = Stage::builder().env("WORKER_IO_SLOTS", "1").start().await;
    let mut events = Events::watch(&stage.redis).await;
    let low: Vec<Value> = (0..BATCH)
        .map(|number| json!({"kind": "echo", "input": {"message": number.to_string(), "sleep_ms": 20}, "priority": "low"}))
        .collect();
    for _ in 0..LOW / BATCH {
        let answer = stage.http.post("/api/v1/tasks/batch", &json!({"tasks": low})).await;
        assert!(answer.status.is_success(), "{} {}", answer.status, answer.body);
    }
    let id = stage
        .http
        .submit("echo", &json!({"input": {"message": "now"}, "priority": "realtime"}))
        .await;
    events
        .until("the realtime task ends", |seen| {
            seen.iter().any(|event| event.id == id && event.letter == 's')
        })
        .await;

    let seen = events.so_far();
    let task = stage.http.until_ended(&id).await;
    let submitted_ms =
        parse_rfc3339_ms(task["created_at"].as_str().expect("tasks have times")).expect("times are RFC 3339");
    let start = seen
        .iter()
        .position(|event| event.id == id && event.letter == 'r')
        .expect("it has run");
    let overtaken_by = seen[..start]
        .iter()
        .filter(|event| event.letter == 'r' && event.at_ms > submitted_ms)
        .count();
    assert_eq!(overtaken_by, 0, "nothing should start between its submit and its start");
    let still_queued = LOW
        - seen
            .iter()
            .filter(|event| event.letter == 's' && event.id != id)
            .count();
    assert!(
        still_queued > LOW / 2,
        "the low ones should still be waiting, so that the test means something: {still_queued}"
    );
}
