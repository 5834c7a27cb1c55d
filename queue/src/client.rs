//! The handle that callers hold: enqueue, read, cancel, list. What Redis answers is decoded in `reading.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;

use crate::connection::{ConnectOptions, Link};
use crate::error::QueueError;
use crate::gather::Gather;
use crate::id::TaskId;
use crate::keys::SHARD;
use crate::record;
use crate::submission::{Prepared, Submission, unanswered};
use crate::task::{CancelOutcome, Enqueued, ListQuery, NewTask, Page, Task};
use crate::watch::{self, Watch, Watcher};
use crate::{MAX_BATCH, listing, reading};

/// A queue in one Redis. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Queue {
    pub(crate) link: Arc<Link>,
    /// By shard.
    gathers: Arc<[Arc<Gather>]>,
}

impl Queue {
    /// Connects, and refuses a Redis that evicts keys, is older than 7.0, or holds a newer schema.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be reached, `Unsuitable` if it is refused.
    pub async fn connect(options: ConnectOptions) -> Result<Self, QueueError> {
        let link = Link::open(options).await?;
        Ok(Self {
            gathers: link.shards().map(Gather::new).collect(),
            link: Arc::new(link),
        })
    }

    /// Adds a task. Once this returns, the task is as safe as Redis' durability tier makes it. Calls that come while
    /// others are under way go together, without waiting for more.
    ///
    /// # Errors
    /// `Invalid` for a task that breaks a limit, `Draining`, `Backlog`, `Full`, `Unavailable`. After `Unavailable` it may or may not have
    /// been added: repeat it with an idempotency key.
    pub async fn enqueue(&self, task: NewTask) -> Result<Enqueued, QueueError> {
        let shard = self.link.shard_of(&task.tenant);
        self.gathers[usize::from(shard)].enqueue(&self.link, task).await
    }

    /// Adds up to `MAX_BATCH` tasks by one script a shard; one answer per task, in order. Where a tenant may not have
    /// all of its tasks of this batch in the queue, none of them is added.
    ///
    /// # Errors
    /// For the whole batch: too many tasks, `Full`, `Unavailable`. For one item: `Invalid`, `Draining`, `Backlog`.
    pub async fn enqueue_batch(&self, tasks: Vec<NewTask>) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        if tasks.len() > MAX_BATCH {
            return Err(QueueError::invalid(
                "tasks",
                format!("at most {MAX_BATCH} in one batch"),
            ));
        }
        let mut submissions: BTreeMap<u16, Submission> = BTreeMap::new();
        let mut places = Vec::with_capacity(tasks.len());
        for task in &tasks {
            let shard = self.link.shard_of(&task.tenant);
            let place = Prepared::new(task).map(|prepared| {
                let submission = submissions.entry(shard).or_insert_with(|| Submission::whole(shard));
                submission.push(self.link.new_id(shard), prepared);
                shard
            });
            places.push(place);
        }
        let sending = submissions.into_iter().map(async |(shard, submission)| {
            let answers = submission.send(&self.link).await?;
            Ok::<_, QueueError>((shard, answers.into_iter()))
        });
        let mut answers: BTreeMap<_, _> = try_join_all(sending).await?.into_iter().collect();
        let answer = |place: Result<u16, QueueError>| {
            let answer = answers.get_mut(&place?).and_then(Iterator::next);
            answer.unwrap_or_else(|| Err(unanswered()))
        };
        Ok(places.into_iter().map(answer).collect())
    }

    /// Reads a task; `None` if this tenant has no such task.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn get(&self, tenant: &str, id: TaskId) -> Result<Option<Task>, QueueError> {
        if !self.link.holds(id) {
            return Ok(None);
        }
        let replies: Vec<redis::Value> = self
            .link
            .call(id.shard(), &self.link.scripts.read, &[id.as_str()])
            .await?;
        let task = replies.first().map(reading::task).transpose()?.flatten();
        Ok(task.filter(|task| task.tenant == tenant))
    }

    /// Ends a task that does not run; asks the worker of one that does.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn cancel(&self, tenant: &str, id: TaskId) -> Result<CancelOutcome, QueueError> {
        if !self.link.holds(id) {
            return Ok(CancelOutcome::NotFound);
        }
        let reply: String = self
            .link
            .call(id.shard(), &self.link.scripts.cancel, &[id.as_str(), tenant])
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
        // It reads a mailbox in every shard; the first is enough.
        self.link.call(SHARD, &self.link.scripts.drain, &[worker]).await
    }

    /// A feed of state changes: clone the handle freely, give the reader to somebody who awaits it.
    pub fn watch(&self) -> (Watch, Watcher) {
        watch::open(self.clone())
    }
}
