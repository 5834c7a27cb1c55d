//! The packed form of a task, as `t:<id>` holds it. The scripts read the header line; only Rust reads the body.
//!
//! Live: `Q|created|base|kind|offset|live|ttl|tenant|idem\n` and the body.
//! Ended: `F|finished|state|reason|attempt|losses|started|worker|token|length\n`, the outcome, and the live record.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::error::QueueError;
use crate::failure::TaskError;
use crate::task::{LossPolicy, NewTask, Priority, Reason, State};

/// Characters of the lease token that an ended record keeps: enough to know the winner when it repeats itself.
const TOKEN_CHARS_KEPT: usize = 11;

/// What only Rust reads. One-letter names: the body is stored once per task.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Body<'a> {
    #[serde(rename = "i", borrow)]
    pub(crate) input: &'a RawValue,
    #[serde(rename = "m")]
    pub(crate) max_attempts: u32,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_ms: Option<u64>,
    #[serde(rename = "b")]
    pub(crate) backoff_ms: u64,
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub(crate) tags: Vec<Cow<'a, str>>,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none", borrow)]
    pub(crate) metadata: Option<&'a RawValue>,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(crate) traceparent: Option<&'a str>,
}

/// The header line of a live record and the body after it.
#[derive(Debug)]
pub(crate) struct Live<'a> {
    pub(crate) created_at_ms: u64,
    pub(crate) kind: &'a str,
    pub(crate) priority: Priority,
    pub(crate) live: bool,
    pub(crate) result_ttl_ms: u64,
    pub(crate) tenant: &'a str,
    pub(crate) body: Body<'a>,
}

/// The head of an ended record.
#[derive(Debug)]
pub(crate) struct Ended<'a> {
    pub(crate) finished_at_ms: u64,
    pub(crate) state: State,
    pub(crate) reason: Option<Reason>,
    pub(crate) attempt: u32,
    pub(crate) losses: u32,
    pub(crate) started_at_ms: Option<u64>,
    pub(crate) worker: Option<&'a str>,
    pub(crate) outcome: &'a str,
}

/// The header from the kind on, as the enqueue script wants it, and the body.
pub(crate) fn encode_spec(task: &NewTask) -> (String, String) {
    let body = Body {
        input: &task.input,
        max_attempts: task.max_attempts,
        timeout_ms: task.timeout.map(millis),
        backoff_ms: millis(task.backoff),
        tags: task.tags.iter().map(|tag| Cow::Borrowed(tag.as_str())).collect(),
        metadata: task.metadata.as_deref(),
        traceparent: task.traceparent.as_deref(),
    };
    let tail = format!(
        "{}|{}|{}|{}|{}|{}",
        task.kind,
        task.priority.offset_ms(),
        u8::from(task.losses == LossPolicy::Live),
        millis(task.result_ttl),
        task.tenant,
        task.idempotency
            .as_ref()
            .map(|idem| key_hash(&idem.key))
            .unwrap_or_default(),
    );
    (
        tail,
        serde_json::to_string(&body).expect("strings, numbers and checked JSON always serialise"),
    )
}

/// A client's idempotency key as part of a Redis key: 32 hexadecimal characters, whatever the client sent.
pub(crate) fn key_hash(key: &str) -> String {
    Sha256::digest(key.as_bytes())[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What a worker writes of an ended attempt; the script puts `F`, the time and a bar before it.
pub(crate) struct Ending<'a> {
    pub(crate) state: State,
    pub(crate) reason: Option<Reason>,
    pub(crate) attempt: u32,
    pub(crate) losses: u32,
    pub(crate) started_at_ms: u64,
    pub(crate) worker: &'a str,
    pub(crate) token: &'a str,
    /// Result or `TaskError`, JSON.
    pub(crate) outcome: &'a str,
}

impl Ending<'_> {
    pub(crate) fn encode(&self, live_record: &str) -> String {
        let reason = self.reason.map(reason_word).unwrap_or_default();
        let token = &self.token[..self.token.len().min(TOKEN_CHARS_KEPT)];
        format!(
            "{}|{reason}|{}|{}|{}|{}|{token}|{}\n{}{live_record}",
            state_letter(self.state),
            self.attempt,
            self.losses,
            self.started_at_ms,
            self.worker,
            self.outcome.len(),
            self.outcome,
        )
    }
}

/// Reads a record of either form.
pub(crate) fn decode(record: &str) -> Result<(Option<Ended<'_>>, Live<'_>), QueueError> {
    if !record.starts_with("F|") {
        return Ok((None, decode_live(record)?));
    }
    let (line, rest) = record.split_once('\n').ok_or_else(|| corrupt("no header line"))?;
    let fields: Vec<&str> = line.split('|').collect();
    let [
        _,
        finished,
        state,
        reason,
        attempt,
        losses,
        started,
        worker,
        _token,
        length,
    ] = fields[..]
    else {
        return Err(corrupt("header of an ended task"));
    };
    let length: usize = number(length)?;
    let outcome = rest.get(..length).ok_or_else(|| corrupt("outcome is cut"))?;
    let started: u64 = number(started)?;
    let ended = Ended {
        finished_at_ms: number(finished)?,
        state: state_from_letter(state).ok_or_else(|| corrupt("state"))?,
        reason: reason_from_word(reason),
        attempt: number(attempt)?,
        losses: number(losses)?,
        started_at_ms: (started > 0).then_some(started),
        worker: (!worker.is_empty()).then_some(worker),
        outcome,
    };
    Ok((Some(ended), decode_live(&rest[length..])?))
}

/// Reads a live record.
pub(crate) fn decode_live(record: &str) -> Result<Live<'_>, QueueError> {
    let (line, body) = record.split_once('\n').ok_or_else(|| corrupt("no header line"))?;
    let fields: Vec<&str> = line.split('|').collect();
    let ["Q", created, _base, kind, offset, live, ttl, tenant, _idem] = fields[..] else {
        return Err(corrupt("header of a live task"));
    };
    Ok(Live {
        created_at_ms: number(created)?,
        kind,
        priority: Priority::from_offset_ms(number(offset)?).ok_or_else(|| corrupt("priority"))?,
        live: live == "1",
        result_ttl_ms: number(ttl)?,
        tenant,
        body: serde_json::from_str(body).map_err(|error| corrupt(&error.to_string()))?,
    })
}

/// The kind in a live record, without reading the rest; empty if the record is corrupt.
pub(crate) fn kind_of(live_record: &str) -> &str {
    live_record.split('|').nth(3).unwrap_or_default()
}

/// The outcome of an ended task as its error; a task that succeeded has none.
pub(crate) fn decode_error(outcome: &str) -> Result<TaskError, QueueError> {
    serde_json::from_str(outcome).map_err(|error| corrupt(&error.to_string()))
}

/// The letter of a state in records, hints and script replies.
pub(crate) const fn state_letter(state: State) -> char {
    match state {
        State::Scheduled => 'd',
        State::Waiting => 'w',
        State::Queued => 'q',
        State::Running => 'r',
        State::Succeeded => 's',
        State::Failed => 'f',
        State::Canceled => 'c',
        State::Expired => 'e',
    }
}

/// The state behind a letter.
pub(crate) fn state_from_letter(letter: &str) -> Option<State> {
    use State::{Canceled, Expired, Failed, Queued, Running, Scheduled, Succeeded, Waiting};
    let all = [
        Scheduled, Waiting, Queued, Running, Succeeded, Failed, Canceled, Expired,
    ];
    all.into_iter()
        .find(|state| letter.len() == 1 && letter.starts_with(state_letter(*state)))
}

const REASONS: [(Reason, &str); 6] = [
    (Reason::Timeout, "timeout"),
    (Reason::WorkerLost, "worker_lost"),
    (Reason::NonRetryable, "non_retryable"),
    (Reason::RetriesExhausted, "retries_exhausted"),
    (Reason::CancelRequested, "cancel_requested"),
    (Reason::DeadlineBeforeStart, "deadline_before_start"),
];

fn reason_word(reason: Reason) -> &'static str {
    REASONS
        .iter()
        .find(|row| row.0 == reason)
        .map(|row| row.1)
        .expect("every reason has a row")
}

fn reason_from_word(word: &str) -> Option<Reason> {
    REASONS.iter().find(|row| row.1 == word).map(|row| row.0)
}

pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, QueueError> {
    text.parse().map_err(|_| corrupt("a number"))
}

fn corrupt(what: &str) -> QueueError {
    QueueError::Other(format!("corrupt task record: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn spec() -> NewTask {
        let input = RawValue::from_string(r#"{"text":"a|b\nc"}"#.to_owned()).unwrap();
        let mut task = NewTask::new("acme", "ocr", input);
        task.priority = Priority::Low;
        task.tags = vec!["a\"b".to_owned()];
        task.traceparent = Some(TRACEPARENT.to_owned());
        task
    }

    #[test]
    fn a_live_record_is_read_back_as_it_was_written() {
        let (tail, body) = encode_spec(&spec());
        let record = format!("Q|1763635490123|1763635490123|{tail}\n{body}");
        let (ended, live) = decode(&record).unwrap();
        assert!(ended.is_none());
        assert_eq!((live.tenant, live.kind, live.priority), ("acme", "ocr", Priority::Low));
        assert_eq!(live.body.input.get(), r#"{"text":"a|b\nc"}"#);
        assert_eq!(
            (live.body.tags[0].as_ref(), live.body.timeout_ms),
            ("a\"b", Some(300_000))
        );
        assert_eq!(live.body.traceparent, Some(TRACEPARENT));
    }

    #[test]
    fn what_a_task_does_not_have_costs_no_bytes() {
        let task = NewTask::new("acme", "ocr", RawValue::from_string("{}".to_owned()).unwrap());
        assert_eq!(encode_spec(&task).1, r#"{"i":{},"m":3,"t":300000,"b":2000}"#);
    }

    #[test]
    fn an_ended_record_keeps_the_live_one_behind_its_outcome() {
        let (tail, body) = encode_spec(&spec());
        let live_record = format!("Q|1|2|{tail}\n{body}");
        let ending = Ending {
            state: State::Succeeded,
            reason: None,
            attempt: 2,
            losses: 1,
            started_at_ms: 7,
            worker: "w1",
            token: "0123456789abcdefghijkl",
            outcome: "{\"n\":\"|\\n\"}",
        };
        let record = format!("F|9|{}", ending.encode(&live_record));
        let (ended, live) = decode(&record).unwrap();
        let ended = ended.unwrap();
        assert_eq!((ended.state, ended.attempt, ended.losses), (State::Succeeded, 2, 1));
        assert_eq!(
            (ended.finished_at_ms, ended.started_at_ms, ended.worker),
            (9, Some(7), Some("w1"))
        );
        assert_eq!((ended.outcome, live.created_at_ms), ("{\"n\":\"|\\n\"}", 1));
    }

    #[test]
    fn letters_and_words_name_each_state_and_reason_once() {
        for letter in ["d", "w", "q", "r", "s", "f", "c", "e"] {
            assert_eq!(state_letter(state_from_letter(letter).unwrap()).to_string(), letter);
        }
        for (reason, word) in REASONS {
            assert_eq!(serde_json::to_value(reason).unwrap(), word);
        }
    }
}
