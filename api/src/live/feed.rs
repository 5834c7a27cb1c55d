//! One task as one client sees it: which events follow from what the client was told before.

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use zoetrope_queue::{Changes, Progress, Queue, QueueError, State, Task, TaskId};
use zoetrope_shared::wire::{ProgressView, TaskView};

use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::Refusal;
use crate::limits::{LIVE_PAGE, LIVE_RECHECK};
use crate::live::buffered::Counted;
use crate::tasks::view;

/// What a client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// `state`, `progress`, `output` or `done`.
    pub(crate) kind: &'static str,
    /// Where the client stands in the task's output once it has this event: resuming here misses nothing.
    pub(crate) seq: u64,
    /// One JSON object.
    pub(crate) data: String,
}

/// What one look at the task gave.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) events: Vec<Event>,
    pub(crate) then: Then,
}

/// When to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// As soon as these events are taken: there is more output.
    More,
    /// When the task changes.
    Wait,
    /// Never: the task has ended, or is forgotten.
    End,
    /// Never: the client's key is no longer valid.
    Revoked,
}

/// The body of an event. Which of the last three there is tells the event's kind.
#[derive(Serialize)]
struct Body<'a> {
    /// The kind once more, for clients that see the data alone.
    #[serde(rename = "type")]
    kind: &'static str,
    seq: u64,
    task_id: &'a str,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<ProgressView>,
    /// Reports of progress that were left out before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<Box<TaskView>>,
}

/// What of a task makes a `state` event when it changes.
type Told = (State, u32, bool);

/// Follows one task for one client.
pub(crate) struct Feed {
    app: App,
    identity: Identity,
    checked: Instant,
    queue: Queue,
    id: TaskId,
    name: String,
    changes: Changes,
    seq: u64,
    told: Option<Told>,
    progress: Option<Progress>,
    reports: u64,
    _counted: Counted,
}

impl Feed {
    /// Follows a task from a position in its output on. 404 for what is not this tenant's.
    pub(crate) async fn open(app: &App, identity: &Identity, id: &str, since: u64) -> Result<Self, Refusal> {
        let missing = || Refusal::not_found("task");
        let id: TaskId = id.parse().map_err(|_| missing())?;
        let queue = app.link.queue()?.clone();
        let changes = app.link.watch()?.follow(id).await;
        queue.get(identity.tenant.as_str(), id).await?.ok_or_else(missing)?;
        Ok(Self {
            app: app.clone(),
            identity: identity.clone(),
            checked: Instant::now(),
            queue,
            id,
            name: id.to_string(),
            changes,
            seq: since,
            told: None,
            progress: None,
            reports: 0,
            _counted: Counted::one(&app.metrics.live.subscriptions),
        })
    }

    /// The task's id as clients know it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Ends when it is worth to look again. Made before a look, awaited after it.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.changes.next()
    }

    /// Reads the task and the next page of its output.
    pub(crate) async fn look(&mut self) -> Result<Look, QueueError> {
        if let Some(then) = self.recheck().await {
            let events = Vec::new();
            return Ok(Look { events, then });
        }
        let tenant = self.identity.tenant.as_str();
        let reports = self.changes.progress_reports();
        // The task first: output that is read after its end is all there will be.
        let task = self.queue.get(tenant, self.id).await?;
        let output = self.queue.read_output(tenant, self.id, self.seq, LIVE_PAGE).await?;
        let (Some(task), Some(output)) = (task, output) else {
            return Ok(Look {
                events: Vec::new(),
                then: Then::End,
            });
        };
        let mut events = Vec::with_capacity(output.len() + 2);
        let told = (task.state, task.attempt, task.cancel_requested);
        let ended = task.state.is_terminal();
        // The end is told by `done`, after the last output; who comes later begins with how things stand.
        if self.told.is_none() || (self.told != Some(told) && !ended) {
            self.told = Some(told);
            events.push(self.event(&task, "state", |body| body.task = Some(Box::new(view::brief(&task)))));
        }
        for chunk in &output {
            self.seq = chunk.seq;
            events.push(self.event(&task, "output", |body| body.chunk = Some(&chunk.json)));
        }
        let more = output.len() >= LIVE_PAGE;
        if !more && !ended {
            events.extend(self.progress_event(&task, reports));
        }
        if !more && ended {
            events.push(self.event(&task, "done", |body| body.task = Some(Box::new(view::brief(&task)))));
        }
        let then = match (more, ended) {
            (true, _) => Then::More,
            (false, true) => Then::End,
            (false, false) => Then::Wait,
        };
        Ok(Look { events, then })
    }

    /// A connection outlives the check that let it in: now and then its key is looked at again.
    async fn recheck(&mut self) -> Option<Then> {
        if self.checked.elapsed() < LIVE_RECHECK {
            return None;
        }
        match self.app.gate.is_live(&self.identity, self.app.clock.now_ms()).await {
            Ok(true) => {
                self.checked = Instant::now();
                None
            }
            Ok(false) => Some(Then::Revoked),
            // Nothing is told until the keys can be read.
            Err(_) => Some(Then::Wait),
        }
    }

    /// The newest progress, if the client does not know it, and how many reports before it were left out.
    fn progress_event(&mut self, task: &Task, reports: u64) -> Option<Event> {
        if task.progress == self.progress {
            return None;
        }
        self.progress.clone_from(&task.progress);
        let newest = task.progress.as_ref()?;
        let dropped = reports.saturating_sub(self.reports).saturating_sub(1);
        self.reports = reports;
        self.app.metrics.live.dropped.inc_by(dropped);
        let event = self.event(task, "progress", |body| {
            body.progress = Some(ProgressView {
                percent: newest.percent,
                message: newest.message.clone(),
            });
            body.dropped = (dropped > 0).then_some(dropped);
        });
        Some(event)
    }

    fn event<'a>(&'a self, task: &Task, kind: &'static str, fill: impl FnOnce(&mut Body<'a>)) -> Event {
        let mut body = Body {
            kind,
            seq: self.seq,
            task_id: &self.name,
            state: task.state,
            progress: None,
            dropped: None,
            chunk: None,
            task: None,
        };
        fill(&mut body);
        Event {
            kind,
            seq: self.seq,
            data: serde_json::to_string(&body).expect("an event should be JSON"),
        }
    }
}
