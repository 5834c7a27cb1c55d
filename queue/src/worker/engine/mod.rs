//! What a worker knows and decides, without any I/O: which tasks it holds, what its next step says, what follows from
//! the answer. Time comes in as an argument, so leases and drains are tested by moving a number.

mod lane;
mod leases;
mod room;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::connection::random_u64;
use crate::failure::Outcome;
use crate::id::TaskId;
use crate::record;
use crate::status::WorkerInfo;
use crate::worker::attempt::{Attempt, StopReason};
use crate::worker::running::{ClaimContext, Running};
use crate::worker::step::{Claim, Finish, StepReply, StepRequest, Verdict};
use crate::worker::{StopReport, WorkerConfig};
use lane::Lane;

/// Most claims, and most finishes, in one step.
const MAX_ITEMS: usize = 128;
/// Steps under way at once: while Redis works on one, the worker prepares the next.
const MAX_IN_FLIGHT: usize = 2;
/// Finishes for which a second step is sent before the first is answered. Fewer wait for the answer, and ride together.
const WORTH_A_SECOND: usize = 16;
/// Most bytes of finished records in one step.
const MAX_STEP_BYTES: usize = 1024 * 1024;
/// A registration among the idle is renewed this often; scripts distrust one older than 10 s.
const REGISTER_EVERY: Duration = Duration::from_secs(3);
/// The registry entry is renewed this often.
const INFO_EVERY: Duration = Duration::from_secs(5);
/// Progress is sent at most this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// After the grace of a drain, time to tell Redis what became of the attempts.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// The state of one worker process.
#[derive(Debug)]
pub(crate) struct Engine {
    config: WorkerConfig,
    /// By shard.
    lanes: Vec<Lane>,
    /// The shard whose turn it is to claim.
    turn: usize,
    /// When the engine was last looked at.
    now: Instant,
    running: HashMap<TaskId, Running>,
    /// Claimed ahead, oldest first.
    ahead: VecDeque<TaskId>,
    /// Units of claimed tasks by class, and of those begun among them.
    used: Vec<u32>,
    busy: Vec<u32>,
    mean_run: Vec<Duration>,
    alone: Option<TaskId>,
    /// No lease needs a look before this.
    leases_at: Option<Instant>,
    draining_until: Option<Instant>,
    pub(crate) progressed: Arc<Notify>,
    pub(crate) report: StopReport,
}

/// A step under way.
#[derive(Debug)]
struct Sent {
    request: StepRequest,
    at: Instant,
    /// Units of each class that its answer may take at most.
    asked: Vec<u32>,
}

impl Engine {
    /// For a queue of so many shards.
    pub(crate) fn new(config: WorkerConfig, shards: usize) -> Self {
        let classes = config.classes.len();
        Self {
            lanes: (0..shards).map(|_| Lane::new()).collect(),
            turn: 0,
            now: Instant::now(),
            running: HashMap::new(),
            ahead: VecDeque::new(),
            used: vec![0; classes],
            busy: vec![0; classes],
            // Long until proven short: the first run of a kind is never claimed ahead.
            mean_run: vec![Duration::from_secs(1); config.kinds.len()],
            alone: None,
            leases_at: None,
            draining_until: None,
            progressed: Arc::default(),
            report: StopReport::default(),
            config,
        }
    }

    /// The next request to any shard, if there is enough to say. Shards take turns at claiming.
    pub(crate) fn next_request(&mut self, now: Instant) -> Option<&StepRequest> {
        self.now = now;
        let shards = self.lanes.len();
        let due = (self.turn..self.turn + shards).map(|shard| shard % shards);
        let shard = { due }.find(|shard| self.may_send(*shard, now))?;
        let wanted = self.wanted(shard);
        if wanted > 0 {
            self.turn = (shard + 1) % shards;
        }
        let asked_to_register = self.lanes[shard].in_flight.iter().any(|sent| sent.request.register);
        // Without units to offer a registration would be a withdrawal.
        let waits = self.must_wait_its_turn(shard);
        let register = !waits && self.registration_due(shard, now) && (self.lanes[shard].woken || !asked_to_register);
        let idle = self.says_idle(shard);
        let info = self.info_if_due(shard, now);
        let (renewals, progress) = (self.take_renewals(shard, now), self.take_progress(shard, now));
        let (free, kinds) = if wanted > 0 || register {
            (self.free_units(shard), self.offers(shard, now))
        } else {
            Default::default()
        };
        let lane = &mut self.lanes[shard];
        lane.held_back &= !idle;
        lane.seq += 1;
        let rates = lane
            .ended_by_kind
            .drain()
            .map(|(kind, count)| (format!("f:{kind}"), count));
        let mut request = StepRequest {
            shard: u16::try_from(shard).expect("shards are few"),
            seq: lane.seq,
            idle,
            register,
            info,
            renewals,
            progress,
            rates: rates.collect(),
            token: lease_token().into(),
            wanted,
            free,
            kinds,
            finishes: Vec::new(),
        };
        take_finishes(&mut lane.finished, &mut request.finishes);
        lane.woken &= waits;
        let asked = self.asked_by(&request);
        let in_flight = &mut self.lanes[shard].in_flight;
        in_flight.push_back(Sent {
            request,
            at: now,
            asked,
        });
        in_flight.back().map(|sent| &sent.request)
    }

    /// Applies the answer to the oldest request to a shard; returns the attempts to start.
    pub(crate) fn apply(&mut self, shard: u16, reply: StepReply, now: Instant) -> Vec<Attempt> {
        let shard = usize::from(shard);
        let oldest = self.lanes[shard].in_flight.pop_front();
        let Sent { request, at: sent, .. } = oldest.expect("an answer follows a request");
        for (finish, accepted) in request.finishes.iter().zip(&reply.accepted) {
            let count = match (accepted, &finish.verdict) {
                (false, _) => &mut self.report.abandoned,
                (true, Verdict::Release) => &mut self.report.released,
                (true, _) => &mut self.report.finished,
            };
            *count += 1;
        }
        for (renewal, answer) in request.renewals.iter().zip(&reply.renewed) {
            self.apply_renewal(renewal, *answer, sent);
        }
        // A wake-up since then has used the registration up.
        if reply.registered && !self.lanes[shard].woken {
            self.lanes[shard].registered = Some((sent, self.room_left(&request, &reply)));
        }
        let full = request.wanted > 0 && reply.claims.len() == request.wanted;
        let alone = reply.alone;
        self.lanes[shard].held_back |= reply.hold && !request.idle;
        for claim in reply.claims {
            self.take_claim(claim, &request, reply.now_ms, sent, alone);
        }
        self.lanes[shard]
            .early_cancels
            .retain(|(_, newest)| *newest > request.seq);
        // More may wait: the answer was bounded by what was asked for, or the script itself made tasks claimable.
        let more = full && (self.has_others() || self.wanted(shard) > 0);
        self.lanes[shard].woken |= reply.again || more;
        self.start_next(now)
    }

    /// A handler has come to its end. One that lost its lease may end after its task was claimed here anew.
    pub(crate) fn attempt_ended(&mut self, id: TaskId, token: &str, outcome: Outcome, now: Instant) -> Vec<Attempt> {
        let current = self
            .running
            .get(&id)
            .is_some_and(|task| *task.attempt.lease_token == *token);
        if current {
            self.ended(id, outcome, now)
        } else {
            Vec::new()
        }
    }

    fn ended(&mut self, id: TaskId, outcome: Outcome, now: Instant) -> Vec<Attempt> {
        let Some(task) = self.running.remove(&id) else {
            return Vec::new();
        };
        self.give_back(&task);
        if let Some(begun) = task.begun {
            let mean = &mut self.mean_run[task.slot];
            *mean = (*mean * 7 + (now - begun)) / 8;
        }
        let Some(verdict) = task.verdict(outcome, &self.config.name, random_u64()) else {
            self.report.abandoned += 1;
            return self.start_next(now);
        };
        let lane = &mut self.lanes[usize::from(id.shard())];
        if matches!(verdict, Verdict::End { .. }) {
            *lane.ended_by_kind.entry(task.attempt.kind.clone()).or_default() += 1;
        }
        lane.finished.push_back(Finish {
            id,
            token: task.attempt.lease_token.clone(),
            verdict,
        });
        self.start_next(now)
    }

    /// Somebody asked to cancel a task: stop it here, if it is here.
    pub(crate) fn cancel(&mut self, id: TaskId, now: Instant) -> Vec<Attempt> {
        let Some(task) = self.running.get(&id) else {
            // The word may be faster than the answer that brings the task.
            let lane = self.lanes.get_mut(usize::from(id.shard()));
            if let Some(lane) = lane.filter(|lane| !lane.in_flight.is_empty()) {
                lane.early_cancels.push((id, lane.seq));
            }
            return Vec::new();
        };
        task.attempt.control.stop(StopReason::Canceled);
        if task.begun.is_some() {
            return Vec::new();
        }
        self.ahead.retain(|waiting| *waiting != id);
        self.ended(id, Outcome::Released, now)
    }

    /// A wake-up: there may be work, and the registration that brought it is gone.
    pub(crate) fn wake(&mut self, shard: u16) {
        let lane = &mut self.lanes[usize::from(shard)];
        lane.woken = true;
        lane.registered = None;
    }

    /// Some attempt has progress to send, or waits from now on. Returns the attempts to start in its place.
    pub(crate) fn note_progress(&mut self, now: Instant) -> Vec<Attempt> {
        self.mark_progress();
        if self.move_waiting() {
            self.start_next(now)
        } else {
            Vec::new()
        }
    }

    /// Claims no more, gives back what has not begun, and asks the rest to end.
    pub(crate) fn drain(&mut self, now: Instant) {
        if self.draining_until.is_some() {
            return;
        }
        self.draining_until = Some(now + self.config.drain_grace);
        for lane in &mut self.lanes {
            lane.told_info = None;
            lane.woken = true;
        }
        for id in std::mem::take(&mut self.ahead) {
            self.ended(id, Outcome::Released, now);
        }
        for task in self.running.values() {
            task.attempt.control.stop(StopReason::Draining);
        }
    }

    /// Whether a drain has come to its end.
    pub(crate) fn is_drained(&self) -> bool {
        self.draining_until.is_some()
            && self.running.is_empty()
            && self
                .lanes
                .iter()
                .all(|lane| lane.finished.is_empty() && lane.in_flight.is_empty())
    }

    /// Whether a drain must be given up: Redis stayed away, and what is left unsaid will be re-run after its lease.
    pub(crate) fn is_stranded(&self, now: Instant) -> bool {
        self.draining_until.is_some_and(|until| now >= until + FLUSH_LIMIT)
    }

    /// When to look again if nothing happens before.
    pub(crate) fn next_deadline(&self, now: Instant) -> Instant {
        let idle_look = now + REGISTER_EVERY;
        let telling = self.lanes.iter().filter(|lane| lane.has_progress);
        let progress = telling.map(|lane| lane.told_progress.map_or(now, |told| told + PROGRESS_EVERY));
        let soonest = progress
            .chain(self.leases_at)
            .chain(self.draining_until)
            .filter(|at| *at > now)
            .min();
        soonest.map_or(idle_look, |at| at.min(idle_look))
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.config.kinds.iter().map(|slot| slot.kind.as_str())
    }

    fn may_send(&self, shard: usize, now: Instant) -> bool {
        let lane = &self.lanes[shard];
        match lane.in_flight.front() {
            None => self.is_due(shard, now),
            // A task that must be alone may be on its way.
            Some(Sent { request, .. }) if request.idle && request.wanted > 0 => false,
            Some(_) => lane.in_flight.len() < MAX_IN_FLIGHT && lane.finished.len() >= WORTH_A_SECOND,
        }
    }

    fn is_due(&self, shard: usize, now: Instant) -> bool {
        let lane = &self.lanes[shard];
        let progress_due = lane.has_progress && lane.told_progress.is_none_or(|told| now >= told + PROGRESS_EVERY);
        !lane.finished.is_empty()
            || progress_due
            || self.is_renewal_due(shard, now)
            || lane.told_info.is_none_or(|told| now >= told + INFO_EVERY)
            || (lane.held_back && self.is_idle(shard))
            || (!self.must_wait_its_turn(shard)
                && (self.has_reason_to_claim(shard) || self.registration_due(shard, now)))
    }

    /// Whether there may be work there. With several shards a full worker looks when it has room again.
    fn has_reason_to_claim(&self, shard: usize) -> bool {
        self.lanes[shard].woken && (!self.has_others() || self.wanted(shard) > 0)
    }

    fn info_if_due(&mut self, shard: usize, now: Instant) -> String {
        let lane = &mut self.lanes[shard];
        if lane.told_info.is_some_and(|told| now < told + INFO_EVERY) {
            return String::new();
        }
        lane.told_info = Some(now);
        let info = WorkerInfo {
            kinds: self.kinds().map(str::to_owned).collect(),
            running: self.running.len() as u64,
            draining: self.draining_until.is_some(),
        };
        serde_json::to_string(&info).expect("strings and numbers always serialise")
    }

    fn take_progress(&mut self, shard: usize, now: Instant) -> Vec<(TaskId, Arc<str>, String)> {
        let lane = &mut self.lanes[shard];
        if !std::mem::take(&mut lane.has_progress) {
            return Vec::new();
        }
        lane.told_progress = Some(now);
        let told = |task: &Running| {
            let text = task.attempt.control.take_progress()?;
            Some((task.id(), task.attempt.lease_token.clone(), text))
        };
        let there = self
            .running
            .values()
            .filter(|task| usize::from(task.id().shard()) == shard);
        there.filter_map(told).collect()
    }

    fn take_claim(&mut self, claim: Claim, request: &StepRequest, now_ms: u64, sent: Instant, alone: bool) {
        let id = claim.id;
        let kind = record::kind_of(&claim.record);
        let slot = self.config.kinds.iter().position(|slot| slot.kind == kind);
        let Some(slot) = slot else {
            tracing::error!(task = %id, "claimed a task whose record cannot be read; its lease will lapse");
            return;
        };
        let lease = self.config.kinds[slot].lease;
        let context = ClaimContext {
            token: Arc::clone(&request.token),
            slot,
            class: self.config.kinds[slot].class,
            lease,
            now_ms,
            sent,
            progressed: Arc::clone(&self.progressed),
        };
        match Running::new(claim, context) {
            Ok(task) => {
                self.forget(id);
                self.used[self.config.kinds[slot].class] += self.config.kinds[slot].cost;
                let look_at = task.look_at(sent);
                self.leases_at = self.leases_at.into_iter().chain(look_at).min();
                self.running.insert(id, task);
                self.ahead.push_back(id);
                if alone {
                    self.alone = Some(id);
                }
            }
            Err(error) => tracing::error!(task = %id, "read a claimed task: {error:#}; its lease will lapse"),
        }
        let canceled = self.lanes[usize::from(request.shard)].early_cancels.iter();
        // An answer of another shard that came very late: what runs here must stay alone.
        let disturbs = self.alone.is_some_and(|alone| alone != id);
        if { canceled }.any(|(early, _)| *early == id) {
            self.cancel(id, sent);
        } else if self.draining_until.is_some() || disturbs {
            self.ahead.retain(|waiting| *waiting != id);
            self.ended(id, Outcome::Released, sent);
        }
    }

    /// Ends an attempt whose lease was lost so long ago that its task is here again.
    fn forget(&mut self, id: TaskId) {
        if let Some(old) = self.running.remove(&id) {
            self.give_back(&old);
            self.ahead.retain(|waiting| *waiting != id);
            self.report.abandoned += 1;
            old.attempt.control.stop(StopReason::LeaseLost);
        }
    }

    /// Starts what was claimed, as far as there is room.
    fn start_next(&mut self, now: Instant) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        let mut waiting = VecDeque::new();
        while let Some(id) = self.ahead.pop_front() {
            let task = self.running.get_mut(&id).expect("whatever waits is held");
            let slot = &self.config.kinds[task.slot];
            if self.busy[slot.class] + slot.cost > self.config.classes[slot.class].units {
                waiting.push_back(id);
                continue;
            }
            self.busy[slot.class] += slot.cost;
            task.begun = Some(now);
            attempts.push(task.attempt.clone());
        }
        self.ahead = waiting;
        attempts
    }

    fn give_back(&mut self, task: &Running) {
        let cost = self.config.kinds[task.slot].cost;
        self.used[task.class] = self.used[task.class].saturating_sub(cost);
        if task.begun.is_some() {
            self.busy[task.class] = self.busy[task.class].saturating_sub(cost);
        }
        if self.alone == Some(task.id()) {
            self.alone = None;
        }
    }
}

fn take_finishes(finished: &mut VecDeque<Finish>, finishes: &mut Vec<Finish>) {
    let mut bytes = 0;
    while finishes.len() < MAX_ITEMS && bytes < MAX_STEP_BYTES {
        let Some(finish) = finished.pop_front() else { break };
        if let Verdict::End { record, .. } = &finish.verdict {
            bytes += record.len();
        }
        finishes.push(finish);
    }
}

/// 128 random bits as 22 characters of base 64 (URL alphabet).
pub(crate) fn lease_token() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = (u128::from(random_u64()) << 64) | u128::from(random_u64());
    let mut token = String::with_capacity(22);
    for _ in 0..22 {
        token.push(char::from(ALPHABET[(bits & 63) as usize]));
        bits >>= 6;
    }
    token
}
