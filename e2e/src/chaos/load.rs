//! Submitters that never pause, and what they were told while servers died under them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use zoetrope_queue::{Enqueued, Queue, TaskId};

use super::arena::{LOOK, PATIENCE, new_task};
use super::probe::ProbeInput;
use crate::ledger::Ledger;

/// Submits under way at once.
const SUBMITTERS: usize = 16;
/// Tasks of one submit.
const BATCH: usize = 10;

/// Submitters at work.
pub(crate) struct Load {
    acknowledged: Arc<AtomicUsize>,
    submitters: JoinSet<Told>,
}

/// What they were told.
#[derive(Default)]
pub(crate) struct Told {
    /// Acknowledged tasks, and their tenants.
    pub(crate) tasks: Vec<(String, TaskId)>,
    /// Longest time in which one of the submitters was not answered: its service was away that long.
    pub(crate) gap: Duration,
    /// What was said instead of an acknowledgement, and how often. Each submit was repeated until it had one.
    pub(crate) errors: BTreeMap<String, usize>,
}

impl Load {
    /// About so many tasks of these tenants in turn, each with an idempotency key of its own.
    pub(crate) fn start(queue: &Queue, ledger: &Ledger, tenants: &[&str], tasks: usize) -> Self {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut submitters = JoinSet::new();
        let each = tasks.div_ceil(SUBMITTERS * BATCH) * BATCH;
        for number in 0..SUBMITTERS {
            let submitter = Submitter {
                queue: queue.clone(),
                ledger: ledger.again(),
                tenant: tenants[number % tenants.len()].to_owned(),
                acknowledged: Arc::clone(&acknowledged),
            };
            submitters.spawn(submitter.submit(number * each, (number + 1) * each));
        }
        Self {
            acknowledged,
            submitters,
        }
    }

    /// Returns once so many are acknowledged.
    pub(crate) async fn reaches(&self, count: usize) {
        let (mut looks, give_up) = (interval(LOOK), Instant::now() + PATIENCE);
        while self.acknowledged.load(Ordering::Relaxed) < count {
            looks.tick().await;
            assert!(Instant::now() < give_up, "submits should go on");
        }
    }

    /// Waits until everything is acknowledged.
    pub(crate) async fn told(self) -> Told {
        let mut all = Told::default();
        for told in self.submitters.join_all().await {
            all.tasks.extend(told.tasks);
            all.gap = all.gap.max(told.gap);
            for (error, count) in told.errors {
                *all.errors.entry(error).or_default() += count;
            }
        }
        all
    }
}

impl Told {
    pub(crate) fn repeats(&self) -> usize {
        self.errors.values().sum()
    }
}

struct Submitter {
    queue: Queue,
    ledger: Ledger,
    tenant: String,
    acknowledged: Arc<AtomicUsize>,
}

impl Submitter {
    async fn submit(mut self, first: usize, end: usize) -> Told {
        let (mut told, mut answered) = (Told::default(), Instant::now());
        for start in (first..end).step_by(BATCH) {
            let ids = self.batch(start, &mut told.errors).await;
            told.gap = told.gap.max(std::mem::replace(&mut answered, Instant::now()).elapsed());
            let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
            self.ledger.acknowledge(&names);
            self.acknowledged.fetch_add(ids.len(), Ordering::Relaxed);
            told.tasks.extend(ids.into_iter().map(|id| (self.tenant.clone(), id)));
        }
        told
    }

    /// Submits until it is acknowledged.
    async fn batch(&self, start: usize, errors: &mut BTreeMap<String, usize>) -> Vec<TaskId> {
        let task = |number: usize| {
            let works_ms = 5 + number as u64 % 20;
            let mut task = new_task(
                number as u64,
                ProbeInput {
                    works_ms,
                    ..ProbeInput::default()
                },
            );
            task.tenant.clone_from(&self.tenant);
            task
        };
        let tasks: Vec<_> = (start..start + BATCH).map(task).collect();
        let mut pauses = interval(LOOK);
        pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pauses.tick().await;
            match self.queue.enqueue_batch(tasks.clone()).await {
                Ok(answers) => return answers.into_iter().map(id_of).collect(),
                Err(error) => {
                    assert!(error.is_transient(), "{error}");
                    *errors.entry(error.to_string()).or_default() += 1;
                }
            }
        }
    }
}

/// The task that a submit was answered with.
pub(crate) fn id_of(answer: Result<Enqueued, zoetrope_queue::QueueError>) -> TaskId {
    match answer {
        Ok(Enqueued::Created(id) | Enqueued::Replayed(id)) => id,
        other => panic!("{other:?} should be accepted"),
    }
}
