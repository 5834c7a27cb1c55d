//! `stream_test`: connects to a source once and says what it is, or why it cannot be watched. The routes
//! `/api/v1/streams/test` and `/api/v1/streams/{id}/test` ask it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::stream_ingest::StreamTransport;
use super::{FieldCode, FieldError, Kind, Policy, Slot};
use crate::schema::{self, InputSchema};
use crate::stream_source::{self, SEALED_FIELD};
use crate::wire::StreamCause;

/// The row of the table.
pub const KIND: Kind = Kind {
    name: "stream_test",
    summary: "Connects to an RTSP stream once and tells its codec, size and frame rate, or why it cannot be watched",
    slot: Slot::Io,
    cost: 1,
    policy: Policy {
        max_attempts: 1,
        timeout: Some(Duration::from_secs(30)),
        ..Policy::DEFAULT
    },
    media: None,
    check,
    prepare: Some(stream_source::prepare),
    input_schema: || INPUT.json().clone(),
    output_schema: schema::of::<StreamTestOutput>,
    example: || json!({"url": "rtsp://camera.example.com/live"}),
};

/// What `stream_test` takes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamTestInput {
    /// The source, `rtsp://host[:port]/path`, `rtmp://host[:port]/app/stream` or an HLS playlist, `https://host/path.m3u8`. A user name and password in it are taken out, sealed and never shown.
    #[schema(min_length = 1, max_length = 8192)]
    pub url: String,
    /// How packets travel: `tcp` inside the RTSP connection, or `udp` beside it.
    #[serde(default)]
    #[schema(default = "tcp")]
    pub transport: StreamTransport,
    /// User name for `url`, basic or digest. Sealed before it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    pub username: Option<String>,
    /// Password for `url`. Sealed before it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 1024)]
    pub password: Option<String>,
}

/// What `stream_test` answers, also where the source cannot be watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamTestOutput {
    /// Whether pictures came, and one was decoded.
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = StreamCause, required = false)]
    pub cause: Option<StreamCause>,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub detail: Option<String>,
    /// `h264` or `h265`, once the source has described itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub codec: Option<String>,
    /// Width of the decoded picture, pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, required = false)]
    pub width: Option<u32>,
    /// Height of the decoded picture, pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, required = false)]
    pub height: Option<u32>,
    /// Pictures a second of the source's own time, over those that were seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false)]
    pub fps: Option<f64>,
    /// Time until the source played or refused, milliseconds.
    pub connect_ms: u64,
    /// Time from then to the first picture that decoding can start with, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    pub key_frame_ms: Option<u64>,
}

static INPUT: InputSchema = InputSchema::new(schema::of::<StreamTestInput>, None);

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    let typed: StreamTestInput = INPUT.check(input)?;
    if typed.password.is_some() && typed.username.is_none() {
        return Err(vec![FieldError {
            pointer: "/password".to_owned(),
            detail: "needs `username` beside it".to_owned(),
            code: FieldCode::Invalid,
        }]);
    }
    Ok(())
}

/// An input as it is stored: credentials sealed.
#[derive(Debug, Clone)]
pub struct StoredStreamTest {
    /// The input without credentials.
    pub input: StreamTestInput,
    /// The credentials as [`stream_source::open_credentials`] takes them.
    pub sealed: Option<String>,
}

impl StoredStreamTest {
    /// Reads what [`stream_source::prepare`] made.
    ///
    /// # Errors
    /// What does not fit.
    pub fn parse(stored: &str) -> Result<Self, serde_json::Error> {
        let mut fields: Map<String, Value> = serde_json::from_str(stored)?;
        let sealed = match fields.remove(SEALED_FIELD) {
            Some(Value::String(sealed)) => Some(sealed),
            _ => None,
        };
        let input = serde_json::from_value(Value::Object(fields))?;
        Ok(Self { input, sealed })
    }
}
