//! Stream records: what a tenant has told of a source, whether it is started, and what the worker that watches it says of
//! it. Both processes read them; the routes belong to the api, watching to the worker.
//!
//! A record outlives its tasks. While it is started there is one `stream_ingest` task for it; each start is a `run`, and
//! a worker whose run is over finds that out from the answer to its next report.

mod id;
mod record;
mod report;
mod request;
mod store;

pub use id::{InvalidStreamId, StreamId};
pub use record::{RecordedSource, STREAM_FIELD, StreamOf, StreamRecord};
pub use report::{Snapshot, SourceReport, StreamReport};
pub use request::{StreamMedia, StreamRequest, change, check_request, ingest_input};
pub use store::{Created, Listed, Order, Position, Replaced, Reporting, StreamStore};
