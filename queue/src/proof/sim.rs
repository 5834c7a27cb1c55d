//! A worker as the engine behaves, without handlers: it remembers what it holds, sends a step again until it is
//! answered, has up to two under way, applies answers in order, and asks for what it has room for.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::id::TaskId;
use crate::proof::op::{Plan, Word};
use crate::record::{self, Ending};
use crate::status::WorkerInfo;
use crate::task::{Reason, State};
use crate::worker::step::{Finish, Offer, Renewal, StepReply, StepRequest, Verdict};

/// Kinds: slot class, cost, lease.
pub(super) const KINDS: [(&str, usize, u32, u64); 3] = [("a", 0, 1, 3_000), ("b", 0, 2, 15_000), ("c", 1, 1, 10_000)];
/// Units of each worker by class, and the kinds it runs. The last shape is for steps at their limits alone.
const SHAPES: [([u32; 2], &[usize]); 4] = [
    ([2, 1], &[0, 1, 2]),
    ([1, 0], &[0]),
    ([4, 2], &[1, 2]),
    ([512, 0], &[0]),
];
pub(super) const LARGE_SHAPE: usize = 3;
/// Most tasks that one step asks for.
const MAX_CLAIMS: u32 = 128;

/// One worker.
#[derive(Debug)]
pub(super) struct Sim {
    pub(super) name: String,
    pub(super) incarnation: String,
    shape: usize,
    seq: u64,
    pub(super) held: Vec<Held>,
    /// What it said at the end of earlier attempts.
    past: Vec<Finish>,
    /// Everything it has sent.
    pub(super) sent: Vec<StepRequest>,
    /// Requests whose answers have not been applied, oldest first, with an answer that waits for those before it.
    pub(super) unanswered: VecDeque<(StepRequest, Option<StepReply>)>,
    /// It has reason to look for work.
    pub(super) woken: bool,
    registered: Option<Vec<bool>>,
    alone: Option<TaskId>,
}

/// A claim that the worker knows of.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: TaskId,
    token: Arc<str>,
    kind: usize,
    live: bool,
    attempt: u32,
    losses: u32,
    started: u64,
    created: u64,
    ttl_ms: u64,
    record: String,
}

impl Sim {
    pub(super) fn new(shape: usize, name: String, incarnation: u64) -> Self {
        Self {
            name,
            incarnation: format!("i{incarnation}"),
            shape,
            seq: 0,
            held: Vec::new(),
            past: Vec::new(),
            sent: Vec::new(),
            unanswered: VecDeque::new(),
            woken: true,
            registered: None,
            alone: None,
        }
    }

    /// Its mailbox held something.
    pub(super) fn read_mail(&mut self) {
        self.woken = true;
        self.registered = None;
    }

    pub(super) fn serves(&self, kind: &str) -> bool {
        SHAPES[self.shape].1.iter().any(|served| KINDS[*served].0 == kind)
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = &str> {
        SHAPES[self.shape].1.iter().map(|kind| KINDS[*kind].0)
    }

    /// Whether another step may be sent beside what is under way: not while a task that must be alone may come.
    pub(super) fn may_send_second(&self) -> bool {
        self.unanswered.len() == 1 && self.unanswered.iter().all(|(sent, _)| !(sent.idle && sent.wanted > 0))
    }

    /// The next request.
    pub(super) fn request(&mut self, plan: &Plan) -> StepRequest {
        self.seq += 1;
        let mut request = StepRequest {
            seq: self.seq,
            info: self.info(),
            ..StepRequest::default()
        };
        for (which, word) in &plan.ends {
            if !self.held.is_empty() {
                let held = self.held.remove(which % self.held.len());
                request.finishes.push(self.finish(&held, *word));
            }
        }
        if let Some((which, word, forged)) = plan.stale {
            request.finishes.extend(self.stale(which, word, forged));
        }
        if let (Some((which, percent)), false) = (plan.progress, self.held.is_empty()) {
            let held = &self.held[which % self.held.len()];
            request
                .progress
                .push((held.id, Arc::clone(&held.token), format!("{percent} at work")));
        }
        if plan.renew {
            let renew = |held: &Held| Renewal {
                id: held.id,
                token: Arc::clone(&held.token),
                lease_ms: KINDS[held.kind].3,
            };
            request.renewals = self.held.iter().map(renew).collect();
        }
        self.ask(&mut request, plan);
        self.woken = false;
        self.unanswered.push_back((request.clone(), None));
        self.sent.push(request.clone());
        request
    }

    fn info(&self) -> String {
        let info = WorkerInfo {
            kinds: self.kinds().map(str::to_owned).collect(),
            running: self.held.len() as u64,
            draining: false,
        };
        serde_json::to_string(&info).expect("strings and numbers always serialise")
    }

    fn ask(&mut self, request: &mut StepRequest, plan: &Plan) {
        let closed = self.alone.is_some_and(|id| self.held.iter().any(|held| held.id == id));
        let free = |class| if closed { 0 } else { self.free(class) };
        request.free = vec![free(0), free(1)];
        request.idle = self.unanswered.is_empty() && self.held.iter().all(|held| held.live);
        let shut = closed || self.shape != 0 || !self.unanswered.is_empty();
        let extra = if shut { 0 } else { plan.extra };
        let offer = |kind: &usize| Offer {
            kind: KINDS[*kind].0.to_owned(),
            class: KINDS[*kind].1,
            cost: KINDS[*kind].2,
            lease_ms: KINDS[*kind].3,
            extra: if *kind == 0 { extra } else { 0 },
            most: MAX_CLAIMS as usize,
            // Who is woken first is no matter of right or wrong; that somebody is, is.
            load: (*kind == 1).then_some(self.seq as u32 % 5),
        };
        request.kinds = SHAPES[self.shape].1.iter().map(offer).collect();
        let wanted = MAX_CLAIMS.min(request.free.iter().sum::<u32>() + extra);
        request.wanted = wanted as usize;
        request.token = format!("{:03}-{}", self.seq, self.incarnation).into();
        let room: Vec<bool> = request.free.iter().map(|units| *units > 0).collect();
        request.register = plan.register || self.registered.as_ref() != Some(&room);
        self.registered = request.register.then_some(room).or(self.registered.take());
    }

    /// Takes the answer to one of its requests; it is applied after those before it.
    pub(super) fn answered(&mut self, seq: u64, reply: StepReply) {
        let waiting = self.unanswered.iter_mut().find(|(request, _)| request.seq == seq);
        waiting.expect("an answer follows a request").1 = Some(reply);
        while let Some((request, Some(reply))) = self.unanswered.front().cloned() {
            self.unanswered.pop_front();
            self.apply(request, &reply);
        }
    }

    fn apply(&mut self, request: StepRequest, reply: &StepReply) {
        self.woken |= reply.again || (request.wanted > 0 && reply.claims.len() == request.wanted);
        for claim in &reply.claims {
            let live = record::decode_live(&claim.record).expect("claims come with sound records");
            let held = Held {
                id: claim.id,
                token: Arc::clone(&request.token),
                kind: KINDS
                    .iter()
                    .position(|kind| kind.0 == live.kind)
                    .expect("it asked for it"),
                live: live.live,
                attempt: claim.attempt,
                losses: claim.losses,
                started: reply.now_ms,
                created: live.created_at_ms,
                ttl_ms: live.result_ttl_ms,
                record: claim.record.clone(),
            };
            self.held.push(held);
            self.alone = reply.alone.then_some(claim.id);
        }
        self.past.extend(request.finishes);
        for (renewal, answer) in request.renewals.iter().zip(&reply.renewed) {
            if *answer == crate::worker::step::Renewed::Lost {
                self.held.retain(|held| held.token != renewal.token);
            }
        }
    }

    fn free(&self, class: usize) -> u32 {
        let used: u32 = self
            .held
            .iter()
            .map(|held| KINDS[held.kind])
            .filter(|kind| kind.1 == class)
            .map(|kind| kind.2)
            .sum();
        let asked: u32 = self.unanswered.iter().map(|(sent, _)| may_take(sent, class)).sum();
        SHAPES[self.shape].0[class].saturating_sub(used + asked)
    }

    fn finish(&self, held: &Held, word: Word) -> Finish {
        let verdict = match word {
            Word::Succeed => self.end(held, State::Succeeded, None, r#"{"ok":true}"#),
            Word::Fail => self.end(held, State::Failed, Some(Reason::NonRetryable), &error_of(held)),
            Word::Cancel => self.end(held, State::Canceled, Some(Reason::CancelRequested), &error_of(held)),
            Word::Retry(delay_ms) => Verdict::Retry { delay_ms },
            Word::Snooze(delay_ms) => Verdict::Snooze { delay_ms },
            Word::Release => Verdict::Release,
        };
        Finish {
            id: held.id,
            token: Arc::clone(&held.token),
            verdict,
        }
    }

    fn end(&self, held: &Held, state: State, reason: Option<Reason>, outcome: &str) -> Verdict {
        let ending = Ending {
            state,
            reason,
            attempt: held.attempt,
            losses: held.losses,
            started_after_ms: held.started - held.created,
            worker: &self.name,
            token: &held.token,
            outcome,
        };
        Verdict::End {
            letter: record::state_letter(state),
            ttl_ms: if state == State::Failed {
                record::DEAD_LETTER_TTL_MS
            } else {
                held.ttl_ms
            },
            tenant: record::decode_live(&held.record)
                .expect("a claim has a sound record")
                .tenant
                .to_owned(),
            bytes: held.record.len(),
            record: ending.encode(&held.record),
        }
    }

    /// A word about an attempt that it has already spoken of, or about one that is not its own.
    fn stale(&self, which: usize, word: Word, forged: bool) -> Option<Finish> {
        if !forged {
            return (!self.past.is_empty()).then(|| self.past[which % self.past.len()].clone());
        }
        let held = (!self.held.is_empty()).then(|| self.held[which % self.held.len()].clone())?;
        let other = Held {
            token: "A".repeat(22).into(),
            ..held
        };
        Some(self.finish(&other, word))
    }
}

/// Units of a class that the answer to a request may take.
fn may_take(sent: &StepRequest, class: usize) -> u32 {
    let offers = sent.kinds.iter().filter(|offer| offer.class == class);
    let units = offers.map(|offer| (sent.free[class] + offer.extra).min(sent.wanted as u32 * offer.cost));
    units.max().unwrap_or(0)
}

fn error_of(held: &Held) -> String {
    format!(
        r#"{{"code":"broken","class":"non_retryable","message":"m","retryable":false,"attempt":{}}}"#,
        held.attempt
    )
}
