//! `image_analysis`: facts about an image, found in a media child.

use serde_json::value::RawValue;
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::tasks::image_analysis::{ImageAnalysisInput, ImageAnalysisOutput};

use super::in_child;
use crate::services::Services;

/// Analyses the image.
pub async fn run(services: Services, attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let input: ImageAnalysisInput = super::parse(&attempt.input)?;
    in_child::run::<ImageAnalysisOutput>(&services, &attempt, &input.image).await
}
