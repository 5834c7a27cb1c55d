//! Where claimable tasks stand: with their kind while all of them are of one tenant and key, else each tenant and key in
//! a queue of its own, and these in rings by the number of tasks that they were given.

use std::collections::{BTreeMap, BTreeSet};

use super::{Model, Place};
use crate::id::TaskId;

/// Added to the score of whoever may not run now.
const AWAY: u64 = 1 << 50;
/// Tasks of a tenant that had none, before it takes turns.
pub(super) const CREDIT: u64 = 16;

/// Tenants of a flow, or keys of a tenant: name -> seat.
pub(in crate::proof) type Ring = BTreeMap<String, Seat>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proof) struct Seat {
    pub(in crate::proof) pass: u64,
    pub(in crate::proof) away: bool,
}

impl Seat {
    pub(in crate::proof) fn score(self) -> u64 {
        self.pass + if self.away { AWAY } else { 0 }
    }
}

/// Everything about turns.
#[derive(Debug, Clone, Default)]
pub(in crate::proof) struct Lanes {
    /// Kind -> `tenant:key` to which all of its queued tasks belong.
    pub(in crate::proof) owners: BTreeMap<String, String>,
    /// By name of key.
    pub(in crate::proof) rings: BTreeMap<String, Ring>,
    /// Flow -> passes of tenants that left while they told more than their credit, and as the empty name the highest pass
    /// whose turn it was.
    pub(in crate::proof) remembered: BTreeMap<String, BTreeMap<String, u64>>,
    /// `tenant:key`, or tenant -> flows in which it stands away.
    pub(in crate::proof) away: BTreeMap<String, BTreeSet<String>>,
}

/// What a script has read and planned.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// As Redis has it while the script plans.
    pub(super) before: Lanes,
    /// Plain queues that exist, or that the script has put tasks into.
    standing: BTreeSet<String>,
    /// Kinds known to have rings, or not.
    fair: BTreeMap<String, bool>,
    /// Kind -> tenant that owned it until now.
    splits: BTreeMap<String, String>,
    /// (flow, tenant) -> keys that gained tasks.
    pub(super) joins: BTreeMap<(String, String), BTreeSet<String>>,
    /// (flow, name) of those that may run again.
    returns: BTreeSet<(String, String)>,
    /// `tenant:key` that gave back what they held.
    pub(super) freed: BTreeSet<String>,
    pub(super) restored: usize,
    /// Deadlines may have passed.
    pub(super) late: bool,
    /// By kind, or `tenant:key`.
    pub(super) rooms: super::turns::Rooms,
}

pub(super) fn lane(tenant: &str, key: &str) -> String {
    format!("{tenant}:{key}")
}

impl Model {
    pub(super) fn begin(&mut self) {
        self.lanes.rings.retain(|_, ring| !ring.is_empty());
        let queues = self.queues();
        self.script = Script {
            before: self.lanes.clone(),
            standing: queues.into_keys().filter(|name| name.starts_with("q:")).collect(),
            ..Script::default()
        };
    }

    /// All queues with tasks, in the order of a sorted set.
    pub(in crate::proof) fn queues(&self) -> BTreeMap<String, Vec<(u64, TaskId)>> {
        let mut queues: BTreeMap<String, Vec<(u64, TaskId)>> = BTreeMap::new();
        for (id, task) in &self.tasks {
            if let Place::Queued(queue) = &task.place {
                queues.entry(queue.clone()).or_default().push((task.score(), *id));
            }
        }
        queues.values_mut().for_each(|entries| entries.sort_unstable());
        queues
    }

    fn is_fair(&mut self, kind: &str) -> bool {
        let rings = &self.script.before.rings;
        let there = rings.contains_key(&format!("fl:{kind}")) || rings.contains_key(&format!("fl:{kind}!"));
        *self.script.fair.entry(kind.to_owned()).or_insert(there)
    }

    /// The queue that takes a claimable task.
    pub(super) fn queue_for(&mut self, id: TaskId) -> String {
        let spec = &self.tasks[&id].spec;
        let (kind, tenant) = (spec.kind.clone(), spec.tenant.clone());
        let key = spec.fairness_key.clone().unwrap_or_default();
        let realtime = spec.priority == crate::task::Priority::Realtime;
        let (lane, plain) = (lane(&tenant, &key), format!("q:{kind}"));
        let owner = self.lanes.owners.get(&kind).cloned();
        if owner.as_ref() == Some(&lane) {
            self.script.standing.insert(plain.clone());
            return plain;
        }
        match owner {
            Some(owner) if self.script.standing.contains(&plain) => self.split(&kind, &owner),
            _ if !self.is_ruled() && !self.is_fair(&kind) => {
                self.lanes.owners.insert(kind, lane);
                self.script.standing.insert(plain.clone());
                return plain;
            }
            _ => {}
        }
        let flow = if realtime { format!("{kind}!") } else { kind };
        self.join(&flow, &tenant, Some(&key));
        format!("f:{flow}:{lane}")
    }

    /// The owner becomes one of several.
    pub(super) fn split(&mut self, kind: &str, owner: &str) {
        let (tenant, key) = owner.split_once(':').expect("a tenant and a key");
        self.join(kind, tenant, Some(key));
        self.script.splits.insert(kind.to_owned(), tenant.to_owned());
        let (plain, queue) = (format!("q:{kind}"), format!("f:{kind}:{owner}"));
        for task in self.tasks.values_mut() {
            if matches!(&task.place, Place::Queued(name) if *name == plain) {
                task.place = Place::Queued(queue.clone());
            }
        }
        self.lanes.owners.remove(kind);
        self.script.standing.remove(&plain);
        self.script.fair.insert(kind.to_owned(), true);
    }

    fn join(&mut self, flow: &str, tenant: &str, key: Option<&str>) {
        let keys = self
            .script
            .joins
            .entry((flow.to_owned(), tenant.to_owned()))
            .or_default();
        keys.extend(key.map(str::to_owned));
    }

    /// Brings a key or a tenant back into the flows in which it stands away.
    pub(super) fn restore(&mut self, name: &str) {
        let flows = self.script.before.away.get(name).cloned().unwrap_or_default();
        if self.lanes.away.remove(name).is_none() {
            return;
        }
        for flow in flows {
            match name.split_once(':') {
                Some((tenant, key)) => self.join(&flow, tenant, Some(key)),
                None => self.join(&flow, name, None),
            }
            self.script.returns.insert((flow, name.to_owned()));
            self.script.restored += 1;
        }
    }

    pub(super) fn restore_freed(&mut self) {
        for lane in std::mem::take(&mut self.script.freed) {
            self.restore(&lane);
        }
    }

    /// Gives those that gained tasks their seats: a key at the lowest pass if it had none.
    pub(super) fn seat_all(&mut self) {
        for ((flow, tenant), keys) in std::mem::take(&mut self.script.joins) {
            let ring = format!("fl:{flow}:{tenant}");
            let before = self.script.before.rings.get(&ring).cloned().unwrap_or_default();
            let least = before.values().copied().min_by_key(|seat| seat.score());
            let mut gained = self.script.returns.contains(&(flow.clone(), tenant.clone()));
            for key in keys {
                let returns = self.script.returns.contains(&(flow.clone(), lane(&tenant, &key)));
                let pass = match before.get(&key) {
                    None => least.map_or(0, |seat| seat.pass),
                    Some(seat) if seat.away && returns => seat.pass,
                    Some(_) => continue,
                };
                gained = true;
                let seats = self.lanes.rings.entry(ring.clone()).or_default();
                seats.insert(key, Seat { pass, away: false });
            }
            if gained {
                self.seat_tenant(&flow, &tenant);
            }
        }
    }

    fn seat_tenant(&mut self, flow: &str, tenant: &str) {
        let before = &self.script.before;
        let ring = |name: String| before.rings.get(&name).cloned().unwrap_or_default();
        let pass = match ring(format!("fl:{flow}")).get(tenant) {
            Some(seat) if seat.away => seat.pass,
            Some(_) => return,
            None => {
                let kind = flow.trim_end_matches('!');
                let remembered = |flow: &str, name: &str| before.remembered.get(flow)?.get(name).copied();
                let turn = remembered(kind, "").unwrap_or(CREDIT);
                let owned = self.script.splits.get(kind).is_some_and(|owner| owner == tenant);
                let first = if owned { turn } else { turn.saturating_sub(CREDIT) };
                first.max(remembered(flow, tenant).unwrap_or(0))
            }
        };
        let seats = self.lanes.rings.entry(format!("fl:{flow}")).or_default();
        seats.insert(tenant.to_owned(), Seat { pass, away: false });
    }
}
