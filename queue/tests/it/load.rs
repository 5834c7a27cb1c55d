//! Submitters that write down what was acknowledged, and what became of it: the ledger of the failover tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use zoetrope_queue::{Enqueued, FsckMode, Idempotency, NewTask, Queue, State, TaskId};

use crate::stage::{LIMIT, RunningWorker, json};

/// Submitters at work.
pub(crate) struct Load {
    queue: Queue,
    acknowledged: Arc<Mutex<Vec<(String, TaskId)>>>,
    /// How many were acknowledged, and the longest time in which none was.
    progress: watch::Receiver<(usize, Duration)>,
    /// What submitters were told before they tried again.
    errors: Arc<Mutex<Vec<String>>>,
    submitters: JoinSet<()>,
}

impl Load {
    /// `submitters` tasks at a time until `total` are acknowledged, of tenants in turn. Each is repeated with its
    /// idempotency key until it is.
    pub(crate) fn start(queue: &Queue, tenants: &[&str], submitters: usize, total: usize) -> Self {
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let (tell, progress) = watch::channel((0, Duration::ZERO));
        let (tell, next) = (Arc::new(tell), Arc::new(AtomicUsize::new(0)));
        let last = Arc::new(Mutex::new(Instant::now()));
        let errors = Arc::new(Mutex::new(Vec::new()));
        let mut set = JoinSet::new();
        for _ in 0..submitters {
            let (queue, acknowledged) = (queue.clone(), Arc::clone(&acknowledged));
            let (tell, next, last) = (Arc::clone(&tell), Arc::clone(&next), Arc::clone(&last));
            let errors = Arc::clone(&errors);
            let tenants: Vec<String> = tenants.iter().map(ToString::to_string).collect();
            set.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= total {
                        return;
                    }
                    let tenant = tenants[number % tenants.len()].clone();
                    let id = submit(&queue, &tenant, number, &errors).await;
                    acknowledged.lock().unwrap().push((tenant, id));
                    let pause = std::mem::replace(&mut *last.lock().unwrap(), Instant::now()).elapsed();
                    tell.send_modify(|(count, longest)| {
                        *count += 1;
                        *longest = pause.max(*longest);
                    });
                }
            });
        }
        Self {
            queue: queue.clone(),
            acknowledged,
            progress,
            errors,
            submitters: set,
        }
    }

    /// Returns once so many are acknowledged.
    pub(crate) async fn reaches(&mut self, count: usize) {
        let enough = self.progress.wait_for(|(acknowledged, _)| *acknowledged >= count);
        tokio::time::timeout(LIMIT * 2, enough)
            .await
            .expect("submits should go on")
            .unwrap();
    }

    /// Waits for the submitters and for the end of every task, stops the workers, and says what it saw.
    pub(crate) async fn settle(mut self, workers: Vec<RunningWorker>) -> Seen {
        while let Some(ended) = self.submitters.join_next().await {
            ended.unwrap();
        }
        let tasks = std::mem::take(&mut *self.acknowledged.lock().unwrap());
        let mut seen = Seen {
            longest_gap: self.progress.borrow().1,
            errors: std::mem::take(&mut *self.errors.lock().unwrap()),
            ..Seen::default()
        };
        for (tenant, id) in tasks {
            match until_ended(&self.queue, &tenant, id).await {
                None => seen.lost += 1,
                Some(State::Succeeded) => seen.succeeded += 1,
                Some(_) => {}
            }
        }
        for worker in workers {
            seen.committed += worker.stop().await.finished;
        }
        seen
    }
}

/// What a load came to.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Acknowledged tasks that nobody knows any more.
    pub(crate) lost: usize,
    pub(crate) succeeded: usize,
    /// Ends of attempts that were accepted.
    pub(crate) committed: u64,
    /// Longest time without an acknowledgement.
    pub(crate) longest_gap: Duration,
    /// What submitters were told before they tried again.
    pub(crate) errors: Vec<String>,
}

/// Holds what is kept against what succeeded. A primary that dies may take ends of attempts with it that no replica had:
/// those tasks ran again, and two ends were accepted, of which one is left.
pub(crate) async fn each_is_kept_once(queue: &Queue, seen: &Seen) {
    assert!(seen.committed >= seen.succeeded as u64, "{seen:?}");
    let report = queue.fsck(FsckMode::Check).await.unwrap();
    assert!(report.is_clean() && report.tasks == seen.succeeded as u64, "{report:?}");
}

async fn submit(queue: &Queue, tenant: &str, number: usize, errors: &Mutex<Vec<String>>) -> TaskId {
    let mut task = NewTask::new(tenant, "echo", json(&format!("{number}")));
    task.idempotency = Some(Idempotency {
        key: format!("load-{number}"),
        fingerprint: "same".to_owned(),
    });
    loop {
        match queue.enqueue(task.clone()).await {
            Ok(Enqueued::Created(id) | Enqueued::Replayed(id)) => return id,
            Ok(Enqueued::Conflict(id) | Enqueued::Exists(id)) => panic!("{id} has the key of task {number}"),
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                let mut errors = errors.lock().unwrap();
                // The first say enough.
                if errors.len() < 10 {
                    errors.push(error.to_string());
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

async fn until_ended(queue: &Queue, tenant: &str, id: TaskId) -> Option<State> {
    let reading = async {
        loop {
            match queue.get(tenant, id).await {
                Ok(Some(task)) if task.state.is_terminal() => return Some(task.state),
                Ok(None) => return None,
                Ok(Some(_)) => {}
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(LIMIT * 2, reading).await;
    ended.unwrap_or_else(|_| panic!("{id} should end"))
}

/// Figures for whoever reads the log: they are measured, not asserted.
pub(crate) fn note(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}
