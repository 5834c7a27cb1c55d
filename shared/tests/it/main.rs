//! Tests of the crate from the outside, one file or folder per behaviour.

mod netguard;
