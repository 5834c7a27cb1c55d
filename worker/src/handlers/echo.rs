//! `echo`: answers its message.

use std::time::Duration;

use serde_json::value::RawValue;
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::tasks::echo::{EchoFailure, EchoInput, EchoOutput};

/// Sleeps, then ends as asked. A cancel or a timeout drops the sleep; a drain lets it go on for the grace.
pub async fn run(attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let input: EchoInput = super::parse(&attempt.input)?;
    if input.sleep_ms > 0 {
        tokio::time::sleep(Duration::from_millis(input.sleep_ms)).await;
    }
    match input.fail {
        EchoFailure::None => super::result(&EchoOutput { message: input.message }),
        EchoFailure::Retryable => Err(Failure::retryable(
            "echo_failed",
            "the input asked for a retryable failure",
        )),
        EchoFailure::NonRetryable => Err(Failure::non_retryable(
            "echo_failed",
            "the input asked for a non-retryable failure",
        )),
        EchoFailure::Crash => {
            tracing::error!(task = %attempt.id, "the input of {} asked for a crash", attempt.id);
            std::process::abort()
        }
    }
}
