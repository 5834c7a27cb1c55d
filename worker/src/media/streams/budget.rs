//! Processor time of this thread: what a request cost, and when it has to come to an end. Wall time says nothing here,
//! because other children compete for the same processors.

use rustix::time::{ClockId, clock_gettime};

/// Microseconds this thread has worked since it began.
pub(super) fn now_us() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * 1_000_000 + nanoseconds / 1_000
}

/// Processor time since one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    since_us: u64,
}

impl Spent {
    /// Begins to count.
    pub(super) fn begin() -> Self {
        Self { since_us: now_us() }
    }

    /// Microseconds so far.
    pub(super) fn us(self) -> u64 {
        now_us().saturating_sub(self.since_us)
    }
}
