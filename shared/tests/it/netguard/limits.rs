//! The caps of a fetch: bytes, time, pace and encoding.

use std::time::Duration;

use zoetrope_shared::netguard::{FetchError, FetchLimits, Fetched, MinRate};

use super::opened;
use super::server::{Reply, Server};

const LIMITS: FetchLimits = FetchLimits {
    max_bytes: 1000,
    timeout: Duration::from_secs(60),
    min_rate: MinRate {
        bytes_per_second: 100,
        window: Duration::from_secs(10),
    },
};

async fn fetch_within(limits: FetchLimits, answer: fn() -> Reply) -> Result<Fetched, FetchError> {
    let server = Server::start("127.0.0.2:0", move |_| answer()).await;
    let url = format!("http://127.0.0.2:{}/", server.port());
    opened(&["127.0.0.2/32"]).fetch(&url, limits).await
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_taken() {
    let fetched = fetch_within(LIMITS, || Reply::ok(&"x".repeat(1000)))
        .await
        .expect("fetched");
    assert_eq!(fetched.bytes.len(), 1000);
}

#[tokio::test]
async fn a_length_over_the_limit_is_refused_before_the_body() {
    let error = fetch_within(LIMITS, || Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 1001", b""))
        .await
        .expect_err("large");
    assert_eq!(
        (&error, error.code(), error.is_retryable()),
        (&FetchError::TooLarge { limit: 1000 }, "media_too_large", false)
    );
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_off_at_the_limit() {
    assert_eq!(
        fetch_within(LIMITS, Reply::endless).await,
        Err(FetchError::TooLarge { limit: 1000 })
    );
}

#[tokio::test]
async fn a_body_shorter_than_its_length_is_a_failure_that_may_be_tried_again() {
    let error = fetch_within(LIMITS, || {
        Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 900", b"short")
    })
    .await;
    assert!(
        matches!(&error, Err(error @ FetchError::Network(_)) if error.is_retryable()),
        "{error:?}"
    );
}

#[tokio::test]
async fn bytes_behind_the_length_are_not_read() {
    let fetched = fetch_within(LIMITS, || {
        Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 5", &[b'x'; 100_000])
    })
    .await;
    assert_eq!(fetched.expect("fetched").bytes, "xxxxx");
}

#[tokio::test]
async fn a_compressed_body_is_refused_because_it_was_not_asked_for() {
    for encoding in ["gzip", "br", "identity, gzip", "gzip\r\ncontent-encoding: identity"] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: 1");
        let server = Server::start("127.0.0.2:0", move |_| Reply::raw(&head, b"x")).await;
        let url = format!("http://127.0.0.2:{}/", server.port());
        assert_eq!(
            opened(&["127.0.0.2/32"]).fetch(&url, LIMITS).await,
            Err(FetchError::Encoded),
            "{encoding}"
        );
    }
    let plain = || {
        Reply::raw(
            "HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 1",
            b"x",
        )
    };
    assert_eq!(fetch_within(LIMITS, plain).await.expect("fetched").bytes, "x");
}

// The servers below stop the clock once the connection stands: from then on only waiting moves it.

#[tokio::test]
async fn a_dripping_body_is_given_up_after_one_window() {
    let started = fetch_within(LIMITS, || Reply::drip(1)).await;
    assert_eq!(started, Err(FetchError::TooSlow));
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_given_up_after_one_window() {
    assert_eq!(fetch_within(LIMITS, || Reply::drip(0)).await, Err(FetchError::TooSlow));
}

#[tokio::test]
async fn a_body_above_the_minimum_rate_is_still_held_to_the_total_time() {
    let limits = FetchLimits {
        max_bytes: 1_000_000,
        ..LIMITS
    };
    assert_eq!(
        fetch_within(limits, || Reply::drip(500)).await,
        Err(FetchError::Timeout)
    );
}

#[tokio::test]
async fn a_reader_that_comes_back_after_the_total_time_gets_no_more_bytes() {
    let server = Server::start("127.0.0.2:0", |_| Reply::endless()).await;
    let url = format!("http://127.0.0.2:{}/", server.port());
    let limits = FetchLimits {
        max_bytes: u64::MAX,
        ..LIMITS
    };
    let mut download = opened(&["127.0.0.2/32"]).open(&url, limits).await.expect("opened");
    assert!(download.next().await.expect("bytes").is_some());
    tokio::time::pause();
    tokio::time::advance(LIMITS.timeout).await;
    assert_eq!(download.next().await, Err(FetchError::Timeout));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let error = fetch_within(LIMITS, Reply::silence).await.expect_err("silence");
    assert!(error == FetchError::Timeout && error.is_retryable());
}
