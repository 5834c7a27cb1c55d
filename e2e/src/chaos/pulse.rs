//! How long the machine lets a thread wait that could run: what separates a slow promise from a slow machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::time::Instant;

/// Pause between two beats.
const BEAT: Duration = Duration::from_millis(5);

/// A thread that does nothing but come back after a pause, and notes how late it is.
#[derive(Debug)]
pub struct Pulse {
    stop: Arc<AtomicBool>,
    beating: JoinHandle<Duration>,
}

impl Pulse {
    /// Begins to beat.
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let beating = thread::spawn(move || {
            let mut worst = Duration::ZERO;
            while !stopped.load(Ordering::Relaxed) {
                let begun = Instant::now();
                thread::park_timeout(BEAT);
                worst = worst.max(begun.elapsed().saturating_sub(BEAT));
            }
            worst
        });
        Self { stop, beating }
    }

    /// The longest that it was late.
    pub fn worst(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.beating.join().expect("it does not panic")
    }
}
