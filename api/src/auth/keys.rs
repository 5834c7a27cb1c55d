//! `/api/v1/keys`: API keys are made, listed and revoked. A revoked key stays listed, so that the api stays closed.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::wire::{KeyMade, KeyPage, KeyView, Problem, ProblemCode, Scope};

use super::credential::Credential;
use super::identity::Identity;
use super::key_request::{self, KeyRequest, Wanted};
use super::record::Record;
use super::store::Added;
use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::limits::MAX_API_KEYS;
use crate::submit::fingerprint::Fingerprint;
use crate::submit::idempotency::{self, Memory};
use crate::submit::request;

const ROUTE: &str = "POST /keys";

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_keys, make_key))
        .routes(routes!(revoke_key))
}

/// Make an API key
///
/// The answer holds the whole key, this once. The first key has to allow `admin:*`: from then on every request takes one.
#[utoipa::path(post, path = "/api/v1/keys", tag = "access", request_body = KeyRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeating a request with the same key makes no second API key: 409, since nobody can show the first again")),
    responses(
        (status = 201, description = "The key", body = KeyMade),
        (status = 409, description = "There are too many keys, or an earlier request with this Idempotency-Key has made one", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is wrong", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
async fn make_key(
    State(app): State<App>,
    identity: Identity,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<KeyMade>), Refusal> {
    Query::of(&uri, &[])?;
    let once = idempotency::key_of(&headers)?;
    let mut share = app.budget.share();
    let bytes = request::read_json(&headers, body, &mut share).await?;
    let body = request::parse(&bytes)?;
    let fingerprint = Fingerprint::of("API key").json(&body).finish();
    let wanted = key_request::read(body, &identity)?;
    let Some(once) = once else {
        return Ok((StatusCode::CREATED, Json(make(&app, wanted).await?)));
    };
    if let Some(known) = app.memories.begin(&identity.tenant, ROUTE, &once).await? {
        return Err(made_before(&known, &fingerprint));
    }
    let made = make(&app, wanted).await;
    match &made {
        Ok(made) => {
            let artifact = made.view.id.clone();
            let memory = Memory { fingerprint, artifact };
            app.memories.finish(&identity.tenant, ROUTE, &once, &memory).await?;
        }
        Err(_) => app.memories.forget(&identity.tenant, ROUTE, &once).await?,
    }
    Ok((StatusCode::CREATED, Json(made?)))
}

/// A repeated request: what it made is named, for its secret is not kept.
fn made_before(known: &Memory, fingerprint: &str) -> Refusal {
    if known.fingerprint != fingerprint {
        return idempotency::conflict();
    }
    let detail = format!(
        "this Idempotency-Key has made the API key {}, which is not shown again: revoke it and make another",
        known.artifact
    );
    let refusal = Refusal::new(ProblemCode::IdempotencyConflict, detail);
    refusal.with_status(StatusCode::CONFLICT, "Made before", false)
}

/// Makes a key and makes it known.
async fn make(app: &App, wanted: Wanted) -> Result<KeyMade, Refusal> {
    let ring = app.gate.ring().await?;
    if ring.keys.is_empty() && !(wanted.scopes.contains(&Scope::Admin) && wanted.expires_in.is_none()) {
        let detail = "the first key has to allow admin:* and not expire, or nobody could make another";
        return Err(Refusal::invalid("/scopes", detail));
    }
    let now_ms = app.clock.now_ms();
    let credential = Credential::random();
    let record = Record {
        id: credential.id.clone(),
        name: wanted.name,
        tenant: wanted.tenant.to_string(),
        scopes: wanted.scopes,
        created_at_ms: now_ms,
        expires_at_ms: wanted
            .expires_in
            .map(|life| now_ms.saturating_add(u64::try_from(life.as_millis()).unwrap_or(u64::MAX))),
        revoked_at_ms: None,
        requests_per_second: wanted.requests_per_second,
        hash: credential.hash(),
    };
    if app.gate.store.add(&record, false).await? == Added::TooMany {
        let refusal = Refusal::bad_request(format!("there are {MAX_API_KEYS} keys, revoked ones included"));
        return Err(refusal.with_status(StatusCode::CONFLICT, "Too many keys", false));
    }
    app.gate.changed().await;
    tracing::info!(key_id = record.id, tenant = record.tenant, "api.auth.key_made");
    Ok(KeyMade {
        key: credential.reveal(),
        view: record.view(now_ms),
    })
}

/// List API keys
///
/// Without their secrets, newest first. Admins of the tenant `default` see those of every tenant.
#[utoipa::path(get, path = "/api/v1/keys", tag = "access",
    responses(
        (status = 200, description = "The keys", body = KeyPage),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
    ))]
async fn list_keys(State(app): State<App>, identity: Identity, uri: Uri) -> Result<Json<KeyPage>, Refusal> {
    Query::of(&uri, &[])?;
    app.gate.refresh().await;
    let (ring, now_ms) = (app.gate.ring().await?, app.clock.now_ms());
    let mut seen: Vec<&Record> = ring.keys.values().filter(|record| sees(&identity, record)).collect();
    seen.sort_by(|one, other| (other.created_at_ms, &other.id).cmp(&(one.created_at_ms, &one.id)));
    let items = seen.into_iter().map(|record| record.view(now_ms)).collect();
    Ok(Json(KeyPage { items }))
}

/// Revoke an API key
///
/// It opens nothing any more: here at once, in every other process within 5 s. Revoking it again changes nothing.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "access",
    params(("id" = String, Path, description = "The key's id")),
    responses(
        (status = 200, description = "It is revoked", body = KeyView),
        (status = 404, description = "No such key", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
    ))]
async fn revoke_key(
    State(app): State<App>,
    identity: Identity,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<KeyView>, Refusal> {
    Query::of(&uri, &[])?;
    app.gate.refresh().await;
    let (ring, now_ms) = (app.gate.ring().await?, app.clock.now_ms());
    let known = ring.keys.get(&id).filter(|record| sees(&identity, record));
    let mut record = known.cloned().ok_or_else(|| Refusal::not_found("key"))?;
    if record.revoked_at_ms.is_none() {
        record.revoked_at_ms = Some(now_ms);
        app.gate.store.replace(&record).await?;
        app.gate.changed().await;
        tracing::info!(key_id = record.id, tenant = record.tenant, "api.auth.key_revoked");
    }
    Ok(Json(record.view(now_ms)))
}

/// Other tenants' keys are as unknown as keys that never were.
fn sees(identity: &Identity, record: &Record) -> bool {
    identity.is_operator() || record.tenant == identity.tenant.as_str()
}
