//! Tasks as they are answered: the wire's view with large results put back, the batch named, and the hints for
//! whoever asks again.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use zoetrope_queue::{State, Task};
use zoetrope_shared::artifacts::ArtifactError;
use zoetrope_shared::offload;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::TaskView;

use crate::app::App;
use crate::etag;
use crate::problem::Refusal;

/// Tags that begin with this are ours and are not shown; clients may not set them.
pub(crate) const OWN_TAGS: &str = "zoetrope:";

/// The tag that ties a task to its batch.
pub(crate) fn batch_tag(batch_id: &str) -> String {
    format!("{OWN_TAGS}batch:{batch_id}")
}

/// A task without its large result, as lists show it.
pub(crate) fn brief(task: &Task) -> TaskView {
    named(task, TaskView::from_task(task, None))
}

/// A task with its result, however large.
pub(crate) async fn full(app: &App, tenant: &Tenant, task: &Task) -> Result<TaskView, Refusal> {
    let Some(result) = task
        .result
        .as_ref()
        .filter(|result| offload::pointed_at(result).is_some())
    else {
        return Ok(brief(task));
    };
    match offload::load(&app.artifacts, tenant, result.clone()).await {
        Ok(result) => Ok(named(task, TaskView::from_task(task, Some(result)))),
        // The task says that it succeeded, and that its result is gone: better than no answer at all.
        Err(ArtifactError::NotFound) => Ok(brief(task)),
        Err(error) => Err(error.into()),
    }
}

/// The answer that shows a task: ETag, and `Retry-After` while it has not ended.
pub(crate) async fn answer(app: &App, tenant: &Tenant, status: StatusCode, task: &Task) -> Result<Response, Refusal> {
    let body = Json(full(app, tenant, task).await?);
    Ok((status, hints(app, task).headers().clone(), body).into_response())
}

/// An empty answer with the headers that go with a task.
pub(crate) fn hints(app: &App, task: &Task) -> Response {
    let mut response = Response::default();
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&etag::of(task)) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Some(pause) = poll_hint(task, app.clock.now_ms()) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(pause.as_secs()));
    }
    response
}

/// When to ask again: soon for a young task, ever less often for an old one, and not before it can start.
pub(crate) fn poll_hint(task: &Task, now_ms: u64) -> Option<Duration> {
    if task.state.is_terminal() {
        return None;
    }
    let age_s = now_ms.saturating_sub(task.created_at_ms) / 1_000;
    let by_age_s = match age_s {
        0..10 => 1,
        10..60 => 2,
        60..600 => 5,
        _ => 15,
    };
    let until_start_s = match task.state {
        State::Scheduled => task
            .run_at_ms
            .unwrap_or_default()
            .saturating_sub(now_ms)
            .div_ceil(1_000)
            .min(60),
        _ => 0,
    };
    Some(Duration::from_secs(by_age_s.max(until_start_s)))
}

fn named(task: &Task, mut view: TaskView) -> TaskView {
    let prefix = batch_tag("");
    view.batch_id = task
        .tags
        .iter()
        .find_map(|tag| tag.strip_prefix(&prefix))
        .map(ToOwned::to_owned);
    view.tags.retain(|tag| !tag.starts_with(OWN_TAGS));
    view
}
