//! The queue as it should be: plain maps, no Redis. Each method is one script; what it answers and what it leaves
//! behind is compared with the real one, to the byte. It is meant to be read: where it and a script differ, one of
//! the two is wrong.

mod due;
mod enqueue;
mod lanes;
mod pick;
mod rules;
mod step;
mod turns;

pub(in crate::proof) use enqueue::Refused;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::backlog::Bound;
use crate::id::TaskId;
use crate::record;
use crate::rules::{Rule, Subject};
use crate::task::{CancelOutcome, LossPolicy, NewTask, State};

/// An ended task is kept at least as long as its idempotency key may be repeated.
const IDEMPOTENCY_MS: u64 = 86_400_000;
/// The timer that is due at the first queue deadline.
const DEADLINES: &str = "exp/";
const DEAD_LETTER_MS: u64 = 30 * 86_400_000;

/// Everything that Redis should hold.
#[derive(Debug, Default)]
pub(in crate::proof) struct Model {
    pub(in crate::proof) now: u64,
    pub(in crate::proof) tasks: BTreeMap<TaskId, Task>,
    /// All that ever were, as they came.
    pub(in crate::proof) came: Vec<TaskId>,
    /// (tenant, hash of the key) -> (task, fingerprint).
    pub(in crate::proof) keys: BTreeMap<(String, String), (TaskId, String)>,
    /// (tenant, hash of kind and unique key) -> the task that holds it, if it has not ended.
    pub(in crate::proof) unique: BTreeMap<(String, String), TaskId>,
    /// Keys that outlive their record, and for how long.
    pub(in crate::proof) lapsing: BTreeMap<(String, String), u64>,
    /// Who waits to run a task alone.
    pub(in crate::proof) hold: Option<String>,
    /// Worker -> when it last described itself.
    pub(in crate::proof) registry: BTreeMap<String, u64>,
    /// When results may go -> these tasks, in the order in which they ended.
    pub(in crate::proof) kept: BTreeMap<u64, VecDeque<TaskId>>,
    pub(in crate::proof) lanes: lanes::Lanes,
    /// How much a tenant, or under `None` each other one, may have.
    pub(in crate::proof) bounds: BTreeMap<Option<String>, Bound>,
    pub(in crate::proof) rules: BTreeMap<Subject, Rule>,
    /// Kind or `tenant:key` -> when its rate allows for everything again, microseconds.
    pub(in crate::proof) allowances: BTreeMap<String, u64>,
    /// Queue deadlines that are kept.
    pub(in crate::proof) deadlines: BTreeMap<TaskId, u64>,
    /// Subject of a rule -> when its rate allows for something again; `exp/` -> the first deadline.
    pub(in crate::proof) timers: BTreeMap<String, u64>,
    script: lanes::Script,
    /// Tasks whose outcome was accepted.
    committed: BTreeSet<TaskId>,
    /// By worker, of even and odd seq apart.
    answers: BTreeMap<(String, u64), step::Answered>,
}

/// One task.
#[derive(Debug, Clone)]
pub(in crate::proof) struct Task {
    pub(in crate::proof) spec: NewTask,
    /// What its record should be, live or ended.
    pub(in crate::proof) record: String,
    pub(in crate::proof) created: u64,
    base: u64,
    pub(in crate::proof) used: u32,
    pub(in crate::proof) losses: u32,
    pub(in crate::proof) progress: Option<String>,
    pub(in crate::proof) place: Place,
}

/// Where a task is: by being one value, this is the invariant that a task is in one place.
#[derive(Debug, Clone)]
pub(in crate::proof) enum Place {
    /// In the queue of this name.
    Queued(String),
    Solo,
    Scheduled {
        due: u64,
    },
    Running(Lease),
    Ended {
        state: State,
        until: u64,
        token: String,
    },
}

/// A claim.
#[derive(Debug, Clone)]
pub(in crate::proof) struct Lease {
    pub(in crate::proof) worker: String,
    pub(in crate::proof) token: String,
    pub(in crate::proof) started: u64,
    pub(in crate::proof) length: u64,
    pub(in crate::proof) deadline: u64,
    pub(in crate::proof) cancel: bool,
    /// `kind/tenant:key`, the limits of concurrency that it counts for; or nothing.
    pub(in crate::proof) holds: String,
}

impl Task {
    /// Score in the queue of its kind, the same for its whole life.
    pub(in crate::proof) fn score(&self) -> u64 {
        self.base + self.spec.priority.offset_ms()
    }

    pub(in crate::proof) fn is_live_kind(&self) -> bool {
        self.spec.losses == LossPolicy::Live
    }

    pub(in crate::proof) fn lease(&self) -> Option<&Lease> {
        match &self.place {
            Place::Running(lease) => Some(lease),
            Place::Queued(_) | Place::Solo | Place::Scheduled { .. } | Place::Ended { .. } => None,
        }
    }

    pub(in crate::proof) fn deadline(&self) -> Option<u64> {
        Some(self.created + record::millis(self.spec.expires_in?))
    }

    pub(in crate::proof) fn has_ended(&self) -> bool {
        matches!(self.place, Place::Ended { .. })
    }

    fn idempotency(&self) -> Option<(String, String)> {
        let idem = self.spec.idempotency.as_ref()?;
        Some((self.spec.tenant.clone(), record::key_hash(&idem.key)))
    }
}

impl Model {
    /// Ids and scores of the tasks for which `score` has one, in the order of a sorted set.
    pub(in crate::proof) fn index(&self, score: impl Fn(&Task) -> Option<u64>) -> Vec<(u64, TaskId)> {
        let mut entries: Vec<(u64, TaskId)> = self
            .tasks
            .iter()
            .filter_map(|(id, task)| Some((score(task)?, *id)))
            .collect();
        entries.sort_unstable();
        entries
    }

    /// A tenant's tasks as they came.
    pub(in crate::proof) fn listed(&self, tenant: &str) -> Vec<TaskId> {
        let of_tenant = |id: &&TaskId| self.tasks.get(*id).is_some_and(|task| task.spec.tenant == tenant);
        self.came.iter().filter(of_tenant).copied().collect()
    }

    pub(in crate::proof) fn solo(&self, kind: &str) -> Vec<(u64, TaskId)> {
        self.index(|task| (task.spec.kind == kind && matches!(task.place, Place::Solo)).then(|| task.score()))
    }

    pub(in crate::proof) fn scheduled(&self) -> Vec<(u64, TaskId)> {
        self.index(|task| match task.place {
            Place::Scheduled { due } => Some(due),
            _ => None,
        })
    }

    pub(in crate::proof) fn leased(&self) -> Vec<(u64, TaskId)> {
        self.index(|task| task.lease().map(|lease| lease.deadline))
    }

    pub(in crate::proof) fn dead(&self) -> Vec<(u64, TaskId)> {
        self.index(|task| match task.place {
            Place::Ended {
                state: State::Failed,
                until,
                ..
            } => Some(until),
            _ => None,
        })
    }

    /// Keeps the record of a task that has just ended; returns until when. Results that are kept for long go by the minute,
    /// others by the second.
    fn keep(&mut self, id: TaskId, state: State, ttl_ms: u64) -> u64 {
        if state == State::Failed {
            return self.now + ttl_ms;
        }
        let width = if ttl_ms < 600_000 { 1_000 } else { 60_000 };
        let moment = (self.now + ttl_ms).div_ceil(width) * width;
        self.kept.entry(moment).or_default().push_back(id);
        moment
    }

    pub(in crate::proof) fn cancel(&mut self, tenant: &str, id: TaskId) -> CancelOutcome {
        let Some(task) = self.tasks.get_mut(&id).filter(|task| task.spec.tenant == tenant) else {
            return CancelOutcome::NotFound;
        };
        match &mut task.place {
            Place::Ended {
                state: State::Canceled, ..
            } => CancelOutcome::Canceled,
            Place::Ended { state, .. } => CancelOutcome::AlreadyFinished(*state),
            Place::Running(lease) => {
                lease.cancel = true;
                CancelOutcome::Requested
            }
            Place::Queued(_) | Place::Solo | Place::Scheduled { .. } => {
                self.bury_canceled(id, None);
                CancelOutcome::Canceled
            }
        }
    }

    /// Removes what has been kept long enough, at most `limit`; returns how many.
    pub(in crate::proof) fn prune(&mut self, limit: usize) -> usize {
        let results = self
            .kept
            .iter()
            .flat_map(|(until, ids)| ids.iter().map(|id| (*until, *id)));
        let over: Vec<TaskId> = results
            .chain(self.dead())
            .filter(|(until, _)| *until <= self.now)
            .map(|(_, id)| id)
            .take(limit)
            .collect();
        self.kept
            .values_mut()
            .for_each(|ids| ids.retain(|id| !over.contains(id)));
        self.kept.retain(|_, ids| !ids.is_empty());
        for id in &over {
            let task = self.tasks.remove(id).expect("it was just listed");
            self.deadlines.remove(id);
            self.unique.retain(|_, holder| holder != id);
            let Some(key) = task.idempotency().filter(|key| self.keys[key].0 == *id) else {
                continue;
            };
            match (task.created + IDEMPOTENCY_MS).checked_sub(self.now) {
                None | Some(0) => drop(self.keys.remove(&key)),
                Some(rest) => drop(self.lapsing.insert(key, rest)),
            }
        }
        over.len()
    }

    /// Signs a worker off.
    pub(in crate::proof) fn leave(&mut self, worker: &str) {
        self.registry.remove(worker);
        self.answers.retain(|(name, _), _| name != worker);
        if self.hold.as_deref() == Some(worker) {
            self.hold = None;
        }
    }

    fn commit(&mut self, id: TaskId) {
        assert!(self.committed.insert(id), "{id} was committed twice");
    }
}
