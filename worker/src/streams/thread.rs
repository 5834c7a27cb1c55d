//! One thread for all live streams of a worker.
//!
//! A camera sends a picture every few hundredths of a second, so sixty of them wake whoever waits for them two thousand times a
//! second, and waking up costs more than what there is to do then. So this thread, before it sleeps, lets what arrives
//! gather for a moment, and for a longer one where all connections rest and no stream waits for a media child. Those that rest
//! do it together, so that it wakes once for all of them. Nothing else of the worker runs on it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// What arrives within this time is looked at together.
const GATHER: Duration = Duration::from_millis(4);
/// The same while nobody is in a hurry.
const GATHER_AT_REST: Duration = Duration::from_millis(40);
/// The runtime's timers go off this much late at most: those of a beat have when the thread wakes for it.
const TIMER_STEP: Duration = Duration::from_millis(1);

/// The thread. Clones share it; it ends with the last of them.
#[derive(Debug, Clone)]
pub struct LiveThread(Arc<Running>);

#[derive(Debug)]
struct Running {
    handle: Handle,
    stop: CancellationToken,
    clock: Arc<ThreadClock>,
}

/// How long the thread may sleep.
#[derive(Debug)]
struct ThreadClock {
    /// Beats are counted from here.
    began: Instant,
    in_a_hurry: AtomicUsize,
}

/// While one lives, the thread looks soon at what arrives.
#[derive(Debug)]
pub struct Hurry(Arc<ThreadClock>);

impl LiveThread {
    /// Starts it.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start() -> io::Result<Self> {
        let clock = Arc::new(ThreadClock::default());
        let parked = Arc::clone(&clock);
        let mut builder = Builder::new_current_thread();
        let runtime = builder
            .enable_all()
            .on_thread_park(move || std::thread::sleep(parked.gather()))
            .build()?;
        let running = Running {
            handle: runtime.handle().clone(),
            stop: CancellationToken::new(),
            clock,
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

    /// Somebody waits for what arrives.
    pub fn hurry(&self) -> Hurry {
        Hurry::begin(&self.0.clock)
    }
}

impl Default for ThreadClock {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            in_a_hurry: AtomicUsize::new(0),
        }
    }
}

impl ThreadClock {
    fn gather(&self) -> Duration {
        match self.in_a_hurry.load(Ordering::Relaxed) {
            0 => self.to_next_beat(Instant::now(), GATHER_AT_REST) + TIMER_STEP,
            _ => GATHER,
        }
    }

    /// From now to the next beat, one every `period`: all that have one period have the same beats.
    fn to_next_beat(&self, now: Instant, period: Duration) -> Duration {
        let since_beat = now.saturating_duration_since(self.began).as_nanos() % period.as_nanos();
        period - Duration::from_nanos(since_beat as u64)
    }
}

impl Hurry {
    fn begin(clock: &Arc<ThreadClock>) -> Self {
        clock.in_a_hurry.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(clock))
    }

    /// In no hurry until the next beat: everybody who rests as long wakes at the same time.
    pub async fn rest(self, period: Duration) -> Self {
        let clock = Arc::clone(&self.0);
        drop(self);
        tokio::time::sleep(clock.to_next_beat(Instant::now(), period)).await;
        Self::begin(&clock)
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        self.0.in_a_hurry.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
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

    #[test]
    fn all_that_rest_as_long_have_the_same_beats() {
        let clock = ThreadClock::default();
        let to_next_ms = |now_ms| {
            let now = clock.began + Duration::from_millis(now_ms);
            clock.to_next_beat(now, Duration::from_millis(80)).as_millis()
        };
        assert_eq!([0, 1, 79, 80, 163].map(to_next_ms), [80, 79, 1, 80, 77]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_thread_sleeps_longer_once_nobody_is_in_a_hurry_or_all_of_them_rest() {
        let live = LiveThread::start().expect("a thread starts");
        let clock = Arc::clone(&live.0.clock);
        let (one, other) = (live.hurry(), live.hurry());
        drop(other);
        assert_eq!(clock.gather(), GATHER);
        let rest = one.rest(Duration::from_millis(80));
        tokio::pin!(rest);
        assert!(rest.as_mut().now_or_never().is_none());
        assert!(clock.gather() > GATHER);
        let rested = rest.await;
        assert_eq!(clock.gather(), GATHER);
        drop(rested);
        assert!(clock.gather() > GATHER);
    }

    #[tokio::test]
    #[should_panic(expected = "as the work does")]
    async fn a_panic_is_the_callers() {
        let live = LiveThread::start().expect("a thread starts");
        live.run(async { panic!("as the work does") }).await;
    }
}
