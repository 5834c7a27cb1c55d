//! What is stored of a stream, removed with it. Whatever stores something of streams is removed here, before the record:
//! a delete that is cut off is repeated by its client, and finds the rest.

use zoetrope_shared::streams::Listed;
use zoetrope_shared::tenant::Tenant;

use crate::app::App;
use crate::http::problem::Refusal;

/// Removes everything that is stored of a stream that is stopped.
pub(super) async fn erase(app: &App, tenant: &Tenant, stream: &Listed) -> Result<(), Refusal> {
    let Some(report) = &stream.report else { return Ok(()) };
    let newest = report.snapshot.as_ref().map(|snapshot| &snapshot.artifact);
    for picture in [newest, report.previous.as_ref()].into_iter().flatten() {
        app.artifacts.delete(tenant, picture).await?;
    }
    Ok(())
}
