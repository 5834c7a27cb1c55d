//! `image_analysis`: facts about an image, found in a media child; its objects, found there or by a provider; its
//! description; the image with all of it drawn in.

use bytes::Bytes;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::tasks::image_analysis::{Described, Feature, ImageAnalysisInput, ImageAnalysisOutput, MadeBy};
use zoetrope_shared::usage::FellBack;

use super::describing::{self, Wish};
use super::detecting::{self, Asked};
use super::{annotating, in_child};
use crate::protocol::Request;
use crate::protocol_images::AnalysisInput;
use crate::services::Services;

/// Analyses the image.
pub async fn run(services: Services, attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let started = Instant::now();
    let input: ImageAnalysisInput = super::parse(&attempt.input)?;
    let tenant = super::tenant_of(&attempt)?;
    let wanted = input.wanted();
    let wants = |feature: Feature| wanted.contains(&feature);
    let wish = Wish {
        prompt: input.prompt.as_deref(),
        schema: input.schema.as_ref(),
        previous: None,
        t_ms: &[],
        provider: &input.provider,
        model: input.model.as_deref(),
        fallback: &input.fallback,
        cache: input.cache,
    };
    // What nobody can do fails before any work.
    let describers = wants(Feature::Description).then(|| wish.chain(&services)).transpose()?;
    let detectors = wants(Feature::Objects)
        .then(|| detecting::chain(&services, &input))
        .transpose()?;
    let image = in_child::fetch(&services, &attempt, &input.image).await?;
    let asked = match &detectors {
        Some(chain) => {
            attempt.progress(5, "objects");
            // What the child does after that waits for a child like everything else.
            if !chain.candidates.is_empty() {
                attempt.now_waits();
            }
            Some(detecting::ask(&services, chain, &image, input.min_confidence).await?)
        }
        None => None,
    };
    let mut output = in_the_child(&services, &attempt, &input, &image, asked).await?;
    if let Some(chain) = describers {
        attempt.progress(90, "description");
        if !chain.candidates.is_empty() {
            attempt.now_waits();
        }
        let described =
            describing::describe(&services, wish, &chain, std::slice::from_ref(&image), Some(&output)).await?;
        output.made_by.insert(Feature::Description, author(&described));
        output.description = Some(described);
    }
    if input.annotate {
        attempt.progress(95, "drawing what was found");
        output.annotated = Some(annotating::annotate(&services, &tenant, image, &output).await?);
    }
    output.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    super::result(&output)
}

/// Everything that the image's pixels are needed for, with what a provider found in it.
async fn in_the_child(
    services: &Services,
    attempt: &Attempt,
    input: &ImageAnalysisInput,
    image: &Bytes,
    asked: Option<Asked>,
) -> Result<ImageAnalysisOutput, Failure> {
    let mut left = AnalysisInput {
        features: input.wanted(),
        min_confidence: input.min_confidence,
        detector: None,
    };
    match &asked {
        Some(Asked::LeftToOwn(_)) => left.detector = services.detector.as_deref().cloned(),
        Some(Asked::Answered(..)) | None => left.features.retain(|feature| *feature != Feature::Objects),
    }
    let request = Request {
        kind: attempt.kind.clone(),
        input: to_raw_value(&left).map_err(|error| Failure::non_retryable("input_invalid", error.to_string()))?,
    };
    let on_progress = |percent, message: &str| attempt.progress(percent, message);
    let mut output: ImageAnalysisOutput = in_child::answer(services, &request, image.clone(), on_progress).await?;
    match asked {
        Some(Asked::Answered(detected, made_by)) => {
            let objects = detecting::in_pixels(*detected, input.min_confidence, output.width, output.height);
            output.objects = Some(objects);
            output.made_by.insert(Feature::Objects, made_by);
        }
        Some(Asked::LeftToOwn(fell_back)) => note(&mut output, fell_back),
        None => {}
    }
    Ok(output)
}

/// Who was asked for objects before the worker's own network.
fn note(output: &mut ImageAnalysisOutput, fell_back: Vec<FellBack>) {
    if let Some(made_by) = output.made_by.get_mut(&Feature::Objects) {
        made_by.fell_back = fell_back;
    }
}

fn author(described: &Described) -> MadeBy {
    MadeBy {
        provider: described.provider.clone(),
        model: described.model.clone(),
        fell_back: described.fell_back.clone(),
        usage: Some(described.usage.clone()),
    }
}
