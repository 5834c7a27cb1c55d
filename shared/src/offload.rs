//! JSON that is too large for Redis: kept as an artifact, with a pointer in its place.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::artifacts::{ArtifactError, ArtifactId, Artifacts, NewArtifact};
use crate::tenant::Tenant;

/// Values over this many bytes are offloaded: the queue takes 64 KiB, and a spec holds more than its input.
pub const OFFLOAD_BYTES: usize = 60 * 1024;
/// Largest offloaded value, bytes.
pub const MAX_VALUE_BYTES: u64 = 64 * 1024 * 1024;

/// What stands in the place of an offloaded value. No kind has a field of this name.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    #[serde(rename = "$artifact")]
    artifact: String,
}

/// The value itself if it is small, else a pointer to an artifact that lives for `ttl`.
pub async fn offload(
    artifacts: &Artifacts,
    tenant: &Tenant,
    value: Box<RawValue>,
    ttl: Duration,
) -> Result<Box<RawValue>, ArtifactError> {
    if value.get().len() <= OFFLOAD_BYTES {
        return Ok(value);
    }
    let new = NewArtifact {
        content_type: "application/json".to_owned(),
        filename: None,
        ttl,
    };
    let info = artifacts
        .put(tenant, new, Bytes::from(String::from(Box::<str>::from(value))))
        .await?;
    let pointer = serde_json::value::to_raw_value(&Pointer {
        artifact: info.artifact,
    });
    Ok(pointer.expect("a string should be JSON"))
}

/// The value behind a pointer, or the value itself if it is none. [`ArtifactError::NotFound`] if it has expired.
pub async fn load(
    artifacts: &Artifacts,
    tenant: &Tenant,
    value: Box<RawValue>,
) -> Result<Box<RawValue>, ArtifactError> {
    let Some(id) = pointed_at(&value) else { return Ok(value) };
    let bytes = artifacts
        .read(tenant, id.as_str(), MAX_VALUE_BYTES)
        .await?
        .ok_or(ArtifactError::NotFound)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| ArtifactError::unavailable(format!("artifact {id} is damaged: {error}")))
}

/// The artifact that a value points at, if it is a pointer.
pub fn pointed_at(value: &RawValue) -> Option<ArtifactId> {
    // Serde would read a struct from a list too.
    let pointer: Pointer = value
        .get()
        .starts_with('{')
        .then(|| serde_json::from_str(value.get()).ok())??;
    ArtifactId::parse(&pointer.artifact).ok()
}
