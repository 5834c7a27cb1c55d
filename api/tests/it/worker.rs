//! A worker inside the test: echoes at once, or holds a task until the test lets go.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{
    Attempt, Failure, Handler, KindSlot, Outcome, Queue, SlotClass, StopReason, Worker, WorkerConfig,
};

/// What the test holds of its worker.
pub(crate) struct TestWorker {
    /// Ids of attempts as they start.
    pub(crate) started: mpsc::Receiver<String>,
    release: Arc<Semaphore>,
    shutdown: CancellationToken,
    running: JoinSet<()>,
}

struct Script {
    started: mpsc::Sender<String>,
    release: Arc<Semaphore>,
}

impl TestWorker {
    /// Starts a worker of `echo` whose messages are instructions: `hold` waits for [`TestWorker::release`], `fail`
    /// fails for good, `large` answers more than Redis holds by way of `large_result`; anything else is echoed.
    pub(crate) fn start(queue: Queue, large_result: Option<Box<RawValue>>) -> Self {
        let (sender, started) = mpsc::channel(64);
        let release = Arc::new(Semaphore::new(0));
        let shutdown = CancellationToken::new();
        let handler = WithLarge {
            script: Script {
                started: sender,
                release: release.clone(),
            },
            large_result,
        };
        let running = run(queue, ("test", "io", "echo"), handler, shutdown.clone());
        Self {
            started,
            release,
            shutdown,
            running,
        }
    }

    /// Waits until an attempt has started.
    pub(crate) async fn has_started(&mut self) -> String {
        self.started.recv().await.expect("the worker should run")
    }

    /// Lets one held task end.
    pub(crate) fn release(&self) {
        self.release.add_permits(1);
    }

    /// Drains the worker.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.ends().await;
    }

    /// Waits until it has ended without being told so here.
    pub(crate) async fn ends(mut self) {
        while let Some(ended) = self.running.join_next().await {
            ended.expect("the worker should not panic");
        }
    }
}

/// Runs a worker of this name, class of slots and kind, until it is told to drain.
pub(crate) fn run(
    queue: Queue,
    (name, class, kind): (&str, &'static str, &str),
    handler: impl Handler + 'static,
    until: CancellationToken,
) -> JoinSet<()> {
    let config = WorkerConfig {
        name: name.to_owned(),
        classes: vec![SlotClass {
            name: class,
            units: 8,
            spread: false,
        }],
        kinds: vec![KindSlot {
            kind: kind.to_owned(),
            class: 0,
            cost: 1,
            lease: Duration::from_secs(15),
            claim_ahead: false,
        }],
        drain_grace: Duration::from_secs(1),
        handlers_on: None,
    };
    let mut running = JoinSet::new();
    running.spawn(async move {
        let worker = Worker::new(queue, config, Arc::new(handler));
        worker.run(until).await.expect("the worker should drain");
    });
    running
}

struct WithLarge {
    script: Script,
    large_result: Option<Box<RawValue>>,
}

impl Handler for WithLarge {
    fn run(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        let (started, release) = (self.script.started.clone(), self.script.release.clone());
        let large = self.large_result.clone();
        async move {
            let _ = started.send(attempt.id.to_string()).await;
            let input: Value = serde_json::from_str(attempt.input.get()).expect("the input is JSON");
            match input["message"].as_str().unwrap_or_default() {
                "fail" => return Outcome::Failed(Failure::non_retryable("media_invalid", "the image is truncated")),
                "large" => return Outcome::Succeeded(large.expect("the test gave a large result")),
                "hold" => tokio::select! {
                    permit = release.acquire() => permit.expect("the semaphore stays open").forget(),
                    reason = attempt.stopped() => match reason {
                        StopReason::Draining => return Outcome::Released,
                        _ => std::future::pending().await,
                    },
                },
                _ => {}
            }
            Outcome::Succeeded(to_raw_value(&json!({"message": input["message"]})).expect("JSON"))
        }
        .boxed()
    }
}
