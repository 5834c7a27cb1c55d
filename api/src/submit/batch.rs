//! `POST /api/v1/tasks/batch`: many tasks of mixed kinds, one answer for each.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::{Enqueued, MAX_BATCH, QueueError, TaskId};
use zoetrope_shared::artifacts::ArtifactId;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{BatchItem, BatchItemError, BatchState, BatchUrls, BatchView, Problem, ProblemCode};

use crate::app::App;
use crate::auth::Identity;
use crate::cpu;
use crate::http::problem::{Mistake, Mistakes, Refusal};
use crate::http::query::Query;
use crate::submit::enqueue;
use crate::submit::fingerprint::Fingerprint;
use crate::submit::held::Held;
use crate::submit::idempotency::{self, Memory, REPLAYED};
use crate::submit::intake::{self, Ready};
use crate::submit::request::{find_kind, parse, read_json};
use crate::submit::submission::{Judge, Submission};
use crate::tasks::view::batch_tag;

/// Items whose media is stored at the same time.
const STORING: usize = 8;
/// Tasks that are read at the same time.
const READING: usize = 64;
const ROUTE: &str = "POST /tasks/batch";

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(submit_batch))
}

/// Tasks to submit together.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read by the OpenAPI generator only")]
struct BatchRequest {
    /// 1 to 1,000 tasks: each has `kind`, `input` and the fields of the envelope.
    #[schema(min_items = 1, max_items = 1_000, value_type = Vec<Object>, example = json!([{"kind": "echo", "input": {"message": "hello"}}]))]
    tasks: Vec<Value>,
}

/// Submit many tasks
///
/// Every task gets its own answer, in order: `task_id`, or `error` with the words of a problem. Refused tasks do not
/// hold up the others, except that a batch which is more than the tenant may have in the queue is refused as a whole.
/// Answers 202 if any task was made, else 200.
#[utoipa::path(post, path = "/api/v1/tasks/batch", tag = "tasks", request_body = BatchRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeating a request with the same key makes no second task")),
    responses(
        (status = 200, description = "Every task was refused", body = BatchView),
        (status = 202, description = "Tasks are queued", body = BatchView),
        (status = "4XX", description = "The batch as a whole is refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away or full, or the tenant has as much in the queue as it may", body = Problem, content_type = "application/problem+json"),
    ))]
async fn submit_batch(
    State(app): State<App>,
    identity: Identity,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    Query::of(&uri, &[])?;
    let key = idempotency::key_of(&headers)?;
    let mut share = app.budget.share();
    let bytes = read_json(&headers, body, &mut share).await?;
    let judge = app.judge();
    let caller = identity.clone();
    let tenant = identity.tenant;
    let (judged, fingerprint) = cpu::run(bytes.len(), move || {
        let value = parse(&bytes)?;
        let fingerprint = Fingerprint::of("batch").json(&value).finish();
        Ok::<_, Refusal>((judge_all(&judge, &caller, value)?, fingerprint))
    })
    .await?;
    let batch_id = match &key {
        // A repeated request answers with the same id although nobody remembers it.
        Some(key) => Fingerprint::of("batch id")
            .bytes(tenant.as_str().as_bytes())
            .bytes(key.as_bytes())
            .finish()[..26]
            .to_owned(),
        None => ArtifactId::random().to_string(),
    };
    if let Some(key) = &key {
        let memory = Memory {
            fingerprint: fingerprint.clone(),
            artifact: batch_id.clone(),
        };
        app.memories.claim(&tenant, ROUTE, key, &memory).await?;
    }
    let settled = settle_all(&app, &tenant, judged, &batch_id, key.as_deref(), &fingerprint).await;
    let made = enqueue_all(&app, settled).await?;
    let replayed = made.iter().any(|made| matches!(made, Ok(Enqueued::Replayed(_))));
    let items: Vec<_> = made
        .into_iter()
        .enumerate()
        .map(|(index, made)| item(index, made))
        .collect();
    // The tasks are in the queue: an answer without counts is better than a refusal, which would be repeated.
    let counts = count(&app, &tenant, &items).await.unwrap_or_default();
    Ok(answer(batch_id, items, counts, replayed))
}

fn judge_all(judge: &Judge, caller: &Identity, body: Value) -> Result<Vec<Result<Submission, Refusal>>, Refusal> {
    let Value::Object(mut fields) = body else {
        return Err(Refusal::invalid("", "send a JSON object with `tasks`"));
    };
    let mut mistakes = Mistakes::at("");
    if fields.remove("webhook").is_some() {
        mistakes.unknown("webhook", "`webhook` is not available yet");
    }
    let tasks = match fields.remove("tasks") {
        Some(Value::Array(tasks)) if (1..=MAX_BATCH).contains(&tasks.len()) => tasks,
        _ => {
            mistakes.push(Mistake::invalid(
                "/tasks",
                format!("send a list of 1 to {MAX_BATCH} tasks"),
            ));
            Vec::new()
        }
    };
    for name in fields.keys() {
        mistakes.unknown(name, "a batch has the field `tasks`");
    }
    mistakes.into_result()?;
    Ok(tasks
        .into_iter()
        .enumerate()
        .map(|(index, task)| judge_one(judge, caller, index, task))
        .collect())
}

fn judge_one(judge: &Judge, caller: &Identity, index: usize, task: Value) -> Result<Submission, Refusal> {
    let at = format!("/tasks/{index}");
    let mut fields: Map<String, Value> = match task {
        Value::Object(fields) => fields,
        _ => return Err(Refusal::invalid(at, "a task is a JSON object")),
    };
    let kind = match fields.remove("kind") {
        Some(Value::String(kind)) => find_kind(&kind)?,
        _ => return Err(Refusal::invalid(format!("{at}/kind"), "name the kind of the task")),
    };
    caller.may_submit(kind)?;
    judge.object(kind, Value::Object(fields), &at)
}

async fn settle_all(
    app: &App,
    tenant: &Tenant,
    judged: Vec<Result<Submission, Refusal>>,
    batch_id: &str,
    key: Option<&str>,
    fingerprint: &str,
) -> Vec<Result<Ready, Refusal>> {
    let settle = |(index, judged): (usize, Result<Submission, Refusal>)| async move {
        let mut ready = intake::settle(app, tenant, judged?).await?;
        ready.task.tags.push(batch_tag(batch_id));
        // One key per task, each with the fingerprint of all: a batch that was cut off half-way is completed, not doubled.
        ready.task.idempotency = key.map(|key| intake::idempotency(&format!("{ROUTE} {index}"), key, fingerprint));
        Ok(ready)
    };
    stream::iter(judged.into_iter().enumerate())
        .map(settle)
        .buffered(STORING)
        .collect()
        .await
}

/// Adds what is ready. One answer per task; those that were refused before keep their refusals.
async fn enqueue_all(
    app: &App,
    settled: Vec<Result<Ready, Refusal>>,
) -> Result<Vec<Result<Enqueued, Refusal>>, Refusal> {
    let queue = app.link.queue()?;
    // Redis is away for the whole batch, not for one of its tasks.
    let is_away = |refusal: &Refusal| refusal.problem.code == ProblemCode::RedisUnavailable;
    if settled
        .iter()
        .any(|settled| settled.as_ref().err().is_some_and(is_away))
    {
        return Err(Refusal::redis_unavailable());
    }
    let mut tasks = Vec::new();
    let mut waiting = Vec::new();
    for settled in settled {
        waiting.push(settled.map(|mut ready| {
            ready.held.let_go();
            let kind = ready.task.kind.clone();
            tasks.push(ready.task);
            (kind, ready.held)
        }));
    }
    let mut answers = match enqueue::many(queue, tasks).await {
        Ok(answers) => answers.into_iter(),
        // They may be there after all, and would need their artifacts.
        Err(error @ QueueError::Unavailable(_)) => return Err(error.into()),
        Err(error) => {
            for (_, held) in waiting.iter_mut().flatten() {
                held.discard().await;
            }
            return Err(error.into());
        }
    };
    let (mut made, mut full) = (Vec::new(), false);
    for (index, waiting) in waiting.into_iter().enumerate() {
        made.push(match waiting {
            Err(refusal) => Err(refusal),
            Ok((kind, held)) => {
                let answer = answers.next().expect("the queue should answer every task");
                full |= matches!(answer, Err(QueueError::Backlog));
                finish(app, &kind, held, &answer).await;
                answer.map_err(|error| refused_by_queue(error, index))
            }
        });
    }
    // What does not fit as a whole was refused as a whole.
    if full {
        Err(QueueError::Backlog.into())
    } else {
        Ok(made)
    }
}

/// Counts what became of a task; its artifacts stay exactly if it was made.
async fn finish(app: &App, kind: &str, mut held: Held, answer: &Result<Enqueued, QueueError>) {
    let outcome = match answer {
        Ok(Enqueued::Created(_)) => "created",
        Ok(Enqueued::Replayed(_)) => "replayed",
        Ok(Enqueued::Exists(_)) => "exists",
        Ok(Enqueued::Conflict(_)) => "conflict",
        Err(_) => "refused",
    };
    app.metrics.submits.with_label_values(&[kind, outcome]).inc();
    if outcome != "created" {
        held.discard().await;
    }
}

fn item(index: usize, made: Result<Enqueued, Refusal>) -> BatchItem {
    let existing = matches!(made, Ok(Enqueued::Exists(_)));
    let made = match made {
        Ok(Enqueued::Created(id) | Enqueued::Replayed(id) | Enqueued::Exists(id)) => Ok(id),
        Ok(Enqueued::Conflict(_)) => Err(idempotency::conflict()),
        Err(refusal) => Err(refusal),
    };
    match made {
        Ok(id) => BatchItem {
            index,
            task_id: Some(id.to_string()),
            existing,
            error: None,
        },
        Err(refusal) => BatchItem {
            index,
            task_id: None,
            existing,
            error: Some(item_error(refusal)),
        },
    }
}

fn refused_by_queue(error: QueueError, index: usize) -> Refusal {
    match error {
        QueueError::Invalid { field, detail } => Refusal::invalid(format!("/tasks/{index}/{field}"), detail),
        other => other.into(),
    }
}

fn item_error(refusal: Refusal) -> BatchItemError {
    let Problem {
        code, detail, errors, ..
    } = *refusal.problem;
    BatchItemError { code, detail, errors }
}

/// The states of a batch's tasks as they are now.
async fn count(app: &App, tenant: &Tenant, items: &[BatchItem]) -> Result<BTreeMap<String, u64>, Refusal> {
    let queue = app.link.queue()?;
    let mut ids: Vec<TaskId> = Vec::new();
    for item in items {
        ids.extend(item.task_id.as_deref().and_then(|id| id.parse::<TaskId>().ok()));
    }
    let read = stream::iter(ids)
        .map(|id| queue.get(tenant.as_str(), id))
        .buffer_unordered(READING);
    let tasks: Vec<_> = read.try_collect().await?;
    let mut counts = BTreeMap::new();
    for task in tasks.into_iter().flatten() {
        *counts.entry(task.state.as_str().to_owned()).or_default() += 1;
    }
    Ok(counts)
}

fn answer(id: String, items: Vec<BatchItem>, counts: BTreeMap<String, u64>, replayed: bool) -> Response {
    let ended = |state: &String| ["succeeded", "failed", "canceled", "expired"].contains(&state.as_str());
    let state = if counts.keys().all(ended) {
        BatchState::Finished
    } else {
        BatchState::Running
    };
    let made = items.iter().any(|item| item.task_id.is_some());
    let status = if made { StatusCode::ACCEPTED } else { StatusCode::OK };
    let urls = BatchUrls {
        this: format!("/api/v1/tasks?batch_id={id}"),
    };
    let view = BatchView {
        id,
        state,
        total: items.len() as u64,
        counts,
        items,
        urls,
    };
    let mut response = (status, Json(view)).into_response();
    if replayed {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
