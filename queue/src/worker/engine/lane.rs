//! What a worker has with one shard: its steps under way there, what it will tell it next, and how it shares its units
//! among shards. With one shard all of this is as if there were no lanes.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::{Engine, Sent};
use crate::id::TaskId;
use crate::worker::step::Finish;

/// How long units that a step asked for are kept for its answer, when there are other shards to ask. A server that is
/// away keeps no worker from the others; what it brings later waits for room.
const RESERVED_FOR: Duration = Duration::from_secs(1);

/// One shard as a worker sees it.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) seq: u64,
    /// Oldest first; answers are applied in this order.
    pub(super) in_flight: VecDeque<Sent>,
    pub(super) finished: VecDeque<Finish>,
    pub(super) ended_by_kind: HashMap<String, u64>,
    pub(super) woken: bool,
    /// A task waits there to run alone, and was not given out because something ran.
    pub(super) held_back: bool,
    pub(super) registered: Option<(Instant, Vec<bool>)>,
    pub(super) told_info: Option<Instant>,
    pub(super) told_progress: Option<Instant>,
    pub(super) has_progress: bool,
    /// Cancels of tasks that are not known here, and the newest step that may bring them.
    pub(super) early_cancels: Vec<(TaskId, u64)>,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self {
            woken: true,
            ..Self::default()
        }
    }

    /// Units of a class that answers under way may take.
    pub(super) fn asked(&self, class: usize, since: Option<Instant>) -> u32 {
        let counted = self
            .in_flight
            .iter()
            .filter(|sent| since.is_none_or(|since| sent.at >= since));
        counted.map(|sent| sent.asked[class]).sum()
    }

    fn may_bring(&self, since: Option<Instant>) -> bool {
        let counted = self
            .in_flight
            .iter()
            .filter(|sent| since.is_none_or(|since| sent.at >= since));
        counted.into_iter().any(|sent| sent.request.wanted > 0)
    }
}

impl Engine {
    /// Whether the queue has more shards than one.
    pub(super) fn has_others(&self) -> bool {
        self.lanes.len() > 1
    }

    /// Steps before this reserve nothing any more.
    pub(super) fn reserved_since(&self) -> Option<Instant> {
        self.has_others().then(|| self.now.checked_sub(RESERVED_FOR)).flatten()
    }

    /// Whether nothing that ends runs here, and nothing under way may bring it.
    pub(super) fn is_idle(&self, shard: usize) -> bool {
        let quiet = if self.has_others() {
            let since = self.reserved_since();
            self.lanes[shard].in_flight.is_empty() && !self.lanes.iter().any(|lane| lane.may_bring(since))
        } else {
            self.lanes[shard].in_flight.is_empty()
        };
        quiet && self.running.values().all(|task| task.live)
    }

    /// Whether a step says that nothing runs here. To say it means to claim nothing elsewhere until it is answered: with
    /// several shards only where a task waits for it.
    pub(super) fn says_idle(&self, shard: usize) -> bool {
        (!self.has_others() || self.lanes[shard].held_back) && self.is_idle(shard)
    }

    /// Whether another shard has a task that must run alone: this one claims nothing until it has run.
    pub(super) fn makes_room_for_another(&self, shard: usize) -> bool {
        let first = self.lanes.iter().position(|lane| lane.held_back);
        let asked_elsewhere = |(other, lane): (usize, &Lane)| {
            other != shard
                && lane
                    .in_flight
                    .iter()
                    .any(|sent| sent.request.idle && sent.request.wanted > 0)
        };
        self.has_others()
            && (first.is_some_and(|first| first != shard) || self.lanes.iter().enumerate().any(asked_elsewhere))
    }

    /// Of the free units of a class those that one shard may ask for: all of them, or an even part if others may have
    /// work too, but enough for one task.
    pub(super) fn share(&self, shard: usize, class: usize) -> u32 {
        let free = self.free(shard, class);
        if !self.has_others() || free == 0 {
            return free;
        }
        let others = self
            .lanes
            .iter()
            .enumerate()
            .filter(|(other, lane)| *other != shard && lane.woken);
        let parts = 1 + u32::try_from(others.count()).unwrap_or(u32::MAX - 1);
        let costs = self
            .config
            .kinds
            .iter()
            .filter(|slot| slot.class == class)
            .map(|slot| slot.cost);
        free.div_ceil(parts).max(costs.max().unwrap_or(1)).min(free)
    }

    /// The classes that have room, whatever is reserved.
    pub(super) fn room(&self, shard: usize) -> Vec<bool> {
        let shut = self.is_shut(shard);
        let units = self.config.classes.iter().zip(&self.used);
        units.map(|(class, used)| !shut && *used < class.units).collect()
    }

    /// Whether nothing can be asked for now only because other shards were asked first.
    pub(super) fn must_wait_its_turn(&self, shard: usize) -> bool {
        self.has_others()
            && self.room(shard).contains(&true)
            && (0..self.used.len()).all(|class| self.share(shard, class) == 0)
    }

    /// The shards whose running tasks may have progress to tell.
    pub(super) fn mark_progress(&mut self) {
        if !self.has_others() {
            self.lanes[0].has_progress = true;
            return;
        }
        for id in self.running.keys() {
            if let Some(lane) = self.lanes.get_mut(usize::from(id.shard())) {
                lane.has_progress = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{answer, engine_of, id, succeed};

    #[test]
    fn shards_that_may_have_work_get_even_parts_of_what_is_free() {
        let (mut engine, now) = engine_of(8, 4);
        let mut asked = Vec::new();
        while let Some(request) = engine.next_request(now) {
            asked.push((request.shard, request.wanted, request.register));
        }
        assert_eq!(asked, [(0, 2, true), (1, 2, true), (2, 2, true), (3, 2, true)]);
    }

    #[test]
    fn a_shard_without_an_answer_keeps_its_units_from_others_for_a_second_only() {
        let (mut engine, now) = engine_of(2, 2);
        let silent = engine.next_request(now).expect("a step").clone();
        let other = engine.next_request(now).expect("a step").clone();
        assert_eq!((silent.shard, silent.wanted, other.shard, other.wanted), (0, 1, 1, 1));
        engine.apply(1, answer(&other, &[]), now);
        engine.wake(1);
        let next = engine.next_request(now).expect("a step").clone();
        assert_eq!((next.shard, next.wanted), (1, 1));
        engine.apply(1, answer(&next, &[]), now);
        engine.wake(1);
        let later = now + Duration::from_millis(1_500);
        let next = engine.next_request(later).expect("a step").clone();
        assert_eq!((next.shard, next.wanted), (1, 2));
        engine.apply(1, answer(&next, &[1, 2]), later);
        // What it brings at last waits for room.
        assert!(engine.apply(0, answer(&silent, &[1]), later).is_empty());
    }

    #[test]
    fn a_unit_that_becomes_free_goes_to_the_shard_whose_turn_it_is() {
        let (mut engine, now) = engine_of(1, 2);
        let first = engine.next_request(now).expect("a step").clone();
        assert_eq!((first.shard, first.wanted), (0, 1));
        let attempts = engine.apply(0, answer(&first, &[1]), now);
        let other = engine.next_request(now).expect("a step").clone();
        assert_eq!((other.shard, other.wanted), (1, 0));
        engine.apply(1, answer(&other, &[]), now);
        engine.attempt_ended(id(1), &attempts[0].lease_token, succeed(), now);
        let next = engine.next_request(now).expect("a step").clone();
        assert_eq!((next.shard, next.wanted), (1, 1));
        let finish = engine.next_request(now).expect("a step").clone();
        assert_eq!((finish.shard, finish.finishes.len(), finish.wanted), (0, 1, 0));
    }

    #[test]
    fn a_task_that_must_run_alone_shuts_the_other_shards() {
        let (mut engine, now) = engine_of(4, 2);
        let (first, other) = (
            engine.next_request(now).expect("a step").clone(),
            engine.next_request(now).expect("a step").clone(),
        );
        let mut hold = answer(&first, &[]);
        hold.hold = true;
        engine.apply(0, hold, now);
        let attempts = engine.apply(1, answer(&other, &[7]), now);
        engine.wake(1);
        let (shard, wanted) = engine
            .next_request(now)
            .map_or((1, 0), |step| (step.shard, step.wanted));
        assert_eq!((shard, wanted), (1, 0), "the other claims nothing until it has run");
        assert_eq!(attempts.len(), 1);
    }
}
