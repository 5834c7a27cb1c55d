//! Limits and pauses: what they let through, and whom they leave alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::AsyncCommands;
use tokio::sync::{Semaphore, mpsc};
use zoetrope_queue::{Attempt, Flow, Handler, NewTask, Outcome, QueueError, Rate, State, Subject, TaskId};

use crate::stage::{Does, Stage, TENANT, echoes, json, key, new_task};

fn kind() -> Subject {
    Subject::Kind("echo".to_owned())
}

fn key_of(name: &str) -> Subject {
    Subject::Key {
        tenant: TENANT.to_owned(),
        key: name.to_owned(),
    }
}

fn of(name: &str) -> NewTask {
    NewTask {
        fairness_key: Some(name.to_owned()),
        ..new_task("echo")
    }
}

/// Tasks that run until they are let go, and how many ran at once at most.
struct Gate {
    begun: mpsc::Receiver<TaskId>,
    go: Arc<Semaphore>,
    most: Arc<AtomicUsize>,
}

fn gated() -> (Gate, impl Handler) {
    let (begun_in, begun) = mpsc::channel(1_000);
    let (go, most, now) = (
        Arc::new(Semaphore::new(0)),
        Arc::default(),
        Arc::new(AtomicUsize::new(0)),
    );
    let gate = Gate {
        begun,
        go: Arc::clone(&go),
        most: Arc::clone(&most),
    };
    let handler = Does(move |attempt: Attempt| {
        let (begun_in, go, most, now) = (begun_in.clone(), Arc::clone(&go), Arc::clone(&most), Arc::clone(&now));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            begun_in.send(attempt.id).await.unwrap();
            go.acquire().await.unwrap().forget();
            now.fetch_sub(1, Ordering::SeqCst);
            Outcome::Succeeded(attempt.input)
        }
    });
    (gate, handler)
}

#[tokio::test]
async fn a_kind_never_runs_more_at_once_than_it_may_over_all_workers() {
    let mut stage = Stage::new().await;
    stage.queue.set_limits(&kind(), Some(3), None).await.unwrap();
    stage.queue.enqueue_batch(vec![new_task("echo"); 40]).await.unwrap();
    let (mut gate, handler) = gated();
    let handler = Arc::new(handler);
    let shared = |handler: &Arc<_>| {
        let handler = Arc::clone(handler);
        Does(move |attempt| Handler::run(&*handler, attempt))
    };
    let workers = [
        stage.worker("w1", &["echo"], 64, shared(&handler)),
        stage.worker("w2", &["echo"], 64, shared(&handler)),
    ];
    for _ in 0..40 {
        gate.begun.recv().await.unwrap();
        gate.go.add_permits(1);
    }
    stage.until_kept(|count| count == 40).await;
    assert_eq!(gate.most.load(Ordering::SeqCst), 3);
    for worker in workers {
        worker.stop().await;
    }
    assert!(!stage.raw.exists::<_, bool>(key("c:echo")).await.unwrap());
}

#[tokio::test]
async fn a_key_at_its_limit_leaves_the_others_alone_and_comes_back() {
    let mut stage = Stage::new().await;
    stage.queue.set_limits(&key_of("slow"), Some(2), None).await.unwrap();
    stage.queue.enqueue_batch(vec![of("slow"); 100]).await.unwrap();
    let (mut gate, handler) = gated();
    let worker = stage.worker("w1", &["echo"], 64, handler);
    let first = [gate.begun.recv().await.unwrap(), gate.begun.recv().await.unwrap()];
    // The other 98 do not stand in the way of those of another key.
    stage.queue.enqueue_batch(vec![of("quick"); 50]).await.unwrap();
    for _ in 0..50 {
        let id = gate.begun.recv().await.unwrap();
        let task = stage.task(id).await;
        assert_eq!(task.fairness_key.as_deref(), Some("quick"));
    }
    for id in first {
        assert_eq!(stage.task(id).await.state, State::Running);
    }
    gate.go.add_permits(150);
    stage.until_kept(|count| count == 150).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_rate_lets_so_many_begin_in_each_period() {
    let mut stage = Stage::new().await;
    stage.advance(Duration::from_secs(3_600)).await;
    let rate = Rate {
        count: 3,
        period_ms: 30_000,
    };
    stage.queue.set_limits(&key_of("slow"), None, Some(rate)).await.unwrap();
    stage.queue.enqueue_batch(vec![of("slow"); 9]).await.unwrap();
    let worker = stage.worker("w1", &["echo"], 64, echoes());
    stage.until_kept(|count| count == 3).await;
    // The clock stands: the next one may begin in ten seconds.
    let running = redis::cmd("ZCARD").arg(key("lease")).to_owned();
    stage.until(&running, |count: &u64| *count == 0).await;
    assert_eq!(
        stage
            .raw
            .zcard::<_, u64>(key(&format!("f:echo:{TENANT}:slow")))
            .await
            .unwrap(),
        6
    );
    stage.advance(Duration::from_secs(10)).await;
    stage.until_kept(|count| count == 4).await;
    stage.advance(Duration::from_secs(30)).await;
    stage.until_kept(|count| count == 7).await;
    assert_eq!(
        stage
            .raw
            .zcard::<_, u64>(key(&format!("f:echo:{TENANT}:slow")))
            .await
            .unwrap(),
        2
    );
    // Without the limit nothing keeps the rest.
    stage.queue.set_limits(&key_of("slow"), None, None).await.unwrap();
    stage.until_kept(|count| count == 9).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_limit_is_raised_and_lowered_while_tasks_run() {
    let mut stage = Stage::new().await;
    stage.queue.set_limits(&kind(), Some(1), None).await.unwrap();
    stage.queue.enqueue_batch(vec![new_task("echo"); 20]).await.unwrap();
    let (mut gate, handler) = gated();
    let worker = stage.worker("w1", &["echo"], 64, handler);
    gate.begun.recv().await.unwrap();
    stage.queue.set_limits(&kind(), Some(5), None).await.unwrap();
    for _ in 0..4 {
        gate.begun.recv().await.unwrap();
    }
    stage.queue.set_limits(&kind(), Some(2), None).await.unwrap();
    gate.go.add_permits(3);
    stage.until_kept(|count| count == 3).await;
    assert!(gate.begun.try_recv().is_err(), "two run, and two may");
    gate.go.add_permits(17);
    stage.until_kept(|count| count == 20).await;
    assert_eq!(gate.most.load(Ordering::SeqCst), 5);
    worker.stop().await;
}

#[tokio::test]
async fn what_a_dead_worker_held_of_a_limit_comes_back_with_its_lease() {
    let mut stage = Stage::new().await;
    stage.queue.set_limits(&key_of("slow"), Some(1), None).await.unwrap();
    stage.queue.enqueue_batch(vec![of("slow"); 2]).await.unwrap();
    let (mut gate, handler) = gated();
    let dies = stage.worker("w1", &["echo"], 4, handler);
    gate.begun.recv().await.unwrap();
    dies.kill().await;
    stage.advance(Duration::from_secs(20)).await;
    let worker = stage.worker("w2", &["echo"], 4, echoes());
    stage.until_kept(|count| count == 2).await;
    worker.stop().await;
}

#[tokio::test]
async fn pauses_keep_tasks_queued_and_end_at_once() {
    let mut stage = Stage::new().await;
    let subjects = [kind(), Subject::Tenant(TENANT.to_owned()), key_of("slow")];
    let worker = stage.worker("w1", &["echo", "other"], 4, echoes());
    for (round, subject) in subjects.iter().enumerate() {
        stage.queue.set_flow(subject, Flow::Paused).await.unwrap();
        let id = stage.enqueue_task(of("slow")).await;
        // Whoever may run does so meanwhile, so that the worker has looked at both.
        let other = NewTask::new("other", "other", json("1"));
        stage.queue.enqueue(other).await.unwrap();
        stage.until_kept(|count| count == 2 * round + 1).await;
        assert_eq!(stage.task(id).await.state, State::Queued, "{subject:?}");
        stage.queue.set_flow(subject, Flow::Open).await.unwrap();
        stage.reaches(id, State::Succeeded).await;
    }
    assert!(stage.queue.rules().await.unwrap().is_empty());
    worker.stop().await;
}

#[tokio::test]
async fn a_kind_that_is_drained_refuses_new_tasks_and_runs_the_others() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    stage.queue.set_flow(&kind(), Flow::Draining).await.unwrap();
    let refused = stage.queue.enqueue(new_task("echo")).await;
    assert!(matches!(refused, Err(QueueError::Draining)), "{refused:?}");
    stage.enqueue("other").await;
    let worker = stage.worker("w1", &["echo"], 4, echoes());
    stage.reaches(id, State::Succeeded).await;
    stage.queue.set_flow(&kind(), Flow::Open).await.unwrap();
    let id = stage.enqueue("echo").await;
    stage.reaches(id, State::Succeeded).await;
    worker.stop().await;
}

#[tokio::test]
async fn rules_that_make_no_sense_are_refused() {
    let stage = Stage::new().await;
    let tenant = Subject::Tenant(TENANT.to_owned());
    let each = Subject::EachKey(TENANT.to_owned());
    let rate = |count, period_ms| Some(Rate { count, period_ms });
    let limits = [
        (&tenant, Some(1), None),
        (&each, Some(0), None),
        (&each, Some(1_000_001), None),
        (&each, None, rate(0, 1)),
        (&each, None, rate(1, 0)),
        (&each, None, rate(1, u64::MAX)),
    ];
    for (subject, concurrency, rate) in limits {
        let refused = stage.queue.set_limits(subject, concurrency, rate).await;
        assert!(
            matches!(refused, Err(QueueError::Invalid { .. })),
            "{subject:?} {refused:?}"
        );
    }
    let odd = [
        Subject::Kind("Echo".to_owned()),
        key_of("a b"),
        Subject::Tenant("a:b".to_owned()),
    ];
    for (subject, flow) in [(&each, Flow::Paused), (&tenant, Flow::Draining)]
        .into_iter()
        .chain(odd.iter().map(|subject| (subject, Flow::Open)))
    {
        let refused = stage.queue.set_flow(subject, flow).await;
        assert!(
            matches!(refused, Err(QueueError::Invalid { .. })),
            "{subject:?} {refused:?}"
        );
    }
    assert!(stage.queue.rules().await.unwrap().is_empty());
}
