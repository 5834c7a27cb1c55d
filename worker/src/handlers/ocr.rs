//! `ocr`: the text of an image, read in a media child.

use serde_json::value::RawValue;
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::tasks::ocr::{OcrInput, OcrOutput};

use super::in_child;
use crate::services::Services;

/// Reads the image.
pub async fn run(services: Services, attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let input: OcrInput = super::parse(&attempt.input)?;
    in_child::run::<OcrOutput>(&services, &attempt, &input.image).await
}
