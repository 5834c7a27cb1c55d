//! The stage that every test plays on: a private Redis, a queue with its own namespace, a stoppable Redis clock,
//! workers whose handler is scripted. Dropping it ends the server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use redis::AsyncCommands;
use serde_json::value::RawValue;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{
    Attempt, ConnectOptions, Enqueued, Handler, KindSlot, NewTask, Outcome, Queue, QueueError, SlotClass, State,
    StopReport, Task, TaskId, Worker, WorkerConfig,
};

use crate::proxy::Proxy;
use crate::redis_server::Redis;

pub(crate) const TENANT: &str = "acme";
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// Longer than any wait that ends well.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A queue on its own Redis.
pub(crate) struct Stage {
    pub(crate) queue: Queue,
    pub(crate) redis: Redis,
    pub(crate) raw: redis::aio::MultiplexedConnection,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with_settings(&[]).await
    }

    pub(crate) async fn with_settings(settings: &[&str]) -> Self {
        let redis = Redis::start(settings).await;
        let queue = Queue::connect(ConnectOptions::new(redis.url())).await.unwrap();
        let raw = redis.try_connection().await.unwrap();
        Self { queue, redis, raw }
    }

    /// Another queue on the same Redis, reached through a proxy.
    pub(crate) async fn queue_behind(&self, proxy: &Proxy) -> Queue {
        Queue::connect(ConnectOptions::new(proxy.url())).await.unwrap()
    }

    /// Stops Redis' clock `ahead` of where it stands; later calls move it on.
    pub(crate) async fn advance(&mut self, ahead: Duration) {
        let latest: Option<u64> = self.raw.hget(key("meta"), "now").await.unwrap();
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut self.raw).await.unwrap();
        let now = (seconds * 1_000 + micros / 1_000).max(latest.unwrap_or_default());
        let then = now + u64::try_from(ahead.as_millis()).unwrap();
        let (): () = self
            .raw
            .hset_multiple(
                key("meta"),
                &[("now", then.to_string()), ("behind", "stopped".to_owned())],
            )
            .await
            .unwrap();
    }

    /// Takes the duty of the ticker away from all workers: what happens now, steps and mailboxes bring about,
    /// until something is overdue.
    pub(crate) async fn without_ticks(&mut self) {
        let (): () = self.raw.set_ex(key("tick"), "nobody", 3_600).await.unwrap();
    }

    /// Asks Redis again and again until the answer is as wanted.
    pub(crate) async fn until<T: redis::FromRedisValue>(
        &mut self,
        command: &redis::Cmd,
        wanted: impl Fn(&T) -> bool,
    ) -> T {
        let asking = async {
            loop {
                let answer: T = command.query_async(&mut self.raw).await.unwrap();
                if wanted(&answer) {
                    return answer;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, asking)
            .await
            .expect("Redis should come to the wanted answer")
    }

    /// Waits until as many results are kept as wanted.
    pub(crate) async fn until_kept(&mut self, wanted: impl Fn(usize) -> bool) -> usize {
        let counting = async {
            loop {
                let lists: Vec<String> = self.raw.keys(key("done:*")).await.unwrap();
                let mut count = 0;
                for list in lists {
                    count += self.raw.llen::<_, usize>(list).await.unwrap();
                }
                if wanted(count) {
                    return count;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, counting)
            .await
            .expect("as many tasks should end as wanted")
    }

    pub(crate) async fn enqueue(&self, kind: &str) -> TaskId {
        self.enqueue_task(new_task(kind)).await
    }

    pub(crate) async fn enqueue_task(&self, task: NewTask) -> TaskId {
        match self.queue.enqueue(task).await.unwrap() {
            Enqueued::Created(id) => id,
            other => panic!("expected a new task, got {other:?}"),
        }
    }

    pub(crate) async fn task(&self, id: TaskId) -> Task {
        self.queue
            .get(TENANT, id)
            .await
            .unwrap()
            .expect("the task should exist")
    }

    /// Waits until the task is in a state.
    pub(crate) async fn reaches(&self, id: TaskId, state: State) -> Task {
        let (watch, watcher) = self.queue.watch();
        let stop = CancellationToken::new();
        let reader = tokio::spawn(watcher.run(stop.clone()));
        let task = watch
            .wait_until(TENANT, id, LIMIT, |task| task.state == state)
            .await
            .unwrap()
            .unwrap();
        stop.cancel();
        reader.await.unwrap();
        assert_eq!(task.state, state, "{task:?}");
        task
    }

    /// Waits until the task has ended in any way.
    pub(crate) async fn reaches_end(&self, id: TaskId) -> Task {
        let (watch, watcher) = self.queue.watch();
        let stop = CancellationToken::new();
        let reader = tokio::spawn(watcher.run(stop.clone()));
        let task = watch
            .wait_until(TENANT, id, LIMIT, |task| task.state.is_terminal())
            .await;
        stop.cancel();
        reader.await.unwrap();
        task.unwrap().expect("the task should exist")
    }

    pub(crate) fn worker(&self, name: &str, kinds: &[&str], units: u32, handler: impl Handler) -> RunningWorker {
        self.worker_with(config(name, kinds, units), handler)
    }

    pub(crate) fn worker_with(&self, config: WorkerConfig, handler: impl Handler) -> RunningWorker {
        worker_on(&self.queue, config, handler)
    }
}

pub(crate) fn worker_on(queue: &Queue, config: WorkerConfig, handler: impl Handler) -> RunningWorker {
    let stop = CancellationToken::new();
    let worker = Worker::new(queue.clone(), config, Arc::new(handler));
    RunningWorker {
        done: tokio::spawn(worker.run(stop.clone())),
        stop,
    }
}

/// A key as the queue spells it.
pub(crate) fn key(name: &str) -> String {
    format!("z:{{s00}}:{name}")
}

/// A worker in the background of a test.
pub(crate) struct RunningWorker {
    pub(crate) stop: CancellationToken,
    pub(crate) done: JoinHandle<Result<StopReport, QueueError>>,
}

impl RunningWorker {
    pub(crate) async fn stop(self) -> StopReport {
        self.stop.cancel();
        tokio::time::timeout(LIMIT, self.done)
            .await
            .expect("a worker should drain")
            .unwrap()
            .unwrap()
    }

    /// Ends it as SIGKILL would: no drain, no sign-off.
    pub(crate) async fn kill(self) {
        self.done.abort();
        assert!(self.done.await.unwrap_err().is_cancelled());
    }
}

pub(crate) fn config(name: &str, kinds: &[&str], units: u32) -> WorkerConfig {
    let slot = |kind: &&str| KindSlot {
        kind: (*kind).to_owned(),
        class: 0,
        cost: 1,
        lease: LEASE,
        claim_ahead: false,
    };
    WorkerConfig {
        name: name.to_owned(),
        classes: vec![SlotClass {
            name: "io",
            units,
            spread: false,
        }],
        kinds: kinds.iter().map(slot).collect(),
        drain_grace: Duration::from_secs(5),
        handlers_on: None,
    }
}

pub(crate) fn new_task(kind: &str) -> NewTask {
    NewTask::new(TENANT, kind, json(r#"{"n":1}"#))
}

pub(crate) fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

/// A handler from a function.
pub(crate) struct Does<F>(pub(crate) F);

impl<F, R> Handler for Does<F>
where
    F: Fn(Attempt) -> R + Send + Sync + 'static,
    R: Future<Output = Outcome> + Send + 'static,
{
    fn run(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        Box::pin((self.0)(attempt))
    }
}

/// A handler that succeeds at once with its input.
pub(crate) fn echoes() -> impl Handler {
    Does(|attempt: Attempt| async move { Outcome::Succeeded(attempt.input) })
}

/// A handler that never ends by itself.
pub(crate) fn hangs() -> impl Handler {
    Does(|_attempt| std::future::pending::<Outcome>())
}
