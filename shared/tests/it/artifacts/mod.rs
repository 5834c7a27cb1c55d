//! The store over its two sorts of place, a directory and a bucket: every promise is kept by both.

mod bucket;
mod leftovers;
mod storing;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use zoetrope_queue::ManualClock;
use zoetrope_shared::artifacts::{ArtifactInfo, Artifacts, NewArtifact};
use zoetrope_shared::config::{Settings, Sources};
use zoetrope_shared::tenant::Tenant;

use bucket::Bucket;

const HOUR: Duration = Duration::from_hours(1);
const NOON_MS: u64 = 1_795_176_000_000;
const AN_HOUR_LATER_MS: u64 = NOON_MS + 3_600_000;

enum Place {
    Folder(tempfile::TempDir),
    Bucket(Bucket),
}

/// A store with a clock that stands at noon, and two tenants.
struct Bench {
    place: Place,
    clock: ManualClock,
    artifacts: Artifacts,
    ours: Tenant,
    theirs: Tenant,
}

impl Bench {
    async fn both() -> [Self; 2] {
        [Self::folder(), Self::bucket().await]
    }

    fn folder() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let url = url::Url::from_directory_path(folder.path()).expect("an absolute directory");
        Self::at(Place::Folder(folder), url.as_str(), &[])
    }

    async fn bucket() -> Self {
        let bucket = Bucket::serve().await;
        let endpoint = bucket.endpoint();
        let aws = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        Self::at(Place::Bucket(bucket), "s3://media/some/prefix", &aws)
    }

    fn at(place: Place, url: &str, settings: &[(&str, &str)]) -> Self {
        let environment = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let sources = Sources {
            environment,
            ..Sources::default()
        };
        let settings = Settings::from_sources(&sources).expect("valid settings");
        let clock = ManualClock::at(NOON_MS);
        let artifacts = Artifacts::open_with(url, &settings.aws, Arc::new(clock.clone())).expect("a store");
        let theirs = Tenant::parse("theirs").expect("a tenant");
        Self {
            place,
            clock,
            artifacts,
            ours: Tenant::default_tenant(),
            theirs,
        }
    }

    async fn put(&self, bytes: &'static [u8]) -> String {
        self.artifacts
            .put(&self.ours, png(), Bytes::from_static(bytes))
            .await
            .expect("room")
            .artifact
    }

    async fn info(&self, tenant: &Tenant, id: &str) -> Option<ArtifactInfo> {
        self.artifacts.info(tenant, id).await.expect("an answer")
    }

    async fn read(&self, tenant: &Tenant, id: &str) -> Option<Bytes> {
        self.artifacts.read(tenant, id, u64::MAX).await.expect("an answer")
    }

    async fn sweep(&self, now_ms: u64) -> usize {
        self.artifacts.sweep(now_ms).await.expect("an answer")
    }

    /// Everything in the place, unfinished uploads included.
    fn stored(&self) -> Vec<String> {
        match &self.place {
            Place::Folder(folder) => {
                let mut found = Vec::new();
                files_in(folder.path(), &mut found);
                found
            }
            Place::Bucket(bucket) => bucket.stored(),
        }
    }
}

fn files_in(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_in(&path, found);
        } else {
            found.push(path.display().to_string());
        }
    }
}

fn png() -> NewArtifact {
    let filename = Some("../shots/one.png".to_owned());
    NewArtifact {
        content_type: "image/png".to_owned(),
        filename,
        ttl: HOUR,
    }
}

/// More than one part of a multipart upload, and no multiple of it.
fn large() -> Bytes {
    (0..20_000_003_u32).map(|index| (index ^ (index >> 9)) as u8).collect()
}
