//! How much of a recording a client wants to be kept.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest that a recording is kept, hours: ten years.
pub const MAX_RECORDING_HOURS: f64 = 87_600.0;

/// Bounds of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamRetention {
    /// Hours that it is kept, 0.01 to 87,600. Left out: the setting `RECORDING_MAX_HOURS`, which is a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false, minimum = 0.01, maximum = 87_600)]
    pub max_hours: Option<f64>,
    /// Bytes that are kept, at least 100,000. Left out: the setting `RECORDING_MAX_BYTES`, which is 50 GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false, minimum = 100_000)]
    pub max_bytes: Option<u64>,
}
