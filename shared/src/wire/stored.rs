//! A stored artifact as the api shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::rfc3339_ms;
use crate::artifacts::ArtifactInfo;

/// An upload that is now an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadView {
    /// Id, for `{"artifact": id}`.
    pub artifact: String,
    /// The name it was sent under.
    pub filename: Option<String>,
    /// Content type, told by the content.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes, hexadecimal.
    pub sha256: String,
    /// When it stops to exist, RFC 3339 with milliseconds.
    pub expires_at: String,
    /// Where to go from here.
    pub urls: UploadUrls,
}

/// Where an artifact can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadUrls {
    /// GET answers the bytes, whole or by range.
    #[serde(rename = "self")]
    pub this: String,
}

impl From<&ArtifactInfo> for UploadView {
    fn from(info: &ArtifactInfo) -> Self {
        Self {
            artifact: info.artifact.clone(),
            filename: info.filename.clone(),
            content_type: info.content_type.clone(),
            size: info.size,
            sha256: info.sha256.clone(),
            expires_at: rfc3339_ms(info.expires_at_ms),
            urls: UploadUrls {
                this: format!("/api/v1/artifacts/{}", info.artifact),
            },
        }
    }
}
