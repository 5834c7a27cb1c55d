//! Stored bytes by (tenant, id): uploads, inline media, large JSON, and what tasks make.
//!
//! One store is a local directory or a bucket. What bytes mean, who may have them and when they are made belongs to
//! the callers; here they are put, found, read in part, deleted, and swept when they expire.

mod backend;
mod error;
mod id;
mod layout;
mod store;
mod writer;

pub use error::ArtifactError;
pub use id::{ArtifactId, InvalidArtifactId};
pub use store::{ArtifactInfo, Artifacts, ByteStream, NewArtifact};
pub use writer::ArtifactWriter;
