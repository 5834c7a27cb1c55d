//! `/api/v1/streams`: sources that are kept, started and stopped, tried, looked at. Watching them is their task's business.
//!
//! A record and its task are in two places, and whoever dies between two steps leaves them apart. So every step can be
//! repeated, and a task whose run is over is ended by its worker.

mod create;
mod erase;
mod list;
mod one;
mod running;
pub(crate) mod snapshot;
pub(crate) mod standing;
mod trial;

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use zoetrope_shared::streams::{Listed, StreamId};
use zoetrope_shared::tasks::Unprepared;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{ProblemCode, StreamView};

use crate::app::App;
use crate::http::problem::{Mistake, Mistakes, Refusal};

/// The routes of this folder.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(create::routes())
        .merge(list::routes())
        .merge(trial::routes())
        .merge(one::routes())
        .merge(running::routes())
        .merge(standing::routes())
        .merge(snapshot::routes())
}

/// This tenant's stream of that id.
pub(crate) async fn known(app: &App, tenant: &Tenant, id: &str) -> Result<Listed, Refusal> {
    let id = StreamId::parse(id).map_err(|_| missing())?;
    app.streams.get(tenant, id).await?.ok_or_else(missing)
}

/// No such stream, as far as this tenant can know.
fn missing() -> Refusal {
    Refusal::not_found("stream")
}

/// A stream as it stands.
async fn view(app: &App, tenant: &Tenant, listed: &Listed) -> Result<Json<StreamView>, Refusal> {
    let standing = standing::of(app, tenant, listed).await?;
    Ok(Json(StreamView::of(
        listed.id,
        &listed.record,
        standing.state,
        standing.cause,
    )))
}

/// The refusal of settings that do not fit.
fn unfit(unprepared: Unprepared) -> Refusal {
    match unprepared {
        Unprepared::Fields(errors) => {
            let mut mistakes = Mistakes::at("");
            for mistake in errors.into_iter().map(Mistake::from) {
                mistakes.push(mistake);
            }
            Refusal::from(mistakes)
        }
        Unprepared::Secrets(error) => Refusal::new(ProblemCode::SecretsNotConfigured, error.to_string()),
    }
}

/// The refusal after too many others came first.
fn raced() -> Refusal {
    Refusal::overloaded("too many others change this stream: send the request again")
}
