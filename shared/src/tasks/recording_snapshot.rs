//! `recording_snapshot`: a picture out of a recording, as it was shown at a time. The route
//! `/api/v1/streams/{id}/snapshot?at=` asks it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use zoetrope_queue::MAX_JOURNAL_NAME;

use super::{FieldCode, FieldError, Kind, Policy, Slot};
use crate::schema::{self, InputSchema};

/// Least and most pixels that a picture may be asked to have from left to right.
pub const WIDTHS: std::ops::RangeInclusive<u32> = 16..=1_920;
/// Long side of a picture at most, pixels.
pub const MAX_SIDE: u32 = 1_920;

/// The row of the table.
pub const KIND: Kind = Kind {
    name: "recording_snapshot",
    summary: "Takes the picture that was shown at a time out of a recording, as a JPEG",
    slot: Slot::Io,
    cost: 1,
    policy: Policy {
        timeout: Some(Duration::from_secs(60)),
        // Pictures are made for whoever looks now.
        result_ttl: Duration::from_hours(1),
        ..Policy::DEFAULT
    },
    media: None,
    check,
    prepare: None,
    input_schema: || INPUT.json().clone(),
    output_schema: schema::of::<RecordingSnapshotOutput>,
    example: || json!({"stream": "st_01k8x3q0v6m5n4p3r2s1t0abcd", "at": 1_767_225_600.5, "width": 320}),
};

/// What `recording_snapshot` takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordingSnapshotInput {
    /// Id of the stream that is recorded, or of the `stream_ingest` task where it is of none.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    pub stream: String,
    /// Unix seconds, to the millisecond: the last picture that is shown at or before it.
    #[schema(minimum = 0, maximum = 253_402_300_799_i64)]
    pub at: f64,
    /// Most pixels from left to right, 16 to 1,920; proportions stay. Left out: as it was recorded, the long side at most
    /// 1,920.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, required = false, minimum = 16, maximum = 1920)]
    pub width: Option<u32>,
}

/// What `recording_snapshot` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordingSnapshotOutput {
    /// Id of an artifact: the picture as JPEG, kept as long as this result.
    pub artifact: String,
    /// When the picture was shown first, RFC 3339.
    pub taken_at: String,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

impl RecordingSnapshotInput {
    /// The time, Unix milliseconds.
    pub fn at_ms(&self) -> u64 {
        (self.at * 1_000.0).round() as u64
    }
}

static INPUT: InputSchema = InputSchema::new(schema::of::<RecordingSnapshotInput>, None);

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    let typed: RecordingSnapshotInput = INPUT.check(input)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if typed.stream.len() <= MAX_JOURNAL_NAME && typed.stream.bytes().all(plain) {
        return Ok(());
    }
    Err(vec![FieldError {
        pointer: "/stream".to_owned(),
        detail: "is no id: letters, digits, - and _".to_owned(),
        code: FieldCode::Invalid,
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_be_names_of_something_else_are_refused() {
        let checked = |stream: &str| check(&json!({"stream": stream, "at": 5}));
        assert!(checked("st_1-a").is_ok());
        for stream in ["", "../x", "a/b", "a:b", "é", "a b"] {
            let errors = checked(stream).expect_err("it is no id");
            assert_eq!(errors[0].pointer, "/stream", "{stream}");
        }
    }
}
