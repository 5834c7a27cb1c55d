//! What a probe is told: a worker process that links no more than the queue, keeps a diary outside of Redis, and dies
//! where its tasks say. `examples/probe.rs` is the process.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The kind that probes run.
pub const KIND: &str = "probe";

/// Its only argument, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProbeSettings {
    /// Redis.
    pub redis: String,
    /// Where the diary goes, and the marks of tasks that have aborted a probe.
    pub dir: PathBuf,
    /// Slots.
    pub units: u32,
    /// Lease, milliseconds.
    pub lease_ms: u64,
    /// Workers in this process, each with its own connections.
    pub workers: usize,
    /// Whether tasks may be claimed before there is room for them.
    pub claim_ahead: bool,
    /// How it dies by itself, besides by its tasks.
    pub dies: Dies,
}

/// When a probe aborts by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dies {
    /// Not at all.
    #[default]
    Never,
    /// So many milliseconds after it has connected: while it claims.
    AfterStart(u64),
    /// So many milliseconds after SIGTERM: while it drains.
    InDrain(u64),
}

/// The input of a task.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProbeInput {
    /// Its number among those submitted.
    #[serde(rename = "i")]
    pub number: u64,
    /// How long it works, milliseconds.
    #[serde(rename = "ms", skip_serializing_if = "is_zero")]
    pub works_ms: u64,
    /// Whether it writes a chunk of output when its work is done.
    #[serde(skip_serializing_if = "is_false")]
    pub writes: bool,
    /// Where it aborts its probe, the first time it gets there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aborts: Option<Point>,
    /// Whether it does so every time.
    #[serde(skip_serializing_if = "is_false")]
    pub poison: bool,
    /// Whether it never ends.
    #[serde(skip_serializing_if = "is_false")]
    pub hangs: bool,
    /// Memory that it takes while it works, MiB.
    #[serde(skip_serializing_if = "is_zero")]
    pub eats_mib: u64,
    /// Fills it up.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filler: String,
}

/// A place in the life of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// It was claimed, and nothing was done yet.
    Claimed,
    /// The diary says that it began.
    Begun,
    /// In the middle of its work.
    Working,
    /// While its chunk is on the way.
    Writing,
    /// Its work is done, and Redis does not know.
    Done,
    /// Its result is on the way.
    Finishing,
}

/// Every place.
pub const POINTS: [Point; 6] = [
    Point::Claimed,
    Point::Begun,
    Point::Working,
    Point::Writing,
    Point::Done,
    Point::Finishing,
];

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !*flag
}
