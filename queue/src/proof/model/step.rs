//! A worker's round trip: what it says of its attempts, what time has brought about, what it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::due::Waiting;
use super::{Model, Place};
use crate::id::TaskId;
use crate::record;
use crate::worker::step::{Claim, Finish, Renewal, Renewed, StepReply, StepRequest, Verdict};

/// The last answer to a worker, with the token it was asked with.
#[derive(Debug)]
pub(super) struct Answered {
    incarnation: String,
    seq: u64,
    reply: StepReply,
    token: Arc<str>,
}

/// What a step reads before it writes.
pub(super) struct Before {
    waiting: Waiting,
    pub(super) queues: BTreeMap<String, Vec<(u64, TaskId)>>,
    pub(super) solo: BTreeMap<String, Vec<(u64, TaskId)>>,
}

impl Model {
    pub(in crate::proof) fn step(&mut self, worker: &str, incarnation: &str, request: &StepRequest) -> StepReply {
        if let Some(reply) = self.repeated(worker, incarnation, request.seq) {
            return reply;
        }
        let before = self.before(request);
        self.begin();
        let mut touched = BTreeSet::new();
        let accepted = request
            .finishes
            .iter()
            .map(|finish| self.finish(finish, &mut touched))
            .collect();
        for (id, token, text) in request.progress.iter().filter(|(id, ..)| !touched.contains(id)) {
            let task = self
                .tasks
                .get_mut(id)
                .filter(|task| task.lease().is_some_and(|lease| *lease.token == **token));
            if let Some(task) = task {
                task.progress = Some(text.clone());
            }
        }
        let renewed = request
            .renewals
            .iter()
            .map(|renewal| self.renew(renewal, &mut touched))
            .collect();
        let expired = self.expire(&before.waiting.leases, 64, &touched);
        let promoted = self.promote(&before.waiting, 64);
        self.restore_freed();
        let picked = self.pick(worker, request, &before);
        self.settle_rooms();
        self.seat_all();
        if !request.info.is_empty() {
            self.registry.insert(worker.to_owned(), self.now);
        }
        let reply = StepReply {
            now_ms: self.now,
            accepted,
            renewed,
            registered: request.register,
            hold: picked.hold && !picked.alone,
            alone: picked.alone,
            again: expired + promoted + self.script.restored > 0,
            claims: picked.claims,
        };
        let answered = Answered {
            incarnation: incarnation.to_owned(),
            seq: request.seq,
            reply: reply.clone(),
            token: Arc::clone(&request.token),
        };
        self.answers.insert((worker.to_owned(), request.seq % 2), answered);
        reply
    }

    /// A step that was answered before is answered the same, less the claims that have been lost since. Nobody waits
    /// for the answer to one that is older.
    fn repeated(&self, worker: &str, incarnation: &str, seq: u64) -> Option<StepReply> {
        let answered = self.answers.get(&(worker.to_owned(), seq % 2))?;
        if answered.incarnation != incarnation || answered.seq < seq {
            return None;
        }
        if answered.seq > seq {
            return Some(StepReply {
                now_ms: self.now,
                ..StepReply::default()
            });
        }
        let mut reply = answered.reply.clone();
        reply.now_ms = self.now;
        let stands = |claim: &Claim| {
            let lease = self.tasks.get(&claim.id).and_then(|task| task.lease());
            lease.is_some_and(|lease| *lease.token == *answered.token)
        };
        reply.claims.retain(stands);
        Some(reply)
    }

    fn before(&self, request: &StepRequest) -> Before {
        let by_kind = |index: &dyn Fn(&str) -> Vec<(u64, TaskId)>| {
            let kinds = request.kinds.iter().map(|offer| offer.kind.as_str());
            kinds.map(|kind| (kind.to_owned(), index(kind))).collect()
        };
        Before {
            waiting: self.waiting(),
            queues: self.queues(),
            solo: by_kind(&|kind| self.solo(kind)),
        }
    }

    /// Whether the queue accepts this word: only from the holder of the lease, or from the winner once more.
    fn finish(&mut self, finish: &Finish, touched: &mut BTreeSet<TaskId>) -> bool {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(&finish.id) else {
            return false;
        };
        let held = task.lease().filter(|lease| *lease.token == *finish.token).cloned();
        let Some(lease) = held.filter(|_| !touched.contains(&finish.id)) else {
            let winner = match &task.place {
                Place::Ended { token, .. } if !touched.contains(&finish.id) => token.as_str(),
                _ => "",
            };
            return !winner.is_empty() && finish.token.starts_with(winner);
        };
        touched.insert(finish.id);
        self.release(finish.id);
        let task = self.tasks.get_mut(&finish.id).expect("it was just read");
        let (used, losses) = (task.used, task.losses);
        match &finish.verdict {
            Verdict::End {
                letter, ttl_ms, record, ..
            } => {
                task.record = format!("F|{now}|{record}");
                let (ended, _) = record::decode(&task.record).expect("workers write sound records");
                (task.used, task.losses) = ended.map(|ended| (ended.attempt, ended.losses)).unwrap_or_default();
                let state = record::state_from_letter(&letter.to_string()).expect("workers know the letters");
                let until = self.keep(finish.id, state, *ttl_ms);
                self.tasks.get_mut(&finish.id).expect("it was just read").place = Place::Ended {
                    state,
                    until,
                    token: finish.token.chars().take(6).collect(),
                };
                self.commit(finish.id);
            }
            _ if lease.cancel => self.bury_canceled(finish.id, Some(&lease)),
            _ if self.is_over(finish.id) => self.bury_expired(finish.id, Some(&lease)),
            Verdict::Retry { delay_ms } => {
                self.unclaim(finish.id, used, 0);
                self.schedule(finish.id, *delay_ms);
            }
            Verdict::Snooze { delay_ms } => {
                self.unclaim(finish.id, used - 1, 0);
                self.schedule(finish.id, *delay_ms);
            }
            Verdict::Release => {
                self.unclaim(finish.id, used - 1, losses);
                self.requeue(finish.id);
            }
        }
        true
    }

    fn renew(&mut self, renewal: &Renewal, touched: &mut BTreeSet<TaskId>) -> Renewed {
        let now = self.now;
        let place = self.tasks.get_mut(&renewal.id).map(|task| &mut task.place);
        match place {
            Some(Place::Running(lease)) if *lease.token == *renewal.token && touched.insert(renewal.id) => {
                lease.deadline = now + renewal.lease_ms;
                if lease.cancel {
                    Renewed::CancelRequested
                } else {
                    Renewed::Kept
                }
            }
            _ => Renewed::Lost,
        }
    }
}
