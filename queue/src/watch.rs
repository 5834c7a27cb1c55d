//! Waiting for a task to change without polling: one reader follows the stream of hints and wakes who waits.
//! Hints only shorten waits. A waiter registers before it reads the task, and reads again at least every 2 s.
//! Nobody pays for hints that nobody reads: the scripts give them only while some process says that it waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use redis::streams::{StreamRangeReply, StreamReadReply};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::client::Queue;
use crate::error::QueueError;
use crate::id::TaskId;
use crate::task::Task;

/// Longest time between two readings of a task that somebody waits for.
const REREAD: Duration = Duration::from_secs(2);
/// The reader blocks this long; its watchdog gives up on the connection one second later.
const BLOCK: Duration = Duration::from_secs(5);
/// How long Redis gives hints after it was last asked to, and how often a process with waiters asks again. The reader
/// comes by at least every `BLOCK`, so two of its rounds may fail.
const ASKED_FOR: Duration = Duration::from_secs(20);
const ASK_EVERY: Duration = Duration::from_secs(4);
/// Pause before the reader tries a broken connection again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// Wakes callers when a task changes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Watch {
    queue: Queue,
    waiters: ByShard,
}

/// Follows the hints for a `Watch`.
#[derive(Debug)]
pub struct Watcher {
    queue: Queue,
    waiters: ByShard,
}

type ByShard = Arc<[Arc<Waiters>]>;

pub(crate) fn open(queue: Queue) -> (Watch, Watcher) {
    let waiters: ByShard = queue.link.shards().map(Waiters::of).collect();
    (
        Watch {
            queue: queue.clone(),
            waiters: Arc::clone(&waiters),
        },
        Watcher { queue, waiters },
    )
}

impl Watch {
    /// Reads the task until `done` says yes or the time is over; returns the last reading, `None` if there is no
    /// such task of this tenant.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn wait_until(
        &self,
        tenant: &str,
        id: TaskId,
        limit: Duration,
        done: impl Fn(&Task) -> bool,
    ) -> Result<Option<Task>, QueueError> {
        let deadline = Instant::now() + limit;
        let interest = self.waiters_of(id).register(id);
        interest.waiters.ask_for_hints(&self.queue).await;
        loop {
            let hinted = interest.hints.notify.notified();
            let Some(task) = self.queue.get(tenant, id).await? else {
                return Ok(None);
            };
            if done(&task) || Instant::now() >= deadline {
                return Ok(Some(task));
            }
            // A hint, the next reading and the deadline all lead to another look at the task.
            let _ = timeout_at(deadline.min(Instant::now() + REREAD), hinted).await;
        }
    }

    /// Follows one task for somebody who reads it again and again: its state, its output, or both.
    pub async fn follow(&self, id: TaskId) -> Changes {
        let interest = self.waiters_of(id).register(id);
        interest.waiters.ask_for_hints(&self.queue).await;
        let progress_before = interest.hints.progress.load(Ordering::Relaxed);
        Changes {
            interest,
            progress_before,
        }
    }

    /// Tasks that somebody waits for or follows.
    pub fn followed(&self) -> usize {
        let followed = |waiters: &Arc<Waiters>| waiters.by_task.lock().expect("no holder panics").len();
        self.waiters.iter().map(followed).sum()
    }

    /// Those of the task's shard; of the first for an id that no task of this queue has.
    fn waiters_of(&self, id: TaskId) -> &Arc<Waiters> {
        self.waiters.get(usize::from(id.shard())).unwrap_or(&self.waiters[0])
    }
}

/// An interest in one task, given up when dropped. The one reader of hints serves any number of them.
#[derive(Debug)]
pub struct Changes {
    interest: Interest,
    progress_before: u64,
}

impl Changes {
    /// Ends when the task may have changed after this call, at the latest 2 s after it is first awaited. Call it
    /// before the task is read and await it afterwards: then no change is missed.
    pub fn next(&self) -> impl Future<Output = ()> + Send + use<> {
        let hinted = Arc::clone(&self.interest.hints.notify).notified_owned();
        async move {
            let _ = timeout(REREAD, hinted).await;
        }
    }

    /// Reports of progress heard of so far: who shows fewer has left some out.
    pub fn progress_reports(&self) -> u64 {
        let heard = self.interest.hints.progress.load(Ordering::Relaxed);
        heard.saturating_sub(self.progress_before)
    }
}

impl Watcher {
    /// Follows the hints until `shutdown`; renews its connections by itself.
    pub async fn run(self, shutdown: CancellationToken) {
        let following = self.waiters.iter().map(|waiters| self.run_one(waiters, &shutdown));
        join_all(following).await;
    }

    async fn run_one(&self, waiters: &Waiters, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            let followed = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                followed = self.follow(waiters) => followed,
            };
            if let Err(error) = followed {
                tracing::debug!("follow state changes: {error:#}; waiters read by themselves meanwhile");
                let _ = timeout(RECONNECT_PAUSE, shutdown.cancelled()).await;
            }
        }
    }

    async fn follow(&self, waiters: &Waiters) -> Result<(), QueueError> {
        let key = self.queue.link.keys(waiters.shard).events();
        let mut connection = self.queue.link.blocking_connection(&key).await?;
        let mut last = self.newest_hint(&key).await?;
        // A connection is new because the old one broke: Redis may have forgotten that it was asked.
        *waiters.asked.lock().expect("no holder panics") = None;
        // Whoever read its task before the position was known may have missed a change.
        waiters.wake_all();
        loop {
            waiters.somebody().await;
            waiters.ask_for_hints(&self.queue).await;
            let mut command = redis::cmd("XREAD");
            command
                .arg("COUNT")
                .arg(100)
                .arg("BLOCK")
                .arg(BLOCK.as_millis() as u64)
                .arg("STREAMS")
                .arg(&key)
                .arg(&last);
            let reply = timeout(BLOCK + Duration::from_secs(1), command.query_async(&mut connection)).await;
            let reply: Option<StreamReadReply> =
                reply.map_err(|_| QueueError::Unavailable("no answer to a blocking read".to_owned()))??;
            for entry in reply
                .into_iter()
                .flat_map(|reply| reply.keys)
                .flat_map(|stream| stream.ids)
            {
                if let Some(hints) = entry.get::<String>("d") {
                    waiters.wake(&hints);
                }
                last = entry.id;
            }
        }
    }

    /// Where to begin: with `$` a change between a waiter's reading and the first block would go unnoticed.
    async fn newest_hint(&self, key: &str) -> Result<String, QueueError> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(key).arg("+").arg("-").arg("COUNT").arg(1);
        let newest: StreamRangeReply = command.query_async(&mut self.queue.link.connection()).await?;
        Ok(newest
            .ids
            .into_iter()
            .next()
            .map_or_else(|| "0-0".to_owned(), |entry| entry.id))
    }
}

/// Who waits for which task of one shard.
#[derive(Debug, Default)]
struct Waiters {
    shard: u16,
    by_task: Mutex<HashMap<TaskId, (usize, Arc<Hints>)>>,
    arrived: Notify,
    /// When Redis was last asked for hints.
    asked: Mutex<Option<Instant>>,
}

/// What was heard of one task.
#[derive(Debug, Default)]
struct Hints {
    notify: Arc<Notify>,
    progress: AtomicU64,
}

#[derive(Debug)]
struct Interest {
    waiters: Arc<Waiters>,
    id: TaskId,
    hints: Arc<Hints>,
}

impl Waiters {
    fn of(shard: u16) -> Arc<Self> {
        Arc::new(Self {
            shard,
            ..Self::default()
        })
    }

    fn register(self: &Arc<Self>, id: TaskId) -> Interest {
        let mut by_task = self.by_task.lock().expect("no holder panics");
        let entry = by_task.entry(id).or_default();
        entry.0 += 1;
        self.arrived.notify_one();
        Interest {
            waiters: Arc::clone(self),
            id,
            hints: Arc::clone(&entry.1),
        }
    }

    /// Makes the scripts give hints. Whoever reads its task after this hears of every later change. Without an answer
    /// waiters read by themselves, so a failure is nobody's trouble.
    async fn ask_for_hints(&self, queue: &Queue) {
        let now = Instant::now();
        if self
            .asked
            .lock()
            .expect("no holder panics")
            .is_some_and(|asked| now < asked + ASK_EVERY)
        {
            return;
        }
        let lasting = ASKED_FOR.as_millis().to_string();
        match queue
            .link
            .call::<u32>(self.shard, &queue.link.scripts.watch, &[lasting])
            .await
        {
            Ok(_) => *self.asked.lock().expect("no holder panics") = Some(now),
            Err(error) => tracing::debug!("ask for hints: {error:#}; waiters read by themselves meanwhile"),
        }
    }

    /// Returns once somebody waits: nobody's hints are not worth reading.
    async fn somebody(&self) {
        while self.by_task.lock().expect("no holder panics").is_empty() {
            self.arrived.notified().await;
        }
    }

    fn wake_all(&self) {
        let by_task = self.by_task.lock().expect("no holder panics");
        by_task.values().for_each(|(_, heard)| heard.notify.notify_waiters());
    }

    fn wake(&self, hints: &str) {
        let by_task = self.by_task.lock().expect("no holder panics");
        let mut words = hints.split(',');
        while let (Some(id), Some(letter)) = (words.next(), words.next()) {
            if let Some((_, heard)) = id.parse().ok().and_then(|id: TaskId| by_task.get(&id)) {
                if letter == "p" {
                    heard.progress.fetch_add(1, Ordering::Relaxed);
                }
                heard.notify.notify_waiters();
            }
        }
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let mut by_task = self.waiters.by_task.lock().expect("no holder panics");
        if let Some(entry) = by_task.get_mut(&self.id) {
            entry.0 -= 1;
            if entry.0 == 0 {
                by_task.remove(&self.id);
            }
        }
    }
}
