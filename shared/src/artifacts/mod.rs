//! Stored bytes by (tenant, id): uploads, inline media, large JSON, and what tasks make.
//!
//! One store is a local directory or a bucket. What bytes mean, who may have them and when they are made belongs to
//! the callers; here they are put, found, read in part, deleted, and swept when they expire.
//!
//! What is written is synced before it is acknowledged: it survives a power loss as its task does. In a bucket, parts
//! of an upload that died with its process are the bucket's to forget: give it a lifecycle rule that aborts incomplete
//! multipart uploads.
//!
//! Tenants are folders by their exact spelling. On a disk that takes `Acme` and `acme` for one name (macOS and Windows
//! by default) those two tenants share a folder; ids of 128 random bits still keep what they store apart, but whoever
//! knows an id of one finds it as the other. Keep the store on a disk that tells case apart, or in a bucket, or give
//! no two tenants names that differ in nothing else.

mod backend;
mod error;
mod filename;
mod id;
mod layout;
mod store;
mod sweep;
mod writer;

pub use error::ArtifactError;
pub use filename::{MAX_FILENAME_BYTES, plain_filename};
pub use id::{ArtifactId, InvalidArtifactId};
pub use store::{ArtifactInfo, Artifacts, ByteStream, NewArtifact};
pub use writer::ArtifactWriter;
