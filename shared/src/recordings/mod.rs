//! Recordings: what a stored stream has shown, as segments of fragmented MP4 beside the artifacts, and an index of them in
//! a journal of the queue. The worker writes, the api reads; what is in a picture concerns neither.
//!
//! A recording belongs to a tenant and a stream. Its index has a page an hour and a row of 32 bytes for every segment and
//! every gap; hours older than a day lie in the store. The names of segments say all that their rows say, so that the index
//! can be made anew from them.

mod cap;
mod check;
mod fragments;
mod index;
mod keep;
mod moment;
mod name;
mod open_segment;
mod pin;
mod rebuild;
mod retention;
mod row;
mod sealed;
mod store;
mod timeline;

pub use cap::keep_tenant_within;
pub use check::{MAX_SHOWN, RecordingFault, RecordingFinding, RecordingsReport, check};
pub use fragments::{FragmentError, Fragments, SOUND_TRACK, VIDEO_TIMESCALE, VIDEO_TRACK, timescales};
pub use index::{HOUR_MS, Recording, RecordingError, StoredRecording, adopted_hours};
pub use keep::{Keep, forget_if_empty, keep_within};
pub use moment::{Moment, Unrecorded};
pub use name::{InitName, SegmentName};
pub use open_segment::OpenSegment;
pub use pin::Pin;
pub use retention::{MAX_RECORDING_HOURS, StreamRetention};
pub use row::{Gap, GapCause, ROW_BYTES, Row, Segment};
pub use sealed::seal_old_hours;
pub use store::{Leftover, Recordings};
pub use timeline::{Stretch, Timeline};
