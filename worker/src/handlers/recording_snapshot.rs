//! `recording_snapshot`: a picture out of a recording, made in `recording::still`, as an artifact.

use serde_json::value::RawValue;
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::artifacts::NewArtifact;
use zoetrope_shared::tasks::recording_snapshot::{KIND, RecordingSnapshotInput, RecordingSnapshotOutput};
use zoetrope_shared::wire::rfc3339_ms;

use crate::recording::still;
use crate::services::Services;

/// Makes the picture and stores it.
pub async fn run(services: Services, attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let input: RecordingSnapshotInput = super::parse(&attempt.input)?;
    let tenant = super::tenant_of(&attempt)?;
    let picture = still::of(&services, &tenant, &input).await?;
    let new = NewArtifact {
        content_type: "image/jpeg".to_owned(),
        filename: None,
        ttl: KIND.policy.result_ttl,
    };
    let stored = services.artifacts.put(&tenant, new, picture.jpeg).await;
    let stored = stored.map_err(|error| Failure::retryable("artifacts_unavailable", error.to_string()))?;
    super::result(&RecordingSnapshotOutput {
        artifact: stored.artifact,
        taken_at: rfc3339_ms(picture.shown_ms),
        width: picture.size.0,
        height: picture.size.1,
    })
}
