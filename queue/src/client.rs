//! The handle that callers hold: enqueue, read, cancel, list. What Redis answers is decoded in `reading.rs`.

use std::sync::Arc;

use crate::connection::{ConnectOptions, Link};
use crate::error::QueueError;
use crate::id::TaskId;
use crate::keys::SHARD;
use crate::record;
use crate::submission::{Gather, Prepared, Submission, unanswered};
use crate::task::{CancelOutcome, Enqueued, ListQuery, NewTask, Page, Task};
use crate::watch::{self, Watch, Watcher};
use crate::{MAX_BATCH, listing, reading};

/// A queue in one Redis. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Queue {
    pub(crate) link: Arc<Link>,
    gather: Arc<Gather>,
}

impl Queue {
    /// Connects, loads the scripts, and refuses a Redis that evicts keys, is older than 7.0, or holds a newer schema.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be reached, `Unsuitable` if it is refused.
    pub async fn connect(options: ConnectOptions) -> Result<Self, QueueError> {
        let link = Link::open(options).await?;
        Ok(Self {
            link: Arc::new(link),
            gather: Arc::default(),
        })
    }

    /// Adds a task. Once this returns, the task is as safe as Redis' durability tier makes it. Calls that come while
    /// others are under way go together, without waiting for more.
    ///
    /// # Errors
    /// `Invalid` for a task that breaks a limit, `Full`, `Unavailable`. After `Unavailable` it may or may not have
    /// been added: repeat it with an idempotency key.
    pub async fn enqueue(&self, task: NewTask) -> Result<Enqueued, QueueError> {
        self.gather.enqueue(&self.link, task).await
    }

    /// Adds up to `MAX_BATCH` tasks by one script; one answer per task, in order.
    ///
    /// # Errors
    /// For the whole batch: too many tasks, `Full`, `Unavailable`. For one item: `Invalid`.
    pub async fn enqueue_batch(&self, tasks: Vec<NewTask>) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        if tasks.len() > MAX_BATCH {
            return Err(QueueError::invalid(
                "tasks",
                format!("at most {MAX_BATCH} in one batch"),
            ));
        }
        let mut refused = Vec::with_capacity(tasks.len());
        let mut submission = Submission::default();
        for task in &tasks {
            let prepared = Prepared::new(task).map(|prepared| submission.push(self.link.new_id(), prepared));
            refused.push(prepared.err());
        }
        let mut answers = submission.send(&self.link).await?.into_iter();
        let answer = |refusal: Option<QueueError>| match refusal {
            Some(error) => Err(error),
            None => answers.next().unwrap_or_else(|| Err(unanswered())),
        };
        Ok(refused.into_iter().map(answer).collect())
    }

    /// Reads a task; `None` if this tenant has no such task.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn get(&self, tenant: &str, id: TaskId) -> Result<Option<Task>, QueueError> {
        if id.shard() != SHARD {
            return Ok(None);
        }
        let replies: Vec<redis::Value> = self.link.call(&self.link.scripts.read, &[id.as_str()]).await?;
        let task = replies.first().map(reading::task).transpose()?.flatten();
        Ok(task.filter(|task| task.tenant == tenant))
    }

    /// Ends a task that does not run; asks the worker of one that does.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn cancel(&self, tenant: &str, id: TaskId) -> Result<CancelOutcome, QueueError> {
        if id.shard() != SHARD {
            return Ok(CancelOutcome::NotFound);
        }
        let reply: String = self
            .link
            .call(&self.link.scripts.cancel, &[id.as_str(), tenant])
            .await?;
        match reply.as_str() {
            "n" => Ok(CancelOutcome::NotFound),
            "c" => Ok(CancelOutcome::Canceled),
            "r" => Ok(CancelOutcome::Requested),
            letter => record::state_from_letter(letter)
                .map(CancelOutcome::AlreadyFinished)
                .ok_or_else(|| QueueError::Other(format!("cancel answered {letter:?}"))),
        }
    }

    /// Lists a tenant's tasks, newest first.
    ///
    /// # Errors
    /// `Invalid` for a bad cursor or limit, `Unavailable`.
    pub async fn list(&self, tenant: &str, query: &ListQuery) -> Result<Page, QueueError> {
        listing::list(&self.link, tenant, query).await
    }

    /// Asks a worker to drain: it claims no more, finishes or releases what it holds, and its `run` returns.
    /// False if no such worker is registered.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn drain_worker(&self, worker: &str) -> Result<bool, QueueError> {
        self.link.call(&self.link.scripts.drain, &[worker]).await
    }

    /// A feed of state changes: clone the handle freely, give the reader to somebody who awaits it.
    pub fn watch(&self) -> (Watch, Watcher) {
        watch::open(self.clone())
    }
}
