//! `POST /api/v1/streams/test` and `/api/v1/streams/{id}/test`: a worker connects once and says what it found.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::Priority;
use zoetrope_shared::stream_source::SEALED_FIELD;
use zoetrope_shared::tasks::Unprepared;
use zoetrope_shared::tasks::stream_test::{self, StreamTestInput, StreamTestOutput};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{Problem, StreamSource};

use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::{Query, pointer};
use crate::limits::STREAM_TEST_TIMEOUT;
use crate::submit::{intake, request};
use crate::tasks::ask;
use crate::tenant::Caller;

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(test_source))
        .routes(routes!(test_stream))
}

/// Try a source
///
/// Before a stream is made of it. A worker connects once and answers codec, size and frame rate, or with `ok: false` the
/// cause; that takes seconds. Nothing is kept.
#[utoipa::path(post, path = "/api/v1/streams/test", tag = "streams",
    request_body(content = StreamTestInput, example = json!({"url": "rtsp://camera.example.com/live"})),
    responses(
        (status = 200, description = "What was found, also where it cannot be watched", body = StreamTestOutput),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "No worker answers, or credentials cannot be sealed", body = Problem, content_type = "application/problem+json"),
    ))]
async fn test_source(
    State(app): State<App>,
    Caller(tenant): Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<StreamTestOutput>, Refusal> {
    Query::of(&uri, &[])?;
    let fields = request::read_fields(&app, &headers, body).await?;
    ask_a_worker(&app, &tenant, fields, None).await
}

/// Try a stream's source
///
/// The same with the stream's own URL and credentials: what is watched, or what `source` names. A camera that takes one connection
/// at a time refuses while it is watched.
#[utoipa::path(post, path = "/api/v1/streams/{id}/test", tag = "streams",
    params(
        ("id" = String, Path, description = "The stream"),
        ("source" = Option<StreamSource>, Query, description = "Which of its sources; left out: what is watched"),
    ),
    responses(
        (status = 200, description = "What was found, also where it cannot be watched", body = StreamTestOutput),
        (status = 404, description = "No such stream", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Its URL may not be opened, or a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "No worker answers", body = Problem, content_type = "application/problem+json"),
    ))]
async fn test_stream(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<StreamTestOutput>, Refusal> {
    let query = Query::of(&uri, &["source"])?;
    let named = query.read("source", |word| {
        StreamSource::parse(word).ok_or_else(|| "must be `url` or `detect_url`".to_owned())
    })?;
    let listed = super::known(&app, &tenant, &id).await?;
    let record = &listed.record;
    let (url, sealed) = match named {
        Some(StreamSource::Url) => (record.settings.url.as_str(), record.sealed.as_deref()),
        Some(StreamSource::DetectUrl) if record.settings.detect_url.is_none() => {
            return Err(Refusal::invalid(pointer("source"), "the stream has no detect_url"));
        }
        Some(StreamSource::DetectUrl) | None => record.watched(),
    };
    let fields = Map::from_iter([
        ("url".to_owned(), json!(url)),
        ("transport".to_owned(), json!(listed.record.settings.transport)),
    ]);
    ask_a_worker(&app, &tenant, fields, sealed).await
}

async fn ask_a_worker(
    app: &App,
    tenant: &Tenant,
    fields: Map<String, Value>,
    sealed: Option<&str>,
) -> Result<Json<StreamTestOutput>, Refusal> {
    let fields = Value::Object(fields);
    // Before the envelope's fields would be taken out of it: this takes none.
    (stream_test::KIND.check)(&fields).map_err(|errors| super::unfit(Unprepared::Fields(errors)))?;
    let mut submission = app.judge().object(&stream_test::KIND, fields, "")?;
    if let Some(sealed) = sealed {
        submission.input.insert(SEALED_FIELD.to_owned(), json!(sealed));
    }
    let mut task = intake::settle(app, tenant, submission).await?.task;
    task.priority = Priority::Realtime;
    ask::outcome(app, tenant, task, STREAM_TEST_TIMEOUT).await.map(Json)
}
