//! One thread for all live streams of a worker.
//!
//! A camera sends a picture every few hundredths of a second, so sixty of them wake whoever waits for them two thousand times a
//! second, and waking up costs more than what there is to do then. So this thread, before it sleeps, lets what arrives
//! gather for a moment. Nothing else of the worker runs on it, and nothing of a live stream is in such a hurry.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// What arrives within this time is looked at together.
const GATHER: Duration = Duration::from_millis(4);

/// The thread. Clones share it; it ends with the last of them.
#[derive(Debug, Clone)]
pub struct LiveThread(Arc<Running>);

#[derive(Debug)]
struct Running {
    handle: Handle,
    stop: CancellationToken,
}

impl LiveThread {
    /// Starts it.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start() -> io::Result<Self> {
        let mut builder = Builder::new_current_thread();
        let runtime = builder
            .enable_all()
            .on_thread_park(|| std::thread::sleep(GATHER))
            .build()?;
        let running = Running {
            handle: runtime.handle().clone(),
            stop: CancellationToken::new(),
        };
        let stopped = running.stop.clone();
        std::thread::Builder::new().name("live".to_owned()).spawn(move || {
            runtime.block_on(stopped.cancelled());
            // What still writes to a disk does not hold the process up.
            runtime.shutdown_background();
        })?;
        Ok(Self(Arc::new(running)))
    }

    /// Does work on the thread. Dropping the answer ends the work.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let mut set = JoinSet::new();
        set.spawn_on(work.in_current_span(), &self.0.handle);
        match set.join_next().await.expect("the set holds one piece of work") {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The thread has ended under it, so the worker is ending.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_is_done_on_the_thread_and_ends_when_nobody_waits_for_it() {
        let live = LiveThread::start().expect("a thread starts");
        let name = async { std::thread::current().name().map(str::to_owned) };
        assert_eq!(live.run(name).await.as_deref(), Some("live"));

        let (began, begins) = oneshot::channel();
        let (held, dropped) = oneshot::channel::<()>();
        let mut work = Box::pin(live.run(async move {
            let _held = held;
            began.send(()).expect("the test listens");
            std::future::pending::<()>().await;
        }));
        tokio::select! {
            () = &mut work => unreachable!("it never ends by itself"),
            begun = begins => begun.expect("it begins"),
        }
        drop(work);
        assert!(dropped.await.is_err(), "what it held is let go");
    }

    #[tokio::test]
    #[should_panic(expected = "as the work does")]
    async fn a_panic_is_the_callers() {
        let live = LiveThread::start().expect("a thread starts");
        live.run(async { panic!("as the work does") }).await;
    }
}
