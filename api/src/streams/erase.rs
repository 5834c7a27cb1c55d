//! What is stored of a stream, removed with it. Whatever stores something of streams is removed here, before the record:
//! a delete that is cut off is repeated by its client, and finds the rest.

use zoetrope_shared::recordings::{Keep, forget_if_empty, keep_within};
use zoetrope_shared::streams::Listed;
use zoetrope_shared::tenant::Tenant;

use crate::app::App;
use crate::http::problem::Refusal;

/// Removes everything that is stored of a stream that is stopped.
pub(super) async fn erase(app: &App, tenant: &Tenant, stream: &Listed) -> Result<(), Refusal> {
    erase_recording(app, tenant, &stream.id.to_string())
        .await
        .map_err(|error| {
            tracing::error!(stream = %stream.id, "api.stream.unerased: delete a recording: {error:#}");
            Refusal::overloaded("what was recorded cannot be deleted: send the request again later")
        })?;
    let Some(report) = &stream.report else { return Ok(()) };
    let newest = report.snapshot.as_ref().map(|snapshot| &snapshot.artifact);
    for picture in [newest, report.previous.as_ref()].into_iter().flatten() {
        app.artifacts.delete(tenant, picture).await?;
    }
    Ok(())
}

async fn erase_recording(app: &App, tenant: &Tenant, stream: &str) -> anyhow::Result<()> {
    let Ok(queue) = app.link.queue() else {
        anyhow::bail!("the queue is away");
    };
    let nothing = Keep { age_ms: 0, bytes: 0 };
    keep_within(queue, &app.recordings, (tenant, stream), nothing, app.clock.now_ms()).await?;
    forget_if_empty(queue, &app.recordings, tenant, stream).await?;
    // What no index knows.
    app.recordings.delete_all(tenant, stream).await?;
    Ok(())
}
