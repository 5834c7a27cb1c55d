//! Signals, and the ordered way out of a process. What the steps are belongs to each process.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Exit code of a process that a second signal ended at once.
const EXIT_IMPATIENT: i32 = 130;

/// Listens for SIGTERM and SIGINT: the first cancels the token, the second ends the process at once.
#[derive(Debug)]
pub struct Shutdown {
    token: CancellationToken,
    /// Ends with its owner.
    _listener: JoinSet<()>,
}

impl Shutdown {
    /// Starts to listen; needs a Tokio runtime.
    pub fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let token = CancellationToken::new();
        let told = token.clone();
        let mut listener = JoinSet::new();
        listener.spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if told.is_cancelled() {
                    tracing::warn!("{name} again: leaving at once");
                    leave_at_once();
                }
                tracing::info!("{name}: shutting down; a second signal leaves at once");
                told.cancel();
            }
        });
        Ok(Self {
            token,
            _listener: listener,
        })
    }

    /// Cancelled by the first signal.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }
}

#[expect(clippy::exit, reason = "the second signal asks for exactly this")]
fn leave_at_once() -> ! {
    std::process::exit(EXIT_IMPATIENT)
}

/// Runs the steps of a shutdown in order, logs each with its time, and remembers what was left.
#[derive(Debug, Default)]
pub struct ShutdownSteps {
    done: Vec<StepReport>,
}

/// How one step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepReport {
    /// The step.
    pub name: &'static str,
    /// What it says was left, such as running attempts; `None` if it did not end in its time.
    pub left: Option<usize>,
}

impl ShutdownSteps {
    /// No steps yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a step for at most `limit`; it answers how much it left unfinished. A step that is too slow is dropped.
    pub async fn step(&mut self, name: &'static str, limit: Duration, work: impl Future<Output = usize>) {
        let begun = Instant::now();
        let left = tokio::time::timeout(limit, work).await.ok();
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        match left {
            Some(0) => tracing::info!(step = name, took_ms, "shutdown: {name}: done"),
            Some(left) => tracing::warn!(step = name, took_ms, left, "shutdown: {name}: {left} left"),
            None => tracing::warn!(step = name, took_ms, "shutdown: {name}: not done in time, dropped"),
        }
        self.done.push(StepReport { name, left });
    }

    /// The steps in the order in which they ran.
    pub fn finish(self) -> Vec<StepReport> {
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn steps_run_in_order_and_a_slow_one_does_not_hold_up_the_rest() {
        let mut steps = ShutdownSteps::new();
        steps.step("stop claiming", Duration::from_secs(1), async { 0 }).await;
        steps
            .step("drain", Duration::from_secs(30), std::future::pending())
            .await;
        steps.step("release leases", Duration::from_secs(1), async { 2 }).await;
        let expected = [("stop claiming", Some(0)), ("drain", None), ("release leases", Some(2))];
        assert_eq!(steps.finish(), expected.map(|(name, left)| StepReport { name, left }));
    }
}
