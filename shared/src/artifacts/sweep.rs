//! Deleting what expired, and what a crash left half-written of it.

use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};

use super::error::ArtifactError;
use super::layout::{self, Due};
use super::store::{Artifacts, found};

/// Deletions that a sweep has under way at once.
const CONCURRENCY: usize = 8;

impl Artifacts {
    /// Deletes what expired at or before `now_ms`; the answer is how many. Any number of processes may sweep at once.
    pub async fn sweep(&self, now_ms: u64) -> Result<usize, ArtifactError> {
        let listed = found(self.store.list_with_delimiter(Some(&layout::EXPIRY.into())).await)?;
        let hours = listed.map(|listed| listed.common_prefixes).unwrap_or_default();
        let mut swept = 0;
        for hour_folder in hours {
            let Some(hour) = layout::hour_of(&hour_folder).filter(|hour| *hour <= layout::hour(now_ms)) else {
                continue;
            };
            let due = self
                .store
                .list(Some(&hour_folder))
                .map_err(ArtifactError::from)
                .try_filter_map(|object| async move {
                    Ok(Due::parse(&object.location).filter(|due| due.expires_at_ms <= now_ms))
                });
            swept += due
                .map_ok(|due| self.sweep_one(due))
                .try_buffer_unordered(CONCURRENCY)
                .try_fold(0, |count, ()| async move { Ok(count + 1) })
                .await?;
            // In an hour that still runs, an artifact may be about to be written.
            if let Some(store_folder) = &self.folder
                && hour < layout::hour(now_ms)
            {
                let folder = store_folder.join(hour_folder.as_ref());
                off_the_async_threads(move || remove_past_hour(&folder)).await?;
            }
        }
        Ok(swept)
    }

    /// Removes all objects of an artifact, the one that makes it visible first, the one that the sweep reads last.
    pub(super) async fn remove(&self, due: &Due) -> Result<(), ArtifactError> {
        for path in [
            layout::info(&due.tenant, due.id),
            layout::data(&due.tenant, due.id),
            layout::expiry(due),
        ] {
            found(self.store.delete(&path).await)?;
        }
        Ok(())
    }

    async fn sweep_one(&self, due: Due) -> Result<(), ArtifactError> {
        if let Some(folder) = self.folder.clone() {
            let unfinished = [layout::data(&due.tenant, due.id), layout::info(&due.tenant, due.id)]
                .map(|path| folder.join(format!("{path}{UNFINISHED}1")));
            off_the_async_threads(move || unfinished.iter().for_each(remove_unfinished)).await?;
        }
        self.remove(&due).await
    }
}

/// A local store writes to the name with this and a number first; it neither lists nor deletes it after a crash.
const UNFINISHED: char = '#';

fn remove_unfinished(path: &PathBuf) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "an unfinished file of an artifact stays behind");
    }
}

/// The folder is left if anything but unfinished files is in it: another process may be sweeping it.
fn remove_past_hour(folder: &Path) {
    // Deleting the last object has removed it as a rule.
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().contains(UNFINISHED) {
            remove_unfinished(&entry.path());
        }
    }
    if let Err(error) = std::fs::remove_dir(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::debug!(path = %folder.display(), %error, "an hour of the past keeps its folder for now");
    }
}

async fn off_the_async_threads(work: impl FnOnce() + Send + 'static) -> Result<(), ArtifactError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(ArtifactError::unavailable)
}
