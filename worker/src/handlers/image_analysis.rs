//! `image_analysis`: facts about an image, found in a media child, and its description.

use serde_json::value::RawValue;
use tokio::time::Instant;
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::tasks::image_analysis::{Feature, ImageAnalysisInput, ImageAnalysisOutput};

use super::describing::{self, Wish};
use super::in_child;
use crate::protocol::Request;
use crate::services::Services;

/// Analyses the image.
pub async fn run(services: Services, attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let started = Instant::now();
    let input: ImageAnalysisInput = super::parse(&attempt.input)?;
    let wish = Wish {
        prompt: input.prompt.as_deref(),
        schema: input.schema.as_ref(),
        previous: None,
        t_ms: &[],
        provider: &input.provider,
        model: input.model.as_deref(),
        fallback: &input.fallback,
    };
    let is_described = input.wanted().contains(&Feature::Description);
    // Whom nobody can describe it for fails before any work.
    let chain = is_described.then(|| wish.chain(&services)).transpose()?;
    let image = in_child::fetch(&services, &attempt, &input.image).await?;
    let request = Request {
        kind: attempt.kind.clone(),
        input: attempt.input.clone(),
    };
    let on_progress = |percent, message: &str| attempt.progress(percent, message);
    let mut output: ImageAnalysisOutput = in_child::answer(&services, &request, image.clone(), on_progress).await?;
    if let Some(chain) = chain {
        attempt.progress(90, "description");
        output.description = Some(describing::describe(&services, wish, &chain, &[image], Some(&output)).await?);
        output.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    }
    super::result(&output)
}
