//! The store: put, find, read, delete. Sweeping is `sweep.rs`.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;
use utoipa::ToSchema;
use zoetrope_queue::Clock;

use super::backend::{self, Backend};
use super::error::ArtifactError;
use super::id::ArtifactId;
use super::layout::{self, Due};
use super::writer::ArtifactWriter;
use crate::config::{self, AwsSettings};
use crate::tenant::Tenant;

/// Bytes of an artifact as they arrive.
pub type ByteStream = BoxStream<'static, Result<Bytes, ArtifactError>>;

/// What is known of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArtifactInfo {
    /// Id, 26 characters.
    pub artifact: String,
    /// The name it was uploaded under, for people only.
    pub filename: Option<String>,
    /// Content type.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes, hexadecimal.
    pub sha256: String,
    /// When it was stored, Unix milliseconds.
    pub created_at_ms: u64,
    /// When it stops to exist, Unix milliseconds.
    pub expires_at_ms: u64,
}

/// An artifact to be.
#[derive(Debug, Clone)]
pub struct NewArtifact {
    /// Content type, told by the content.
    pub content_type: String,
    /// The name it was uploaded under; kept as text, never a path.
    pub filename: Option<String>,
    /// How long it is kept.
    pub ttl: Duration,
}

/// Stored bytes by (tenant, id). Clones share the store.
#[derive(Debug, Clone)]
pub struct Artifacts {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) clock: Arc<dyn Clock>,
    /// The folder of a local store.
    pub(super) folder: Option<PathBuf>,
    /// Removal of what dropped writers left behind.
    pub(super) removals: TaskTracker,
}

impl Artifacts {
    /// Opens `file:///dir` (made if it is missing) or `s3://bucket/prefix` with the usual `AWS_*` settings.
    pub fn open(url: &str, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Ok(Self::over(backend::open(url, || Ok(config::aws_settings()?))?, clock))
    }

    /// As [`open`](Self::open), with the bucket's access given.
    pub fn open_with(url: &str, aws: &AwsSettings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Ok(Self::over(backend::open(url, || Ok(aws.clone()))?, clock))
    }

    fn over(backend: Backend, clock: Arc<dyn Clock>) -> Self {
        let Backend { store, folder } = backend;
        let removals = TaskTracker::new();
        Self {
            store,
            clock,
            folder,
            removals,
        }
    }

    /// The store itself and its folder, for what lies beside the artifacts.
    pub(crate) fn place(&self) -> (Arc<dyn ObjectStore>, Option<PathBuf>) {
        (Arc::clone(&self.store), self.folder.clone())
    }

    /// Stores bytes that are already in memory.
    pub async fn put(&self, tenant: &Tenant, new: NewArtifact, bytes: Bytes) -> Result<ArtifactInfo, ArtifactError> {
        let mut writer = self.writer(tenant, new, bytes.len() as u64).await?;
        writer.write(bytes).await?;
        writer.finish().await
    }

    /// Starts an artifact that is written piece by piece, of at most `max_bytes`.
    pub async fn writer(
        &self,
        tenant: &Tenant,
        new: NewArtifact,
        max_bytes: u64,
    ) -> Result<ArtifactWriter, ArtifactError> {
        ArtifactWriter::start(self.clone(), tenant.clone(), new, max_bytes).await
    }

    /// What is known of an artifact; `None` if this tenant has none of that id, or it has expired.
    pub async fn info(&self, tenant: &Tenant, id: &str) -> Result<Option<ArtifactInfo>, ArtifactError> {
        let Ok(id) = ArtifactId::parse(id) else { return Ok(None) };
        let Some(info) = self.stored_info(tenant, id).await? else {
            return Ok(None);
        };
        Ok(Some(info).filter(|info| info.expires_at_ms > self.clock.now_ms()))
    }

    /// All bytes of an artifact, if it has at most `max_bytes`.
    pub async fn read(&self, tenant: &Tenant, id: &str, max_bytes: u64) -> Result<Option<Bytes>, ArtifactError> {
        let Some(info) = self.info(tenant, id).await? else {
            return Ok(None);
        };
        if info.size > max_bytes {
            return Err(ArtifactError::TooLarge { max_bytes });
        }
        let Ok(id) = ArtifactId::parse(id) else { return Ok(None) };
        let found = found(self.store.get(&layout::data(tenant, id)).await)?;
        match found {
            Some(object) => Ok(Some(object.bytes().await?)),
            None => Ok(None),
        }
    }

    /// A range of an artifact's bytes as a stream; `None` as in [`info`](Self::info).
    pub async fn read_range(
        &self,
        tenant: &Tenant,
        id: &str,
        range: Range<u64>,
    ) -> Result<Option<ByteStream>, ArtifactError> {
        let Some(info) = self.info(tenant, id).await? else {
            return Ok(None);
        };
        if range.start > range.end || range.end > info.size {
            return Err(ArtifactError::OutOfRange { size: info.size });
        }
        if range.is_empty() {
            return Ok(Some(futures_util::stream::empty().boxed()));
        }
        let Ok(id) = ArtifactId::parse(id) else { return Ok(None) };
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let object = found(self.store.get_opts(&layout::data(tenant, id), options).await)?;
        Ok(object.map(|object| object.into_stream().map_err(ArtifactError::from).boxed()))
    }

    /// Deletes an artifact; false if this tenant had none of that id.
    pub async fn delete(&self, tenant: &Tenant, id: &str) -> Result<bool, ArtifactError> {
        let Ok(id) = ArtifactId::parse(id) else {
            return Ok(false);
        };
        let Some(info) = self.stored_info(tenant, id).await? else {
            return Ok(false);
        };
        self.remove(&Due {
            tenant: tenant.clone(),
            id,
            expires_at_ms: info.expires_at_ms,
        })
        .await?;
        Ok(true)
    }

    /// Whether the store answers: asks for an object that is not there.
    pub async fn probe(&self) -> Result<(), ArtifactError> {
        found(self.store.head(&"probe".into()).await).map(|_| ())
    }

    /// Waits until what dropped writers left behind is gone; the last step before a process ends.
    pub async fn close(&self) {
        self.removals.close();
        self.removals.wait().await;
    }

    async fn stored_info(&self, tenant: &Tenant, id: ArtifactId) -> Result<Option<ArtifactInfo>, ArtifactError> {
        let Some(object) = found(self.store.get(&layout::info(tenant, id)).await)? else {
            return Ok(None);
        };
        let bytes = object.bytes().await?;
        let damaged = |error| ArtifactError::unavailable(format!("the metadata of artifact {id} is damaged: {error}"));
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }
}

/// Not finding an object is an answer.
pub(super) fn found<T>(result: object_store::Result<T>) -> Result<Option<T>, ArtifactError> {
    match result.map_err(ArtifactError::from) {
        Ok(value) => Ok(Some(value)),
        Err(ArtifactError::NotFound) => Ok(None),
        Err(other) => Err(other),
    }
}
