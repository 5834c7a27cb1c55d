//! An artifact while it is written: small ones go in one request, large ones in parts as they arrive.

use bytes::Bytes;
use object_store::{ObjectStoreExt, PutPayload, WriteMultipart};
use sha2::{Digest, Sha256};

use super::error::ArtifactError;
use super::filename::plain_filename;
use super::id::ArtifactId;
use super::layout::{self, Due};
use super::store::{ArtifactInfo, Artifacts, NewArtifact};
use crate::keys::hex;
use crate::tenant::Tenant;

/// Bytes of a part; S3 takes no smaller ones but for the last. An artifact below this is put in one request.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts under way at once: memory of a writer is at most this and one times [`PART_BYTES`].
const PARTS_IN_FLIGHT: usize = 2;
/// Pieces over this are hashed off the async threads.
const HASH_INLINE_BYTES: usize = 256 * 1024;

/// An artifact while it is written. Dropping it unfinished removes what was stored (as does [`abort`](Self::abort),
/// which waits for it); if the process dies first, the sweep does.
#[derive(Debug)]
pub struct ArtifactWriter {
    artifacts: Artifacts,
    due: Due,
    new: NewArtifact,
    created_at_ms: u64,
    max_bytes: u64,
    size: u64,
    hash: Option<Sha256>,
    body: Body,
    finished: bool,
}

#[derive(Debug)]
enum Body {
    /// Not yet a part's worth.
    Memory(Vec<Bytes>),
    Parts(WriteMultipart),
    /// Handed over to `finish` or `abort`.
    Gone,
}

impl ArtifactWriter {
    pub(super) async fn start(
        artifacts: Artifacts,
        tenant: Tenant,
        new: NewArtifact,
        max_bytes: u64,
    ) -> Result<Self, ArtifactError> {
        let created_at_ms = artifacts.clock.now_ms();
        let ttl_ms = u64::try_from(new.ttl.as_millis()).unwrap_or(u64::MAX);
        let expires_at_ms = created_at_ms.saturating_add(ttl_ms);
        let due = Due {
            tenant,
            id: ArtifactId::random(),
            expires_at_ms,
        };
        let body = Body::Memory(Vec::new());
        let hash = Some(Sha256::new());
        let writer = Self {
            artifacts,
            due,
            new,
            created_at_ms,
            max_bytes,
            size: 0,
            hash,
            body,
            finished: false,
        };
        // Before the first byte, so that a crash leaves nothing that the sweep cannot find.
        writer
            .artifacts
            .store
            .put(&layout::expiry(&writer.due), PutPayload::new())
            .await?;
        Ok(writer)
    }

    /// The id that the artifact will have.
    pub fn id(&self) -> ArtifactId {
        self.due.id
    }

    /// Adds bytes; waits while earlier parts are under way. After an error only `abort` or dropping makes sense.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ArtifactError> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if self.size > self.max_bytes {
            return Err(ArtifactError::TooLarge {
                max_bytes: self.max_bytes,
            });
        }
        self.hash(bytes.clone()).await?;
        if let Body::Memory(pieces) = &mut self.body {
            if self.size < PART_BYTES as u64 {
                pieces.push(bytes);
                return Ok(());
            }
            let pieces = std::mem::take(pieces);
            let upload = self
                .artifacts
                .store
                .put_multipart(&layout::data(&self.due.tenant, self.due.id))
                .await?;
            let mut parts = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
            pieces.into_iter().for_each(|piece| parts.put(piece));
            self.body = Body::Parts(parts);
        }
        let Body::Parts(parts) = &mut self.body else {
            return Err(used_up());
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            // A piece larger than a part must not start more than one part at a time.
            parts.wait_for_capacity(PARTS_IN_FLIGHT).await?;
            parts.put(rest.split_to(rest.len().min(PART_BYTES)));
        }
        Ok(())
    }

    /// Stores what remains and makes the artifact exist.
    pub async fn finish(mut self) -> Result<ArtifactInfo, ArtifactError> {
        let data = layout::data(&self.due.tenant, self.due.id);
        match std::mem::replace(&mut self.body, Body::Gone) {
            Body::Memory(pieces) => self
                .artifacts
                .store
                .put(&data, pieces.into_iter().collect())
                .await
                .map(|_| ())?,
            Body::Parts(parts) => parts.finish().await.map(|_| ())?,
            Body::Gone => return Err(used_up()),
        }
        let hash = self.hash.take().ok_or_else(used_up)?;
        let info = ArtifactInfo {
            artifact: self.due.id.to_string(),
            filename: self.new.filename.as_deref().and_then(plain_filename),
            content_type: std::mem::take(&mut self.new.content_type),
            size: self.size,
            sha256: hex(&hash.finalize()),
            created_at_ms: self.created_at_ms,
            expires_at_ms: self.due.expires_at_ms,
        };
        let json = serde_json::to_vec(&info).expect("artifact info should be JSON");
        self.artifacts
            .store
            .put(&layout::info(&self.due.tenant, self.due.id), json.into())
            .await?;
        self.finished = true;
        Ok(info)
    }

    /// Gives up and removes what was stored.
    pub async fn abort(mut self) -> Result<(), ArtifactError> {
        self.finished = true;
        let body = std::mem::replace(&mut self.body, Body::Gone);
        remove(self.artifacts.clone(), self.due.clone(), body).await
    }

    async fn hash(&mut self, bytes: Bytes) -> Result<(), ArtifactError> {
        let mut hash = self.hash.take().ok_or_else(used_up)?;
        if bytes.len() <= HASH_INLINE_BYTES {
            hash.update(&bytes);
            self.hash = Some(hash);
            return Ok(());
        }
        let hashed = tokio::task::spawn_blocking(move || {
            hash.update(&bytes);
            hash
        });
        self.hash = Some(hashed.await.map_err(ArtifactError::unavailable)?);
        Ok(())
    }
}

impl Drop for ArtifactWriter {
    fn drop(&mut self) {
        let body = std::mem::replace(&mut self.body, Body::Gone);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.finished {
            return;
        }
        let (artifacts, due) = (self.artifacts.clone(), self.due.clone());
        let removals = artifacts.removals.clone();
        removals.spawn_on(
            async move {
                let id = due.id;
                if let Err(error) = remove(artifacts, due, body).await {
                    tracing::warn!(%id, error = format!("{error:#}"), "an unfinished artifact is left to the sweep");
                }
            },
            &runtime,
        );
    }
}

async fn remove(artifacts: Artifacts, due: Due, body: Body) -> Result<(), ArtifactError> {
    if let Body::Parts(parts) = body {
        parts.abort().await?;
    }
    artifacts.remove(&due).await
}

/// A write after a failed one, or one whose future was dropped half-way.
fn used_up() -> ArtifactError {
    ArtifactError::unavailable("the writer was used after a failure")
}
