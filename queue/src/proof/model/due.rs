//! What time and losses do to tasks: expiries, promotions, and the ends that no worker tells.

use std::collections::BTreeSet;

use super::{DEAD_LETTER_MS, DEADLINES, Lease, Model, Place};
use crate::id::TaskId;
use crate::task::State;

const LOSS_WAITS_MS: [u64; 3] = [0, 5_000, 30_000];
/// What is overdue for so long shows that nobody does the background duties.
const LATE_MS: u64 = 100;

/// Leases by deadline, timers by when they are due, tasks by queue deadline.
pub(super) struct Waiting {
    pub(super) leases: Vec<(u64, TaskId)>,
    timers: Vec<(u64, String)>,
    deadlines: Vec<(u64, TaskId)>,
}

impl Model {
    /// Ends overdue leases among the first `limit` of `leases`; returns how many.
    pub(super) fn expire(&mut self, leases: &[(u64, TaskId)], limit: usize, touched: &BTreeSet<TaskId>) -> usize {
        let overdue = leases.iter().take_while(|(deadline, _)| *deadline <= self.now);
        let overdue: Vec<TaskId> = overdue.take(limit).map(|(_, id)| *id).collect();
        let lost: Vec<&TaskId> = overdue.iter().filter(|id| !touched.contains(id)).collect();
        for id in &lost {
            self.lose(**id);
        }
        lost.len()
    }

    fn lose(&mut self, id: TaskId) {
        let task = &self.tasks[&id];
        let lease = task.lease().expect("only leases expire").clone();
        let (used, live) = (task.used, task.is_live_kind());
        let last_renewal = lease.deadline - lease.length;
        let long_life = last_renewal.saturating_sub(lease.started) > 4 * lease.length;
        self.release(id);
        let losses = if long_life { 1 } else { self.tasks[&id].losses + 1 };
        if lease.cancel {
            self.tasks.get_mut(&id).expect("it was just read").losses = losses;
            self.bury_canceled(id, Some(&lease));
        } else if self.is_over(id) {
            self.tasks.get_mut(&id).expect("it was just read").losses = losses;
            self.bury_expired(id, Some(&lease));
        } else if losses >= 3 && !live {
            let outcome = format!(
                "{{\"code\":\"worker_lost\",\"class\":\"non_retryable\",\"message\":\"the workers that ran it died \
                 {losses} times in a row\",\"retryable\":false,\"attempt\":{used}}}"
            );
            self.tasks.get_mut(&id).expect("it was just read").losses = losses;
            self.bury(id, State::Failed, "worker_lost", &outcome, Some(&lease));
        } else {
            self.unclaim(id, used - 1, losses);
            match LOSS_WAITS_MS[losses.min(3) as usize - 1] {
                0 => self.requeue(id),
                wait => self.schedule(id, wait),
            }
        }
    }

    /// Does what the due ones among the first `limit` of the timers ask for; returns how many.
    pub(super) fn promote(&mut self, before: &Waiting, limit: usize) -> usize {
        let now = self.now;
        let due = before.timers.iter().take_while(|(due, _)| *due <= now).take(limit);
        let due: Vec<&String> = due.map(|(_, name)| name).collect();
        self.script.late = due.len() == limit;
        for name in &due {
            match name.parse() {
                Ok(id) if self.tasks[&id].has_ended() => {}
                Ok(id) if self.is_over(id) => self.bury_expired(id, None),
                Ok(id) => self.requeue(id),
                Err(_) => {
                    self.timers.remove(*name);
                    if *name == DEADLINES {
                        self.meet_deadlines(before, limit);
                    } else {
                        self.let_run(name);
                    }
                }
            }
        }
        due.len()
    }

    /// Ends tasks that did not run when their deadline passed, the first `limit`.
    fn meet_deadlines(&mut self, before: &Waiting, limit: usize) {
        self.script.late = true;
        let over = before
            .deadlines
            .iter()
            .take_while(|(deadline, _)| *deadline <= self.now);
        let over: Vec<TaskId> = over.take(limit).map(|(_, id)| *id).collect();
        if let Some((next, _)) = before.deadlines.get(over.len()) {
            self.timers.insert(DEADLINES.to_owned(), *next);
        }
        for id in over {
            self.deadlines.remove(&id);
            let ran = before.leases.iter().any(|(_, leased)| *leased == id);
            if !ran && self.tasks.get(&id).is_some_and(|task| !task.has_ended()) {
                self.bury_expired(id, None);
            }
        }
    }

    /// What time acts on, as it stands before a script.
    pub(super) fn waiting(&self) -> Waiting {
        let mut deadlines: Vec<(u64, TaskId)> = self.deadlines.iter().map(|(id, deadline)| (*deadline, *id)).collect();
        deadlines.sort_unstable();
        Waiting {
            leases: self.leased(),
            timers: self.timetable(),
            deadlines,
        }
    }

    pub(super) fn is_over(&self, id: TaskId) -> bool {
        self.tasks[&id].deadline().is_some_and(|deadline| deadline <= self.now)
    }

    /// One round of the ticker: how many it expired, promoted, pruned.
    pub(in crate::proof) fn tick(&mut self) -> (usize, usize, usize) {
        self.begin();
        let before = self.waiting();
        // All three are planned on what was there before the round.
        let pruned = self.prune(100);
        let expired = self.expire(&before.leases, 64, &BTreeSet::new());
        let promoted = self.promote(&before, 64);
        self.restore_freed();
        self.seat_all();
        let now = self.now;
        self.registry.retain(|_, seen| now.saturating_sub(*seen) <= 60_000);
        (expired, promoted, pruned)
    }

    /// Ends the claim; what the task has used up stays.
    pub(super) fn unclaim(&mut self, id: TaskId, used: u32, losses: u32) {
        let task = self.tasks.get_mut(&id).expect("a claimed task exists");
        (task.used, task.losses, task.progress) = (used, losses, None);
    }

    pub(super) fn requeue(&mut self, id: TaskId) {
        let task = &self.tasks[&id];
        let alone = task.losses >= 2 && !task.is_live_kind();
        let place = if alone {
            Place::Solo
        } else {
            Place::Queued(self.queue_for(id))
        };
        self.tasks.get_mut(&id).expect("a live task exists").place = place;
    }

    /// What is due when: scheduled tasks, and rates that allow for something again.
    pub(in crate::proof) fn timetable(&self) -> Vec<(u64, String)> {
        let tasks = self.scheduled().into_iter().map(|(due, id)| (due, id.to_string()));
        let timers = self.timers.iter().map(|(subject, due)| (*due, subject.clone()));
        let mut all: Vec<(u64, String)> = tasks.chain(timers).collect();
        all.sort_unstable();
        all
    }

    /// When a timer is due or a lease lapses next.
    pub(in crate::proof) fn next_due(&self) -> Option<u64> {
        let timers = self.timetable().first().map(|(due, _)| *due);
        let leases = self.leased().first().map(|(deadline, _)| *deadline);
        timers.into_iter().chain(leases).min()
    }

    /// Whether something is so much overdue that nobody can have the duty of seeing to it.
    pub(in crate::proof) fn is_left_undone(&self) -> bool {
        self.next_due().is_some_and(|due| due + LATE_MS <= self.now)
    }

    /// What a lease held goes back.
    pub(super) fn release(&mut self, id: TaskId) {
        let holds = self.tasks[&id]
            .lease()
            .map(|lease| lease.holds.clone())
            .unwrap_or_default();
        if let Some((_, lane)) = holds.split_once('/').filter(|(_, lane)| !lane.is_empty()) {
            self.script.freed.insert(lane.to_owned());
        }
    }

    pub(super) fn schedule(&mut self, id: TaskId, wait: u64) {
        let due = self.now + wait;
        self.tasks.get_mut(&id).expect("a live task exists").place = Place::Scheduled { due };
    }

    pub(super) fn bury_canceled(&mut self, id: TaskId, lease: Option<&Lease>) {
        let outcome = format!(
            "{{\"code\":\"canceled\",\"class\":\"non_retryable\",\"message\":\"canceled on request\",\
             \"retryable\":false,\"attempt\":{}}}",
            self.tasks[&id].used
        );
        self.bury(id, State::Canceled, "cancel_requested", &outcome, lease);
    }

    pub(super) fn bury_expired(&mut self, id: TaskId, lease: Option<&Lease>) {
        let outcome = format!(
            "{{\"code\":\"expired\",\"class\":\"retryable\",\"message\":\"no attempt could begin before its deadline\",\
             \"retryable\":true,\"attempt\":{}}}",
            self.tasks[&id].used
        );
        self.bury(id, State::Expired, "deadline_before_start", &outcome, lease);
    }

    fn bury(&mut self, id: TaskId, state: State, reason: &str, outcome: &str, lease: Option<&Lease>) {
        self.commit(id);
        let now = self.now;
        let ttl_ms = match state {
            State::Failed => DEAD_LETTER_MS,
            _ => crate::record::millis(self.tasks[&id].spec.result_ttl),
        };
        let until = self.keep(id, state, ttl_ms);
        let task = self.tasks.get_mut(&id).expect("a live task exists");
        let letter = crate::record::state_letter(state);
        let unless = |default: u32, count: u32| {
            if count == default {
                String::new()
            } else {
                count.to_string()
            }
        };
        let (started, worker) = lease.map_or_else(
            || (String::new(), ""),
            |lease| ((lease.started - task.created).to_string(), lease.worker.as_str()),
        );
        task.record = format!(
            "F|{now}|{letter}|{reason}|{}|{}|{started}|{worker}||{}\n{outcome}{}",
            unless(1, task.used),
            unless(0, task.losses),
            outcome.len(),
            task.record
        );
        task.place = Place::Ended {
            state,
            until,
            token: String::new(),
        };
    }
}
