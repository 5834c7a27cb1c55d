//! Submitting, in the order in which a request passes: its body (`request`) is judged without touching anything
//! (`envelope`, `submission`), its media is stored (`intake`, `held`), and it is enqueued (`one`, `batch`,
//! `enqueue`).

pub(crate) mod batch;
pub(crate) mod enqueue;
pub(crate) mod envelope;
pub(crate) mod fingerprint;
pub(crate) mod held;
pub(crate) mod idempotency;
pub(crate) mod intake;
pub(crate) mod one;
pub(crate) mod request;
pub(crate) mod submission;
