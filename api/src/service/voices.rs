//! `/api/v1/voices`: who can speak. The api knows no engine: a worker is asked, and its answer is kept for a while.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::tasks::voices::{self, VoicesOutput};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::Problem;

use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::limits::VOICES_TIMEOUT;
use crate::submit::intake;
use crate::tasks::ask;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_voices))
}

/// List the voices
///
/// Of every engine that a worker has; at most ten minutes old. `unavailable` names the engines that did not answer.
#[utoipa::path(get, path = "/api/v1/voices", tag = "kinds",
    responses(
        (status = 200, description = "The voices", body = VoicesOutput),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "No worker answers", body = Problem, content_type = "application/problem+json"),
    ))]
async fn list_voices(State(app): State<App>, identity: Identity, uri: Uri) -> Result<Json<VoicesOutput>, Refusal> {
    Query::of(&uri, &[])?;
    let answer = app.voices.get(Box::pin(ask_a_worker(&app, &identity.tenant))).await;
    // A list with holes, or none, is asked for again next time.
    if answer.as_ref().is_none_or(|voices| !voices.unavailable.is_empty()) {
        app.voices.forget().await;
    }
    answer
        .map(Json)
        .ok_or_else(|| Refusal::overloaded("no worker has listed its voices in time"))
}

/// Engines are the deployment's, so everybody sees the same list.
async fn ask_a_worker(app: &App, tenant: &Tenant) -> Option<VoicesOutput> {
    let body = json!({"input": {}, "priority": "realtime", "max_attempts": 1});
    let submission = app.judge().object(&voices::KIND, body, "");
    let asked = async { Ok::<_, Refusal>(intake::settle(app, tenant, submission?).await?.task) };
    let listed = async { ask::outcome(app, tenant, asked.await?, VOICES_TIMEOUT).await };
    match listed.await {
        Ok(voices) => Some(voices),
        Err(refusal) => {
            tracing::warn!("no voices: {}", refusal.problem.detail);
            None
        }
    }
}
