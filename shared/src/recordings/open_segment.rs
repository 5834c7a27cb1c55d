//! A segment that is being written. In a local directory every part is synced, so that the death of the process, and
//! of the machine, costs the part at hand; elsewhere the segment is stored as a whole once it is finished.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};

use super::name::SegmentName;
use crate::artifacts::ArtifactError;

/// A segment of which the end is not known yet.
#[derive(Debug)]
pub struct OpenSegment {
    body: Body,
    bytes: u64,
}

#[derive(Debug)]
enum Body {
    File {
        path: PathBuf,
        file: Arc<File>,
    },
    Memory {
        store: Arc<dyn ObjectStore>,
        folder: ObjectPath,
        parts: Vec<Bytes>,
    },
}

impl OpenSegment {
    /// In this folder of this machine.
    pub(super) async fn in_folder(folder: PathBuf, name: SegmentName) -> Result<Self, ArtifactError> {
        let path = folder.join(name.part());
        let file = blocking({
            let path = path.clone();
            move || create(&folder, &path)
        });
        let body = Body::File {
            file: Arc::new(file.await?),
            path,
        };
        Ok(Self { body, bytes: 0 })
    }

    /// In this folder of a store.
    pub(super) fn in_store(store: Arc<dyn ObjectStore>, folder: ObjectPath) -> Self {
        let parts = Vec::new();
        Self {
            body: Body::Memory { store, folder, parts },
            bytes: 0,
        }
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a part. In a local directory it outlives whatever happens from now on.
    ///
    /// # Errors
    /// When the store refuses it; the segment is of no more use.
    pub async fn append(&mut self, part: Bytes) -> Result<(), ArtifactError> {
        self.bytes += part.len() as u64;
        match &mut self.body {
            Body::Memory { parts, .. } => parts.push(part),
            Body::File { file, .. } => {
                let file = Arc::clone(file);
                blocking(move || {
                    (&*file).write_all(&part)?;
                    file.sync_data()
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Gives it its name. Fails if somebody has adopted what was written so far.
    ///
    /// # Errors
    /// When the store refuses it.
    pub async fn finish(self, name: SegmentName) -> Result<(), ArtifactError> {
        match self.body {
            Body::Memory { store, folder, parts } => {
                store
                    .put(&folder.join(name.to_string()), parts.into_iter().collect())
                    .await?;
                Ok(())
            }
            Body::File { path, .. } => blocking(move || rename(&path, &path.with_file_name(name.to_string()))).await,
        }
    }

    /// Leaves nothing of it.
    pub async fn abandon(self) {
        if let Body::File { path, .. } = self.body {
            // Nobody misses it: at worst it is found later, and thrown away then.
            let _ = blocking(move || fs::remove_file(path)).await;
        }
    }
}

/// An empty folder may be cleaned away between its making and its first file.
fn create(folder: &Path, path: &Path) -> io::Result<File> {
    let create_once = || {
        fs::create_dir_all(folder)?;
        OpenOptions::new().create_new(true).append(true).open(path)
    };
    let file = match create_once() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_once(),
        made => made,
    }?;
    sync_folder(folder)?;
    Ok(file)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    to.parent().map_or(Ok(()), sync_folder)
}

/// Without it a name may be gone after a loss of power, and with it what it names.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ArtifactError> {
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(ArtifactError::unavailable)?;
    done.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ArtifactError::NotFound,
        _ => ArtifactError::from(object_store::Error::Generic {
            store: "recordings",
            source: Box::new(error),
        }),
    })
}
