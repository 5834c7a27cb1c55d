//! `POST /api/v1/tasks/{kind}`: one task from JSON or from a form.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::{Enqueued, QueueError, Task, TaskId};
use zoetrope_shared::tasks::{self, Kind};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{Problem, ProblemCode, TaskView};

use crate::app::App;
use crate::body::{self, Reader};
use crate::cpu;
use crate::fingerprint::Fingerprint;
use crate::form::{self, Form};
use crate::idempotency::{self, REPLAYED};
use crate::intake::{self, Ready};
use crate::json;
use crate::limits::{BODY_TIMEOUT, MAX_JSON_BYTES, MAX_PART_JSON_BYTES};
use crate::problem::{Mistake, Mistakes, Refusal};
use crate::query::Query;
use crate::submission::{File, Judge, Submission, too_large};
use crate::tenant::Caller;
use crate::view;
use crate::wait::Wait;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(submit))
}

/// Submit a task
///
/// The body is `{"input": {...}}` with the envelope's fields beside `input`; without `input` the input's own fields
/// stand beside the envelope's. As `multipart/form-data`, the part `file` fills the kind's media field, `input` is
/// the rest of the input and `task` the envelope, both JSON.
///
/// Answers 202 with the task, or 200 if it has ended within `wait`.
#[utoipa::path(post, path = "/api/v1/tasks/{id}", tag = "tasks",
    params(
        ("wait" = Option<String>, Query, description = "Wait this long for the end, such as `30s`; at most 60 s"),
        ("Prefer" = Option<String>, Header, description = "`wait=30` is the same as `?wait=30`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeating a request with the same key makes no second task"),
        ("id" = String, Path, description = "The kind"),
    ),
    responses(
        (status = 200, description = "The task has ended within `wait`, or an earlier request with this Idempotency-Key made it and it has ended", body = TaskView),
        (status = 202, description = "The task is queued", body = TaskView, headers(
            ("Location" = String, description = "Where the task can be read"),
            ("Retry-After" = u64, description = "Seconds after which to ask"),
        )),
        (status = "4XX", description = "Refused; nothing was stored", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away or full", body = Problem, content_type = "application/problem+json"),
    ))]
async fn submit(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(kind): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let kind = find_kind(&kind)?;
    let refused = |refusal| {
        app.metrics.submits.with_label_values(&[kind.name, "refused"]).inc();
        refusal
    };
    let query = Query::of(&uri, &["wait"])?;
    let wait = Wait::of(&query, &headers)?;
    let key = idempotency::key_of(&headers)?;
    let (submission, fingerprint) = read(&app, kind, &headers, body).await.map_err(refused)?;
    // Before anything is stored: without Redis there is no task that could use it.
    app.link.reachable().await?;
    let Ready { mut task, held } = intake::settle(&app, &tenant, submission).await.map_err(refused)?;
    let route = format!("POST /tasks/{}", kind.name);
    task.idempotency = key.map(|key| intake::idempotency(&route, &key, &fingerprint));
    let (id, replayed) = enqueue(&app, Ready { task, held }).await?;
    answer(&app, &tenant, id, replayed, wait).await
}

/// The kind of that name, in either spelling.
pub(crate) fn find_kind(name: &str) -> Result<&'static Kind, Refusal> {
    tasks::find(name).ok_or_else(|| {
        let known: Vec<_> = tasks::KINDS.iter().map(|kind| kind.name).collect();
        Refusal::new(
            ProblemCode::UnknownKind,
            format!("no such kind of task; there are: {}", known.join(", ")),
        )
    })
}

async fn read(
    app: &App,
    kind: &'static Kind,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Submission, String), Refusal> {
    let judge = app.judge();
    let purpose = kind.name;
    if form::is_form(headers) {
        let parts = read_form(app, kind, headers, body).await?;
        let size = parts.file.as_ref().map_or(0, |file| file.bytes.len());
        return cpu::run(size, move || from_form(&judge, kind, parts)).await;
    }
    let mut share = app.budget.share();
    let bytes = read_json(headers, body, &mut share).await?;
    cpu::run(bytes.len(), move || {
        let value = parse(&bytes)?;
        let fingerprint = Fingerprint::of(purpose).json(&value).finish();
        Ok((judge.object(kind, value, "")?, fingerprint))
    })
    .await
}

/// The bytes of a JSON body. Its type must be said: a form of a foreign page can send `text/plain` and nothing better.
pub(crate) async fn read_json(headers: &HeaderMap, body: Body, share: &mut body::Share) -> Result<Bytes, Refusal> {
    let content_type = form::content_type(headers);
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence != "application/json" && !(essence.starts_with("application/") && essence.ends_with("+json")) {
        return Err(Refusal::unsupported_media_type(
            "send application/json or multipart/form-data",
        ));
    }
    body::read_all(headers, body, MAX_JSON_BYTES, share).await
}

/// A body or a part as JSON.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Refusal> {
    json::parse(bytes).map_err(|problem| match problem {
        json::JsonProblem::Malformed(detail) => Refusal::malformed_json(detail),
        json::JsonProblem::TooManyValues => Refusal::new(
            ProblemCode::BodyTooLarge,
            format!("the body holds more than {} values", crate::limits::MAX_JSON_VALUES),
        ),
    })
}

/// What a form holds, unread.
struct Parts {
    input: Option<Bytes>,
    task: Option<Bytes>,
    file: Option<File>,
    /// The memory that they take.
    _share: body::Share,
}

async fn read_form(app: &App, kind: &Kind, headers: &HeaderMap, body: Body) -> Result<Parts, Refusal> {
    let largest = kind.media.map_or(0, |field| field.max_bytes);
    let mut form = Form::open(
        headers,
        Reader::new(headers, body, largest + MAX_JSON_BYTES as u64, BODY_TIMEOUT)?,
    )?;
    let mut share = app.budget.share();
    let (mut input, mut task, mut file) = (None, None, None);
    let mut mistakes = Mistakes::at("");
    while let Some(part) = form.next().await? {
        let name = part.name();
        let twice = match (name.as_str(), kind.media) {
            ("input", _) => input.replace(read_part(part, "input", &mut share).await?).is_some(),
            ("task", _) => task.replace(read_part(part, "task", &mut share).await?).is_some(),
            ("file", Some(field)) => {
                let filename = part.filename();
                let bytes = part
                    .read(field.max_bytes, &mut share)
                    .await?
                    .ok_or_else(|| too_large(&field, "/file"))?;
                file.replace(File { bytes, filename }).is_some()
            }
            ("file", None) => {
                mistakes.unknown("file", format!("`{}` takes no media", kind.name));
                false
            }
            ("frames", _) => {
                mistakes.unknown("frames", format!("`{}` takes no frames", kind.name));
                false
            }
            (other, _) => {
                mistakes.unknown(other, "the parts of a form are `file`, `input` and `task`");
                false
            }
        };
        if twice {
            mistakes.push(Mistake::invalid(format!("/{name}"), "this part is there twice"));
        }
    }
    mistakes.into_result()?;
    Ok(Parts {
        input,
        task,
        file,
        _share: share,
    })
}

async fn read_part(part: form::Part, name: &str, share: &mut body::Share) -> Result<Bytes, Refusal> {
    let bytes = part.read(MAX_PART_JSON_BYTES as u64, share).await?;
    bytes.ok_or_else(|| {
        Refusal::new(
            ProblemCode::BodyTooLarge,
            format!("the part `{name}` is larger than {MAX_PART_JSON_BYTES} bytes"),
        )
    })
}

fn from_form(judge: &Judge, kind: &'static Kind, parts: Parts) -> Result<(Submission, String), Refusal> {
    let part = |bytes: &Option<Bytes>| bytes.as_deref().map(parse).transpose();
    let (input, task) = (part(&parts.input)?, part(&parts.task)?);
    let mut fingerprint = Fingerprint::of(kind.name);
    for value in [&input, &task] {
        fingerprint = fingerprint.json(value.as_ref().unwrap_or(&Value::Null));
    }
    if let Some(file) = &parts.file {
        fingerprint = fingerprint.bytes(&file.bytes);
    }
    Ok((judge.form(kind, input, task, parts.file)?, fingerprint.finish()))
}

/// Adds a task. Its artifacts stay exactly if it was made, or may have been.
async fn enqueue(app: &App, ready: Ready) -> Result<(TaskId, bool), Refusal> {
    let Ready { task, mut held } = ready;
    let kind = task.kind.clone();
    let count = |outcome: &str| app.metrics.submits.with_label_values(&[kind.as_str(), outcome]).inc();
    match app.link.queue()?.enqueue(task).await {
        Ok(Enqueued::Created(id)) => {
            held.keep();
            count("created");
            Ok((id, false))
        }
        Ok(Enqueued::Replayed(id)) => {
            held.discard().await;
            count("replayed");
            Ok((id, true))
        }
        Ok(Enqueued::Conflict(_)) => {
            held.discard().await;
            count("conflict");
            Err(idempotency::conflict())
        }
        Err(error) => {
            match error {
                // The task may be there after all, and would need them. If not, they go when they expire.
                QueueError::Unavailable(_) => held.keep(),
                _ => held.discard().await,
            }
            count("refused");
            Err(error.into())
        }
    }
}

async fn answer(app: &App, tenant: &Tenant, id: TaskId, replayed: bool, wait: Wait) -> Result<Response, Refusal> {
    let task: Task = match wait.task(app, tenant, id, |task| task.state.is_terminal()).await? {
        Some(task) => task,
        None => {
            return Err(Refusal::not_found(
                "task: the one that this Idempotency-Key made has expired",
            ));
        }
    };
    let status = if task.state.is_terminal() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let mut response = view::answer(app, tenant, status, &task).await?;
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/tasks/{id}")) {
        headers.insert(header::LOCATION, location);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(applied) = wait.applied() {
        headers.insert("preference-applied", applied);
    }
    Ok(response)
}
