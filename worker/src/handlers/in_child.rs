//! What kinds that run in a media child have in common: bytes in, the child's work, a checked result out.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use zoetrope_queue::{Attempt, Failure};
use zoetrope_shared::media::MediaRef;
use zoetrope_shared::tasks;

use crate::media_source;
use crate::protocol::Request;
use crate::services::Services;

/// Fetches the media, has a child do the work, passes its progress on. Dropping this future kills the child.
pub async fn run<Output: DeserializeOwned + Serialize>(
    services: &Services,
    attempt: &Attempt,
    media: &MediaRef,
) -> Result<Box<RawValue>, Failure> {
    let bytes = fetch(services, attempt, media).await?;
    let request = Request {
        kind: attempt.kind.clone(),
        input: attempt.input.clone(),
    };
    let on_progress = |percent, message: &str| attempt.progress(percent, message);
    super::result(&answer::<Output>(services, &request, bytes, on_progress).await?)
}

/// Has a child do the work. Dropping this future kills the child.
pub async fn answer<Output: DeserializeOwned>(
    services: &Services,
    request: &Request,
    bytes: Bytes,
    on_progress: impl FnMut(u8, &str) + Send,
) -> Result<Output, Failure> {
    let answer = services.media.run(request, bytes, on_progress).await?;
    // A child that was taken over by what it decoded can at most answer a false result of the right shape.
    serde_json::from_slice(&answer).map_err(|error| super::nonsense(&error))
}

/// Reads the media of the attempt's kind.
pub async fn fetch(services: &Services, attempt: &Attempt, media: &MediaRef) -> Result<Bytes, Failure> {
    let tenant = super::tenant_of(attempt)?;
    let field = tasks::find(&attempt.kind).and_then(|kind| kind.media.as_ref());
    let field = field.ok_or_else(|| Failure::non_retryable("input_invalid", "this kind takes no media"))?;
    attempt.progress(0, "reading the media");
    media_source::read(services, &tenant, media, field).await
}
