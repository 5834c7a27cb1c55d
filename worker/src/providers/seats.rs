//! How many calls of this worker one provider may keep waiting: not all slots, or one that hangs would hold up every other
//! kind. Whoever finds no seat goes back to the queue and comes again in turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

/// Shortest and longest pause of whoever finds no seat.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(1));
/// What a call is taken to last: whoever comes again finds about as many seats as there are comers.
const USUAL_CALL: Duration = Duration::from_secs(2);

/// The seats of every provider. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Seats {
    most: usize,
    taken: Arc<Mutex<HashMap<&'static str, Taken>>>,
}

#[derive(Debug, Default)]
struct Taken {
    seats: usize,
    /// When the next one that finds none is to come again.
    again: Option<Instant>,
}

/// A seat, free again once dropped.
#[derive(Debug)]
pub struct Seat<'a> {
    seats: &'a Seats,
    provider: &'static str,
}

impl Default for Seats {
    fn default() -> Self {
        Self::of_most(usize::MAX)
    }
}

impl Seats {
    /// Leaves an eighth of these slots to others.
    pub fn of_slots(slots: u32) -> Self {
        let slots = usize::try_from(slots).unwrap_or(usize::MAX);
        Self::of_most((slots - slots.div_ceil(8)).max(1))
    }

    fn of_most(most: usize) -> Self {
        Self {
            most,
            taken: Arc::default(),
        }
    }

    /// A seat at a provider; or the pause after which there should be one.
    pub(super) fn take(&self, provider: &'static str) -> Result<Seat<'_>, Duration> {
        let now = Instant::now();
        let mut taken = self.taken.lock().expect("no holder panics");
        let taken = taken.entry(provider).or_default();
        if taken.seats < self.most {
            taken.seats += 1;
            return Ok(Seat { seats: self, provider });
        }
        let (shortest, longest) = PAUSES;
        let step = USUAL_CALL / u32::try_from(self.most).unwrap_or(u32::MAX);
        let again = taken.again.map_or(now, |again| again.max(now)).max(now + shortest) + step;
        let again = again.min(now + longest);
        taken.again = Some(again);
        Err(again - now)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().expect("no holder panics");
        if let Some(taken) = taken.get_mut(self.provider) {
            taken.seats -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_provider_never_has_all_slots_and_who_finds_no_seat_comes_again_in_turn() {
        let seats = Seats::of_slots(64);
        let taken: Vec<_> = (0..56)
            .map(|_| seats.take("openai").expect("there are seats"))
            .collect();
        let pauses: Vec<Duration> = (0..112)
            .map(|_| seats.take("openai").expect_err("all are taken"))
            .collect();
        assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "{pauses:?}");
        let (first, last) = (pauses[0].as_secs_f64(), pauses[111].as_secs_f64());
        assert!(
            (0.5..0.6).contains(&first) && (4.4..4.6).contains(&last),
            "{first} to {last}"
        );
        assert!(seats.take("anthropic").is_ok(), "another has its own");
        drop(taken);
        assert!(seats.take("openai").is_ok());
        assert!(Seats::of_slots(1).take("openai").is_ok(), "one slot cannot be shared");
    }
}
