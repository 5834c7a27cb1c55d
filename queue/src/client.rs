//! The handle that callers hold: enqueue, read, cancel, list. What Redis answers is decoded in `reading.rs`.

use std::sync::Arc;

use crate::connection::{ConnectOptions, Link};
use crate::error::QueueError;
use crate::id::TaskId;
use crate::keys::SHARD;
use crate::record::{self, millis};
use crate::task::{CancelOutcome, Enqueued, ListQuery, NewTask, Page, Task};
use crate::watch::{self, Watch, Watcher};
use crate::{MAX_BATCH, MAX_SPEC_BYTES, limits, listing, reading};

/// A queue in one Redis. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Queue {
    pub(crate) link: Arc<Link>,
}

impl Queue {
    /// Connects, loads the scripts, and refuses a Redis that evicts keys, is older than 7.0, or holds a newer schema.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be reached, `Unsuitable` if it is refused.
    pub async fn connect(options: ConnectOptions) -> Result<Self, QueueError> {
        let link = Link::open(options).await?;
        Ok(Self { link: Arc::new(link) })
    }

    /// Adds a task. Once this returns, the task is as safe as Redis' durability tier makes it.
    ///
    /// # Errors
    /// `Invalid` for a task that breaks a limit, `Full`, `Unavailable`. After `Unavailable` it may or may not have
    /// been added: repeat it with an idempotency key.
    pub async fn enqueue(&self, task: NewTask) -> Result<Enqueued, QueueError> {
        let mut answers = self.enqueue_batch(vec![task]).await?;
        answers.pop().expect("one answer per task")
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
        let mut answers: Vec<Result<Enqueued, QueueError>> = Vec::with_capacity(tasks.len());
        let mut args: Vec<Vec<u8>> = vec![Vec::new()];
        let mut sent = Vec::with_capacity(tasks.len());
        for (position, task) in tasks.iter().enumerate() {
            let id = self.link.new_id();
            answers.push(push_task(&mut args, id, task).map(|()| Enqueued::Created(id)));
            if answers[position].is_ok() {
                sent.push((position, id));
            }
        }
        args[0] = sent.len().to_string().into_bytes();
        let replies: Vec<String> = self.link.call(&self.link.scripts.enqueue, &args).await?;
        for ((position, id), reply) in sent.into_iter().zip(&replies) {
            answers[position] = read_answer(id, reply);
        }
        Ok(answers)
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

pub(crate) fn push_task(args: &mut Vec<Vec<u8>>, id: TaskId, task: &NewTask) -> Result<(), QueueError> {
    limits::check(task)?;
    let (tail, body) = record::encode_spec(task);
    if body.len() > MAX_SPEC_BYTES {
        return Err(QueueError::invalid(
            "input",
            format!("the task is over {MAX_SPEC_BYTES} bytes"),
        ));
    }
    let delay_ms = task.delay.map(millis).unwrap_or_default();
    let run_at_ms = if delay_ms > 0 {
        0
    } else {
        task.run_at_ms.unwrap_or_default()
    };
    let (key, fingerprint) = match &task.idempotency {
        Some(idem) => (record::key_hash(&idem.key), idem.fingerprint.as_str()),
        None => (String::new(), ""),
    };
    args.push(id.as_str().into());
    args.push(task.tenant.as_str().into());
    args.push(task.kind.as_str().into());
    args.push(run_at_ms.to_string().into());
    args.push(delay_ms.to_string().into());
    args.push(task.priority.offset_ms().to_string().into());
    args.push(tail.into());
    args.push(body.into());
    args.push(key.into());
    args.push(fingerprint.into());
    Ok(())
}

fn read_answer(id: TaskId, reply: &str) -> Result<Enqueued, QueueError> {
    let other = |text: &str| {
        text.parse()
            .map_err(|_| QueueError::Other(format!("enqueue answered {reply:?}")))
    };
    match reply.split_at_checked(1) {
        Some(("c", "")) => Ok(Enqueued::Created(id)),
        Some(("r", known)) => other(known).map(Enqueued::Replayed),
        Some(("x", known)) => other(known).map(Enqueued::Conflict),
        _ => Err(QueueError::Other(format!("enqueue answered {reply:?}"))),
    }
}
