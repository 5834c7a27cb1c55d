//! Whose turn it is: tenants and fairness keys among each other, and realtime tasks among all.

use std::sync::{Arc, Mutex};

use redis::AsyncCommands;
use tokio::sync::{Semaphore, mpsc};
use zoetrope_queue::{Attempt, Enqueued, MAX_BATCH, NewTask, Outcome, Priority, State, TaskId};

use crate::stage::{Does, Stage, TENANT, json, key, new_task};

const OTHER: &str = "other";

fn of(tenant: &str, fairness_key: Option<&str>) -> NewTask {
    NewTask {
        fairness_key: fairness_key.map(str::to_owned),
        ..NewTask::new(tenant, "echo", json("1"))
    }
}

/// Tenant and fairness key.
type Lane = (String, Option<String>);

/// The order in which tasks begin.
#[derive(Clone, Default)]
struct Order(Arc<Mutex<Vec<Lane>>>);

impl Order {
    fn handler(&self) -> impl zoetrope_queue::Handler + use<> {
        let order = Arc::clone(&self.0);
        Does(move |attempt: Attempt| {
            let begun = (attempt.tenant.clone(), attempt.fairness_key.clone());
            order.lock().unwrap().push(begun);
            async move { Outcome::Succeeded(attempt.input) }
        })
    }

    /// Positions of the tasks of a tenant, the first being 1.
    fn positions(&self, tenant: &str) -> Vec<usize> {
        let order = self.0.lock().unwrap();
        let theirs = order.iter().enumerate().filter(|(_, (owner, _))| owner == tenant);
        theirs.map(|(at, _)| at + 1).collect()
    }
}

async fn enqueue(stage: &Stage, tasks: Vec<NewTask>) -> Vec<TaskId> {
    let answers = stage.queue.enqueue_batch(tasks).await.unwrap();
    let id = |answer| match answer {
        Ok(Enqueued::Created(id)) => id,
        other => panic!("expected a new task, got {other:?}"),
    };
    answers.into_iter().map(id).collect()
}

#[tokio::test]
async fn ten_thousand_tasks_of_one_tenant_hardly_delay_ten_of_another() {
    let mut stage = Stage::new().await;
    for _ in 0..10 {
        enqueue(&stage, vec![of(TENANT, None); MAX_BATCH]).await;
    }
    enqueue(&stage, vec![of(OTHER, None); 10]).await;
    let order = Order::default();
    let worker = stage.worker("w1", &["echo"], 4, order.handler());
    stage.until_kept(|count| count >= 100).await;
    worker.stop().await;
    // As if they were alone.
    assert_eq!(order.positions(OTHER), (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_tenant_that_sends_little_at_a_time_gets_no_more_than_its_turns() {
    let stage = Stage::new().await;
    enqueue(&stage, vec![of(TENANT, None); 200]).await;
    let (begun, mut begins) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let may_end = Arc::clone(&gate);
    let one_by_one = Does(move |attempt: Attempt| {
        let (begun, may_end) = (begun.clone(), Arc::clone(&may_end));
        async move {
            begun.send(attempt.tenant).unwrap();
            may_end.acquire().await.unwrap().forget();
            Outcome::Succeeded(attempt.input)
        }
    });
    let worker = stage.worker("w1", &["echo"], 1, one_by_one);
    let mut little = 0;
    for turn in 0..120 {
        // One task of the other tenant always waits.
        let is_other = begins.recv().await.unwrap() == OTHER;
        little += u32::from(is_other);
        if turn == 0 || is_other {
            enqueue(&stage, vec![of(OTHER, None)]).await;
        }
        gate.add_permits(1);
    }
    // Sixteen once, and every second turn.
    assert!((60..=70).contains(&little), "{little} of 120");
    gate.add_permits(1_000);
    worker.stop().await;
}

#[tokio::test]
async fn a_tenant_with_many_keys_gets_no_more_than_one_with_few() {
    let mut stage = Stage::new().await;
    let many = (0..400)
        .map(|n| of(TENANT, Some(&format!("key-{}", n % 100))))
        .collect();
    enqueue(&stage, many).await;
    enqueue(&stage, vec![of(OTHER, None); 100]).await;
    let order = Order::default();
    let worker = stage.worker("w1", &["echo"], 4, order.handler());
    stage.until_kept(|count| count == 500).await;
    worker.stop().await;
    let last = order.positions(OTHER).pop().unwrap();
    assert!(last <= 2 * 100 + 8, "the last of a hundred began as number {last}");
}

#[tokio::test]
async fn keys_of_a_tenant_take_turns_of_eight() {
    let mut stage = Stage::new().await;
    for name in ["a", "b", "c"] {
        enqueue(&stage, vec![of(TENANT, Some(name)); 24]).await;
    }
    let order = Order::default();
    let worker = stage.worker("w1", &["echo"], 1, order.handler());
    stage.until_kept(|count| count == 72).await;
    worker.stop().await;
    let order = order.0.lock().unwrap();
    for (_, name) in order.iter() {
        let most = order.iter().take(36).filter(|(_, other)| other == name).count();
        assert!((8..=16).contains(&most), "{name:?} had {most} of the first 36");
    }
}

#[tokio::test]
async fn realtime_tasks_go_first_but_cannot_starve_others() {
    let mut stage = Stage::new().await;
    enqueue(&stage, vec![of(TENANT, None); 200]).await;
    let urgent = NewTask {
        priority: Priority::Realtime,
        ..of(OTHER, None)
    };
    enqueue(&stage, vec![urgent; 400]).await;
    let order = Order::default();
    let worker = stage.worker("w1", &["echo"], 4, order.handler());
    stage.until_kept(|count| count == 600).await;
    worker.stop().await;
    let first = order.positions(TENANT)[0];
    assert!(first > 60, "a usual task began as number {first}");
    let last = *order.positions(TENANT).last().unwrap();
    assert!(last <= 64 + 2 * 200 + 16, "the last usual one began as number {last}");
}

#[tokio::test]
async fn tasks_of_one_key_keep_the_plain_queue_and_get_it_back() {
    let mut stage = Stage::new().await;
    let waiting = enqueue(&stage, vec![of(TENANT, Some("a")); 3]).await;
    let plain = key("q:echo");
    assert_eq!(stage.raw.zcard::<_, u64>(&plain).await.unwrap(), 3);
    enqueue(&stage, vec![of(TENANT, Some("b"))]).await;
    assert!(!stage.raw.exists::<_, bool>(&plain).await.unwrap());
    // Their places are those they had.
    let positions = [stage.task(waiting[0]).await, stage.task(waiting[2]).await].map(|task| task.queue_position);
    assert_eq!(positions, [Some(0), Some(2)]);
    assert_eq!(stage.queue.status().await.unwrap().kinds[0].queued, 4);

    let order = Order::default();
    let worker = stage.worker("w1", &["echo"], 1, order.handler());
    stage.until_kept(|count| count == 4).await;
    worker.stop().await;
    let left: Vec<String> = stage.raw.keys(key("f*")).await.unwrap();
    assert_eq!(left, Vec::<String>::new());
    enqueue(&stage, vec![of(OTHER, None)]).await;
    assert_eq!(stage.raw.zcard::<_, u64>(&plain).await.unwrap(), 1);
}

#[tokio::test]
async fn a_retry_returns_to_the_turns_of_its_key() {
    let stage = Stage::new().await;
    enqueue(&stage, vec![of(OTHER, None); 3]).await;
    let id = enqueue(&stage, vec![of(TENANT, Some("a"))]).await[0];
    let worker = stage.worker(
        "w1",
        &["echo"],
        1,
        Does(|attempt: Attempt| async move {
            if attempt.number == 1 && attempt.fairness_key.is_some() {
                let mut failure = zoetrope_queue::Failure::retryable("flaky", "once");
                failure.class = zoetrope_queue::ErrorClass::Retryable;
                return Outcome::Failed(failure);
            }
            Outcome::Succeeded(attempt.input)
        }),
    );
    let task = stage.reaches_end(id).await;
    assert_eq!(
        (task.state, task.attempt, task.fairness_key.as_deref()),
        (State::Succeeded, 2, Some("a"))
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_canceled_task_of_a_key_leaves_nothing_behind() {
    let mut stage = Stage::new().await;
    enqueue(&stage, vec![new_task("echo")]).await;
    let id = enqueue(&stage, vec![of(TENANT, Some("a"))]).await[0];
    stage.queue.cancel(TENANT, id).await.unwrap();
    let worker = stage.worker("w1", &["echo"], 4, crate::stage::echoes());
    stage.until_kept(|count| count == 2).await;
    // The ring learns of it when it is looked at next.
    let rings = redis::cmd("KEYS").arg(key("f*")).to_owned();
    stage.until(&rings, Vec::<String>::is_empty).await;
    worker.stop().await;
}
