//! What happens to tasks, as it happens: events over SSE and WebSocket, and the scenes of streams.
//!
//! Nothing is queued for clients. Output stands in Redis, and a client is a position in it: the next page is read when
//! the one before has been taken. A slow reader therefore holds one page of memory and delays nobody; what it misses is
//! progress, of which it is told how much.

pub(crate) mod buffered;
pub(crate) mod client;
pub(crate) mod events;
pub(crate) mod feed;
pub(crate) mod message;
pub(crate) mod process_frame;
pub(crate) mod scenes;
pub(crate) mod socket;
