//! The store over a real directory: what is put is found by its tenant alone, expires, and leaves nothing behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use zoetrope_queue::ManualClock;
use zoetrope_shared::artifacts::{ArtifactError, ArtifactId, Artifacts, NewArtifact};
use zoetrope_shared::tenant::Tenant;

const HOUR: Duration = Duration::from_hours(1);
const NOON_MS: u64 = 1_795_176_000_000;

struct Bench {
    folder: tempfile::TempDir,
    clock: ManualClock,
    artifacts: Artifacts,
    ours: Tenant,
    theirs: Tenant,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let clock = ManualClock::at(NOON_MS);
        let url = url::Url::from_directory_path(folder.path()).expect("an absolute directory");
        let artifacts = Artifacts::open(url.as_str(), Arc::new(clock.clone())).expect("a local store");
        let theirs = Tenant::parse("theirs").expect("a tenant");
        Self {
            folder,
            clock,
            artifacts,
            ours: Tenant::default_tenant(),
            theirs,
        }
    }

    async fn put(&self, bytes: &'static [u8]) -> String {
        let info = self
            .artifacts
            .put(&self.ours, png(), Bytes::from_static(bytes))
            .await
            .expect("room");
        info.artifact
    }

    /// Every file in the store, partial ones included.
    fn files(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).expect("a readable directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.folder.path(), &mut found);
        found
    }
}

fn png() -> NewArtifact {
    NewArtifact {
        content_type: "image/png".to_owned(),
        filename: Some("../shots/one.png".to_owned()),
        ttl: HOUR,
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// More than one part of a multipart upload, and no multiple of it.
fn large() -> Bytes {
    (0..20_000_003_u32).map(|index| (index ^ (index >> 9)) as u8).collect()
}

#[tokio::test]
async fn what_is_put_is_described_and_read_back() {
    let bench = Bench::new();
    let info = bench
        .artifacts
        .put(&bench.ours, png(), Bytes::from_static(b"pixels"))
        .await
        .expect("room");
    assert!(ArtifactId::parse(&info.artifact).is_ok(), "{}", info.artifact);
    assert_eq!(
        (info.filename.as_deref(), info.content_type.as_str(), info.size),
        (Some("one.png"), "image/png", 6)
    );
    assert_eq!((info.created_at_ms, info.expires_at_ms), (NOON_MS, NOON_MS + 3_600_000));
    assert_eq!(info.sha256, sha256(b"pixels"));
    assert_eq!(
        bench
            .artifacts
            .info(&bench.ours, &info.artifact)
            .await
            .expect("an answer"),
        Some(info.clone())
    );
    let read = bench
        .artifacts
        .read(&bench.ours, &info.artifact, 6)
        .await
        .expect("an answer");
    assert_eq!(read.as_deref(), Some(&b"pixels"[..]));
}

#[tokio::test]
async fn an_empty_artifact_is_an_artifact() {
    let bench = Bench::new();
    let id = bench.put(b"").await;
    assert_eq!(
        bench.artifacts.read(&bench.ours, &id, 0).await.expect("an answer"),
        Some(Bytes::new())
    );
    let stream = bench
        .artifacts
        .read_range(&bench.ours, &id, 0..0)
        .await
        .expect("an answer")
        .expect("found");
    assert_eq!(
        stream.try_collect::<Vec<_>>().await.expect("bytes"),
        Vec::<Bytes>::new()
    );
}

#[tokio::test]
async fn large_bytes_written_in_odd_pieces_arrive_whole() {
    let bench = Bench::new();
    let bytes = large();
    let mut writer = bench
        .artifacts
        .writer(&bench.ours, png(), 32_000_000)
        .await
        .expect("room");
    for piece in [0..1, 1..1, 1..5_000_000, 5_000_000..19_999_999, 19_999_999..bytes.len()] {
        writer.write(bytes.slice(piece)).await.expect("room");
    }
    let info = writer.finish().await.expect("room");
    assert_eq!(
        (info.size, info.sha256.as_str()),
        (bytes.len() as u64, sha256(&bytes).as_str())
    );
    let read = bench
        .artifacts
        .read(&bench.ours, &info.artifact, info.size)
        .await
        .expect("an answer")
        .expect("found");
    assert!(read == bytes, "what was read differs from what was written");
}

#[tokio::test]
async fn ranges_are_served_and_those_outside_are_refused() {
    let bench = Bench::new();
    let id = bench.put(b"0123456789").await;
    for (range, expected) in [(0..10, &b"0123456789"[..]), (3..5, b"34"), (9..10, b"9"), (4..4, b"")] {
        let stream = bench
            .artifacts
            .read_range(&bench.ours, &id, range)
            .await
            .expect("an answer")
            .expect("found");
        let bytes: Vec<u8> = stream.try_collect::<Vec<_>>().await.expect("bytes").concat();
        assert_eq!(bytes, expected);
    }
    for (start, end) in [(0, 11), (10, 12), (5, 4)] {
        let answer = bench
            .artifacts
            .read_range(&bench.ours, &id, start..end)
            .await
            .map(|_| ());
        assert!(
            matches!(answer, Err(ArtifactError::OutOfRange { size: 10 })),
            "{start}..{end}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn another_tenant_finds_nothing() {
    let bench = Bench::new();
    let id = bench.put(b"ours").await;
    assert_eq!(bench.artifacts.info(&bench.theirs, &id).await.expect("an answer"), None);
    assert_eq!(
        bench.artifacts.read(&bench.theirs, &id, 10).await.expect("an answer"),
        None
    );
    assert!(
        bench
            .artifacts
            .read_range(&bench.theirs, &id, 0..1)
            .await
            .expect("an answer")
            .is_none()
    );
    assert!(!bench.artifacts.delete(&bench.theirs, &id).await.expect("an answer"));
    assert!(
        bench
            .artifacts
            .info(&bench.ours, &id)
            .await
            .expect("an answer")
            .is_some()
    );
}

#[tokio::test]
async fn an_id_that_is_none_is_not_found_and_leads_nowhere() {
    let bench = Bench::new();
    let id = bench.put(b"ours").await;
    let beside = format!("../{}/{id}", &id[..2]);
    let upper = id.to_uppercase();
    for text in [
        "",
        ".",
        "..",
        "../../../../etc/passwd",
        "%2e%2e%2f",
        "a/b",
        "*",
        &beside,
        &upper,
        &"0".repeat(10_000),
    ] {
        assert_eq!(
            bench.artifacts.info(&bench.ours, text).await.expect("an answer"),
            None,
            "{text}"
        );
        assert_eq!(
            bench.artifacts.read(&bench.ours, text, 10).await.expect("an answer"),
            None,
            "{text}"
        );
        assert!(
            !bench.artifacts.delete(&bench.ours, text).await.expect("an answer"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_reader_with_a_limit_gets_no_more() {
    let bench = Bench::new();
    let id = bench.put(b"0123456789").await;
    let answer = bench.artifacts.read(&bench.ours, &id, 9).await;
    assert!(
        matches!(answer, Err(ArtifactError::TooLarge { max_bytes: 9 })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn too_many_bytes_are_refused_and_abort_leaves_nothing_behind() {
    let bench = Bench::new();
    for (piece, max_bytes) in [(Bytes::from_static(b"0123456789"), 15), (large(), 30_000_000)] {
        let mut writer = bench
            .artifacts
            .writer(&bench.ours, png(), max_bytes)
            .await
            .expect("room");
        writer.write(piece.clone()).await.expect("room");
        let answer = writer.write(piece).await;
        assert!(
            matches!(answer, Err(ArtifactError::TooLarge { max_bytes: limit }) if limit == max_bytes),
            "{answer:?}"
        );
        writer.abort().await.expect("an answer");
        assert_eq!(bench.files(), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn a_dropped_writer_leaves_nothing_behind() {
    let bench = Bench::new();
    for piece in [Bytes::from_static(b"small"), large()] {
        let mut writer = bench
            .artifacts
            .writer(&bench.ours, png(), 30_000_000)
            .await
            .expect("room");
        writer.write(piece).await.expect("room");
        drop(writer);
    }
    bench.artifacts.close().await;
    assert_eq!(bench.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_unfinished_artifact_does_not_exist() {
    let bench = Bench::new();
    let mut writer = bench.artifacts.writer(&bench.ours, png(), 100).await.expect("room");
    writer.write(Bytes::from_static(b"half")).await.expect("room");
    let id = writer.id();
    assert_eq!(
        bench.artifacts.info(&bench.ours, id.as_str()).await.expect("an answer"),
        None
    );
    writer.abort().await.expect("an answer");
}

#[tokio::test]
async fn a_deleted_artifact_is_gone_with_all_its_files() {
    let bench = Bench::new();
    let id = bench.put(b"ours").await;
    assert!(bench.artifacts.delete(&bench.ours, &id).await.expect("an answer"));
    assert!(!bench.artifacts.delete(&bench.ours, &id).await.expect("an answer"));
    assert_eq!(
        bench.artifacts.read(&bench.ours, &id, 10).await.expect("an answer"),
        None
    );
    assert_eq!(bench.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_expired_artifact_is_not_found_even_before_it_is_swept() {
    let bench = Bench::new();
    let id = bench.put(b"ours").await;
    bench.clock.advance_ms(3_599_999);
    assert!(
        bench
            .artifacts
            .info(&bench.ours, &id)
            .await
            .expect("an answer")
            .is_some()
    );
    bench.clock.advance_ms(1);
    assert_eq!(bench.artifacts.info(&bench.ours, &id).await.expect("an answer"), None);
    assert!(
        bench
            .artifacts
            .read_range(&bench.ours, &id, 0..1)
            .await
            .expect("an answer")
            .is_none()
    );
}

#[tokio::test]
async fn the_sweep_deletes_what_expired_and_nothing_else() {
    let bench = Bench::new();
    let short = bench.put(b"short").await;
    let long = NewArtifact {
        ttl: HOUR * 48,
        ..png()
    };
    let kept = bench
        .artifacts
        .put(&bench.theirs, long, Bytes::from_static(b"kept"))
        .await
        .expect("room");
    assert_eq!(bench.artifacts.sweep(NOON_MS + 3_599_999).await.expect("an answer"), 0);
    assert_eq!(bench.artifacts.sweep(NOON_MS + 3_600_000).await.expect("an answer"), 1);
    assert_eq!(bench.artifacts.sweep(NOON_MS + 3_600_000).await.expect("an answer"), 0);
    assert_eq!(
        bench.artifacts.info(&bench.ours, &short).await.expect("an answer"),
        None
    );
    assert_eq!(
        bench
            .artifacts
            .info(&bench.theirs, &kept.artifact)
            .await
            .expect("an answer"),
        Some(kept)
    );
    assert_eq!(bench.files().len(), 3, "{:?}", bench.files());
}

#[tokio::test]
async fn the_sweep_finds_what_a_crash_left_half_written() {
    let bench = Bench::new();
    let mut writer = bench.artifacts.writer(&bench.ours, png(), 100).await.expect("room");
    writer.write(Bytes::from_static(b"half")).await.expect("room");
    // A process that dies runs no destructor.
    std::mem::forget(writer);
    assert_eq!(bench.files().len(), 1);
    assert_eq!(bench.artifacts.sweep(NOON_MS + 3_600_000).await.expect("an answer"), 1);
    assert_eq!(bench.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn the_probe_answers() {
    Bench::new().artifacts.probe().await.expect("a store that answers");
}

#[test]
fn addresses_that_are_no_store_are_refused_in_words() {
    let open = |url: &str| {
        let error = Artifacts::open(url, Arc::new(ManualClock::at(0))).expect_err("no store");
        format!("{error:#}")
    };
    assert_eq!(
        open("ftp://host/dir"),
        "`ftp://` is no artifact store; use file:///dir or s3://bucket/prefix"
    );
    assert!(
        open("./data").starts_with("`./data` is not a URL such as file:///dir or s3://bucket"),
        "{}",
        open("./data")
    );
    assert!(open("file:///proc/nowhere/deep").starts_with("create the artifact directory /proc/nowhere/deep"));
    assert!(
        open("s3:///prefix").contains("names no bucket"),
        "{}",
        open("s3:///prefix")
    );
}
