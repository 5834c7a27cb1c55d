//! Reading text of live streams costs a hundred times what decoding a key frame does. All live streams of a worker share what
//! there is for it: no more than half of the media children read at a time, so that the others go on decoding, and together
//! they read within a share of the worker's cores. A stream that gets no turn has its text read later.

use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::budget::Budget;

/// Share of each core that all live streams together may use.
const SHARE: f64 = 0.25;

/// The turns of a worker. Clones share them.
#[derive(Debug, Clone)]
pub struct Reading {
    turns: Arc<Semaphore>,
    budget: Arc<Mutex<Budget>>,
}

/// Leave to have one run of pictures read. The next is given when it is dropped.
#[derive(Debug)]
pub struct Turn {
    budget: Arc<Mutex<Budget>>,
    _turn: OwnedSemaphorePermit,
}

impl Reading {
    /// For a worker that has so many media children for live streams, one a core.
    pub fn new(children: usize, now: Instant) -> Self {
        Self {
            turns: Arc::new(Semaphore::new((children / 2).max(1))),
            budget: Arc::new(Mutex::new(Budget::of(SHARE * children as f64, now))),
        }
    }

    /// A turn, if there is one. Nobody waits: a stream has pictures to decode.
    pub fn turn(&self, now: Instant) -> Option<Turn> {
        let turn = Arc::clone(&self.turns).try_acquire_owned().ok()?;
        let allowed = self.budget.lock().expect("no holder should panic").allows(now);
        allowed.then(|| Turn {
            budget: Arc::clone(&self.budget),
            _turn: turn,
        })
    }
}

impl Turn {
    /// Ends it with what it cost, microseconds of processor time.
    pub fn end(self, cpu_us: u64) {
        self.budget.lock().expect("no holder should panic").charge(cpu_us);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn half_of_the_children_read_at_a_time() {
        let now = Instant::now();
        let reading = Reading::new(4, now);
        let turns = [reading.turn(now), reading.turn(now)];
        assert!(turns.iter().all(Option::is_some) && reading.turn(now).is_none());
        drop(turns);
        assert!(reading.turn(now).is_some());
        let alone = Reading::new(1, now);
        assert!(alone.turn(now).is_some(), "a worker with one child reads too");
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_streams_there_are_a_quarter_of_each_core_is_used() {
        let mut now = Instant::now();
        let reading = Reading::new(2, now);
        let mut used_us = 0;
        for _ in 0..600 {
            now += Duration::from_secs(1);
            for _stream in 0..60 {
                if let Some(turn) = reading.turn(now) {
                    turn.end(400_000);
                    used_us += 400_000;
                }
            }
        }
        let cores = used_us as f64 / 600e6;
        assert!((0.45..=0.55).contains(&cores), "{cores}");
    }
}
