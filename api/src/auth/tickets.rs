//! `POST /api/v1/tickets`: a one-time ticket for a WebSocket, whose browser's side can send no header.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::wire::{Problem, TicketView, rfc3339_ms};

use super::credential::random_hex;
use super::identity::Identity;
use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::Query;

/// How long a ticket waits for its WebSocket.
const TTL: Duration = Duration::from_secs(60);
const TICKET_BYTES: usize = 32;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(make_ticket))
}

/// Make a one-time ticket
///
/// For `?ticket=` of one WebSocket, within 60 s, in place of a key. It allows what the key of this request does.
#[utoipa::path(post, path = "/api/v1/tickets", tag = "access",
    responses(
        (status = 201, description = "The ticket", body = TicketView),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
    ))]
async fn make_ticket(
    State(app): State<App>,
    identity: Identity,
    uri: Uri,
) -> Result<(StatusCode, Json<TicketView>), Refusal> {
    Query::of(&uri, &[])?;
    let ticket = format!("zt_ticket_{}", random_hex::<TICKET_BYTES>());
    app.gate.store.keep_ticket(&ticket, &identity.remember(), TTL).await?;
    let expires_at_ms = app.clock.now_ms().saturating_add(TTL.as_secs() * 1_000);
    let expires_at = rfc3339_ms(expires_at_ms);
    Ok((StatusCode::CREATED, Json(TicketView { ticket, expires_at })))
}

/// Whom a ticket stands for, once: the second to show it gets `None`, and so does whose key was revoked meanwhile.
pub(crate) async fn redeem(app: &App, ticket: &str) -> Result<Option<Identity>, Refusal> {
    let Some(identity) = app.gate.store.take_ticket(ticket).await?.and_then(Identity::recall) else {
        return Ok(None);
    };
    let live = app.gate.is_live(&identity, app.clock.now_ms()).await?;
    Ok(live.then_some(identity))
}
