//! Tests of the crate from the outside, one file or folder per behaviour.

mod artifacts;
mod inputs;
mod netguard;
mod offloading;
mod registry;
mod settings;
mod stopping;
mod wire;
