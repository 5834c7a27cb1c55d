//! The wire form of `step`: what a worker sends in one round trip and what comes back. The order of arguments is
//! that of `lua/step_args.lua`, the reply that of `lua/step_write.lua`.

use std::sync::Arc;

use redis::Value;

use crate::connection::Link;
use crate::error::QueueError;
use crate::id::TaskId;
use crate::reading::read_owned;

/// Everything a worker has to say at one moment. Sent again as it is until an answer arrives.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepRequest {
    /// Where it goes.
    pub(crate) shard: u16,
    pub(crate) seq: u64,
    /// Nothing runs here: a task that must be alone may come.
    pub(crate) idle: bool,
    /// Renew the registration among the idle.
    pub(crate) register: bool,
    /// Registry entry, JSON; empty to leave it.
    pub(crate) info: String,
    pub(crate) finishes: Vec<Finish>,
    pub(crate) renewals: Vec<Renewal>,
    pub(crate) progress: Vec<(TaskId, Arc<str>, String)>,
    pub(crate) rates: Vec<(String, u64)>,
    /// Free units by class.
    pub(crate) free: Vec<u32>,
    pub(crate) kinds: Vec<Offer>,
    /// Lease token of whatever this step claims. A task is claimed at most once in a step, so the token is unique
    /// among the attempts of a task, at one draw a step.
    pub(crate) token: Arc<str>,
    /// Most tasks to claim.
    pub(crate) wanted: usize,
}

/// The end of one attempt.
#[derive(Debug, Clone)]
pub(crate) struct Finish {
    pub(crate) id: TaskId,
    pub(crate) token: Arc<str>,
    pub(crate) verdict: Verdict,
}

/// What becomes of the task.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// Ended: the state's letter (`s`, `f`, `c`), how long the record is kept, whose task it was and the bytes of its live
    /// record, the record after its time.
    End {
        letter: char,
        ttl_ms: u64,
        tenant: String,
        bytes: usize,
        record: String,
    },
    Retry {
        delay_ms: u64,
    },
    Snooze {
        delay_ms: u64,
    },
    Release,
}

#[derive(Debug, Clone)]
pub(crate) struct Renewal {
    pub(crate) id: TaskId,
    pub(crate) token: Arc<str>,
    pub(crate) lease_ms: u64,
}

/// A kind that the worker has room for.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) kind: String,
    pub(crate) class: usize,
    pub(crate) cost: u32,
    pub(crate) lease_ms: u64,
    /// Units beyond the class's free ones that may be claimed ahead.
    pub(crate) extra: u32,
    /// Most tasks of it to claim.
    pub(crate) most: usize,
    /// Units that this worker holds, if tasks of this kind go to whoever holds the least.
    pub(crate) load: Option<u32>,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StepReply {
    pub(crate) now_ms: u64,
    /// Per finish: accepted, or stale.
    pub(crate) accepted: Vec<bool>,
    pub(crate) renewed: Vec<Renewed>,
    pub(crate) registered: bool,
    /// A task must be claimed alone: claim nothing until empty.
    pub(crate) hold: bool,
    /// The one task claimed must run alone.
    pub(crate) alone: bool,
    pub(crate) again: bool,
    pub(crate) claims: Vec<Claim>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewed {
    Kept,
    CancelRequested,
    Lost,
}

/// A task claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) id: TaskId,
    pub(crate) attempt: u32,
    pub(crate) losses: u32,
    pub(crate) record: String,
}

impl StepRequest {
    pub(crate) fn encode(&self, worker: &str, incarnation: &str) -> Vec<Vec<u8>> {
        let mut args = Args(Vec::with_capacity(
            24 + 4 * self.finishes.len() + 3 * self.renewals.len() + 7 * self.kinds.len(),
        ));
        args.text(worker);
        args.text(incarnation);
        args.number(self.seq);
        args.number(u64::from(self.idle) + 2 * u64::from(self.register));
        args.text(&self.info);
        args.text(&self.token);
        args.number(self.wanted as u64);
        let counts = [
            self.finishes.len(),
            self.renewals.len(),
            self.progress.len(),
            self.rates.len(),
            self.free.len(),
            self.kinds.len(),
        ];
        counts.into_iter().for_each(|count| args.number(count as u64));
        for finish in &self.finishes {
            args.text(finish.id.as_str());
            args.token(&finish.token);
            args.verdict(&finish.verdict);
        }
        for renewal in &self.renewals {
            args.text(renewal.id.as_str());
            args.token(&renewal.token);
            args.number(renewal.lease_ms);
        }
        for (id, token, text) in &self.progress {
            args.text(id.as_str());
            args.token(token);
            args.text(text);
        }
        for (field, count) in &self.rates {
            args.text(field);
            args.number(*count);
        }
        for units in &self.free {
            args.number(u64::from(*units));
        }
        for offer in &self.kinds {
            args.text(&offer.kind);
            args.number(offer.class as u64 + 1);
            args.number(u64::from(offer.cost));
            args.number(offer.lease_ms);
            args.number(u64::from(offer.extra));
            args.number(offer.most as u64);
            args.text(&offer.load.map(|load| load.to_string()).unwrap_or_default());
        }
        args.0
    }
}

/// Arguments in the making.
struct Args(Vec<Vec<u8>>);

impl Args {
    fn text(&mut self, text: &str) {
        self.0.push(text.into());
    }

    fn number(&mut self, number: u64) {
        self.0.push(number.to_string().into());
    }

    /// With the bar that ends it, so that the script compares whole tokens.
    fn token(&mut self, token: &str) {
        self.0.push([token.as_bytes(), b"|"].concat());
    }

    fn verdict(&mut self, verdict: &Verdict) {
        let (word, record) = match verdict {
            Verdict::End {
                letter,
                ttl_ms,
                tenant,
                bytes,
                record,
            } => (format!("{letter}{ttl_ms} {tenant} {bytes}"), record.as_str()),
            Verdict::Retry { delay_ms } => (format!("r{delay_ms}"), ""),
            Verdict::Snooze { delay_ms } => (format!("z{delay_ms}"), ""),
            Verdict::Release => ("l".to_owned(), ""),
        };
        self.text(&word);
        self.text(record);
    }
}

impl StepReply {
    pub(crate) fn decode(reply: Value) -> Result<Self, QueueError> {
        type Reply = (u64, String, String, u8, String, Vec<Value>);
        let (now_ms, acks, renewed, flags, heads, records): Reply = read_owned(reply)?;
        let heads = heads.split_ascii_whitespace().zip(records);
        let claims: Result<Vec<Claim>, QueueError> = heads
            .filter(|(head, _)| *head != "-")
            .map(|(head, record)| decode_claim(head, record))
            .collect();
        Ok(Self {
            now_ms,
            accepted: acks.chars().map(|ack| ack == 'o').collect(),
            renewed: renewed.chars().map(decode_renewal).collect(),
            registered: flags & 1 != 0,
            hold: flags & 2 != 0,
            alone: flags & 4 != 0,
            again: flags & 8 != 0,
            claims: claims?,
        })
    }
}

fn decode_renewal(letter: char) -> Renewed {
    match letter {
        'o' => Renewed::Kept,
        'x' => Renewed::CancelRequested,
        _ => Renewed::Lost,
    }
}

/// `id`, or `id/attempt/losses` where these are not 1 and 0.
fn decode_claim(head: &str, record: Value) -> Result<Claim, QueueError> {
    let claim = || {
        let (id, counts) = head.split_once('/').unwrap_or((head, "1/0"));
        let (attempt, losses) = counts.split_once('/')?;
        Some((id.parse().ok()?, attempt.parse().ok()?, losses.parse().ok()?))
    };
    let (id, attempt, losses) =
        claim().ok_or_else(|| QueueError::Other(format!("step answered the claim {head:?}")))?;
    Ok(Claim {
        id,
        attempt,
        losses,
        record: read_owned(record)?,
    })
}

/// Sends a request once. The caller repeats the same one after `Unavailable`.
pub(crate) async fn send(link: &Link, shard: u16, args: &[Vec<u8>]) -> Result<StepReply, QueueError> {
    let reply: Value = link.call(shard, &link.scripts.step, args).await?;
    StepReply::decode(reply)
}
