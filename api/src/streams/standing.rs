//! How a stream is: what its record wants, what its task does, and what its worker says, taken together.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::{State as TaskState, Task, TaskId};
use zoetrope_shared::streams::{Listed, SourceReport, StreamRecord, StreamReport};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{
    ErrorView, Problem, StreamCause, StreamSource, StreamSourceView, StreamState, StreamStatusView, TaskView,
    rfc3339_ms,
};

use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::tenant::Caller;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stream_status))
}

/// How a stream is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    pub(crate) state: StreamState,
    pub(crate) cause: Option<StreamCause>,
    pub(crate) detail: Option<String>,
    since_ms: Option<u64>,
    /// How each source is, of a stream that has two.
    sources: Vec<SourceReport>,
    pub(crate) error: Option<ErrorView>,
}

impl Standing {
    fn plain(state: StreamState) -> Self {
        Self {
            state,
            cause: None,
            detail: None,
            since_ms: None,
            sources: Vec::new(),
            error: None,
        }
    }

    /// How what is watched is, whatever becomes of another source that is recorded.
    pub(crate) fn watched(&self) -> (StreamState, Option<StreamCause>, Option<String>) {
        let mut sources = self.sources.iter();
        match sources.find(|report| report.source == StreamSource::DetectUrl) {
            Some(watched) => (watched.state, watched.cause, watched.detail.clone()),
            None => (self.state, self.cause, self.detail.clone()),
        }
    }

    /// Whether a task watches it, or is about to.
    pub(crate) fn is_live(&self) -> bool {
        self.state != StreamState::Stopped && self.error.is_none()
    }
}

/// How a stream is
///
/// What its worker told last, about a second old: why the source is away, what was counted since the start, when the last picture came.
#[utoipa::path(get, path = "/api/v1/streams/{id}/status", tag = "streams",
    params(("id" = String, Path, description = "The stream")),
    responses(
        (status = 200, description = "How it is", body = StreamStatusView),
        (status = 404, description = "No such stream", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn stream_status(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<StreamStatusView>, Refusal> {
    Query::of(&uri, &[])?;
    let listed = super::known(&app, &tenant, &id).await?;
    let standing = of(&app, &tenant, &listed).await?;
    let record = &listed.record;
    // What was said of an earlier start says nothing of this one.
    let report = listed.report.as_ref().filter(|report| report.run == record.run);
    let connected = standing.watched().0 == StreamState::Connected;
    let size = report.and_then(|report| report.size);
    Ok(Json(StreamStatusView {
        id: listed.id.to_string(),
        state: standing.state,
        cause: standing.cause,
        detail: standing.detail,
        since: standing.since_ms.map(rfc3339_ms),
        sources: standing.sources.iter().map(StreamSourceView::of).collect(),
        error: standing.error,
        task_id: record.task.clone(),
        counts: report.map(|report| report.counts).unwrap_or_default(),
        last_frame_at: report.and_then(|report| report.last_frame_ms).map(rfc3339_ms),
        live_fps: report.filter(|_| connected).map_or(0.0, |report| report.live_fps),
        codec: report.and_then(|report| report.codec.clone()),
        width: size.map(|(width, _)| width),
        height: size.map(|(_, height)| height),
        reported_at: report.map(|report| rfc3339_ms(report.reported_ms)),
    }))
}

/// How a stream is now.
pub(crate) async fn of(app: &App, tenant: &Tenant, listed: &Listed) -> Result<Standing, Refusal> {
    let task = match listed.record.started {
        true => task_of(app, tenant, &listed.record).await?,
        false => None,
    };
    Ok(judge(&listed.record, task.as_ref(), listed.report.as_ref()))
}

/// The task of the newest run, if there still is one.
pub(super) async fn task_of(app: &App, tenant: &Tenant, record: &StreamRecord) -> Result<Option<Task>, Refusal> {
    match record.task.as_deref().and_then(|id| id.parse::<TaskId>().ok()) {
        Some(id) => Ok(app.link.queue()?.get(tenant.as_str(), id).await?),
        None => Ok(None),
    }
}

fn judge(record: &StreamRecord, task: Option<&Task>, report: Option<&StreamReport>) -> Standing {
    if !record.started {
        return Standing::plain(StreamState::Stopped);
    }
    let task = match (task, &record.task) {
        (Some(task), _) => task,
        // Its start is being answered.
        (None, None) => return Standing::plain(StreamState::Connecting),
        // It ended so long ago that it is forgotten.
        (None, Some(_)) => return Standing::plain(StreamState::Stopped),
    };
    if task.state == TaskState::Failed {
        return Standing {
            error: TaskView::from_task(task, None).error,
            ..Standing::plain(StreamState::Error)
        };
    }
    if task.state.is_terminal() {
        return Standing::plain(StreamState::Stopped);
    }
    let Some(report) = report.filter(|report| report.run == record.run) else {
        return Standing {
            detail: (task.state != TaskState::Running).then(|| "it waits for a worker".to_owned()),
            ..Standing::plain(StreamState::Connecting)
        };
    };
    if task.state != TaskState::Running {
        return Standing {
            detail: Some("its worker is away: another one takes it over".to_owned()),
            ..Standing::plain(StreamState::Reconnecting)
        };
    }
    Standing {
        state: report.state,
        cause: report.cause,
        detail: report.detail.clone(),
        since_ms: Some(report.since_ms),
        sources: report.sources.clone(),
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;
    use zoetrope_queue::{NewTask, TaskError};
    use zoetrope_shared::streams::StreamRequest;

    use super::*;
    use crate::submit::intake::outline;

    fn record(started: bool, task: Option<&str>) -> StreamRecord {
        let settings: StreamRequest =
            serde_json::from_value(json!({"url": "rtsp://camera.example.com/a"})).expect("settings");
        StreamRecord {
            settings,
            sealed: None,
            detect_sealed: None,
            created_at_ms: 0,
            updated_at_ms: 0,
            started,
            run: 3,
            task: task.map(str::to_owned),
        }
    }

    fn task(state: TaskState) -> Task {
        let input = to_raw_value(&()).expect("JSON");
        let task = outline(&NewTask::new("default", "stream_ingest", input), 0)(TaskId::new(0, 0, 0));
        Task { state, ..task }
    }

    fn report(run: u64, state: StreamState, cause: Option<StreamCause>) -> StreamReport {
        StreamReport {
            run,
            state,
            cause,
            detail: None,
            since_ms: 5,
            sources: Vec::new(),
            counts: Default::default(),
            last_frame_ms: None,
            live_fps: 0.0,
            codec: None,
            size: None,
            answered: 0,
            snapshot: None,
            previous: None,
            reported_ms: 9,
        }
    }

    #[test]
    fn the_worker_is_believed_only_of_the_run_that_its_task_runs() {
        use StreamState::{Connected, Connecting, Reconnecting, Stopped};
        let said = report(3, Connected, None);
        let earlier = report(2, Connected, None);
        let known = record(true, Some("t"));
        let cases = [
            (record(false, Some("t")), Some(TaskState::Running), Some(&said), Stopped),
            (record(true, None), None, Some(&earlier), Connecting),
            (known.clone(), None, Some(&said), Stopped),
            (known.clone(), Some(TaskState::Queued), None, Connecting),
            (known.clone(), Some(TaskState::Running), None, Connecting),
            (known.clone(), Some(TaskState::Running), Some(&earlier), Connecting),
            (known.clone(), Some(TaskState::Running), Some(&said), Connected),
            (known.clone(), Some(TaskState::Scheduled), Some(&said), Reconnecting),
            (known.clone(), Some(TaskState::Canceled), Some(&said), Stopped),
            (known, Some(TaskState::Succeeded), Some(&said), Stopped),
        ];
        for (record, state, report, expected) in cases {
            let task = state.map(task);
            assert_eq!(
                judge(&record, task.as_ref(), report).state,
                expected,
                "{state:?} {report:?}"
            );
        }
    }

    #[test]
    fn whoever_watches_is_told_of_the_source_that_is_watched() {
        let of = |source, state, cause| SourceReport {
            source,
            state,
            cause,
            detail: None,
            since_ms: 5,
            codec: None,
            size: None,
        };
        let away = StreamReport {
            sources: vec![
                of(StreamSource::Url, StreamState::Error, Some(StreamCause::Auth)),
                of(StreamSource::DetectUrl, StreamState::Connected, None),
            ],
            ..report(3, StreamState::Error, Some(StreamCause::Auth))
        };
        let running = task(TaskState::Running);
        let seen = judge(&record(true, Some("t")), Some(&running), Some(&away));
        assert_eq!((seen.state, seen.cause), (StreamState::Error, Some(StreamCause::Auth)));
        assert_eq!(seen.watched(), (StreamState::Connected, None, None));
        let waiting = judge(&record(true, Some("t")), Some(&task(TaskState::Scheduled)), Some(&away));
        assert_eq!(waiting.watched().0, StreamState::Reconnecting, "its worker is away");
    }

    #[test]
    fn a_source_that_is_away_and_a_task_that_failed_say_why() {
        let known = record(true, Some("t"));
        let away = report(3, StreamState::Reconnecting, Some(StreamCause::Refused));
        let seen = judge(&known, Some(&task(TaskState::Running)), Some(&away));
        assert_eq!(
            (seen.state, seen.cause, seen.since_ms),
            (StreamState::Reconnecting, Some(StreamCause::Refused), Some(5))
        );
        let failed = Task {
            error: Some(TaskError {
                code: "url_forbidden".to_owned(),
                class: "non_retryable".to_owned(),
                message: "the address is private".to_owned(),
                retryable: false,
                attempt: 1,
                provider: None,
            }),
            ..task(TaskState::Failed)
        };
        let seen = judge(&known, Some(&failed), Some(&away));
        assert_eq!(seen.state, StreamState::Error);
        assert_eq!(seen.error.expect("why").code, "url_forbidden");
    }
}
