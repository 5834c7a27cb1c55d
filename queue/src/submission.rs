//! Tasks on their way in: the wire form of `enqueue`. The order of arguments is that of `lua/enqueue.lua`.

use std::time::Duration;

use crate::connection::Link;
use crate::error::QueueError;
use crate::id::TaskId;
use crate::record::{self, millis};
use crate::task::{Enqueued, LossPolicy, NewTask, Priority};
use crate::{MAX_BATCH, MAX_SPEC_BYTES, limits};

/// Most bytes of single calls that travel together; the task that reaches it is the last.
const MAX_TOGETHER_BYTES: usize = 256 * 1024;

/// A task that keeps within the limits, encoded as far as no other task matters.
pub(crate) struct Prepared<'a> {
    task: &'a NewTask,
    options_length: usize,
    body: String,
}

impl<'a> Prepared<'a> {
    /// Says which limit the task breaks, if it does.
    pub(crate) fn new(task: &'a NewTask) -> Result<Self, QueueError> {
        limits::check(task)?;
        let (options_length, body) = record::encode_body(task);
        if body.len() > MAX_SPEC_BYTES {
            return Err(QueueError::invalid(
                "input",
                format!("the task is over {MAX_SPEC_BYTES} bytes"),
            ));
        }
        Ok(Self {
            task,
            options_length,
            body,
        })
    }
}

/// What all tasks of a group have in common.
#[derive(Debug)]
struct Header {
    /// Of the first; the records of all are in one hash.
    id: TaskId,
    tenant: String,
    kind: String,
    fairness_key: Option<String>,
    priority: Priority,
    losses: LossPolicy,
    result_ttl: Duration,
    delay: Option<Duration>,
    run_at_ms: Option<u64>,
    expires_in: Option<Duration>,
    options_length: usize,
    keyed: bool,
}

impl Header {
    fn of(id: TaskId, prepared: &Prepared<'_>) -> Self {
        let task = prepared.task;
        Self {
            id,
            tenant: task.tenant.clone(),
            kind: task.kind.clone(),
            fairness_key: task.fairness_key.clone(),
            priority: task.priority,
            losses: task.losses,
            result_ttl: task.result_ttl,
            delay: task.delay,
            run_at_ms: task.run_at_ms,
            expires_in: task.expires_in,
            options_length: prepared.options_length,
            keyed: is_keyed(task),
        }
    }

    /// Whether the task is due now, and has neither a key nor a deadline.
    fn is_plain(&self) -> bool {
        !self.keyed && self.delay.is_none() && self.run_at_ms.is_none() && self.expires_in.is_none()
    }

    /// A key makes a task a group of its own.
    fn covers(&self, id: TaskId, prepared: &Prepared<'_>) -> bool {
        let task = prepared.task;
        !self.keyed
            && !is_keyed(task)
            && self.id.shares_span(&id)
            && self.tenant == task.tenant
            && self.kind == task.kind
            && self.fairness_key == task.fairness_key
            && self.priority == task.priority
            && self.losses == task.losses
            && self.result_ttl == task.result_ttl
            && self.delay == task.delay
            && self.run_at_ms == task.run_at_ms
            && self.expires_in == task.expires_in
            && self.options_length == prepared.options_length
    }
}

/// Whether other tasks may stand in the way of this one.
fn is_keyed(task: &NewTask) -> bool {
    task.idempotency.is_some() || task.unique_key.is_some()
}

/// Tasks of one script. Those in a row that differ by id and body alone, and whose records are in one hash, are one group.
#[derive(Debug, Default)]
pub(crate) struct Submission {
    shard: u16,
    /// What a tenant may not add as a whole is refused as a whole; else as much is added as there is room for.
    whole: bool,
    ids: Vec<TaskId>,
    args: Vec<Vec<u8>>,
    header: Option<Header>,
    /// Where the size of the current group stands, and the size.
    size_at: usize,
    size: usize,
    bytes: usize,
}

impl Submission {
    /// To this shard: that of all its tasks' tenants.
    pub(crate) fn to(shard: u16) -> Self {
        Self {
            shard,
            ..Self::default()
        }
    }

    /// The same for tasks of one caller, who wants all of a tenant's or none.
    pub(crate) fn whole(shard: u16) -> Self {
        Self {
            whole: true,
            ..Self::to(shard)
        }
    }

    pub(crate) fn push(&mut self, id: TaskId, prepared: Prepared<'_>) {
        if !self.header.as_ref().is_some_and(|header| header.covers(id, &prepared)) {
            self.begin_group(id, &prepared);
        }
        self.size += 1;
        self.args[self.size_at] = self.size.to_string().into_bytes();
        self.bytes += prepared.body.len();
        self.args.push(id.as_str().into());
        self.args.push(prepared.body.into_bytes());
        self.ids.push(id);
    }

    fn begin_group(&mut self, id: TaskId, prepared: &Prepared<'_>) {
        if self.args.is_empty() {
            let mode: &[u8] = if self.whole { b"w" } else { b"" };
            self.args.push(mode.to_vec());
        }
        let task = prepared.task;
        let delay_ms = task.delay.map(millis).unwrap_or_default();
        let run_at_ms = if delay_ms > 0 {
            0
        } else {
            task.run_at_ms.unwrap_or_default()
        };
        let (key, fingerprint) = match &task.idempotency {
            Some(idem) => (record::key_hash(&idem.key), idem.fingerprint.clone()),
            None => (String::new(), String::new()),
        };
        let fields = [
            task.tenant.clone(),
            task.kind.clone(),
            run_at_ms.to_string(),
            delay_ms.to_string(),
            task.priority.offset_ms().to_string(),
            record::encode_tail(task, prepared.options_length),
            key,
            fingerprint,
            task.fairness_key.clone().unwrap_or_default(),
            id.span(),
        ];
        self.args.extend(fields.map(String::into_bytes));
        (self.size_at, self.size) = (self.args.len(), 0);
        self.args.push(Vec::new());
        self.header = Some(Header::of(id, prepared));
    }

    /// Whether single calls that travel together are enough for one script.
    pub(crate) fn is_full(&self) -> bool {
        self.ids.len() >= MAX_BATCH || self.bytes >= MAX_TOGETHER_BYTES
    }

    /// Adds all by one script; one answer per task, in order.
    pub(crate) async fn send(mut self, link: &Link) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        if self.ids.len() == 1 && self.header.as_ref().is_some_and(Header::is_plain) {
            self.args = in_short(self.args);
        }
        let replies: String = link.commit(self.shard, &link.scripts.enqueue, &self.args).await?;
        let answers = self.ids.into_iter().zip(replies.split_ascii_whitespace());
        Ok(answers.map(|(id, reply)| read_answer(id, reply)).collect())
    }
}

/// One plain task in the form of `lua/enqueue_one.lua`, without what it has none of: every argument costs Redis a quarter of a
/// microsecond.
fn in_short(args: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    match <[Vec<u8>; 14]>::try_from(args) {
        Ok([_, tenant, kind, _, _, offset, tail, _, _, key, span, _, id, body]) => {
            vec![b"s".to_vec(), tenant, kind, offset, tail, key, span, id, body]
        }
        Err(args) => args,
    }
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
        Some(("u", holder)) => other(holder).map(Enqueued::Exists),
        Some(("d", "")) => Err(QueueError::Draining),
        Some(("l", "")) => Err(QueueError::Backlog),
        _ => Err(QueueError::Other(format!("enqueue answered {reply:?}"))),
    }
}

/// The script answered fewer words than it was given tasks.
pub(crate) fn unanswered() -> QueueError {
    QueueError::Other("enqueue left a task unanswered".to_owned())
}
