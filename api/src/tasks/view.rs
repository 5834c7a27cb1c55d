//! Tasks as they are answered: the wire's view with large results put back, the batch named, and the hints for
//! whoever asks again.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::value::RawValue;
use zoetrope_queue::{State, Task};
use zoetrope_shared::offload;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::TaskView;

use crate::app::App;
use crate::cpu;
use crate::http::etag;
use crate::http::problem::Refusal;

/// Tags that begin with this are ours and are not shown; clients may not set them.
pub(crate) const OWN_TAGS: &str = "zoetrope:";

/// The tag that ties a task to its batch.
pub(crate) fn batch_tag(batch_id: &str) -> String {
    format!("{OWN_TAGS}batch:{batch_id}")
}

/// A task as lists show it: a large result is a link.
pub(crate) fn brief(task: &Task) -> TaskView {
    let mut view = TaskView::from_task(task, None);
    let prefix = batch_tag("");
    view.batch_id = task
        .tags
        .iter()
        .find_map(|tag| tag.strip_prefix(&prefix))
        .map(ToOwned::to_owned);
    view.tags.retain(|tag| !tag.starts_with(OWN_TAGS));
    view
}

/// The answer that shows a task with its result, however large: `ETag`, and `Retry-After` while it has not ended.
pub(crate) async fn answer(app: &App, tenant: &Tenant, status: StatusCode, task: &Task) -> Result<Response, Refusal> {
    let mut view = brief(task);
    if let Some(result) = large_result(app, tenant, task).await? {
        view.result = Some(result);
    }
    let bytes = view.result.as_ref().map_or(0, |result| result.get().len());
    let body = cpu::run(bytes, move || serde_json::to_vec(&view)).await;
    let body = body.map_err(|error| Refusal::internal("write a task as JSON", &error))?;
    let mut response = hints(app, task);
    *response.status_mut() = status;
    *response.body_mut() = Body::from(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The result that was too large for Redis. `None` for a small one, and for one that has expired: the task then says
/// that it succeeded and where its result was, which is better than no answer at all.
async fn large_result(app: &App, tenant: &Tenant, task: &Task) -> Result<Option<Box<RawValue>>, Refusal> {
    let Some(artifact) = task.result.as_deref().and_then(offload::pointed_at) else {
        return Ok(None);
    };
    let Some(bytes) = app
        .artifacts
        .read(tenant, artifact.as_str(), offload::MAX_VALUE_BYTES)
        .await?
    else {
        return Ok(None);
    };
    let read = cpu::run(bytes.len(), move || serde_json::from_slice(&bytes)).await;
    read.map(Some)
        .map_err(|error| Refusal::internal(&format!("read the result {artifact} of task {}", task.id), &error))
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

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;
    use zoetrope_queue::{NewTask, TaskId};

    use super::*;
    use crate::submit::intake::outline;

    fn hint(age_s: u64, starts_in_s: u64, state: State) -> Option<u64> {
        let input = to_raw_value(&()).expect("JSON");
        let task = outline(&NewTask::new("default", "echo", input), 0)(TaskId::new(0, 0, 0));
        let now_ms = age_s * 1_000;
        let task = Task {
            state,
            run_at_ms: Some(now_ms + starts_in_s * 1_000),
            ..task
        };
        poll_hint(&task, now_ms).map(|pause| pause.as_secs())
    }

    #[test]
    fn questions_come_less_often_as_a_task_grows_old_and_not_before_it_starts() {
        let cases = [
            (0, 0, State::Queued, Some(1)),
            (30, 0, State::Running, Some(2)),
            (300, 0, State::Running, Some(5)),
            (3_600, 0, State::Queued, Some(15)),
            (0, 20, State::Scheduled, Some(20)),
            (0, 86_400, State::Scheduled, Some(60)),
            (0, 0, State::Succeeded, None),
        ];
        for (age_s, starts_in_s, state, expected) in cases {
            assert_eq!(
                hint(age_s, starts_in_s, state),
                expected,
                "{age_s} {starts_in_s} {state:?}"
            );
        }
    }
}
