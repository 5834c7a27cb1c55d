//! From a media ref to a private file, for media that is too large to be held: children read it from there. What the
//! bytes are is not judged here.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use zoetrope_queue::Failure;
use zoetrope_shared::artifacts::ArtifactError;
use zoetrope_shared::media::MediaRef;
use zoetrope_shared::netguard::{FetchError, FetchLimits};
use zoetrope_shared::tenant::Tenant;

use crate::services::Services;

/// Longest time that a file may take to be fetched.
const FETCH_LIMIT: Duration = Duration::from_mins(30);

/// A folder for private copies that children may read; it goes with its value.
pub fn folder(services: &Services) -> Result<TempDir, Failure> {
    services.private_folder().map_err(storage)
}

/// Copies what a media ref points at into a new file, at most `max_bytes`.
pub async fn fetch(
    services: &Services,
    tenant: &Tenant,
    media: &MediaRef,
    max_bytes: u64,
    path: &Path,
) -> Result<(), Failure> {
    let mut file = File::create_new(path).await.map_err(storage)?;
    match media {
        MediaRef::Artifact { artifact } => copy_artifact(services, tenant, artifact, max_bytes, &mut file).await?,
        MediaRef::Url { url } => download(services, url, max_bytes, &mut file).await?,
        MediaRef::Base64 { .. } => {
            let message = "media was queued inline; inline media is stored as an artifact before it is queued";
            return Err(Failure::non_retryable("media_invalid", message));
        }
    }
    file.flush().await.map_err(storage)
}

/// Removes the private copies; a folder that cannot be removed is the operating system's to clean.
pub async fn close(folder: TempDir) {
    let path = folder.path().to_owned();
    if let Err(error) = tokio::task::spawn_blocking(move || folder.close())
        .await
        .unwrap_or(Ok(()))
    {
        tracing::warn!("remove {}: {error}", path.display());
    }
}

async fn copy_artifact(
    services: &Services,
    tenant: &Tenant,
    id: &str,
    max_bytes: u64,
    file: &mut File,
) -> Result<(), Failure> {
    let gone = || Failure::non_retryable("media_missing", "the artifact does not exist any more");
    let unavailable = |error: ArtifactError| Failure::retryable("artifacts_unavailable", error.to_string());
    let artifacts = &services.artifacts;
    let info = artifacts
        .info(tenant, id)
        .await
        .map_err(unavailable)?
        .ok_or_else(gone)?;
    if info.size > max_bytes {
        let message = format!("the artifact has more than {max_bytes} bytes");
        return Err(Failure::non_retryable("media_too_large", message));
    }
    let pieces = artifacts
        .read_range(tenant, id, 0..info.size)
        .await
        .map_err(unavailable)?;
    let mut pieces = pieces.ok_or_else(gone)?;
    while let Some(piece) = pieces.next().await {
        file.write_all(&piece.map_err(unavailable)?).await.map_err(storage)?;
    }
    Ok(())
}

async fn download(services: &Services, url: &str, max_bytes: u64, file: &mut File) -> Result<(), Failure> {
    let failed = |error: FetchError| {
        let message = format!("fetching the media failed: {error}");
        if error.is_retryable() {
            Failure::retryable(error.code(), message)
        } else {
            Failure::non_retryable(error.code(), message)
        }
    };
    let limits = FetchLimits {
        max_bytes,
        timeout: FETCH_LIMIT,
        ..FetchLimits::default()
    };
    let mut download = services.netguard.open(url, limits).await.map_err(failed)?;
    while let Some(piece) = download.next().await.map_err(failed)? {
        file.write_all(&piece).await.map_err(storage)?;
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
fn storage(error: std::io::Error) -> Failure {
    Failure::retryable("storage_unavailable", format!("keep the media: {error}"))
}
