//! One execution of a task as its handler sees it, and the code that runs the handler to an outcome.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::connection::Link;
use crate::failure::{Failure, Outcome};
use crate::id::TaskId;
use crate::output::Output;
use crate::policy::TIMEOUT_CODE;
use crate::task::Priority;
use crate::worker::Handler;

/// Time for a handler to end by itself once it is told to stop; then it is dropped.
const STOP_GRACE: Duration = Duration::from_millis(500);
/// Bytes of a progress message: it rides on the attempt, which is read and written with every change.
const MAX_MESSAGE_BYTES: usize = 56;

/// Why a running attempt should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody canceled the task.
    Canceled,
    /// It ran longer than its timeout.
    TimedOut,
    /// Its lease could not be renewed: another worker may run it already.
    LeaseLost,
    /// The worker stops: finish soon, or return `Outcome::Released`.
    Draining,
}

/// One execution of a task.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Task.
    pub id: TaskId,
    /// Owner of the task.
    pub tenant: String,
    /// Kind.
    pub kind: String,
    /// The task's fairness key.
    pub fairness_key: Option<String>,
    /// The task's input.
    pub input: Box<RawValue>,
    /// 1 for the first; a lost or released attempt is not counted.
    pub number: u32,
    /// Executions allowed.
    pub max_attempts: u32,
    /// Priority class.
    pub priority: Priority,
    /// When the task was enqueued, Unix milliseconds.
    pub created_at_ms: u64,
    /// Unique among the attempts of this task: part of the path of whatever it writes outside the queue, behind `id`.
    pub lease_token: Arc<str>,
    /// Labels.
    pub tags: Vec<String>,
    /// The client's own JSON object.
    pub metadata: Option<Box<RawValue>>,
    /// The `traceparent` of the task's submit: what this attempt does belongs to the same trace.
    pub traceparent: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) control: Arc<Control>,
    /// Set when the attempt starts; the engine, which makes it, knows no connection.
    pub(crate) link: Option<Arc<Link>>,
}

impl Attempt {
    /// Returns when the attempt should stop, with the reason. A handler that goes on is dropped half a second later,
    /// when draining at the end of the grace.
    pub async fn stopped(&self) -> StopReason {
        self.control.stop.cancelled().await;
        self.control.stop_reason().unwrap_or(StopReason::Draining)
    }

    /// The token behind `stopped`.
    pub fn stop_token(&self) -> CancellationToken {
        self.control.stop.clone()
    }

    /// Where this attempt writes its output chunks.
    pub fn output(&self) -> Output {
        let link = self
            .link
            .clone()
            .expect("an attempt that a handler sees has been started");
        Output::new(link, self.id, Arc::clone(&self.lease_token))
    }

    /// Says that from here on this attempt waits for others rather than works: if the class `io` has as many units free, it
    /// takes those, and its own go to the next task. There is no way back: what little work follows is done beside others.
    pub fn now_waits(&self) {
        self.control.waits.store(true, Ordering::Relaxed);
        self.control.progressed.notify_one();
    }

    /// Publishes progress, `percent` of 0 to 100. Cheap: only the newest is kept, and sent at most every 100 ms.
    pub fn progress(&self, percent: u8, message: &str) {
        let mut end = message.len().min(MAX_MESSAGE_BYTES);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        let text = format!("{} {}", percent.min(100), &message[..end]);
        *self.control.progress.lock().expect("no holder panics") = Some(text);
        self.control.progressed.notify_one();
    }
}

/// What the engine and a running attempt share.
#[derive(Debug, Default)]
pub(crate) struct Control {
    stop: CancellationToken,
    /// Ends the handler without more ado.
    abort: CancellationToken,
    reason: OnceLock<StopReason>,
    progress: Mutex<Option<String>>,
    /// It waits for others, and has no use for its own class.
    pub(crate) waits: AtomicBool,
    /// Shared by all attempts of a worker: somebody has progress to send.
    pub(crate) progressed: Arc<Notify>,
}

impl Control {
    pub(crate) fn new(progressed: Arc<Notify>) -> Self {
        Self {
            progressed,
            ..Self::default()
        }
    }

    /// Tells the attempt to stop. The first reason stays, but a drain gives way to a firmer one.
    pub(crate) fn stop(&self, reason: StopReason) {
        if reason != StopReason::Draining {
            let _ = self.reason.set(reason);
            self.abort.cancel();
        }
        self.stop.cancel();
    }

    pub(crate) fn stop_reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }

    /// Ends a draining attempt whose grace is over.
    pub(crate) fn abort(&self) {
        self.abort.cancel();
    }

    pub(crate) fn take_progress(&self) -> Option<String> {
        self.progress.lock().expect("no holder panics").take()
    }
}

/// Runs a handler to its outcome: through panics, its timeout, and requests to stop.
pub(crate) async fn run(handler: Arc<dyn Handler>, attempt: Attempt) -> Outcome {
    let control = Arc::clone(&attempt.control);
    let limit = attempt.timeout;
    let work = AssertUnwindSafe(async move { handler.run(attempt).await }).catch_unwind();
    tokio::pin!(work);
    let ended = tokio::select! {
        biased;
        ended = &mut work => Some(ended),
        () = control.abort.cancelled() => None,
        () = sleep_or_forever(limit) => {
            control.stop(StopReason::TimedOut);
            None
        }
    };
    let ended = match ended {
        Some(ended) => Some(ended),
        None => timeout(STOP_GRACE, work).await.ok(),
    };
    let outcome = match ended {
        Some(Ok(outcome)) => outcome,
        Some(Err(_panic)) => Outcome::Failed(Failure::retryable("handler_panicked", "the handler panicked")),
        None => Outcome::Released,
    };
    let timed_out = control.stop_reason() == Some(StopReason::TimedOut);
    match (timed_out, outcome) {
        (true, Outcome::Released | Outcome::Failed(_)) => {
            let message = format!(
                "the attempt took longer than {} s",
                limit.unwrap_or_default().as_secs_f64()
            );
            Outcome::Failed(Failure::retryable(TIMEOUT_CODE, message))
        }
        (_, outcome) => outcome,
    }
}

async fn sleep_or_forever(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => std::future::pending().await,
    }
}
