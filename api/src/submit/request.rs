//! What a submit's body says: JSON or a form, read within its limits and judged.

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::{Map, Value};
use zoetrope_shared::tasks::{self, Kind};
use zoetrope_shared::wire::ProblemCode;

use crate::app::App;
use crate::cpu;
use crate::http::body::{self, Reader};
use crate::http::form::{self, Form};
use crate::http::json;
use crate::http::problem::{Mistake, Mistakes, Refusal};
use crate::limits::{BODY_TIMEOUT, MAX_JSON_BYTES, MAX_JSON_VALUES, MAX_PART_JSON_BYTES};
use crate::submit::fingerprint::Fingerprint;
use crate::submit::submission::{File, Judge, Submission, too_large};

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

/// The submission that a request makes, and its fingerprint.
pub(crate) async fn read(
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

/// The fields of a small JSON body.
pub(crate) async fn read_fields(app: &App, headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Refusal> {
    let mut share = app.budget.share();
    let bytes = read_json(headers, body, &mut share).await?;
    match parse(&bytes)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(Refusal::invalid("", "send a JSON object")),
    }
}

/// A body or a part as JSON.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Refusal> {
    json::parse(bytes).map_err(|problem| match problem {
        json::JsonProblem::Malformed(detail) => Refusal::malformed_json(detail),
        json::JsonProblem::TooManyValues => Refusal::new(
            ProblemCode::BodyTooLarge,
            format!("the body holds more than {} values", MAX_JSON_VALUES),
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
