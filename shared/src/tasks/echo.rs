//! `echo`: answers its message. For tests, benchmarks and health probes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{FieldError, Kind, Policy, Slot};
use crate::schema::{self, InputSchema};

/// The row of the table.
pub const KIND: Kind = Kind {
    name: "echo",
    summary: "Answers its message, after a pause or a failure if asked to",
    slot: Slot::Io,
    cost: 1,
    policy: Policy::DEFAULT,
    media: None,
    check,
    prepare: None,
    input_schema: || INPUT.json().clone(),
    output_schema: schema::of::<EchoOutput>,
    example: || json!({"message": "hello", "sleep_ms": 100}),
};

/// What `echo` takes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EchoInput {
    /// The text to answer, at most 16,384 characters.
    #[schema(max_length = 16_384)]
    pub message: String,
    /// Pause before the answer, milliseconds, 0 to 60,000.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 60_000, default = 0)]
    pub sleep_ms: u64,
    /// How every attempt ends after the pause; `none` answers.
    #[serde(default)]
    #[schema(default = "none")]
    pub fail: EchoFailure,
}

/// How an `echo` fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EchoFailure {
    /// It does not.
    #[default]
    None,
    /// With an error that another attempt may cure.
    Retryable,
    /// With an error that no attempt cures.
    NonRetryable,
    /// By ending its worker process.
    Crash,
}

/// What `echo` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EchoOutput {
    /// The message of the input.
    pub message: String,
}

static INPUT: InputSchema = InputSchema::new(schema::of::<EchoInput>, None);

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    INPUT.check::<EchoInput>(input).map(|_| ())
}
