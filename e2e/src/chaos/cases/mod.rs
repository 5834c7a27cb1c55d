//! The cases, one file for each family.

mod api;
mod clock;
mod kills;
mod million;
mod store;
mod wire;

use super::Case;

/// All of them.
pub fn all() -> Vec<Case> {
    [
        kills::CASES,
        store::CASES,
        wire::CASES,
        clock::CASES,
        api::CASES,
        million::CASES,
    ]
    .concat()
}
