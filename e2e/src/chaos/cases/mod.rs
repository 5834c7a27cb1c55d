//! The cases, one file for each family.

mod api;
mod clock;
mod failover;
mod fairness;
mod kills;
mod million;
mod recordings;
mod soak;
mod store;
mod wire;

use super::Case;

/// Those that take longer than anybody waits for: played where they are asked for by name.
pub fn long() -> Vec<Case> {
    soak::CASES.to_vec()
}

/// Those that wait for a camera most of their time and take next to nothing of the machine: two may be played at once.
pub fn waiting() -> Vec<Case> {
    recordings::CASES.to_vec()
}

/// All others: each has the machine for itself.
pub fn busy() -> Vec<Case> {
    [
        kills::CASES,
        store::CASES,
        failover::CASES,
        wire::CASES,
        clock::CASES,
        api::CASES,
        fairness::CASES,
        million::CASES,
    ]
    .concat()
}
