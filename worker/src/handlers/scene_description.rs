//! `scene_description`: what a few pictures of one scene show, said by a vision model or from what is found locally.

use serde_json::value::RawValue;
use tokio::time::Instant;
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::tasks::scene_description::{FRAME, SceneDescriptionInput, SceneDescriptionOutput};

use super::describing::{self, Wish};
use crate::media_source;
use crate::services::Services;

/// Describes the scene.
pub async fn run(services: Services, attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let started = Instant::now();
    let input: SceneDescriptionInput = super::parse(&attempt.input)?;
    let tenant = super::tenant_of(&attempt)?;
    let wish = Wish {
        prompt: input.prompt.as_deref(),
        schema: input.schema.as_ref(),
        previous: input.previous.as_deref(),
        t_ms: &input.t_ms,
        provider: &input.provider,
        model: input.model.as_deref(),
        fallback: &input.fallback,
        cache: input.cache,
    };
    let chain = wish.chain(&services)?;
    attempt.progress(0, "reading the pictures");
    let mut pictures = Vec::with_capacity(input.frames.len());
    for frame in &input.frames {
        pictures.push(media_source::read(&services, &tenant, frame, &FRAME).await?);
    }
    attempt.progress(30, "describing");
    let described = describing::describe(&services, wish, &chain, &pictures, None).await?;
    super::result(&SceneDescriptionOutput {
        description: described.text,
        structured: described.structured,
        provider: described.provider,
        model: described.model,
        fell_back: described.fell_back,
        usage: described.usage,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}
