//! The packed form of a task, as its field in `t:<span>` holds it. The scripts read the header line; only Rust reads the body.
//!
//! Live: `Q|created|wait|kind|class|live|ttl|tenant:key|idem|length;exp;unique\n`, options as JSON of that length, and the input. Empty
//! fields have their defaults; a task with all of them costs no more than its kind, its tenant and its input. `;exp;unique`
//! is there with a queue deadline, so many milliseconds after the creation, or a unique key, hashed with its kind.
//! Ended: `F|finished|state|reason|attempt|losses|started|worker|token|length\n`, the outcome, and the live record.
//! `started` is counted from the creation; nothing stands for the first attempt, for no losses, for a task never started.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::error::QueueError;
use crate::failure::TaskError;
use crate::task::{LossPolicy, NewTask, Priority, Reason, State};

/// Characters of the lease token that an ended record keeps: enough to know the winner when it repeats itself.
const TOKEN_CHARS_KEPT: usize = 6;
const DEFAULT_TTL_MS: u64 = 24 * 3_600 * 1_000;
/// Dead letters are kept for 30 days, as in `lua/settle.lua`.
pub(crate) const DEAD_LETTER_TTL_MS: u64 = 30 * 24 * 3_600 * 1_000;

/// What only Rust reads, beside the input. One-letter names: it is stored once per task.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Options<'a> {
    #[serde(rename = "m", skip_serializing_if = "is_default_attempts")]
    pub(crate) max_attempts: u32,
    /// 0 for no timeout.
    #[serde(rename = "t", skip_serializing_if = "is_default_timeout")]
    pub(crate) timeout_ms: u64,
    #[serde(rename = "b", skip_serializing_if = "is_default_backoff")]
    pub(crate) backoff_ms: u64,
    #[serde(rename = "g", skip_serializing_if = "Vec::is_empty", borrow)]
    pub(crate) tags: Vec<Cow<'a, str>>,
    #[serde(rename = "d", skip_serializing_if = "Option::is_none", borrow)]
    pub(crate) metadata: Option<&'a RawValue>,
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    pub(crate) traceparent: Option<&'a str>,
    #[serde(rename = "u", skip_serializing_if = "Option::is_none", borrow)]
    pub(crate) unique_key: Option<Cow<'a, str>>,
}

impl Default for Options<'_> {
    /// As `NewTask::new`; changing a number here changes what stored records mean.
    fn default() -> Self {
        Self {
            max_attempts: 3,
            timeout_ms: 300_000,
            backoff_ms: 2_000,
            tags: Vec::new(),
            metadata: None,
            traceparent: None,
            unique_key: None,
        }
    }
}

impl Options<'_> {
    fn are_default(&self) -> bool {
        is_default_attempts(&self.max_attempts)
            && is_default_timeout(&self.timeout_ms)
            && is_default_backoff(&self.backoff_ms)
            && self.tags.is_empty()
            && self.metadata.is_none()
            && self.traceparent.is_none()
            && self.unique_key.is_none()
    }
}

fn is_default_attempts(attempts: &u32) -> bool {
    *attempts == Options::default().max_attempts
}

fn is_default_timeout(timeout_ms: &u64) -> bool {
    *timeout_ms == Options::default().timeout_ms
}

fn is_default_backoff(backoff_ms: &u64) -> bool {
    *backoff_ms == Options::default().backoff_ms
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
    pub(crate) fairness_key: Option<&'a str>,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) options: Options<'a>,
    /// JSON; checked when it was enqueued.
    pub(crate) input: &'a str,
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

impl Ended<'_> {
    /// When the record may be pruned, as `kept_until` in `lua/plan.lua` has it.
    pub(crate) fn expires_at_ms(&self, result_ttl_ms: u64) -> u64 {
        if self.state == State::Failed {
            return self.finished_at_ms + DEAD_LETTER_TTL_MS;
        }
        let width = if result_ttl_ms < 600_000 { 1_000 } else { 60_000 };
        (self.finished_at_ms + result_ttl_ms).next_multiple_of(width)
    }
}

/// What follows the header line of a live record, and how much of it is options.
pub(crate) fn encode_body(task: &NewTask) -> (usize, String) {
    let options = Options {
        max_attempts: task.max_attempts,
        // A timeout of nothing still is one.
        timeout_ms: task.timeout.map_or(0, |limit| millis(limit).max(1)),
        backoff_ms: millis(task.backoff),
        tags: task.tags.iter().map(|tag| Cow::Borrowed(tag.as_str())).collect(),
        metadata: task.metadata.as_deref(),
        traceparent: task.traceparent.as_deref(),
        unique_key: task.unique_key.as_deref().map(Cow::Borrowed),
    };
    let mut body = String::new();
    if !options.are_default() {
        body = serde_json::to_string(&options).expect("strings, numbers and checked JSON always serialise");
    }
    let length = body.len();
    body.push_str(task.input.get());
    (length, body)
}

/// The header line of a live record from the kind on.
pub(crate) fn encode_tail(task: &NewTask, options_length: usize) -> String {
    let ttl_ms = millis(task.result_ttl);
    format!(
        "{}|{}|{}|{}|{}|{}|{}{}",
        task.kind,
        class_digit(task.priority),
        if task.losses == LossPolicy::Live { "1" } else { "" },
        unless(DEFAULT_TTL_MS, ttl_ms),
        lane(task),
        task.idempotency
            .as_ref()
            .map(|idem| key_hash(&idem.key))
            .unwrap_or_default(),
        unless(0, options_length as u64),
        peculiarities(task),
    )
}

/// A number as an argument; nothing for none.
pub(crate) fn digits(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// The end of the header line, for tasks with a queue deadline or a unique key.
fn peculiarities(task: &NewTask) -> String {
    let expires_in = task
        .expires_in
        .map(|after| millis(after).to_string())
        .unwrap_or_default();
    match &task.unique_key {
        Some(key) => format!(";{expires_in};{}", unique_hash(&task.kind, key)),
        None if expires_in.is_empty() => String::new(),
        None => format!(";{expires_in}"),
    }
}

/// A unique key of a kind as part of a Redis key.
pub(crate) fn unique_hash(kind: &str, key: &str) -> String {
    key_hash(&format!("{kind}\n{key}"))
}

/// The tenant, and behind a colon the fairness key if there is one.
fn lane(task: &NewTask) -> Cow<'_, str> {
    match &task.fairness_key {
        Some(key) => Cow::Owned(format!("{}:{key}", task.tenant)),
        None => Cow::Borrowed(&task.tenant),
    }
}

/// A number, or nothing for its default.
fn unless(default: u64, number: u64) -> String {
    if number == default {
        String::new()
    } else {
        number.to_string()
    }
}

/// The digit of a priority class in records; nothing for the normal one.
const fn class_digit(class: Priority) -> &'static str {
    match class {
        Priority::Realtime => "0",
        Priority::High => "1",
        Priority::Normal => "",
        Priority::Low => "3",
    }
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
    /// From the creation of the task to the start of the attempt.
    pub(crate) started_after_ms: u64,
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
            unless(1, u64::from(self.attempt)),
            unless(0, u64::from(self.losses)),
            self.started_after_ms,
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
    let live = decode_live(&rest[length..])?;
    let started: Option<u64> = (!started.is_empty()).then(|| number(started)).transpose()?;
    let ended = Ended {
        finished_at_ms: number(finished)?,
        state: state_from_letter(state).ok_or_else(|| corrupt("state"))?,
        reason: reason_from_word(reason),
        attempt: number_or(attempt, 1)?,
        losses: number_or(losses, 0)?,
        started_at_ms: started.map(|after| live.created_at_ms + after),
        worker: (!worker.is_empty()).then_some(worker),
        outcome,
    };
    Ok((Some(ended), live))
}

/// Reads a live record.
pub(crate) fn decode_live(record: &str) -> Result<Live<'_>, QueueError> {
    let (line, body) = record.split_once('\n').ok_or_else(|| corrupt("no header line"))?;
    let mut fields = line.split('|');
    let mut next = || fields.next().ok_or_else(|| corrupt("header of a live task"));
    if next()? != "Q" {
        return Err(corrupt("header of a live task"));
    }
    let (created, _wait, kind, class, live, ttl) = (next()?, next()?, next()?, next()?, next()?, next()?);
    let (lane, _idem, length) = (next()?, next()?, next()?);
    let (tenant, fairness_key) = lane
        .split_once(':')
        .map_or((lane, None), |(tenant, key)| (tenant, Some(key)));
    let mut ends = length.split(';');
    let length = ends.next().unwrap_or_default();
    let created_at_ms: u64 = number(created)?;
    let expires_in: Option<u64> = ends.next().filter(|exp| !exp.is_empty()).map(number).transpose()?;
    let (options, input) = body
        .split_at_checked(number_or(length, 0)?)
        .ok_or_else(|| corrupt("options are cut"))?;
    let class = Priority::ALL
        .into_iter()
        .find(|priority| class_digit(*priority) == class);
    Ok(Live {
        created_at_ms,
        kind,
        priority: class.ok_or_else(|| corrupt("priority"))?,
        live: live == "1",
        result_ttl_ms: number_or(ttl, DEFAULT_TTL_MS)?,
        tenant,
        fairness_key,
        deadline_ms: expires_in.map(|after| created_at_ms + after),
        options: if options.is_empty() {
            Options::default()
        } else {
            serde_json::from_str(options).map_err(|error| corrupt(&error.to_string()))?
        },
        input,
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

/// A field that is empty for its default.
fn number_or<T: std::str::FromStr>(text: &str, default: T) -> Result<T, QueueError> {
    if text.is_empty() { Ok(default) } else { number(text) }
}

/// JSON out of a record.
pub(crate) fn raw(json: &str) -> Result<Box<RawValue>, QueueError> {
    RawValue::from_string(json.to_owned()).map_err(|error| corrupt(&error.to_string()))
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

    fn encoded(task: &NewTask) -> (String, String) {
        let (length, body) = encode_body(task);
        (encode_tail(task, length), body)
    }

    #[test]
    fn a_live_record_is_read_back_as_it_was_written() {
        let (tail, body) = encoded(&spec());
        let record = format!("Q|1763635490123||{tail}\n{body}");
        let (ended, live) = decode(&record).unwrap();
        assert!(ended.is_none());
        assert_eq!((live.tenant, live.kind, live.priority), ("acme", "ocr", Priority::Low));
        assert_eq!(live.input, r#"{"text":"a|b\nc"}"#);
        assert_eq!(
            (live.options.tags[0].as_ref(), live.options.timeout_ms),
            ("a\"b", 300_000)
        );
        assert_eq!(live.options.traceparent, Some(TRACEPARENT));
    }

    #[test]
    fn what_a_task_does_not_have_costs_no_bytes() {
        let task = NewTask::new("acme", "ocr", RawValue::from_string("{}".to_owned()).unwrap());
        assert_eq!(encoded(&task), ("ocr||||acme||".to_owned(), "{}".to_owned()));
        let record = "Q|1763635490123||ocr||||acme||\n{}";
        let live = decode_live(record).unwrap();
        assert_eq!(
            (live.priority, live.result_ttl_ms, live.input),
            (task.priority, 86_400_000, "{}")
        );
        assert_eq!(
            (live.options.max_attempts, live.options.timeout_ms),
            (task.max_attempts, 300_000)
        );
        assert_eq!(live.options.backoff_ms, millis(task.backoff));
    }

    #[test]
    fn an_ended_record_keeps_the_live_one_behind_its_outcome() {
        let (tail, body) = encoded(&spec());
        let live_record = format!("Q|1|1|{tail}\n{body}");
        let ending = Ending {
            state: State::Succeeded,
            reason: None,
            attempt: 2,
            losses: 1,
            started_after_ms: 6,
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
