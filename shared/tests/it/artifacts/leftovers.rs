//! Nothing stays behind: not after an abort, a drop, a deletion, an expiry, nor a crash.

use bytes::Bytes;
use zoetrope_shared::artifacts::{ArtifactError, NewArtifact};

use super::{AN_HOUR_LATER_MS, Bench, HOUR, NOON_MS, Place, large, png};

const NOTHING: Vec<String> = Vec::new();

#[tokio::test]
async fn too_many_bytes_are_refused_and_abort_leaves_nothing_behind() {
    for bench in Bench::both().await {
        for (piece, max_bytes) in [(Bytes::from_static(b"0123456789"), 15), (large(), 30_000_000)] {
            let mut writer = bench
                .artifacts
                .writer(&bench.ours, png(), max_bytes)
                .await
                .expect("room");
            writer.write(piece.clone()).await.expect("room");
            let answer = writer.write(piece).await;
            assert!(matches!(answer, Err(ArtifactError::TooLarge { max_bytes: limit }) if limit == max_bytes));
            writer.abort().await.expect("an answer");
            assert_eq!(bench.stored(), NOTHING);
        }
    }
}

#[tokio::test]
async fn a_dropped_writer_leaves_nothing_behind() {
    for bench in Bench::both().await {
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
        assert_eq!(bench.stored(), NOTHING);
    }
}

#[tokio::test]
async fn a_deleted_artifact_is_gone_with_all_its_objects() {
    for bench in Bench::both().await {
        let id = bench.put(b"ours").await;
        assert!(bench.artifacts.delete(&bench.ours, &id).await.expect("an answer"));
        assert!(!bench.artifacts.delete(&bench.ours, &id).await.expect("an answer"));
        assert_eq!(bench.read(&bench.ours, &id).await, None);
        assert_eq!(bench.stored(), NOTHING);
    }
}

#[tokio::test]
async fn the_sweep_deletes_what_expired_and_nothing_else() {
    for bench in Bench::both().await {
        assert_eq!(bench.sweep(AN_HOUR_LATER_MS).await, 0);
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
        assert_eq!(bench.sweep(AN_HOUR_LATER_MS - 1).await, 0);
        assert_eq!(bench.sweep(AN_HOUR_LATER_MS).await, 1);
        assert_eq!(bench.sweep(AN_HOUR_LATER_MS).await, 0);
        assert_eq!(bench.info(&bench.ours, &short).await, None);
        assert_eq!(bench.info(&bench.theirs, &kept.artifact).await, Some(kept));
        assert_eq!(bench.stored().len(), 3, "{:?}", bench.stored());
    }
}

#[tokio::test]
async fn the_sweep_finds_what_a_crash_left_of_a_small_artifact() {
    for bench in Bench::both().await {
        let mut writer = bench.artifacts.writer(&bench.ours, png(), 100).await.expect("room");
        writer.write(Bytes::from_static(b"half")).await.expect("room");
        // A process that dies runs no destructor.
        std::mem::forget(writer);
        assert_eq!(bench.stored().len(), 1);
        assert_eq!(bench.sweep(AN_HOUR_LATER_MS).await, 1);
        assert_eq!(bench.stored(), NOTHING);
    }
}

#[tokio::test]
async fn the_sweep_finds_what_a_crash_left_of_a_large_artifact_in_a_folder() {
    let bench = Bench::folder();
    let mut writer = bench
        .artifacts
        .writer(&bench.ours, png(), 30_000_000)
        .await
        .expect("room");
    writer.write(large()).await.expect("room");
    std::mem::forget(writer);
    assert_eq!(bench.stored().len(), 2, "{:?}", bench.stored());
    assert_eq!(bench.sweep(AN_HOUR_LATER_MS).await, 1);
    assert_eq!(bench.stored(), NOTHING);
}

#[tokio::test]
async fn the_sweep_leaves_no_empty_folders() {
    let bench = Bench::folder();
    bench.put(b"ours").await;
    bench.sweep(AN_HOUR_LATER_MS).await;
    let Place::Folder(folder) = &bench.place else {
        unreachable!("it is a folder")
    };
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("a readable directory").count(),
        0
    );
}

#[tokio::test]
async fn the_sweep_removes_hours_of_the_past_that_a_crash_left_without_artifacts() {
    let bench = Bench::folder();
    let Place::Folder(folder) = &bench.place else {
        unreachable!("it is a folder")
    };
    let hours = folder.path().join("expiry");
    let hour = |ms: u64| hours.join(format!("{:010}", ms / 3_600_000));
    let (empty, half_written, running) = (hour(0), hour(3_600_000), hour(NOON_MS));
    for hour in [&empty, &half_written, &running] {
        std::fs::create_dir_all(hour).expect("room");
    }
    std::fs::write(half_written.join("default.0123456789abcdefghjkmnpqrs.7200000#1"), "").expect("room");
    assert_eq!(bench.sweep(NOON_MS).await, 0);
    let left: Vec<_> = std::fs::read_dir(&hours)
        .expect("a readable directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    // The hour that runs is left: an artifact may be about to be written into it.
    assert_eq!(left, [running]);
}

#[tokio::test]
async fn a_failure_of_the_store_shows_no_path_of_this_machine() {
    let bench = Bench::folder();
    let Place::Folder(folder) = &bench.place else {
        unreachable!("it is a folder")
    };
    std::fs::write(folder.path().join("tenants"), "a file in the place of a folder").expect("room");
    let put = bench.artifacts.put(&bench.ours, png(), Bytes::from_static(b"x")).await;
    let error = put.expect_err("no place to put it");
    assert_eq!(error.to_string(), "the artifact store is unavailable");
    let cause = std::error::Error::source(&error)
        .expect("the cause is kept for the log")
        .to_string();
    assert!(cause.contains(&folder.path().display().to_string()), "{cause}");
}
