//! Downloads: whole, in part, conditional, and harmless in a browser.

use reqwest::{Method, StatusCode};

use crate::pictures::mp4;
use crate::stage::{Answer, Stage};

#[tokio::test]
async fn a_download_is_an_attachment_that_no_browser_runs() {
    let stage = Stage::start().await;
    let path = format!("/api/v1/artifacts/{}", stage.upload(mp4(1_000)).await);
    let answer = stage.get(&path).await;
    assert_eq!(
        (answer.status, answer.bytes.len(), answer.header("content-type")),
        (200, 1_000, "video/mp4")
    );
    assert!(answer.header("content-disposition").starts_with("attachment;"));
    assert_eq!(
        (answer.header("x-content-type-options"), answer.header("accept-ranges")),
        ("nosniff", "bytes")
    );
    assert!(answer.header("content-security-policy").contains("sandbox"));
    assert!(answer.header("cache-control").starts_with("private"));
    let head = Answer::of(stage.request(Method::HEAD, &path)).await;
    assert_eq!(
        (head.status, head.header("content-length"), head.bytes.len()),
        (200, "1000", 0)
    );
    assert_eq!(head.header("etag"), answer.header("etag"));
}

#[tokio::test]
async fn one_range_is_answered_in_part() {
    let stage = Stage::start().await;
    let bytes = mp4(1_000);
    let path = format!("/api/v1/artifacts/{}", stage.upload(bytes.clone()).await);
    let ranged = |range: &str| Answer::of(stage.request(Method::GET, &path).header("range", range));
    for (range, part, shown) in [
        ("bytes=0-9", 0..10, "0-9"),
        ("bytes=990-", 990..1_000, "990-999"),
        ("bytes=-4", 996..1_000, "996-999"),
        ("bytes=5-99999", 5..1_000, "5-999"),
    ] {
        let answer = ranged(range).await;
        assert_eq!(
            (answer.status, answer.header("content-range")),
            (206, format!("bytes {shown}/1000").as_str()),
            "{range}"
        );
        assert_eq!(answer.bytes, bytes[part]);
    }
    for ignored in ["bytes=1-2,4-5", "items=1-2", "bytes=5-1"] {
        assert_eq!(ranged(ignored).await.status, 200, "{ignored}");
    }
    let beyond = ranged("bytes=1000-").await;
    beyond.is_refused(StatusCode::RANGE_NOT_SATISFIABLE, "invalid_input", "", "behind the end");
    assert_eq!(beyond.header("content-range"), "bytes */1000");
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let stage = Stage::start().await;
    let path = format!("/api/v1/artifacts/{}", stage.upload(mp4(1_000)).await);
    let tag = stage.get(&path).await.header("etag").to_owned();
    let same = Answer::of(stage.request(Method::GET, &path).header("if-none-match", &tag)).await;
    assert_eq!((same.status, same.bytes.len()), (304, 0));
    let ranged = |if_range: &str| {
        Answer::of(
            stage
                .request(Method::GET, &path)
                .header("range", "bytes=0-1")
                .header("if-range", if_range),
        )
    };
    assert_eq!(
        (ranged(&tag).await.status, ranged("\"other\"").await.status),
        (206, 200)
    );
}
