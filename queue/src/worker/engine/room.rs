//! What a worker has room for: how much it asks for, what it offers, and in which classes it is known to be idle.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Engine, MAX_ITEMS, REGISTER_EVERY};
use crate::record::{self, millis};
use crate::worker::KindSlot;
use crate::worker::step::{Offer, StepReply, StepRequest};

/// Tasks claimed beyond the free slots while a kind's runs are short.
const CLAIM_AHEAD: u32 = 64;
/// The class of attempts that wait for others.
const WAITING: &str = "io";
/// Mean run under which a kind is claimed ahead.
const SHORT_RUN: Duration = Duration::from_millis(2);

impl Engine {
    /// Tasks to ask for: free units of all classes, and more while runs are short.
    pub(super) fn wanted(&self, shard: usize) -> usize {
        let free: u32 = self.free_units(shard).into_iter().sum();
        let ahead = (0..self.config.kinds.len()).map(|slot| self.extra(shard, slot)).max();
        let room = (free + ahead.unwrap_or(0)) as usize;
        if ahead.unwrap_or(0) == 0 {
            return MAX_ITEMS.min(room);
        }
        // Half of everything, so that one half can run while the other is on its way.
        let all: u32 = self.config.classes.iter().map(|class| class.units).sum();
        MAX_ITEMS.min(room).min((all + CLAIM_AHEAD).div_ceil(2) as usize)
    }

    /// Gives attempts that only wait units of the class `io` for those of their own, as far as there are any. Whether it
    /// did so for one.
    pub(super) fn move_waiting(&mut self) -> bool {
        let Some(io) = self.config.classes.iter().position(|class| class.name == WAITING) else {
            return false;
        };
        let mut moved = false;
        for task in self.running.values_mut() {
            let cost = self.config.kinds[task.slot].cost;
            let waits = task.class != io && task.begun.is_some() && task.attempt.control.waits.load(Ordering::Relaxed);
            if !waits || self.used[io] + cost > self.config.classes[io].units {
                continue;
            }
            for units in [&mut self.used, &mut self.busy] {
                units[task.class] = units[task.class].saturating_sub(cost);
                units[io] += cost;
            }
            task.class = io;
            moved = true;
        }
        moved
    }

    /// Units of each class that the answer to a request may take.
    pub(super) fn asked_by(&self, request: &StepRequest) -> Vec<u32> {
        let wanted = u32::try_from(request.wanted).expect("a step asks for few tasks");
        let most = |class: usize| {
            let offers = request.kinds.iter().filter(|offer| offer.class == class);
            let units = offers.map(|offer| {
                let most = wanted.min(u32::try_from(offer.most).unwrap_or(wanted));
                (request.free[class] + offer.extra).min(most * offer.cost)
            });
            units.max().unwrap_or(0)
        };
        (0..self.used.len()).map(most).collect()
    }

    /// Units of a class that are taken, or may be by what is under way.
    fn taken(&self, class: usize) -> u32 {
        let since = self.reserved_since();
        let asked: u32 = self.lanes.iter().map(|lane| lane.asked(class, since)).sum();
        self.used[class] + asked
    }

    /// Whether nothing may be claimed, whatever room there is.
    pub(super) fn is_shut(&self, shard: usize) -> bool {
        self.draining_until.is_some() || self.alone.is_some() || self.makes_room_for_another(shard)
    }

    pub(super) fn free(&self, shard: usize, class: usize) -> u32 {
        if self.is_shut(shard) {
            return 0;
        }
        self.config.classes[class].units.saturating_sub(self.taken(class))
    }

    /// Units that a kind may claim beyond its class, less those already claimed ahead.
    fn extra(&self, shard: usize, slot: usize) -> u32 {
        let kind = &self.config.kinds[slot];
        let short = kind.claim_ahead && self.mean_run[slot] < SHORT_RUN && !self.is_shut(shard);
        let over = self
            .taken(kind.class)
            .saturating_sub(self.config.classes[kind.class].units);
        if short { CLAIM_AHEAD.saturating_sub(over) } else { 0 }
    }

    pub(super) fn offers(&self, shard: usize, now: Instant) -> Vec<Offer> {
        // A worker that steps for another reason leaves what is spread to the one that was woken for it.
        let looks = self.lanes[shard].woken || self.registration_is_old(shard, now);
        let offer = |(slot, kind): (usize, &KindSlot)| {
            let spread = self.config.classes[kind.class].spread;
            Offer {
                kind: kind.kind.clone(),
                class: kind.class,
                cost: kind.cost,
                lease_ms: millis(kind.lease),
                extra: self.extra(shard, slot),
                most: if spread { usize::from(looks) } else { MAX_ITEMS },
                load: spread.then(|| self.used[kind.class]),
            }
        };
        self.config.kinds.iter().enumerate().map(offer).collect()
    }

    /// Free units by class, as far as they are for this shard.
    pub(super) fn free_units(&self, shard: usize) -> Vec<u32> {
        (0..self.used.len()).map(|class| self.share(shard, class)).collect()
    }

    /// The classes in which a step left room: those among whose idle it has registered this worker.
    pub(super) fn room_left(&self, request: &StepRequest, reply: &StepReply) -> Vec<bool> {
        let mut free = request.free.clone();
        for claim in &reply.claims {
            let kind = record::kind_of(&claim.record);
            if let Some(slot) = self.config.kinds.iter().find(|slot| slot.kind == kind) {
                free[slot.class] = free[slot.class].saturating_sub(slot.cost);
            }
        }
        free.into_iter().map(|units| units > 0 && !reply.alone).collect()
    }

    fn registration_is_old(&self, shard: usize, now: Instant) -> bool {
        let registered = &self.lanes[shard].registered;
        registered.as_ref().is_none_or(|(at, _)| now >= *at + REGISTER_EVERY)
    }

    /// A registration is due when it is old, or when the classes with room are others than those registered. With
    /// several shards a worker without room stays registered: it passes a wake-up on rather than telling every shard
    /// whenever it is full.
    pub(super) fn registration_due(&self, shard: usize, now: Instant) -> bool {
        let Some((at, registered)) = &self.lanes[shard].registered else {
            // Woken: pass the wake-up on if it cannot be followed.
            return true;
        };
        let old = now >= *at + REGISTER_EVERY;
        if self.has_others() {
            let room = self.room(shard);
            let gained = room
                .iter()
                .zip(registered)
                .any(|(room, registered)| *room && !registered);
            return gained || (old && room.contains(&true));
        }
        let room: Vec<bool> = self.free_units(shard).into_iter().map(|units| units > 0).collect();
        *registered != room || (old && room.contains(&true))
    }
}
