//! `stream_test`: one connection to a source, looked at in `streams::trial`.

use serde_json::value::RawValue;
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::tasks::stream_test::StoredStreamTest;

use crate::services::Services;
use crate::streams::opening::Source;
use crate::streams::trial;

/// Tries the source. That it cannot be watched is an answer, too.
pub async fn run(services: Services, attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let StoredStreamTest { input, sealed } = StoredStreamTest::parse(attempt.input.get()).map_err(|error| {
        Failure::non_retryable(
            "input_invalid",
            format!("the input is not what this kind takes: {error}"),
        )
    })?;
    let source = Source::open(&services, &input.url, sealed.as_deref(), input.transport)?;
    super::result(&trial::of(&services, &source).await?)
}
