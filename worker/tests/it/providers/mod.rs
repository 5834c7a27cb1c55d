//! The adapters of providers, against a mock at the socket. No test calls out.

mod cases;
mod conformance;
mod contracts;
mod detection;
pub(crate) mod mock;
mod outage;
