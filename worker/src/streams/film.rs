//! A film: fetched to a private file, and read piece by piece by a media child of its own, as fast as it decodes.
//! Nothing is dropped, and a worker that takes over goes on where the last scene ended.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use zoetrope_queue::Failure;
use zoetrope_shared::artifacts::ArtifactError;
use zoetrope_shared::media::{MAX_VIDEO_BYTES, MediaRef};
use zoetrope_shared::netguard::{FetchError, FetchLimits};
use zoetrope_shared::tasks::stream_ingest::{Scene, StreamEnd};
use zoetrope_shared::tenant::Tenant;

use super::groups;
use super::scribe::{Scribe, count_sampled};
use super::status::{Phase, Status};
use super::windows::WindowShape;
use crate::media_pool::MediaError;
use crate::protocol_streams::{Analyse, FILE, FileInput, FilePiece, GateState};
use crate::services::Services;

/// Frames of one piece.
const PIECE_FRAMES: u32 = 16;
/// Crashes at one place of a film after which it is given up.
const MAX_CRASHES: u32 = 2;
/// Longest time that a film may take to be fetched.
const FETCH_LIMIT: Duration = Duration::from_mins(30);

/// What a film needs.
pub struct Film<'a> {
    /// The worker's own.
    pub services: &'a Services,
    /// Owner of the task.
    pub tenant: &'a Tenant,
    /// Names the open file in the child.
    pub session: &'a str,
    /// Where it is.
    pub media: &'a MediaRef,
    /// Frames a second.
    pub fps: f64,
    /// Its windows.
    pub shape: WindowShape,
    /// How much of it.
    pub duration: Option<Duration>,
    /// The last scene that was written before this attempt.
    pub last: Option<&'a Scene>,
    /// Counts and progress.
    pub status: &'a Status,
}

impl Film<'_> {
    /// Reads it to the end. The answer is why it ended, and the time of the last frame, ms.
    pub async fn run(&self, mut scribe: Scribe<'_>) -> Result<(StreamEnd, u64), Failure> {
        self.status.phase(Phase::Waiting);
        let slot = self.services.film_slots.acquire().await;
        let _slot = slot.map_err(|_| Failure::retryable("media_unavailable", "the worker is stopping"))?;
        self.status.phase(Phase::Fetching);
        let folder = self.services.private_folder().map_err(storage)?;
        let path = folder.path().join("film");
        self.fetch(&path).await?;
        self.status.phase(Phase::Reading);
        let ended = self.read(&path, &mut scribe).await?;
        scribe.finish().await?;
        close(folder).await;
        Ok((ended, scribe.newest_ms()))
    }

    async fn read(&self, path: &Path, scribe: &mut Scribe<'_>) -> Result<StreamEnd, Failure> {
        let mut child = self.services.live_media.hold()?;
        let until_ms = self.duration.map_or(u64::MAX, |duration| duration.as_millis() as u64);
        let mut from_ms = self.last.map_or(0, |scene| scene.seq * self.shape.hop_ms);
        let mut gate: Option<GateState> = None;
        let mut crashes = 0;
        while from_ms < until_ms {
            let input = self.piece(path, from_ms, gate.clone());
            let piece: FilePiece = match groups::ask(&mut child, FILE, &input, Bytes::new()).await {
                Ok(piece) => piece,
                Err(MediaError::Crashed(how)) if crashes < MAX_CRASHES => {
                    crashes += 1;
                    self.status.count(|counts| counts.decoder_crashes += 1);
                    tracing::warn!(crashes, from_ms, "read a film: the media child {how}");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            crashes = 0;
            let FilePiece {
                mut sampled,
                next_ms,
                end,
                video,
            } = piece;
            sampled.frames.retain(|frame| frame.t_ms < until_ms);
            gate = sampled.gate.take().or(gate);
            count_sampled(self.status, &sampled);
            self.status.count(|counts| counts.packets += u64::from(sampled.decoded));
            if let Some(length_ms) = video.duration_ms {
                self.status
                    .share(next_ms as f64 / length_ms.min(until_ms).max(1) as f64);
            }
            scribe.take(&sampled.frames);
            scribe.write_until(next_ms.min(until_ms)).await?;
            if end {
                // One piece may reach past the time that was asked for, and to the end of the film.
                let reached_ms = next_ms.max(video.duration_ms.unwrap_or(0));
                let in_full = reached_ms < until_ms;
                return Ok(if in_full {
                    StreamEnd::EndOfFile
                } else {
                    StreamEnd::Duration
                });
            }
            if next_ms <= from_ms {
                return Err(Failure::retryable(
                    "media_crashed",
                    "the media child does not get on with the film",
                ));
            }
            from_ms = next_ms;
        }
        Ok(StreamEnd::Duration)
    }

    fn piece(&self, path: &Path, from_ms: u64, gate: Option<GateState>) -> FileInput {
        FileInput {
            session: self.session.to_owned(),
            path: path.display().to_string(),
            from_ms,
            fps: self.fps,
            max_frames: PIECE_FRAMES,
            gate,
            analyse: Analyse {
                texts: PIECE_FRAMES,
                colors: true,
                ..Analyse::default()
            },
        }
    }

    async fn fetch(&self, path: &Path) -> Result<(), Failure> {
        let mut file = File::create_new(path).await.map_err(storage)?;
        match self.media {
            MediaRef::Artifact { artifact } => self.copy_artifact(artifact, &mut file).await?,
            MediaRef::Url { url } => self.download(url, &mut file).await?,
            MediaRef::Base64 { .. } => {
                let message = "media was queued inline; inline media is stored as an artifact before it is queued";
                return Err(Failure::non_retryable("media_invalid", message));
            }
        }
        file.flush().await.map_err(storage)
    }

    async fn copy_artifact(&self, id: &str, file: &mut File) -> Result<(), Failure> {
        let gone = || Failure::non_retryable("media_missing", "the artifact does not exist any more");
        let unavailable = |error: ArtifactError| Failure::retryable("artifacts_unavailable", error.to_string());
        let artifacts = &self.services.artifacts;
        let info = artifacts
            .info(self.tenant, id)
            .await
            .map_err(unavailable)?
            .ok_or_else(gone)?;
        let pieces = artifacts
            .read_range(self.tenant, id, 0..info.size)
            .await
            .map_err(unavailable)?;
        let mut pieces = pieces.ok_or_else(gone)?;
        while let Some(piece) = pieces.next().await {
            file.write_all(&piece.map_err(unavailable)?).await.map_err(storage)?;
        }
        Ok(())
    }

    async fn download(&self, url: &str, file: &mut File) -> Result<(), Failure> {
        let failed = |error: FetchError| {
            let message = format!("fetching the film failed: {error}");
            if error.is_retryable() {
                Failure::retryable(error.code(), message)
            } else {
                Failure::non_retryable(error.code(), message)
            }
        };
        let limits = FetchLimits {
            max_bytes: MAX_VIDEO_BYTES,
            timeout: FETCH_LIMIT,
            ..FetchLimits::default()
        };
        let mut download = self.services.netguard.open(url, limits).await.map_err(failed)?;
        while let Some(piece) = download.next().await.map_err(failed)? {
            file.write_all(&piece).await.map_err(storage)?;
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
fn storage(error: std::io::Error) -> Failure {
    Failure::retryable("storage_unavailable", format!("keep the film: {error}"))
}

/// Removes the private copy; a folder that cannot be removed is the operating system's to clean.
async fn close(folder: TempDir) {
    let path = folder.path().to_owned();
    if let Err(error) = tokio::task::spawn_blocking(move || folder.close())
        .await
        .unwrap_or(Ok(()))
    {
        tracing::warn!("remove {}: {error}", path.display());
    }
}
