//! Faults brought upon real processes, and what is held against the promises afterwards. Nothing here stands in for the
//! product: Redis, api and workers are real, and a witness outside of Redis knows what was promised and done.
//!
//! `cases/` has one file for each family, each case a function in a table; `arena.rs` is where a case is played,
//! `load.rs` the submitters that never pause, `probe.rs` the light worker that keeps a diary, `judge.rs` what is held
//! against the promises, `pulse.rs` how busy the machine is, `report.rs` what is published. `make chaos` plays all of them, `make test` the short ones.

mod arena;
pub mod cases;
mod judge;
mod load;
pub mod probe;
mod pulse;
mod random;
mod report;

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

pub use judge::{Promise, Verdict};
pub use pulse::Pulse;
pub use random::Random;
pub use report::{details, markdown};

/// Longest that a case may take beyond the soak. The longest, M1, takes a third of it.
const LONGEST: Duration = Duration::from_secs(1_500);

/// How much of a case is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Beside other tests, on any machine: promises about time are not judged.
    Smoke,
    /// All of it.
    Full,
}

impl Scale {
    /// The number of a full play, or that of a short one.
    fn of(self, full: usize, smoke: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Smoke => smoke,
        }
    }
}

/// What a case is told.
#[derive(Debug)]
pub struct Scene {
    /// The source of everything that is left to chance.
    pub random: Random,
    /// How much is played.
    pub scale: Scale,
    /// How long a case goes on that only time says something about.
    pub soak: Duration,
}

/// One case.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// As the list of cases has it, `C01`.
    pub id: &'static str,
    /// What is done to the system.
    pub fault: &'static str,
    /// What has to hold nevertheless, beside what always has to.
    pub promise: &'static str,
    /// Plays it.
    pub play: fn(Scene) -> BoxFuture<'static, Verdict>,
}

/// A case that was played.
#[derive(Debug)]
pub struct Played {
    /// The case.
    pub case: Case,
    /// How it went.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
    /// Longest time that the machine let a thread wait that could run.
    pub stalled: Duration,
}

/// Plays a case. One that cannot go on has broken its promise. The same seed plays the same case the same way,
/// whichever others are played.
pub async fn play(case: Case, seed: u64, scale: Scale, soak: Duration) -> Played {
    let (begun, pulse) = (Instant::now(), Pulse::start());
    let number = case.id.bytes().fold(0_u64, |sum, byte| sum * 31 + u64::from(byte));
    let scene = Scene {
        random: Random::new(seed ^ (number << 20)),
        scale,
        soak,
    };
    let mut playing = JoinSet::new();
    playing.spawn((case.play)(scene));
    let verdict = match timeout(LONGEST + soak, playing.join_next()).await {
        Err(_) => Verdict::broken(format!("it had not come to its end after {LONGEST:?}")),
        Ok(None) => Verdict::broken("it was not played".to_owned()),
        Ok(Some(Ok(verdict))) => verdict,
        Ok(Some(Err(panic))) => {
            let panic = panic.into_panic();
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Verdict::broken(text.unwrap_or_else(|| "it could not go on".to_owned()))
        }
    };
    Played {
        case,
        verdict,
        took: begun.elapsed(),
        stalled: pulse.worst(),
    }
}

/// Lets a fault last.
pub(crate) async fn lasts(time: Duration) {
    sleep_until(Instant::now() + time).await;
}
