//! Where the media of recordings lie: beside the artifacts, in the same directory or bucket.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use super::fragments::{Fragments, VIDEO_TIMESCALE};
use super::name::{self, InitName, SegmentName};
use super::open_segment::{OpenSegment, blocking};
use super::row::Segment;
use super::sealed::Sealed;
use crate::artifacts::{ArtifactError, Artifacts, ByteStream};
use crate::tenant::Tenant;

/// The media of recordings. Clones share the store.
#[derive(Debug, Clone)]
pub struct Recordings {
    store: Arc<dyn ObjectStore>,
    folder: Option<PathBuf>,
}

/// A segment that a recorder left behind without a row in the index.
#[derive(Debug)]
pub struct Leftover {
    /// What its name says; duration and size are 0 if it is unfinished.
    pub segment: Segment,
    /// Of one that is unfinished.
    path: Option<PathBuf>,
}

impl Recordings {
    /// In the same store as these.
    pub fn beside(artifacts: &Artifacts) -> Self {
        let (store, folder) = artifacts.place();
        Self { store, folder }
    }

    /// The directory, if it is one on this machine.
    pub fn folder(&self) -> Option<&FilePath> {
        self.folder.as_deref()
    }

    /// Begins a segment, of which start, epoch, number and init segment are known.
    ///
    /// # Errors
    /// When the store refuses it.
    pub async fn begin(&self, tenant: &Tenant, stream: &str, segment: Segment) -> Result<OpenSegment, ArtifactError> {
        let name = SegmentName(segment);
        let place = name.folder(tenant, stream);
        match &self.folder {
            Some(folder) => OpenSegment::in_folder(folder.join(place.as_ref()), name).await,
            None => Ok(OpenSegment::in_store(Arc::clone(&self.store), place)),
        }
    }

    /// Stores an init segment; the same one twice is stored once.
    ///
    /// # Errors
    /// When the store refuses it.
    pub async fn put_init(&self, tenant: &Tenant, stream: &str, bytes: Bytes) -> Result<InitName, ArtifactError> {
        let init = InitName::of(&bytes);
        let path = name::init_path(tenant, stream, init);
        match self.store.head(&path).await {
            Ok(_) => {}
            Err(object_store::Error::NotFound { .. }) => drop(self.store.put(&path, bytes.into()).await?),
            Err(error) => return Err(error.into()),
        }
        Ok(init)
    }

    /// An init segment; `None` if this tenant's stream has none of that name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn init(&self, tenant: &Tenant, stream: &str, init: InitName) -> Result<Option<Bytes>, ArtifactError> {
        self.whole(&name::init_path(tenant, stream, init)).await
    }

    /// All bytes of a segment; `None` if there is none of that name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn read(&self, tenant: &Tenant, stream: &str, name: SegmentName) -> Result<Option<Bytes>, ArtifactError> {
        self.whole(&place(tenant, stream, name)).await
    }

    /// Some bytes of a segment, as they arrive; `None` if there is none of that name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn read_range(
        &self,
        tenant: &Tenant,
        stream: &str,
        name: SegmentName,
        range: Range<u64>,
    ) -> Result<Option<ByteStream>, ArtifactError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let got = self.store.get_opts(&place(tenant, stream, name), options).await;
        Ok(found(got)?.map(|got| got.into_stream().map_err(ArtifactError::from).boxed()))
    }

    /// Deletes a segment; one that is not there is deleted.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn delete(&self, tenant: &Tenant, stream: &str, name: SegmentName) -> Result<(), ArtifactError> {
        found(self.store.delete(&place(tenant, stream, name)).await)?;
        Ok(())
    }

    /// Deletes everything that is stored of a stream, also what no index knows.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn delete_all(&self, tenant: &Tenant, stream: &str) -> Result<(), ArtifactError> {
        self.delete_folder(&name::stream_folder(tenant, stream)).await
    }

    /// Deletes the segments of an hour, also those that no index knows.
    pub(super) async fn delete_hour(&self, tenant: &Tenant, stream: &str, hour: u64) -> Result<(), ArtifactError> {
        self.delete_folder(&name::hour_folder(tenant, stream, hour)).await
    }

    async fn delete_folder(&self, folder: &Path) -> Result<(), ArtifactError> {
        let mut objects = self.store.list(Some(folder));
        while let Some(object) = objects.try_next().await? {
            found(self.store.delete(&object.location).await)?;
        }
        Ok(())
    }

    /// What was written of these hours and is in no index: segments that begin at or after `from_ms`, finished or not, oldest
    /// first, and unfinished ones from before, which nobody needs.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn leftovers(
        &self,
        tenant: &Tenant,
        stream: &str,
        hours: impl IntoIterator<Item = u64>,
        from_ms: u64,
    ) -> Result<Vec<Leftover>, ArtifactError> {
        let mut found = Vec::new();
        for hour in hours {
            let mut objects = self.store.list(Some(&name::hour_folder(tenant, stream, hour)));
            while let Some(object) = objects.try_next().await? {
                let name = object.location.filename().unwrap_or_default();
                let whole = SegmentName::parse(name).filter(|name| name.0.start_ms >= from_ms);
                let unfinished = SegmentName::parse_part(name).zip(self.folder.as_deref());
                let unfinished = unfinished.map(|(name, folder)| (name, folder.join(object.location.as_ref())));
                found.extend(whole.map(|SegmentName(segment)| Leftover { segment, path: None }));
                found.extend(unfinished.map(|(SegmentName(segment), path)| Leftover {
                    segment,
                    path: Some(path),
                }));
            }
        }
        found.sort_by_key(|leftover| leftover.segment.start_ms);
        Ok(found)
    }

    /// Makes a segment of the whole fragments of a leftover; `None` if there are none. An unfinished one is copied and not
    /// renamed: its writer may be alive after all, and then writes into a file that nobody reads.
    ///
    /// # Errors
    /// When the store refuses it.
    pub async fn adopt(
        &self,
        tenant: &Tenant,
        stream: &str,
        leftover: Leftover,
    ) -> Result<Option<Segment>, ArtifactError> {
        let Leftover {
            segment,
            path: Some(path),
        } = leftover
        else {
            return Ok(Some(leftover.segment));
        };
        let bytes = blocking({
            let path = path.clone();
            move || std::fs::read(path)
        });
        let bytes = Bytes::from(bytes.await?);
        let fragments = Fragments::of(&bytes).unwrap_or_default();
        let adopted = (fragments.video_ticks > 0).then(|| Segment {
            duration_ms: u32::try_from(fragments.video_ticks * 1_000 / u64::from(VIDEO_TIMESCALE)).unwrap_or(u32::MAX),
            bytes: u32::try_from(fragments.whole_bytes).unwrap_or(u32::MAX),
            ..segment
        });
        if let Some(adopted) = adopted {
            let whole = bytes.slice(..fragments.whole_bytes);
            self.store
                .put(&place(tenant, stream, SegmentName(adopted)), whole.into())
                .await?;
        }
        blocking(move || std::fs::remove_file(path)).await?;
        Ok(adopted)
    }

    /// Throws a leftover away.
    ///
    /// # Errors
    /// When the store refuses it.
    pub async fn discard(&self, tenant: &Tenant, stream: &str, leftover: Leftover) -> Result<(), ArtifactError> {
        match leftover.path {
            Some(path) => blocking(move || std::fs::remove_file(path)).await,
            None => self.delete(tenant, stream, SegmentName(leftover.segment)).await,
        }
    }

    /// Whether a segment is there.
    pub(super) async fn has(&self, tenant: &Tenant, stream: &str, name: SegmentName) -> Result<bool, ArtifactError> {
        Ok(found(self.store.head(&place(tenant, stream, name)).await)?.is_some())
    }

    /// The rows of a sealed hour; `None` if they are gone, or are others than they should be.
    pub(super) async fn sealed(
        &self,
        tenant: &Tenant,
        stream: &str,
        hour: u64,
        sealed: Sealed,
    ) -> Result<Option<Bytes>, ArtifactError> {
        let rows = self
            .whole(&name::sealed_path(tenant, stream, hour, sealed.name))
            .await?;
        Ok(rows.filter(|rows| Sealed::of(rows) == sealed))
    }

    /// Stores the rows of an hour.
    pub(super) async fn put_sealed(
        &self,
        tenant: &Tenant,
        stream: &str,
        hour: u64,
        sealed: Sealed,
        rows: Bytes,
    ) -> Result<(), ArtifactError> {
        let path = name::sealed_path(tenant, stream, hour, sealed.name);
        self.store.put(&path, rows.into()).await?;
        Ok(())
    }

    /// Deletes the rows of an hour; those that are not there are deleted.
    pub(super) async fn delete_sealed(
        &self,
        tenant: &Tenant,
        stream: &str,
        hour: u64,
        sealed: Sealed,
    ) -> Result<(), ArtifactError> {
        found(
            self.store
                .delete(&name::sealed_path(tenant, stream, hour, sealed.name))
                .await,
        )?;
        Ok(())
    }

    /// Every recording of which anything is stored.
    pub(super) async fn all(&self) -> Result<Vec<(Tenant, String)>, ArtifactError> {
        let mut recordings = Vec::new();
        for tenant in self.folders(&name::all_folder()).await? {
            let Some(Ok(owner)) = tenant.filename().map(Tenant::parse) else {
                continue;
            };
            let streams = self.folders(&tenant).await?;
            let named = streams.iter().filter_map(Path::filename);
            recordings.extend(named.map(|stream| (owner.clone(), stream.to_owned())));
        }
        Ok(recordings)
    }

    /// The finished segments that are stored of a stream, oldest first, and its init segments.
    pub(super) async fn stored(
        &self,
        tenant: &Tenant,
        stream: &str,
    ) -> Result<(Vec<Segment>, BTreeSet<InitName>), ArtifactError> {
        let (mut segments, mut inits) = (Vec::new(), BTreeSet::new());
        let mut objects = self.store.list(Some(&name::stream_folder(tenant, stream)));
        while let Some(object) = objects.try_next().await? {
            let name = object.location.filename().unwrap_or_default();
            segments.extend(SegmentName::parse(name).map(|SegmentName(segment)| segment));
            inits.extend(name.strip_suffix(".mp4").and_then(InitName::parse));
        }
        segments.sort_by_key(|segment| (segment.start_ms, segment.epoch, segment.seq));
        Ok((segments, inits))
    }

    async fn folders(&self, folder: &Path) -> Result<Vec<Path>, ArtifactError> {
        let listed = found(self.store.list_with_delimiter(Some(folder)).await)?;
        Ok(listed.map(|listed| listed.common_prefixes).unwrap_or_default())
    }

    async fn whole(&self, path: &Path) -> Result<Option<Bytes>, ArtifactError> {
        match found(self.store.get(path).await)? {
            Some(got) => Ok(Some(got.bytes().await?)),
            None => Ok(None),
        }
    }
}

fn place(tenant: &Tenant, stream: &str, name: SegmentName) -> Path {
    name.folder(tenant, stream).join(name.to_string())
}

fn found<T>(result: Result<T, object_store::Error>) -> Result<Option<T>, ArtifactError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
