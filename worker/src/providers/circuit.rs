//! A circuit for each provider and capability: after several outages in a row nobody is sent there for a while, then one
//! call tries, and its answer closes the circuit or opens it again for longer. Each worker has its own: what one has
//! found out the others find out in a few calls.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::catalogue::Capability;

/// Outages in a row that open a circuit.
const OPENS_AFTER: u32 = 5;
/// How long it stays open at first, and at most; doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const MAX_PAUSE: Duration = Duration::from_mins(5);

/// All circuits of a worker.
#[derive(Debug, Default)]
pub struct Circuits {
    by: Mutex<HashMap<(&'static str, Capability), Circuit>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Circuit {
    /// Outages since the last answer.
    outages: u32,
    /// When the next call may try, while it is open.
    open_until: Option<Instant>,
    /// How often it has opened since the last answer.
    openings: u32,
    /// Whether a call is trying.
    is_trying: bool,
}

/// How a circuit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// Calls go through.
    Closed,
    /// No call goes through.
    Open,
    /// One call tries.
    HalfOpen,
}

/// A call that went through: what becomes of it has to be told. One that is dropped untold, for its task was canceled,
/// leaves the circuit as it was.
#[derive(Debug)]
pub struct Passage<'a> {
    circuits: &'a Circuits,
    key: (&'static str, Capability),
    tries: bool,
}

impl Circuits {
    /// Lets a call through, or not.
    pub fn pass(&self, provider: &'static str, capability: Capability) -> Option<Passage<'_>> {
        let key = (provider, capability);
        let mut circuits = self.lock();
        let circuit = circuits.entry(key).or_default();
        let tries = match circuit.open_until {
            None => false,
            Some(until) if Instant::now() >= until && !circuit.is_trying => {
                circuit.is_trying = true;
                self.changed.notify_one();
                true
            }
            Some(_) => return None,
        };
        Some(Passage {
            circuits: self,
            key,
            tries,
        })
    }

    /// Returns when a circuit has opened, tries or has closed since the last time.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// How a circuit stands.
    pub fn state(&self, provider: &'static str, capability: Capability) -> CircuitState {
        let circuits = self.lock();
        match circuits.get(&(provider, capability)) {
            Some(circuit) if circuit.is_trying => CircuitState::HalfOpen,
            Some(Circuit {
                open_until: Some(until),
                ..
            }) if Instant::now() < *until => CircuitState::Open,
            Some(Circuit {
                open_until: Some(_), ..
            }) => CircuitState::HalfOpen,
            _ => CircuitState::Closed,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(&'static str, Capability), Circuit>> {
        self.by.lock().expect("nothing that holds this lock panics")
    }
}

impl Passage<'_> {
    /// The provider answered, if only to refuse.
    pub fn answered(self) {
        let before = self.circuits.lock().insert(self.key, Circuit::default());
        if before.is_some_and(|circuit| circuit.open_until.is_some()) {
            self.circuits.changed.notify_one();
        }
    }

    /// The provider is unwell.
    pub fn failed(self) {
        let mut circuits = self.circuits.lock();
        let circuit = circuits.entry(self.key).or_default();
        circuit.outages += 1;
        let opens = self.tries || (circuit.open_until.is_none() && circuit.outages >= OPENS_AFTER);
        if opens {
            let pause = FIRST_PAUSE.saturating_mul(1 << circuit.openings.min(16)).min(MAX_PAUSE);
            circuit.openings += 1;
            circuit.open_until = Some(Instant::now() + pause);
            self.circuits.changed.notify_one();
        }
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.tries {
            self.circuits.lock().entry(self.key).or_default().is_trying = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Capability = Capability::Text;

    fn fail(circuits: &Circuits, times: u32) {
        for _ in 0..times {
            circuits.pass("openai", TEXT).expect("it is closed").failed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_outages_in_a_row_and_an_answer_closes_it() {
        let circuits = Circuits::default();
        fail(&circuits, OPENS_AFTER - 1);
        circuits.pass("openai", TEXT).expect("it is closed").answered();
        fail(&circuits, OPENS_AFTER);
        assert!(circuits.pass("openai", TEXT).is_none());
        assert!(circuits.pass("openai", Capability::Speech).is_some() && circuits.pass("other", TEXT).is_some());
        tokio::time::advance(FIRST_PAUSE).await;
        let trying = circuits.pass("openai", TEXT).expect("one may try");
        assert!(circuits.pass("openai", TEXT).is_none(), "only one tries");
        assert_eq!(circuits.state("openai", TEXT), CircuitState::HalfOpen);
        trying.answered();
        assert_eq!(circuits.state("openai", TEXT), CircuitState::Closed);
        assert!(circuits.pass("openai", TEXT).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_fails_opens_it_for_longer_and_one_that_is_dropped_leaves_it_to_the_next() {
        let circuits = Circuits::default();
        fail(&circuits, OPENS_AFTER);
        tokio::time::advance(FIRST_PAUSE).await;
        drop(circuits.pass("openai", TEXT).expect("one may try"));
        circuits.pass("openai", TEXT).expect("the next may try").failed();
        tokio::time::advance(FIRST_PAUSE).await;
        assert_eq!(circuits.state("openai", TEXT), CircuitState::Open);
        assert!(circuits.pass("openai", TEXT).is_none());
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(circuits.pass("openai", TEXT).is_some());
    }
}
