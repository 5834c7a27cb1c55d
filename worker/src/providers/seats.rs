//! How many calls of this worker one provider may keep waiting: not all slots, or one that hangs would hold up every other
//! kind. A few wait for a seat, in order; the others go back to the queue and come again in turn.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// Of this many slots one is left to others, and one to those who wait for a seat.
const SHARE: u32 = 16;
/// Shortest and longest pause of whoever is sent away.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(1));
/// What a call is taken to last before any has ended.
const FIRST_GUESS: Duration = Duration::from_secs(1);
/// The part of what calls are taken to last that the newest one decides.
const NEWEST_SHARE: u32 = 8;

/// The seats of every provider. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Seats {
    most: usize,
    most_waiting: usize,
    by: Arc<Mutex<HashMap<&'static str, Arc<Place>>>>,
}

#[derive(Debug)]
struct Place {
    seats: Arc<Semaphore>,
    waiting: AtomicUsize,
    pace: Mutex<Pace>,
}

#[derive(Debug)]
struct Pace {
    /// What calls last of late: whoever comes again finds about as many seats as there are comers.
    usual: Duration,
    /// When the next one that is sent away is to come again.
    again: Instant,
}

/// A seat, free again once dropped.
#[derive(Debug)]
pub(super) struct Seat {
    place: Arc<Place>,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

/// One who waits for a seat.
struct Waiting<'a>(&'a AtomicUsize);

impl Default for Seats {
    fn default() -> Self {
        Self::of_most(Semaphore::MAX_PERMITS, 0)
    }
}

impl Seats {
    /// Leaves a sixteenth of these slots to others, whatever happens.
    pub fn of_slots(slots: u32) -> Self {
        let slots = slots as usize;
        let part = slots.div_ceil(SHARE as usize);
        let most = slots.saturating_sub(2 * part).max(1);
        Self::of_most(most, slots.saturating_sub(most + part))
    }

    fn of_most(most: usize, most_waiting: usize) -> Self {
        Self {
            most,
            most_waiting,
            by: Arc::default(),
        }
    }

    /// A seat at a provider, waited for up to `longest` if few others do.
    ///
    /// # Errors
    /// The pause after which there should be one.
    pub(super) async fn take(&self, provider: &'static str, longest: Duration) -> Result<Seat, Duration> {
        let place = self.place(provider);
        if let Ok(permit) = place.seats.clone().try_acquire_owned() {
            return Ok(Seat::of(place, permit));
        }
        if let Some(_waiting) = Waiting::join(&place.waiting, self.most_waiting)
            && let Ok(Ok(permit)) = timeout(longest, place.seats.clone().acquire_owned()).await
        {
            return Ok(Seat::of(place.clone(), permit));
        }
        Err(place.pause(self.most))
    }

    fn place(&self, provider: &'static str) -> Arc<Place> {
        let mut by = self.by.lock().expect("no holder panics");
        let new = || {
            Arc::new(Place {
                seats: Arc::new(Semaphore::new(self.most)),
                waiting: AtomicUsize::new(0),
                pace: Mutex::new(Pace {
                    usual: FIRST_GUESS,
                    again: Instant::now(),
                }),
            })
        };
        by.entry(provider).or_insert_with(new).clone()
    }
}

impl Place {
    /// The pause of whoever is sent away: one comes again after each time in which a seat becomes free.
    fn pause(&self, seats: usize) -> Duration {
        let now = Instant::now();
        let (shortest, longest) = PAUSES;
        let mut pace = self.pace.lock().expect("no holder panics");
        let step = pace.usual / u32::try_from(seats).unwrap_or(u32::MAX);
        pace.again = (pace.again.max(now + shortest) + step).min(now + longest);
        pace.again - now
    }
}

impl Seat {
    fn of(place: Arc<Place>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            place,
            since: Instant::now(),
            _permit: permit,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut pace = self.place.pace.lock().expect("no holder panics");
        pace.usual = pace.usual * (NEWEST_SHARE - 1) / NEWEST_SHARE + self.since.elapsed() / NEWEST_SHARE;
    }
}

impl<'a> Waiting<'a> {
    fn join(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let one_more = |waiting: usize| (waiting < most).then_some(waiting + 1);
        let joined = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        joined.is_ok().then(|| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(10);

    async fn full(seats: &Seats) -> Vec<Seat> {
        let taken = join_all((0..56).map(|_| seats.take("openai", LONGEST))).await;
        taken.into_iter().map(|seat| seat.expect("there are seats")).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_never_has_all_slots_and_who_is_sent_away_comes_again_in_turn() {
        let seats = Seats::of_slots(64);
        let taken = full(&seats).await;
        let pauses = join_all((0..116).map(|_| seats.take("openai", LONGEST))).await;
        let mut pauses: Vec<Duration> = pauses
            .into_iter()
            .map(|seat| seat.expect_err("all are taken"))
            .collect();
        pauses.sort_unstable();
        let (first, last) = (pauses[0].as_secs_f64(), pauses[115].as_secs_f64());
        assert!(
            (0.5..0.6).contains(&first) && (2.4..2.6).contains(&last),
            "{first} to {last}"
        );
        assert!(seats.take("anthropic", LONGEST).await.is_ok(), "another has its own");
        tokio::time::advance(Duration::from_secs(50)).await;
        drop(taken);
        let _taken = full(&seats).await;
        let pauses = join_all((0..6).map(|_| seats.take("openai", Duration::ZERO))).await;
        let mut pauses: Vec<Duration> = pauses
            .into_iter()
            .map(|seat| seat.expect_err("all are taken"))
            .collect();
        pauses.sort_unstable();
        let step = (pauses[1] - pauses[0]).as_secs_f64();
        assert!(
            (1.0..1.1).contains(&step),
            "calls have lasted a minute: one ends every {step} s"
        );
        assert!(
            Seats::of_slots(1).take("openai", LONGEST).await.is_ok(),
            "one slot cannot be shared"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_wait_for_a_seat_in_order() {
        let seats = Seats::of_slots(64);
        let mut taken = full(&seats).await;
        let (mut first, mut second) = (
            std::pin::pin!(seats.take("openai", LONGEST)),
            std::pin::pin!(seats.take("openai", LONGEST)),
        );
        assert!(futures_util::poll!(&mut first).is_pending() && futures_util::poll!(&mut second).is_pending());
        taken.pop();
        assert!(futures_util::poll!(&mut second).is_pending(), "the other came first");
        assert!(first.await.is_ok());
        taken.pop();
        assert!(second.await.is_ok());
    }
}
