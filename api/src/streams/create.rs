//! `POST /api/v1/streams`.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::keys;
use zoetrope_shared::streams::{self, Created, StreamId, StreamRequest};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{Problem, ProblemCode, StreamView};

use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::submit::fingerprint::Fingerprint;
use crate::submit::idempotency::{self, Memory, REPLAYED};
use crate::submit::request;
use crate::tenant::Caller;

const ROUTE: &str = "POST /streams";

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create_stream))
}

/// Create a stream
///
/// It is stopped until it is started. A user name and password are sealed before they are stored, and shown nowhere.
#[utoipa::path(post, path = "/api/v1/streams", tag = "streams",
    request_body(content = StreamRequest, example = json!({"name": "front door", "url": "rtsp://camera.example.com/live", "window": {"size_s": 10}})),
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeating a request with the same key makes no second stream")),
    responses(
        (status = 201, description = "The stream", body = StreamView, headers(
            ("Location" = String, description = "Where it can be read"),
        )),
        (status = 404, description = "An earlier request with this Idempotency-Key has made one, which was deleted since", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The tenant has as many streams as it may: `stream_limit_reached`", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused; nothing was stored", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away or full, or credentials cannot be sealed", body = Problem, content_type = "application/problem+json"),
    ))]
async fn create_stream(
    State(app): State<App>,
    Caller(tenant): Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    Query::of(&uri, &[])?;
    let once = idempotency::key_of(&headers)?;
    let mut share = app.budget.share();
    let bytes = request::read_json(&headers, body, &mut share).await?;
    let body = request::parse(&bytes)?;
    let fingerprint = Fingerprint::of(ROUTE).json(&body).finish();
    let now_ms = app.clock.now_ms();
    let record = streams::check_request(&body, now_ms, &app.preparation()).map_err(super::unfit)?;
    let id = StreamId::new(now_ms);
    let memory = once.map(|key| {
        let memory = Memory {
            fingerprint: fingerprint.clone(),
            artifact: id.to_string(),
        };
        let text = serde_json::to_string(&memory).expect("a memory should be JSON");
        (keys::idempotency(&tenant, ROUTE, &key), text)
    });
    let memory = memory.as_ref().map(|(key, text)| (key.as_str(), text.as_str()));
    let most = u64::from(app.settings.max_streams);
    match app.streams.create(&tenant, id, &record, most, memory).await? {
        Created::Made => {
            tracing::info!(stream = %id, "api.stream.created");
            answer(&app, &tenant, &id.to_string(), false).await
        }
        Created::Full => {
            let detail = format!("there are {most} streams, as many as a tenant may have: delete one");
            Err(Refusal::new(ProblemCode::StreamLimitReached, detail))
        }
        Created::Known(text) => {
            let known: Memory = serde_json::from_str(&text)
                .map_err(|error| Refusal::internal("read what is remembered of an Idempotency-Key", &error))?;
            if known.fingerprint != fingerprint {
                return Err(idempotency::conflict());
            }
            answer(&app, &tenant, &known.artifact, true).await
        }
    }
}

async fn answer(app: &App, tenant: &Tenant, id: &str, replayed: bool) -> Result<Response, Refusal> {
    let listed = super::known(app, tenant, id).await?;
    let view = super::view(app, tenant, &listed).await?;
    let location = HeaderValue::try_from(view.urls.this.clone());
    let mut response = (StatusCode::CREATED, view).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if replayed {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
