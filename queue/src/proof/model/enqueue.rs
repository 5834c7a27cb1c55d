//! Tasks on their way in: what is there already, what stands in their way, how much a tenant may have.

use std::collections::{BTreeMap, BTreeSet};

use super::{DEADLINES, Model, Place, Task};
use crate::backlog::{Bound, USUAL_BACKLOG_BYTES, USUAL_BACKLOG_TASKS};
use crate::error::QueueError;
use crate::id::TaskId;
use crate::record;
use crate::rules::{Flow, Subject};
use crate::task::{Enqueued, NewTask};

/// Why a task is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proof) enum Refused {
    Draining,
    Backlog,
}

impl Refused {
    pub(in crate::proof) fn of(error: &QueueError) -> Option<Self> {
        match error {
            QueueError::Draining => Some(Self::Draining),
            QueueError::Backlog => Some(Self::Backlog),
            _ => None,
        }
    }
}

/// Tasks, and bytes of their records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::proof) struct Tally {
    pub(in crate::proof) tasks: u64,
    pub(in crate::proof) bytes: u64,
}

impl Model {
    /// `whole`: what of a tenant does not fit as a whole is refused as a whole.
    pub(in crate::proof) fn enqueue(
        &mut self,
        batch: &[(TaskId, NewTask)],
        whole: bool,
    ) -> Vec<Result<Enqueued, Refused>> {
        self.begin();
        let first_before = self.deadlines.values().min().copied();
        let mut wants: BTreeMap<&str, Tally> = BTreeMap::new();
        for (_, spec) in batch {
            let want = wants.entry(&spec.tenant).or_default();
            want.tasks += 1;
            want.bytes += self.record_of(spec).len() as u64;
        }
        let tight = wants.iter().filter(|(tenant, want)| !self.fits(tenant, **want));
        let tight: BTreeSet<String> = tight.map(|(tenant, _)| (*tenant).to_owned()).collect();
        let enqueue = |(id, spec): &(TaskId, NewTask)| {
            let is_tight = tight.contains(&spec.tenant);
            let fits = !is_tight || (!whole && self.fits(&spec.tenant, self.size_of(spec)));
            self.enqueue_one(*id, spec, fits)
        };
        let answers = batch.iter().map(enqueue).collect();
        self.seat_all();
        let first = self.deadlines.values().min().copied();
        if let Some(first) = first.filter(|first| first_before.is_none_or(|before| *first < before)) {
            self.timers.insert(DEADLINES.to_owned(), first);
        }
        answers
    }

    /// Whether this enqueue, if it came again, would meet its own traces.
    pub(in crate::proof) fn remembers(&self, id: TaskId, spec: &NewTask) -> bool {
        let key = |key: &str| (spec.tenant.clone(), record::key_hash(key));
        match &spec.idempotency {
            Some(idem) => self.keys.contains_key(&key(&idem.key)),
            None => self.tasks.contains_key(&id),
        }
    }

    fn enqueue_one(&mut self, id: TaskId, spec: &NewTask, fits: bool) -> Result<Enqueued, Refused> {
        let idem_key = spec
            .idempotency
            .as_ref()
            .map(|idem| (spec.tenant.clone(), record::key_hash(&idem.key)));
        if let Some((idem, key)) = spec.idempotency.as_ref().zip(idem_key.as_ref())
            && let Some((known, fingerprint)) = self.keys.get(key)
        {
            return Ok(match *fingerprint == idem.fingerprint {
                true if *known == id => Enqueued::Created(id),
                true => Enqueued::Replayed(*known),
                false => Enqueued::Conflict(*known),
            });
        }
        if self.tasks.contains_key(&id) {
            return Ok(Enqueued::Created(id));
        }
        let unique = unique_of(spec);
        let holder = unique.as_ref().and_then(|key| self.unique.get(key));
        if let Some(holder) = holder.filter(|holder| !self.tasks[holder].has_ended()) {
            return Ok(Enqueued::Exists(*holder));
        }
        if self.rule(&Subject::Kind(spec.kind.clone())).flow == Flow::Draining {
            return Err(Refused::Draining);
        }
        if !fits {
            return Err(Refused::Backlog);
        }
        if let Some((idem, key)) = spec.idempotency.as_ref().zip(idem_key) {
            self.keys.insert(key, (id, idem.fingerprint.clone()));
        }
        self.unique.extend(unique.map(|key| (key, id)));
        self.add(id, spec);
        Ok(Enqueued::Created(id))
    }

    fn add(&mut self, id: TaskId, spec: &NewTask) {
        let due = self.due(spec);
        let task = Task {
            spec: spec.clone(),
            record: self.record_of(spec),
            created: self.now,
            base: due.max(self.now),
            used: 0,
            losses: 0,
            progress: None,
            place: if due > self.now {
                Place::Scheduled { due }
            } else {
                Place::Solo
            },
        };
        self.tasks.insert(id, task);
        self.came.push(id);
        if let Some(after) = spec.expires_in {
            self.deadlines.insert(id, self.now + record::millis(after));
        }
        if due <= self.now {
            self.requeue(id);
        }
    }

    fn due(&self, spec: &NewTask) -> u64 {
        let delayed = spec.delay.map(|delay| self.now + record::millis(delay));
        delayed.or(spec.run_at_ms).unwrap_or_default()
    }

    fn record_of(&self, spec: &NewTask) -> String {
        let (options, body) = record::encode_body(spec);
        let tail = record::encode_tail(spec, options);
        let wait = self.due(spec).saturating_sub(self.now);
        let wait = if wait > 0 { wait.to_string() } else { String::new() };
        format!("Q|{}|{wait}|{tail}\n{body}", self.now)
    }

    fn size_of(&self, spec: &NewTask) -> Tally {
        Tally {
            tasks: 1,
            bytes: self.record_of(spec).len() as u64,
        }
    }

    /// What a tenant has in the queue: nothing is counted beside the tasks themselves.
    pub(in crate::proof) fn tally(&self, tenant: &str) -> Tally {
        let live = self
            .tasks
            .values()
            .filter(|task| !task.has_ended() && task.spec.tenant == tenant);
        live.fold(Tally::default(), |tally, task| Tally {
            tasks: tally.tasks + 1,
            bytes: tally.bytes + task.record.len() as u64,
        })
    }

    /// What a tenant may have.
    pub(in crate::proof) fn most(&self, tenant: &str) -> Tally {
        let bound = |name: Option<String>| self.bounds.get(&name).copied().unwrap_or_default();
        let (own, each): (Bound, Bound) = (bound(Some(tenant.to_owned())), bound(None));
        Tally {
            tasks: own.tasks.or(each.tasks).unwrap_or(USUAL_BACKLOG_TASKS),
            bytes: own.bytes.or(each.bytes).unwrap_or(USUAL_BACKLOG_BYTES),
        }
    }

    fn fits(&self, tenant: &str, more: Tally) -> bool {
        let (has, most) = (self.tally(tenant), self.most(tenant));
        has.tasks + more.tasks <= most.tasks && has.bytes + more.bytes <= most.bytes
    }
}

fn unique_of(spec: &NewTask) -> Option<(String, String)> {
    let hash = record::unique_hash(&spec.kind, spec.unique_key.as_ref()?);
    Some((spec.tenant.clone(), hash))
}
