//! What is stored of a stream, removed with it. Whatever stores something of streams is removed here, before the record:
//! a delete that is cut off is repeated by its client, and finds the rest.

use zoetrope_shared::recordings::{Keep, Recording, forget_if_empty, keep_within};
use zoetrope_shared::streams::Listed;
use zoetrope_shared::tenant::Tenant;

use crate::app::App;
use crate::http::problem::Refusal;

/// Removes everything that is stored of a stream that is stopped.
pub(super) async fn erase(app: &App, tenant: &Tenant, stream: &Listed) -> Result<(), Refusal> {
    erase_recording(app, tenant, &stream.id.to_string()).await?;
    let Some(report) = &stream.report else { return Ok(()) };
    let newest = report.snapshot.as_ref().map(|snapshot| &snapshot.artifact);
    for picture in [newest, report.previous.as_ref()].into_iter().flatten() {
        app.artifacts.delete(tenant, picture).await?;
    }
    Ok(())
}

/// Removes what is recorded: media first, so that what a crash leaves is found again.
async fn erase_recording(app: &App, tenant: &Tenant, stream: &str) -> Result<(), Refusal> {
    let queue = app.link.queue()?;
    if queue.journal(tenant.as_str(), stream).await?.is_none() {
        return Ok(());
    }
    let failed = |error: anyhow::Error| {
        tracing::warn!(
            stream,
            "api.stream.half_deleted: cannot delete its recording: {error:#}"
        );
        Refusal::overloaded("what is recorded of it cannot be deleted now: send the request again")
    };
    let recording = Recording {
        queue,
        store: &app.recordings,
        tenant,
        stream,
    };
    let kept = keep_within(&recording, Keep::NOTHING, u64::MAX).await;
    kept.map_err(failed)?;
    match forget_if_empty(&recording).await.map_err(failed)? {
        true => Ok(()),
        false => Err(Refusal::overloaded(
            "it is still being recorded: send the request again",
        )),
    }
}
