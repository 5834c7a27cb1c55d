//! `POST /api/v1/uploads`: bytes into an artifact as they arrive, told by their content what they are.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::artifacts::{ArtifactInfo, ArtifactWriter, NewArtifact, plain_filename};
use zoetrope_shared::media::MediaType;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{Problem, ProblemCode, UploadView};

use crate::app::App;
use crate::http::body::Reader;
use crate::http::form::{self, Form, Part};
use crate::http::problem::{self, Mistake, Refusal};
use crate::http::query::Query;
use crate::limits::{ARTIFACT_TTL, MAX_UPLOAD_BYTES, UPLOAD_TIMEOUT};
use crate::submit::idempotency::{self, IN_FLIGHT, Memory, REPLAYED};
use crate::tenant::Caller;

const ROUTE: &str = "POST /uploads";

/// Bytes that are collected before the type is told: enough for Matroska, whose mark lies deep.
const SNIFF_BYTES: usize = 4 * 1024;

/// What a multipart body may have beside its file, bytes.
const FORM_OVERHEAD: u64 = 64 * 1024;

/// The form with the file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described")]
struct UploadForm {
    /// The media, with its name.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(upload))
}

/// Upload media
///
/// Send the bytes as the body (any content type; the name by `?filename=`), or as the part `file` of a form. Images,
/// video and audio are taken, told by their content and never by their name. Refer to it as `{"artifact": "<id>"}`.
#[utoipa::path(post, path = "/api/v1/uploads", tag = "artifacts",
    request_body(content((Vec<u8> = "application/octet-stream"), (UploadForm = "multipart/form-data")), description = "At most 500 MB"),
    params(
        ("filename" = Option<String>, Query, description = "Name for people, when the body is the file itself"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeating a request with the same key makes no second artifact"),
    ),
    responses(
        (status = 201, description = "It is stored", body = UploadView, headers(("Location" = String, description = "Where it can be read"))),
        (status = 409, description = "A request with this Idempotency-Key is being answered", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "It is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It is not media that we take", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused; nothing was stored", body = Problem, content_type = "application/problem+json"),
    ))]
async fn upload(
    State(app): State<App>,
    Caller(tenant): Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let query = Query::of(&uri, &["filename"])?;
    let filename = query.get("filename").map(ToOwned::to_owned);
    let Some(key) = idempotency::key_of(&headers)? else {
        let stored = store(&app, &tenant, &headers, body, filename, None).await?;
        return Ok(answer(&stored, false));
    };
    let known = app.memories.begin(&tenant, ROUTE, &key).await?;
    let stored = store(
        &app,
        &tenant,
        &headers,
        body,
        filename,
        known.is_none().then_some(key.as_str()),
    )
    .await;
    match (stored, known) {
        (Err(refusal), None) => {
            // If this fails too, the key is free again after `IN_FLIGHT`.
            if app.memories.forget(&tenant, ROUTE, &key).await.is_err() {
                tracing::debug!("api.upload.key_kept: cannot give back an Idempotency-Key");
            }
            Err(refusal)
        }
        (Err(refusal), Some(_)) => Err(refusal),
        (Ok(stored), known) => remember(&app, &tenant, &key, stored, known).await,
    }
}

/// Settles an upload with a key: the first is remembered, a repeated one answers with what the first has stored.
async fn remember(
    app: &App,
    tenant: &Tenant,
    key: &str,
    stored: ArtifactInfo,
    known: Option<Memory>,
) -> Result<Response, Refusal> {
    let mut held = app.held(tenant);
    held.add(&stored.artifact);
    if let Some(known) = &known {
        if known.fingerprint != stored.sha256 {
            held.discard().await;
            return Err(idempotency::conflict());
        }
        if let Some(first) = app.artifacts.info(tenant, &known.artifact).await? {
            held.discard().await;
            return Ok(answer(&first, true));
        }
    }
    let memory = Memory {
        fingerprint: stored.sha256.clone(),
        artifact: stored.artifact.clone(),
    };
    held.let_go();
    app.memories.finish(tenant, ROUTE, key, &memory).await?;
    Ok(answer(&stored, false))
}

fn answer(info: &ArtifactInfo, replayed: bool) -> Response {
    let view = UploadView::from(info);
    let location = HeaderValue::from_str(&view.urls.this);
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if replayed {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// Where the bytes of an upload come from.
enum Source {
    Body(Reader),
    /// The part is gone once it is read: the form goes on only then.
    Part(Box<(Form, Option<Part>)>),
}

impl Source {
    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let part = match self {
            Self::Body(reader) => return reader.next().await,
            Self::Part(form) => &mut form.1,
        };
        let Some(reading) = part else { return Ok(None) };
        let chunk = reading.chunk().await?;
        if chunk.is_none() {
            *part = None;
        }
        Ok(chunk)
    }
}

async fn store(
    app: &App,
    tenant: &Tenant,
    headers: &HeaderMap,
    body: Body,
    filename: Option<String>,
    in_flight: Option<&str>,
) -> Result<ArtifactInfo, Refusal> {
    let (mut source, filename) = open(headers, body, filename).await?;
    let mut head = BytesMut::new();
    while head.len() < SNIFF_BYTES {
        let Some(piece) = source.next().await? else { break };
        head.extend_from_slice(&piece);
    }
    let refused = |detail: &str| Refusal::from(Mistake::new(ProblemCode::MediaInvalid, "/file", detail));
    if head.is_empty() {
        return Err(refused("the file is empty"));
    }
    let media_type = MediaType::sniff(&head)
        .ok_or_else(|| refused("its content is no image, document, video or audio that we take"))?;
    let new = NewArtifact {
        content_type: media_type.content_type().to_owned(),
        filename: filename.as_deref().and_then(plain_filename),
        ttl: ARTIFACT_TTL,
    };
    let mut writer = app.artifacts.writer(tenant, new, MAX_UPLOAD_BYTES).await?;
    match copy(app, tenant, &mut source, head.freeze(), &mut writer, in_flight).await {
        Ok(()) => {
            let stored = writer.finish().await?;
            app.metrics.stored_bytes.inc_by(stored.size);
            Ok(stored)
        }
        Err(refusal) => {
            // Waited for, so that nothing is left when the refusal is read.
            if let Err(error) = writer.abort().await {
                tracing::warn!(%error, "api.upload.left_behind: cannot remove an unfinished upload, the sweep will");
            }
            Err(refusal)
        }
    }
}

async fn open(headers: &HeaderMap, body: Body, filename: Option<String>) -> Result<(Source, Option<String>), Refusal> {
    if !form::is_form(headers) {
        return Ok((
            Source::Body(Reader::new(headers, body, MAX_UPLOAD_BYTES, UPLOAD_TIMEOUT)?),
            filename,
        ));
    }
    let mut form = Form::open(
        headers,
        Reader::new(headers, body, MAX_UPLOAD_BYTES + FORM_OVERHEAD, UPLOAD_TIMEOUT)?,
    )?;
    match form.next().await? {
        Some(part) if part.name() == "file" => {
            let filename = filename.or_else(|| part.filename());
            Ok((Source::Part(Box::new((form, Some(part)))), filename))
        }
        Some(other) => Err(not_a_file(&other)),
        None => Err(Mistake::new(ProblemCode::MediaMissing, "/file", "the form has no part `file`").into()),
    }
}

async fn copy(
    app: &App,
    tenant: &Tenant,
    source: &mut Source,
    head: Bytes,
    writer: &mut ArtifactWriter,
    in_flight: Option<&str>,
) -> Result<(), Refusal> {
    writer.write(head).await?;
    let mut renewed = Instant::now();
    while let Some(piece) = source.next().await? {
        writer.write(piece).await?;
        if let Some(key) = in_flight
            && renewed.elapsed() > IN_FLIGHT / 3
        {
            app.memories.still(tenant, ROUTE, key).await?;
            renewed = Instant::now();
        }
    }
    if let Source::Part(form) = source {
        end(&mut form.0).await?;
    }
    Ok(())
}

/// A form of an upload has nothing after its file.
async fn end(form: &mut Form) -> Result<(), Refusal> {
    match form.next().await? {
        None => Ok(()),
        Some(other) => Err(not_a_file(&other)),
    }
}

fn not_a_file(part: &Part) -> Refusal {
    let pointer = format!("/{}", problem::escape(&part.name()));
    Mistake::new(ProblemCode::UnknownField, pointer, "the form's one part is `file`").into()
}
