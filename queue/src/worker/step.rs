//! The wire form of `step`: what a worker sends in one round trip and what comes back. The order of arguments is
//! that of `lua/step_args.lua`, the reply that of `lua/step_write.lua`.

use redis::Value;

use crate::connection::Link;
use crate::error::QueueError;
use crate::id::TaskId;
use crate::reading::read;

/// Everything a worker has to say at one moment. Sent again as it is until an answer arrives.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepRequest {
    pub(crate) seq: u64,
    /// Nothing runs here: a task that must be alone may come.
    pub(crate) idle: bool,
    /// Renew the registration among the idle.
    pub(crate) register: bool,
    /// Registry entry, JSON; empty to leave it.
    pub(crate) info: String,
    pub(crate) finishes: Vec<Finish>,
    pub(crate) renewals: Vec<Renewal>,
    pub(crate) progress: Vec<(TaskId, String, String)>,
    pub(crate) rates: Vec<(String, u64)>,
    /// Free units by class.
    pub(crate) free: Vec<u32>,
    pub(crate) kinds: Vec<Offer>,
    /// One token per task asked for.
    pub(crate) tokens: Vec<String>,
}

/// The end of one attempt.
#[derive(Debug, Clone)]
pub(crate) struct Finish {
    pub(crate) id: TaskId,
    pub(crate) token: String,
    pub(crate) verdict: Verdict,
}

/// What becomes of the task.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// Ended: the state's letter (`s`, `f`, `c`), how long the record is kept, the record after its time.
    End {
        letter: char,
        ttl_ms: u64,
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
    pub(crate) token: String,
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
    /// Position of its token in the request.
    pub(crate) token: usize,
    pub(crate) id: TaskId,
    pub(crate) attempt: u32,
    pub(crate) losses: u32,
    pub(crate) record: String,
}

impl StepRequest {
    pub(crate) fn encode(&self, worker: &str, incarnation: &str) -> Vec<Vec<u8>> {
        let mut args = Args(Vec::with_capacity(
            24 + 5 * (self.finishes.len() + self.kinds.len()) + self.tokens.len(),
        ));
        args.text(worker);
        args.text(incarnation);
        args.number(self.seq);
        args.number(u64::from(self.idle));
        args.number(u64::from(self.register));
        args.text(&self.info);
        args.count(self.finishes.len());
        for finish in &self.finishes {
            args.text(finish.id.as_str());
            args.text(&finish.token);
            args.verdict(&finish.verdict);
        }
        args.count(self.renewals.len());
        for renewal in &self.renewals {
            args.text(renewal.id.as_str());
            args.text(&renewal.token);
            args.number(renewal.lease_ms);
        }
        args.count(self.progress.len());
        for (id, token, text) in &self.progress {
            args.text(id.as_str());
            args.text(token);
            args.text(text);
        }
        args.count(self.rates.len());
        for (field, count) in &self.rates {
            args.text(field);
            args.number(*count);
        }
        self.encode_wants(&mut args);
        args.0
    }

    fn encode_wants(&self, args: &mut Args) {
        args.count(self.free.len());
        for units in &self.free {
            args.number(u64::from(*units));
        }
        args.count(self.kinds.len());
        for offer in &self.kinds {
            args.text(&offer.kind);
            args.number(offer.class as u64 + 1);
            args.number(u64::from(offer.cost));
            args.number(offer.lease_ms);
            args.number(u64::from(offer.extra));
        }
        args.count(self.tokens.len());
        for token in &self.tokens {
            args.text(token);
        }
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

    fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    fn verdict(&mut self, verdict: &Verdict) {
        let (letter, number, record) = match verdict {
            Verdict::End { letter, ttl_ms, record } => (*letter, *ttl_ms, record.as_str()),
            Verdict::Retry { delay_ms } => ('r', *delay_ms, ""),
            Verdict::Snooze { delay_ms } => ('z', *delay_ms, ""),
            Verdict::Release => ('l', 0, ""),
        };
        self.text(letter.encode_utf8(&mut [0; 4]));
        self.number(number);
        self.text(record);
    }
}

impl StepReply {
    pub(crate) fn decode(reply: &Value) -> Result<Self, QueueError> {
        let (now_ms, acks, renewed, flags, claims): (u64, String, String, u8, Vec<Value>) = read(reply)?;
        let decoded: Result<Vec<Claim>, QueueError> = claims.chunks_exact(5).map(decode_claim).collect();
        Ok(Self {
            now_ms,
            accepted: acks.chars().map(|ack| ack == 'o').collect(),
            renewed: renewed.chars().map(decode_renewal).collect(),
            registered: flags & 1 != 0,
            hold: flags & 2 != 0,
            alone: flags & 4 != 0,
            again: flags & 8 != 0,
            claims: decoded?,
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

fn decode_claim(fields: &[Value]) -> Result<Claim, QueueError> {
    let id: String = read(&fields[1])?;
    Ok(Claim {
        token: read::<usize>(&fields[0])?.saturating_sub(1),
        id: id
            .parse()
            .map_err(|_| QueueError::Other(format!("step answered the id {id:?}")))?,
        attempt: read(&fields[2])?,
        losses: read(&fields[3])?,
        record: read(&fields[4])?,
    })
}

/// Sends a request once. The caller repeats the same one after `Unavailable`.
pub(crate) async fn send(link: &Link, args: &[Vec<u8>]) -> Result<StepReply, QueueError> {
    let reply: Value = link.call(&link.scripts.step, args).await?;
    StepReply::decode(&reply)
}
