//! A pin: what is being read stays, however old it is and however much there is, as long as its reader goes on, within an hour.

use std::time::Duration;

use zoetrope_queue::{Clock, QueueError};

use super::index::{HOUR_MS, Recording};

/// A pin holds so long without a word of its reader.
const HELD_FOR: Duration = Duration::from_mins(5);
/// A reader says a word so often at most.
const RENEWED_AFTER: Duration = Duration::from_mins(1);
/// Longest that one reader holds anything: retention has to come to its end.
const LONGEST: Duration = Duration::from_hours(1);

/// Keeps a recording from a time on from retention.
#[derive(Debug)]
pub struct Pin {
    holder: String,
    page: u64,
    begun_ms: u64,
    renewed_ms: u64,
}

impl Pin {
    /// Holds what begins at or after `start_ms`, and all of the hour that it is in.
    ///
    /// # Errors
    /// When the queue does not answer.
    pub async fn hold(
        recording: &Recording<'_>,
        holder: String,
        start_ms: u64,
        clock: &dyn Clock,
    ) -> Result<Self, QueueError> {
        let now_ms = clock.now_ms();
        let pin = Self {
            holder,
            page: start_ms / HOUR_MS,
            begun_ms: now_ms,
            renewed_ms: now_ms,
        };
        pin.say(recording).await?;
        Ok(pin)
    }

    /// The reader goes on.
    ///
    /// # Errors
    /// When the queue does not answer.
    pub async fn renew(&mut self, recording: &Recording<'_>, clock: &dyn Clock) -> Result<(), QueueError> {
        let now_ms = clock.now_ms();
        let since = |then: u64| Duration::from_millis(now_ms.saturating_sub(then));
        if since(self.renewed_ms) < RENEWED_AFTER || since(self.begun_ms) > LONGEST {
            return Ok(());
        }
        self.renewed_ms = now_ms;
        self.say(recording).await
    }

    /// The reader is done. Without it the pin lapses by itself.
    ///
    /// # Errors
    /// When the queue does not answer.
    pub async fn release(self, recording: &Recording<'_>) -> Result<(), QueueError> {
        let at = (recording.tenant.as_str(), recording.stream);
        recording.queue.release_journal(at, &self.holder, self.page).await
    }

    async fn say(&self, recording: &Recording<'_>) -> Result<(), QueueError> {
        let at = (recording.tenant.as_str(), recording.stream);
        let ttl_ms = u64::try_from(HELD_FOR.as_millis()).unwrap_or(u64::MAX);
        recording.queue.hold_journal(at, &self.holder, self.page, ttl_ms).await
    }
}
