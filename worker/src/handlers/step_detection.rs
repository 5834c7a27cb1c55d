//! `step_detection`: a recording is copied to a private file and analysed in a media child; the screenshots that the
//! child sends up become artifacts while it works.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::value::{RawValue, to_raw_value};
use tempfile::TempDir;
use tokio::time::Instant;
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::artifacts::NewArtifact;
use zoetrope_shared::media::{MAX_IMAGE_BYTES, MAX_VIDEO_BYTES};
use zoetrope_shared::tasks::step_detection::{Describe, KIND, StepDetectionInput, StepDetectionOutput};
use zoetrope_shared::tenant::Tenant;

use crate::media_file;
use crate::media_pool::Listener;
use crate::protocol::Request;
use crate::protocol_steps::{MAX_PICTURE_BYTES, STEPS, Shot, StepsFound, StepsInput};
use crate::services::Services;

/// Who finds the steps.
const PROVIDER: &str = "local";

/// Finds the steps. Dropping this future kills the child and removes the copies.
pub async fn run(services: Services, attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let started = Instant::now();
    let input: StepDetectionInput = super::parse(&attempt.input)?;
    let tenant = super::tenant_of(&attempt)?;
    attempt.progress(0, "reading the recording");
    let folder = media_file::folder(&services)?;
    let request = Request {
        kind: STEPS.to_owned(),
        input: to_raw_value(&fetch(&services, &tenant, &input, &folder).await?)
            .map_err(|error| Failure::non_retryable("input_invalid", error.to_string()))?,
    };
    let mut keeper = Keeper {
        services: &services,
        tenant: &tenant,
        attempt: &attempt,
        kept: HashMap::new(),
        failed: None,
    };
    let answer = services.media.run_heard(&request, Bytes::new(), &mut keeper).await?;
    media_file::close(folder).await;
    let Keeper { kept, failed, .. } = keeper;
    if let Some(failure) = failed {
        return Err(failure);
    }
    let found: StepsFound = serde_json::from_slice(&answer).map_err(|error| super::nonsense(&error))?;
    super::result(&output(found, &kept, started))
}

async fn fetch(
    services: &Services,
    tenant: &Tenant,
    input: &StepDetectionInput,
    folder: &TempDir,
) -> Result<StepsInput, Failure> {
    let mut steps = StepsInput {
        video: None,
        frames: Vec::with_capacity(input.frames.len()),
        sample_fps: input.sample_fps,
        language: input.language.clone(),
        describe: input.describe == Describe::Template,
        pictures: input.screenshots,
    };
    if let Some(video) = &input.video {
        let path = folder.path().join("recording");
        media_file::fetch(services, tenant, video, MAX_VIDEO_BYTES, &path).await?;
        steps.video = Some(path.display().to_string());
    }
    for (index, frame) in input.frames.iter().enumerate() {
        let path = folder.path().join(format!("frame-{index}"));
        media_file::fetch(services, tenant, &frame.media, MAX_IMAGE_BYTES, &path).await?;
        steps.frames.push(Shot {
            path: path.display().to_string(),
            t_ms: frame.t_ms,
        });
    }
    Ok(steps)
}

/// Names of pictures become ids of artifacts.
fn output(found: StepsFound, kept: &HashMap<String, String>, started: Instant) -> StepDetectionOutput {
    let mut steps = found.steps;
    for picture in steps.iter_mut().flat_map(|step| [&mut step.before, &mut step.after]) {
        *picture = picture.take().and_then(|name| kept.get(&name).cloned());
    }
    StepDetectionOutput {
        steps,
        width: found.size.0,
        height: found.size.1,
        recording_ms: found.recording_ms,
        frames: found.frames,
        pointer: found.pointer,
        provider: PROVIDER.to_owned(),
        model: found.model,
        duration_ms: started.elapsed().as_millis() as u64,
    }
}

/// Stores pictures as they come.
struct Keeper<'a> {
    services: &'a Services,
    tenant: &'a Tenant,
    attempt: &'a Attempt,
    /// Ids of artifacts by the pictures' names.
    kept: HashMap<String, String>,
    /// Why a picture could not be stored; the first counts.
    failed: Option<Failure>,
}

impl Listener for Keeper<'_> {
    fn progress(&mut self, percent: u8, message: &str) {
        self.attempt.progress(percent, message);
    }

    fn picture(&mut self, name: String, bytes: Vec<u8>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // A child that was taken over by what it decoded could send anything.
            if self.failed.is_some() || bytes.len() > MAX_PICTURE_BYTES || !bytes.starts_with(&[0xff, 0xd8]) {
                return;
            }
            let new = NewArtifact {
                content_type: "image/jpeg".to_owned(),
                filename: None,
                ttl: KIND.policy.result_ttl,
            };
            match self.services.artifacts.put(self.tenant, new, bytes.into()).await {
                Ok(stored) => {
                    self.kept.insert(name, stored.artifact);
                }
                Err(error) => self.failed = Some(Failure::retryable("artifacts_unavailable", error.to_string())),
            }
        })
    }
}
