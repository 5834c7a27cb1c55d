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

/// All others.
pub fn all() -> Vec<Case> {
    [
        kills::CASES,
        store::CASES,
        failover::CASES,
        wire::CASES,
        clock::CASES,
        api::CASES,
        fairness::CASES,
        million::CASES,
        recordings::CASES,
    ]
    .concat()
}
