//! The words that these tests are written in.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zoetrope_worker::media_pool::{MediaError, MediaPool, MediaPoolConfig};
use zoetrope_worker::metrics::Metrics;
use zoetrope_worker::protocol::Request;

/// A pool of at most one child of the executable under test, and its counts.
pub(crate) fn pool() -> (MediaPool, Metrics) {
    pool_of(Path::new(env!("CARGO_BIN_EXE_zoetrope-media")))
}

/// A pool whose children are another program.
pub(crate) fn pool_of(executable: &Path) -> (MediaPool, Metrics) {
    pool_with(MediaPoolConfig::of(executable.to_path_buf(), 1))
}

/// A pool with its own limits.
pub(crate) fn pool_with(config: MediaPoolConfig) -> (MediaPool, Metrics) {
    let metrics = Metrics::new().expect("the names of metrics are valid");
    (MediaPool::new(config, metrics.clone()), metrics)
}

/// Has a child work on media; the input's media ref plays no part in a child.
pub(crate) async fn work(pool: &MediaPool, kind: &str, media: Vec<u8>, mut input: Value) -> Result<Value, MediaError> {
    input["image"] = json!({"artifact": "aaaaaaaaaaaaaaaaaaaaaaaaaa"});
    let input = serde_json::value::to_raw_value(&input).expect("a value is JSON");
    let answer = pool
        .run(
            &Request {
                kind: kind.to_owned(),
                input,
            },
            media.into(),
            |_, _| {},
        )
        .await?;
    Ok(serde_json::from_slice(&answer).expect("a child answers JSON"))
}

pub(crate) async fn ocr(pool: &MediaPool, media: Vec<u8>, input: Value) -> Result<Value, MediaError> {
    work(pool, "ocr", media, input).await
}

/// The code of a refusal, and whether another attempt may help.
pub(crate) fn refusal(answer: Result<Value, MediaError>) -> (String, bool, String) {
    match answer {
        Err(MediaError::Refused {
            code,
            message,
            retryable,
        }) => (code, retryable, message),
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
