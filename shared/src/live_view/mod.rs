//! What passes between whoever watches a stream and the worker that has it: wants one way, frames the other. Both are
//! published through Redis and kept nowhere: what nobody hears is gone.
//!
//! Whoever watches says so once a second ([`WANT_EVERY`]); a worker makes frames of a stream as long as the last word is
//! younger than [`WANT_TTL`], and of no other.

mod frame;
mod link;

use std::fmt;
use std::time::Duration;

pub use frame::{BoxKind, FrameHead, LiveBox, LiveFrame, MAX_BOXES, MAX_FRAME_BYTES, MAX_LABEL_CHARS};
pub use link::{Channels, Heard, LiveLink};

use crate::tenant::Tenant;

/// How long a word that somebody watches is believed.
pub const WANT_TTL: Duration = Duration::from_secs(5);
/// How often whoever watches says so.
pub const WANT_EVERY: Duration = Duration::from_secs(1);
/// Most frames a second of the stream's time.
pub const MOST_FPS: f64 = 15.0;

/// What is watched: a stream, or a `stream_ingest` task that is of none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Watched {
    /// Whose it is.
    pub tenant: Tenant,
    /// Its id.
    pub id: String,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.id)
    }
}
