//! The cases, one file for each family.

mod api;
mod clock;
mod failover;
mod fairness;
mod kills;
mod million;
mod recordings;
mod store;
mod wire;

use super::Case;

/// All of them.
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
