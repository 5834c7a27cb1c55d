//! `POST /process_frame`: one frame in, one sentence out, for clients of AI Stream. A synchronous face of two realtime
//! tasks; its errors are `{"error": "..."}` with 400 or 500, which is what those clients know, and 503 with `Retry-After`
//! where the same frame may be described a little later.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::NewTask;
use zoetrope_shared::tasks::image_analysis::{self, ImageAnalysisOutput};
use zoetrope_shared::tasks::ocr::{self, OcrOutput};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::Problem;
use zoetrope_shared::wording;

use crate::app::App;
use crate::cpu;
use crate::http::answer::OwnForm;
use crate::http::body::Reader;
use crate::http::form::Form;
use crate::http::problem::Refusal;
use crate::limits::{BODY_TIMEOUT, FRAME_TIMEOUT, MAX_PART_JSON_BYTES};
use crate::submit::intake;
use crate::submit::submission::File;
use crate::tasks::ask;
use crate::tenant::Caller;

/// Names of the part that holds the frame.
const PARTS: [&str; 2] = ["frame", "file"];

/// The form with the frame.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described")]
struct FrameForm {
    /// The picture; `file` is accepted too.
    #[schema(value_type = String, format = Binary)]
    frame: Vec<u8>,
}

/// What the frame shows.
#[derive(Debug, Serialize, ToSchema)]
struct FrameAnswer {
    /// A sentence or two.
    response: String,
}

/// Why it is not said.
#[derive(Debug, Serialize, ToSchema)]
struct FrameError {
    /// One sentence.
    error: String,
}

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(process_frame))
}

/// Describe one frame
///
/// Compatible with AI Stream. The local describer says which colours there are, which text is read, and what codes say.
#[utoipa::path(post, path = "/process_frame", tag = "live",
    request_body(content = FrameForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "What it shows", body = FrameAnswer),
        (status = 400, description = "No frame, or none that can be read", body = FrameError),
        (status = 500, description = "It could not be described", body = FrameError),
        (status = 503, description = "Not now, or not in time", content((FrameError = "application/json"), (Problem = "application/problem+json"))),
    ))]
async fn process_frame(
    State(app): State<App>,
    Caller(tenant): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<FrameAnswer>, Response> {
    let said = describe(&app, &tenant, &headers, body).await;
    said.map(|response| Json(FrameAnswer { response }))
        .map_err(|refusal| in_own_form(&refusal))
}

fn in_own_form(refusal: &Refusal) -> Response {
    let status = match refusal.problem.status {
        400..500 => StatusCode::BAD_REQUEST,
        503 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let error = refusal.problem.detail.clone();
    let mut response = (status, Json(FrameError { error })).into_response();
    if let Some(pause) = refusal.retry_after {
        let seconds = HeaderValue::from(pause.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response.extensions_mut().insert(OwnForm);
    response
}

async fn describe(app: &App, tenant: &Tenant, headers: &HeaderMap, body: Body) -> Result<String, Refusal> {
    let mut share = app.budget.share();
    let file = read_frame(headers, body, &mut share).await?;
    let (judge, size) = (app.judge(), file.bytes.len());
    let features = json!({"features": ["colors", "codes"]});
    let urgent = json!({"priority": "realtime"});
    let submission = cpu::run(size, move || {
        judge.form(&image_analysis::KIND, Some(features), Some(urgent), Some(file))
    });
    let mut looks = intake::settle(app, tenant, submission.await?).await?;
    // The frame is kept for as long as this request needs it.
    let said = ask_both(app, tenant, looks.task).await;
    looks.held.discard().await;
    said
}

/// Has the frame looked at and read at the same time.
async fn ask_both(app: &App, tenant: &Tenant, looks: NewTask) -> Result<String, Refusal> {
    let input: Value = serde_json::from_str(looks.input.get())
        .map_err(|error| Refusal::internal("read the input of a frame's task", &error))?;
    let reads = json!({"input": {"image": input["image"]}, "priority": "realtime"});
    let reads = intake::settle(app, tenant, app.judge().object(&ocr::KIND, reads, "")?).await?;
    let (looked, read) = tokio::join!(
        ask::outcome::<ImageAnalysisOutput>(app, tenant, looks, FRAME_TIMEOUT),
        ask::outcome::<OcrOutput>(app, tenant, reads.task, FRAME_TIMEOUT)
    );
    Ok(sentence(&looked?, &read?.text))
}

async fn read_frame(headers: &HeaderMap, body: Body, share: &mut crate::http::body::Share) -> Result<File, Refusal> {
    let max_bytes = image_analysis::KIND.media.map_or(0, |field| field.max_bytes);
    let limit = max_bytes + MAX_PART_JSON_BYTES as u64;
    let mut form = Form::open(headers, Reader::new(headers, body, limit, BODY_TIMEOUT)?)?;
    while let Some(part) = form.next().await? {
        if PARTS.contains(&part.name().as_str()) {
            let filename = part.filename();
            let bytes = part.read(max_bytes, share).await?;
            let bytes = bytes.ok_or_else(|| Refusal::body_too_large(max_bytes))?;
            return Ok(File { bytes, filename });
        }
    }
    Err(Refusal::bad_request("no frame: send it as the part `frame` or `file`"))
}

/// What was found, said.
fn sentence(looked: &ImageAnalysisOutput, text: &str) -> String {
    let colors = looked.colors.as_deref().and_then(wording::colors);
    let mut said = match colors {
        Some(colors) => format!("A picture, mostly {colors}."),
        None => "A picture.".to_owned(),
    };
    if !text.trim().is_empty() {
        said.push_str(&format!(" It reads: \u{201c}{}\u{201d}.", wording::quote(text.trim())));
    }
    for code in looked.codes.iter().flatten() {
        let format = code.format.replace('_', " ");
        said.push_str(&format!(
            " A {format} says: \u{201c}{}\u{201d}.",
            wording::quote(&code.text)
        ));
    }
    said
}
