//! What is put is found, whole and in part, by its tenant alone and until it expires.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use zoetrope_queue::ManualClock;
use zoetrope_shared::artifacts::{ArtifactError, ArtifactId, Artifacts};

use super::{AN_HOUR_LATER_MS, Bench, NOON_MS, large, png};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn what_is_put_is_described_and_read_back() {
    for bench in Bench::both().await {
        let put = bench
            .artifacts
            .put(&bench.ours, png(), Bytes::from_static(b"pixels"))
            .await;
        let info = put.expect("room");
        assert!(ArtifactId::parse(&info.artifact).is_ok(), "{}", info.artifact);
        assert_eq!(
            (info.filename.as_deref(), info.content_type.as_str()),
            (Some("one.png"), "image/png")
        );
        assert_eq!((info.size, info.sha256.as_str()), (6, sha256(b"pixels").as_str()));
        assert_eq!((info.created_at_ms, info.expires_at_ms), (NOON_MS, AN_HOUR_LATER_MS));
        assert_eq!(bench.info(&bench.ours, &info.artifact).await, Some(info.clone()));
        assert_eq!(
            bench.read(&bench.ours, &info.artifact).await.as_deref(),
            Some(&b"pixels"[..])
        );
    }
}

#[tokio::test]
async fn an_empty_artifact_is_an_artifact() {
    for bench in Bench::both().await {
        let id = bench.put(b"").await;
        assert_eq!(bench.read(&bench.ours, &id).await, Some(Bytes::new()));
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
}

#[tokio::test]
async fn large_bytes_written_in_odd_pieces_arrive_whole() {
    for bench in Bench::both().await {
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
        let read = bench.read(&bench.ours, &info.artifact).await.expect("found");
        assert!(read == bytes, "what was read differs from what was written");
    }
}

#[tokio::test]
async fn ranges_are_served_and_those_outside_are_refused() {
    for bench in Bench::both().await {
        let id = bench.put(b"0123456789").await;
        for (range, expected) in [(0..10, &b"0123456789"[..]), (3..5, b"34"), (9..10, b"9"), (4..4, b"")] {
            let stream = bench
                .artifacts
                .read_range(&bench.ours, &id, range)
                .await
                .expect("an answer");
            let bytes = stream
                .expect("found")
                .try_collect::<Vec<_>>()
                .await
                .expect("bytes")
                .concat();
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
}

#[tokio::test]
async fn another_tenant_finds_nothing() {
    for bench in Bench::both().await {
        let id = bench.put(b"ours").await;
        assert_eq!(bench.info(&bench.theirs, &id).await, None);
        assert_eq!(bench.read(&bench.theirs, &id).await, None);
        assert!(
            bench
                .artifacts
                .read_range(&bench.theirs, &id, 0..1)
                .await
                .expect("an answer")
                .is_none()
        );
        assert!(!bench.artifacts.delete(&bench.theirs, &id).await.expect("an answer"));
        assert!(bench.info(&bench.ours, &id).await.is_some());
    }
}

#[tokio::test]
async fn an_id_that_is_none_is_not_found_and_leads_nowhere() {
    for bench in Bench::both().await {
        let id = bench.put(b"ours").await;
        let (beside, upper) = (format!("../{}/{id}", &id[..2]), id.to_uppercase());
        for text in [
            "",
            ".",
            "..",
            "../../etc/passwd",
            "%2e%2e%2f",
            "a/b",
            "*",
            &beside,
            &upper,
            &"0".repeat(10_000),
        ] {
            assert_eq!(bench.info(&bench.ours, text).await, None, "{text}");
            assert_eq!(bench.read(&bench.ours, text).await, None, "{text}");
            assert!(
                !bench.artifacts.delete(&bench.ours, text).await.expect("an answer"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_reader_with_a_limit_gets_no_more() {
    for bench in Bench::both().await {
        let id = bench.put(b"0123456789").await;
        let answer = bench.artifacts.read(&bench.ours, &id, 9).await;
        assert!(
            matches!(answer, Err(ArtifactError::TooLarge { max_bytes: 9 })),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn an_unfinished_artifact_does_not_exist() {
    for bench in Bench::both().await {
        let mut writer = bench.artifacts.writer(&bench.ours, png(), 100).await.expect("room");
        writer.write(Bytes::from_static(b"half")).await.expect("room");
        assert_eq!(bench.info(&bench.ours, writer.id().as_str()).await, None);
        writer.abort().await.expect("an answer");
    }
}

#[tokio::test]
async fn an_expired_artifact_is_not_found_even_before_it_is_swept() {
    for bench in Bench::both().await {
        let id = bench.put(b"ours").await;
        bench.clock.advance_ms(3_599_999);
        assert!(bench.info(&bench.ours, &id).await.is_some());
        bench.clock.advance_ms(1);
        assert_eq!(bench.info(&bench.ours, &id).await, None);
        assert!(
            bench
                .artifacts
                .read_range(&bench.ours, &id, 0..1)
                .await
                .expect("an answer")
                .is_none()
        );
    }
}

#[tokio::test]
async fn a_store_that_is_there_answers_the_probe() {
    for bench in Bench::both().await {
        bench.artifacts.probe().await.expect("a store that answers");
    }
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
