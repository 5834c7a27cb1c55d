//! The work of each kind, one file a kind. Which kind runs which handler is told by `dispatch::HANDLERS`.

pub mod content_generation;
pub mod echo;
pub mod image_analysis;
pub mod in_child;
pub mod ocr;
pub mod recording_snapshot;
pub mod scene_description;
pub mod step_detection;
pub mod stream_ingest;
pub mod stream_test;
pub mod transcription;
pub mod voice_synthesis;
pub mod voices;

mod annotating;
mod describing;
mod detecting;
mod telling;

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::tenant::Tenant;

/// The input as the kind's type. The api has checked it; tasks may come from other versions and other clients.
fn parse<T: DeserializeOwned>(input: &RawValue) -> Result<T, Failure> {
    serde_json::from_str(input.get()).map_err(|error| {
        Failure::non_retryable(
            "input_invalid",
            format!("the input is not what this kind takes: {error}"),
        )
    })
}

/// Whose task it is. The api has checked it; tasks may come from other versions and other clients.
pub(crate) fn tenant_of(attempt: &Attempt) -> Result<Tenant, Failure> {
    Tenant::parse(&attempt.tenant)
        .map_err(|error| Failure::non_retryable("input_invalid", format!("the task's tenant is not valid: {error}")))
}

/// The failure of a child whose answer makes no sense.
fn nonsense(error: &dyn Display) -> Failure {
    Failure::retryable("media_crashed", format!("the media child answered nonsense: {error}"))
}

/// A result as JSON.
fn result(output: &impl Serialize) -> Result<Box<RawValue>, Failure> {
    to_raw_value(output)
        .map_err(|error| Failure::non_retryable("result_invalid", format!("the result is no JSON: {error}")))
}
