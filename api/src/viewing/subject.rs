//! What may be watched: a stream, or a live `stream_ingest` task that is of none; and how it is.

use zoetrope_queue::{State as TaskState, Task, TaskId};
use zoetrope_shared::live_view::Watched;
use zoetrope_shared::streams::{Order, Position, StreamId};
use zoetrope_shared::tasks::stream_ingest::{KIND, StoredStreamIngest};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{StreamCause, StreamState};

use super::screen::ViewState;
use crate::app::App;
use crate::boot_stream;
use crate::http::problem::Refusal;
use crate::limits::MAX_STREAM_SCAN;
use crate::streams::standing;

/// What is watched, as it is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A stream that is kept.
    Stream(StreamId),
    /// A task.
    Task(TaskId),
}

/// One look at it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    pub(super) state: ViewState,
    /// What changes with every report of its worker, and with every picture that the worker has.
    pub(super) pulse: Option<(u64, Option<u64>)>,
}

impl Subject {
    /// What its frames are published as.
    pub(super) fn watched(self, tenant: &Tenant) -> Watched {
        Watched {
            tenant: tenant.clone(),
            id: match self {
                Self::Stream(id) => id.to_string(),
                Self::Task(id) => id.to_string(),
            },
        }
    }

    /// How it is; `None` if there is no such thing any more.
    pub(super) async fn look(self, app: &App, tenant: &Tenant) -> Result<Option<Look>, Refusal> {
        match self {
            Self::Stream(id) => of_stream(app, tenant, id).await,
            Self::Task(id) => {
                let task = app.link.queue()?.get(tenant.as_str(), id).await?;
                Ok(task.as_ref().map(|task| Look {
                    state: of_task(task),
                    pulse: None,
                }))
            }
        }
    }
}

/// What this tenant calls so.
pub(super) async fn find(app: &App, tenant: &Tenant, id: &str) -> Result<Subject, Refusal> {
    let missing = || Refusal::not_found("stream");
    if let Ok(id) = StreamId::parse(id) {
        let listed = app.streams.get(tenant, id).await?.ok_or_else(missing)?;
        return Ok(Subject::Stream(listed.id));
    }
    let id: TaskId = id.parse().map_err(|_| missing())?;
    let task = app.link.queue()?.get(tenant.as_str(), id).await?.ok_or_else(missing)?;
    of_live_task(&task).ok_or_else(missing)
}

/// Where none is named: the stream of `RTSP_STREAM_URL`, else the stream that was made first of those that are started, else the
/// oldest live task.
pub(super) async fn usual(app: &App, tenant: &Tenant) -> Result<Option<Subject>, Refusal> {
    let tasks = app.link.queue()?.list(tenant.as_str(), &running()).await?.items;
    if app.settings.rtsp_stream_url.is_some() {
        let is_boot = |task: &&Task| task.tags.iter().any(|tag| tag == boot_stream::TAG);
        if let Some(subject) = tasks.iter().filter(is_boot).find_map(of_live_task) {
            return Ok(Some(subject));
        }
    }
    let from = Position {
        order: Order::Oldest,
        after: None,
    };
    let listed = app.streams.page(tenant, from, MAX_STREAM_SCAN).await?;
    for stream in listed.iter().filter(|stream| stream.record.started) {
        if standing::of(app, tenant, stream).await?.is_live() {
            return Ok(Some(Subject::Stream(stream.id)));
        }
    }
    Ok(tasks.iter().rev().find_map(of_live_task))
}

fn running() -> zoetrope_queue::ListQuery {
    zoetrope_queue::ListQuery {
        state: Some(TaskState::Running),
        kind: Some(KIND.name.to_owned()),
        limit: zoetrope_queue::MAX_PAGE,
        ..zoetrope_queue::ListQuery::default()
    }
}

/// What a live task shows: the stream that it was made for, or itself. Films are not watched.
fn of_live_task(task: &Task) -> Option<Subject> {
    let stored = StoredStreamIngest::parse(task.input.get()).ok();
    let stored = stored.filter(|stored| task.kind == KIND.name && stored.input.url.is_some())?;
    match stored.stream {
        Some(stream) => StreamId::parse(&stream.id).ok().map(Subject::Stream),
        None => Some(Subject::Task(task.id)),
    }
}

async fn of_stream(app: &App, tenant: &Tenant, id: StreamId) -> Result<Option<Look>, Refusal> {
    let Some(listed) = app.streams.get(tenant, id).await? else {
        return Ok(None);
    };
    let standing = standing::of(app, tenant, &listed).await?;
    let report = listed.report.as_ref().filter(|report| report.run == listed.record.run);
    let failed = standing.error.as_ref().map(|error| error.message.clone());
    let (state, cause, detail) = standing.watched();
    let state = ViewState {
        state,
        cause,
        over: !standing.is_live(),
        detail: failed.or(detail),
    };
    Ok(Some(Look {
        state,
        pulse: report.map(|report| (report.reported_ms, report.last_frame_ms)),
    }))
}

fn of_task(task: &Task) -> ViewState {
    use StreamState::{Connected, Connecting, Error, Reconnecting, Stopped};
    match task.state {
        TaskState::Running => {
            let said = task.progress.as_ref().map_or("", |progress| progress.message.as_str());
            match said.strip_prefix("down: ") {
                Some(down) => of_cause(down.split(';').next().unwrap_or_default()),
                None if said.starts_with("live") => ViewState::plain(Connected),
                None => ViewState::plain(Connecting),
            }
        }
        TaskState::Failed => {
            let why = task.error.as_ref().map_or("it failed", |error| error.message.as_str());
            ViewState::because(Error, why).for_good()
        }
        state if state.is_terminal() => ViewState::plain(Stopped).for_good(),
        _ if task.attempt == 0 => ViewState::because(Connecting, "it waits for a worker"),
        _ => ViewState::because(Reconnecting, "its worker is away: another one takes it over"),
    }
}

/// A task says why its source is away by the word of the cause.
fn of_cause(word: &str) -> ViewState {
    let cause: Option<StreamCause> = serde_json::from_value(word.into()).ok();
    let waits_for_somebody = matches!(cause, Some(StreamCause::Auth | StreamCause::Codec));
    let state = if waits_for_somebody {
        StreamState::Error
    } else {
        StreamState::Reconnecting
    };
    ViewState {
        cause,
        ..ViewState::plain(state)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;
    use zoetrope_queue::{NewTask, Progress};

    use super::*;
    use crate::submit::intake::outline;

    fn task(state: TaskState, said: &str) -> Task {
        let input = to_raw_value(&()).expect("JSON");
        let task = outline(&NewTask::new("default", KIND.name, input), 0)(TaskId::new(0, 0, 0));
        Task {
            state,
            progress: Some(Progress {
                percent: 0,
                message: said.to_owned(),
            }),
            ..task
        }
    }

    #[test]
    fn a_task_by_itself_tells_how_its_stream_is() {
        let seen = |state, said: &str| {
            let state = of_task(&task(state, said));
            (state.state, state.cause, state.over)
        };
        use StreamState::{Connected, Connecting, Error, Reconnecting, Stopped};
        assert_eq!(seen(TaskState::Running, "live: 3 scenes"), (Connected, None, false));
        assert_eq!(seen(TaskState::Running, "connecting"), (Connecting, None, false));
        let down = "down: timeout; 3 scenes so far";
        assert_eq!(
            seen(TaskState::Running, down),
            (Reconnecting, Some(StreamCause::Timeout), false)
        );
        let refused = "down: auth; 0 scenes so far";
        assert_eq!(
            seen(TaskState::Running, refused),
            (Error, Some(StreamCause::Auth), false)
        );
        assert_eq!(seen(TaskState::Queued, ""), (Connecting, None, false));
        assert_eq!(seen(TaskState::Canceled, ""), (Stopped, None, true));
        assert_eq!(seen(TaskState::Failed, ""), (Error, None, true));
    }
}
