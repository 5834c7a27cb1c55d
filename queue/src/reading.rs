//! From what the scripts answer to `Task`. The order of fields is that of `lua/read_task.lua`.

use redis::{FromRedisValue, Value};

use crate::error::QueueError;
use crate::record::{self, Ended, Live};
use crate::task::{Progress, State, Task};

/// One description; `None` where the script found no record.
pub(crate) fn task(reply: &Value) -> Result<Option<Task>, QueueError> {
    let Value::Array(fields) = reply else {
        return Ok(None);
    };
    let [id, stored, state, place, attempt] = &fields[..] else {
        return Err(QueueError::Other(format!(
            "a task is described by {} fields",
            fields.len()
        )));
    };
    let stored: String = read(stored)?;
    let (ended, live) = record::decode(&stored)?;
    let letter: String = read(state)?;
    let seen = Seen {
        id: read::<String>(id)?,
        state: record::state_from_letter(&letter).ok_or_else(|| QueueError::Other(format!("state {letter:?}")))?,
        place: read::<Option<f64>>(place)?,
    };
    match ended {
        Some(ended) => finished(&seen, &ended, &live).map(Some),
        None => unfinished(&seen, read::<Option<String>>(attempt)?.as_deref(), &live).map(Some),
    }
}

struct Seen {
    id: String,
    state: State,
    place: Option<f64>,
}

fn unfinished(seen: &Seen, attempt: Option<&str>, live: &Live<'_>) -> Result<Task, QueueError> {
    let mut task = base(&seen.id, live)?;
    task.state = seen.state;
    if let Some(text) = attempt {
        read_attempt(&mut task, text)?;
    }
    match seen.state {
        State::Queued => task.queue_position = whole(seen.place),
        State::Scheduled => task.run_at_ms = whole(seen.place),
        State::Waiting | State::Running | State::Succeeded | State::Failed | State::Canceled | State::Expired => {}
    }
    Ok(task)
}

/// `token|holds|attempt|losses|started|lease|worker|cancel|progress` of a running task, else `||attempt|losses`.
fn read_attempt(task: &mut Task, text: &str) -> Result<(), QueueError> {
    let corrupt = || QueueError::Other(format!("corrupt attempt of task {}", task.id));
    let fields: Vec<&str> = text.splitn(9, '|').collect();
    let [_token, _holds, attempt, losses, running @ ..] = &fields[..] else {
        return Err(corrupt());
    };
    let (attempt, losses) = (
        attempt.parse().map_err(|_| corrupt())?,
        losses.parse().map_err(|_| corrupt())?,
    );
    if let [started, _lease, worker, cancel, progress] = running {
        task.started_at_ms = Some(started.parse().map_err(|_| corrupt())?);
        task.worker = Some((*worker).to_owned());
        task.cancel_requested = *cancel == "1";
        task.progress = read_progress(progress);
    }
    (task.attempt, task.losses) = (attempt, losses);
    Ok(())
}

fn finished(seen: &Seen, ended: &Ended<'_>, live: &Live<'_>) -> Result<Task, QueueError> {
    let mut task = base(&seen.id, live)?;
    task.state = ended.state;
    task.reason = ended.reason;
    task.attempt = ended.attempt;
    task.losses = ended.losses;
    task.worker = ended.worker.map(str::to_owned);
    task.started_at_ms = ended.started_at_ms;
    task.finished_at_ms = Some(ended.finished_at_ms);
    task.expires_at_ms = Some(ended.expires_at_ms(live.result_ttl_ms));
    if ended.state == State::Succeeded {
        task.result = Some(record::raw(ended.outcome)?);
        task.progress = Some(Progress {
            percent: 100,
            message: String::new(),
        });
    } else {
        task.error = Some(record::decode_error(ended.outcome)?);
    }
    Ok(task)
}

fn base(id: &str, live: &Live<'_>) -> Result<Task, QueueError> {
    Ok(Task {
        id: id.parse().map_err(|_| QueueError::Other(format!("task id {id:?}")))?,
        tenant: live.tenant.to_owned(),
        kind: live.kind.to_owned(),
        fairness_key: live.fairness_key.map(str::to_owned),
        unique_key: live.options.unique_key.as_ref().map(|key| key.clone().into_owned()),
        state: State::Queued,
        reason: None,
        priority: live.priority,
        attempt: 0,
        max_attempts: live.options.max_attempts,
        losses: 0,
        progress: None,
        queue_position: None,
        worker: None,
        cancel_requested: false,
        created_at_ms: live.created_at_ms,
        run_at_ms: None,
        deadline_ms: live.deadline_ms,
        started_at_ms: None,
        finished_at_ms: None,
        expires_at_ms: None,
        input: record::raw(live.input)?,
        result: None,
        error: None,
        tags: live.options.tags.iter().map(|tag| tag.clone().into_owned()).collect(),
        metadata: live.options.metadata.map(ToOwned::to_owned),
        traceparent: live.options.traceparent.map(ToOwned::to_owned),
    })
}

/// Progress is stored as `percent message`, so that the value stays short.
fn read_progress(text: &str) -> Option<Progress> {
    let (percent, message) = text.split_once(' ')?;
    Some(Progress {
        percent: percent.parse().ok()?,
        message: message.to_owned(),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "scores are whole milliseconds or ranks"
)]
fn whole(score: Option<f64>) -> Option<u64> {
    score.map(|value| value as u64)
}

/// Scripts answer `false` for a missing value, which arrives as nil.
pub(crate) fn read<T: FromRedisValue>(value: &Value) -> Result<T, QueueError> {
    read_owned(value.clone())
}

/// The same without a copy.
pub(crate) fn read_owned<T: FromRedisValue>(value: Value) -> Result<T, QueueError> {
    T::from_redis_value(value).map_err(|error| QueueError::Other(format!("unexpected reply: {error}")))
}
