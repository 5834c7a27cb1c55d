//! `POST /process_frame`: one frame in, one sentence out, for clients of AI Stream. A synchronous face of two realtime
//! tasks; its errors are `{"error": "..."}` with 400 or 500, which is what those clients know, and 503 with `Retry-After`
//! where the same frame may be described a little later.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::{Enqueued, NewTask, State as TaskState, Task, TaskId};
use zoetrope_shared::offload;
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
use crate::submit::submission::File;
use crate::submit::{enqueue, intake};
use crate::tasks::wait::Wait;
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
        outcome::<ImageAnalysisOutput>(app, tenant, looks),
        outcome::<OcrOutput>(app, tenant, reads.task)
    );
    Ok(sentence(&looked?, &read?.text))
}

/// The output of one task, within the time that a caller waits.
async fn outcome<T: DeserializeOwned>(app: &App, tenant: &Tenant, task: NewTask) -> Result<T, Refusal> {
    let queue = app.link.queue()?;
    let (Enqueued::Created(id) | Enqueued::Replayed(id) | Enqueued::Conflict(id)) = enqueue::one(queue, task).await?;
    let mut awaited = Awaited::new(app, tenant, id);
    let wait = Wait {
        limit: FRAME_TIMEOUT,
        preferred: false,
    };
    let task = wait.task(app, tenant, id, |task| task.state.is_terminal()).await?;
    awaited.ended = task.as_ref().is_none_or(|task| task.state.is_terminal());
    match task {
        Some(task) if task.state == TaskState::Succeeded => output(app, tenant, &task).await,
        Some(Task { error: Some(error), .. }) if error.code.starts_with("media_") => {
            Err(Refusal::bad_request(error.message))
        }
        Some(Task { error: Some(error), .. }) => Err(Refusal::overloaded(error.message)),
        _ => Err(Refusal::overloaded("the frame was not described in time")),
    }
}

async fn output<T: DeserializeOwned>(app: &App, tenant: &Tenant, task: &Task) -> Result<T, Refusal> {
    let unreadable = |error: &dyn std::fmt::Display| Refusal::internal("read the result of a frame's task", error);
    let stored = task.result.clone().ok_or_else(|| unreadable(&"there is none"))?;
    let result = offload::load(&app.artifacts, tenant, stored).await;
    let result = result.map_err(|error| unreadable(&error))?;
    serde_json::from_str(result.get()).map_err(|error| unreadable(&error))
}

/// A task of a frame while its request waits for it: canceled when that ends before the task does, be it that the
/// time is over, that Redis went away, or that the client did.
struct Awaited {
    app: App,
    tenant: Tenant,
    id: TaskId,
    ended: bool,
}

impl Awaited {
    fn new(app: &App, tenant: &Tenant, id: TaskId) -> Self {
        Self {
            app: app.clone(),
            tenant: tenant.clone(),
            id,
            ended: false,
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.ended {
            return;
        }
        let (app, tenant, id) = (self.app.clone(), self.tenant.clone(), self.id);
        let give_up = async move {
            let Ok(queue) = app.link.queue() else { return };
            if let Err(error) = queue.cancel(tenant.as_str(), id).await {
                tracing::debug!(%error, task = %id, "api.frame.uncanceled");
            }
        };
        self.app.removals.spawn_on(give_up, &runtime);
    }
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
