//! What a worker does about its leases: renews them in time, and gives up those that it could not renew.

use tokio::time::Instant;

use super::Engine;
use crate::failure::Outcome;
use crate::id::TaskId;
use crate::record::millis;
use crate::worker::attempt::StopReason;
use crate::worker::running::Running;
use crate::worker::step::{Renewal, Renewed};

/// Most renewals in one step; the rest follows in the next.
const MAX_RENEWALS: usize = 512;

impl Engine {
    /// Acts on what the time alone brings about: leases that can no longer be trusted, the end of a drain's grace.
    pub(crate) fn on_time(&mut self, now: Instant) {
        if self.draining_until.is_some_and(|until| now >= until) {
            self.running.values().for_each(|task| task.attempt.control.abort());
        }
        if self.leases_at.is_none_or(|at| now < at) {
            return;
        }
        for task in self.running.values().filter(|task| now >= task.abandon_at()) {
            task.attempt.control.stop(StopReason::LeaseLost);
        }
        let lost: Vec<TaskId> = self
            .ahead
            .iter()
            .copied()
            .filter(|id| now >= self.running[id].abandon_at())
            .collect();
        for id in lost {
            self.ahead.retain(|waiting| *waiting != id);
            self.ended(id, Outcome::Released, now);
        }
        self.leases_at = self.running.values().filter_map(|task| task.look_at(now)).min();
    }

    pub(super) fn is_renewal_due(&self, shard: usize, now: Instant) -> bool {
        let due = |task: &Running| usize::from(task.id().shard()) == shard && task.is_renewal_due(now);
        self.leases_at.is_some_and(|at| now >= at) && self.running.values().any(due)
    }

    /// Once one lease is due, all that are past half of that time are renewed with it: one call for all.
    pub(super) fn take_renewals(&mut self, shard: usize, now: Instant) -> Vec<Renewal> {
        if !self.is_renewal_due(shard, now) {
            return Vec::new();
        }
        let due = self
            .running
            .values_mut()
            .filter(|task| usize::from(task.id().shard()) == shard)
            .filter(|task| task.may_renew(now) && now >= task.confirmed + task.lease / 6);
        let renew = |task: &mut Running| {
            task.renewing = true;
            Renewal {
                id: task.id(),
                token: task.attempt.lease_token.clone(),
                lease_ms: millis(task.lease),
            }
        };
        due.take(MAX_RENEWALS).map(renew).collect()
    }

    pub(super) fn apply_renewal(&mut self, renewal: &Renewal, answer: Renewed, sent: Instant) {
        let Some(task) = self.running.get_mut(&renewal.id) else {
            return;
        };
        task.renewing = false;
        // Due earlier than when it would have been given up.
        self.leases_at = self.leases_at.into_iter().chain([sent + task.lease / 3]).min();
        match answer {
            Renewed::Kept => task.confirmed = sent,
            Renewed::CancelRequested => {
                task.confirmed = sent;
                task.attempt.control.stop(StopReason::Canceled);
            }
            Renewed::Lost => task.attempt.control.stop(StopReason::LeaseLost),
        }
    }
}
