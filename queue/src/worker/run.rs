//! The loop around the engine: few steps in flight, everything that happens meanwhile collects and rides on the next one
//! (group commit without timers).

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{BoxFuture, try_join_all};
use futures_util::stream::{FuturesOrdered, StreamExt};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::client::Queue;
use crate::connection::{Link, random_u64};
use crate::error::QueueError;
use crate::failure::Outcome;
use crate::id::TaskId;
use crate::worker::attempt::{self, Attempt};
use crate::worker::engine::{Engine, lease_token};
use crate::worker::mailbox::{self, Mail};
use crate::worker::step::{self, StepReply};
use crate::worker::{Handler, StopReport, WorkerConfig, ticker};

/// Items of the mailbox that wait to be looked at; beyond them the reader waits.
const MAIL_BUFFER: usize = 128;
/// Ended attempts that wait to be looked at; beyond them their tasks wait.
const ENDED_BUFFER: usize = 1_024;
/// First and longest pause before a step is sent again.
const RESEND_PAUSE: Duration = Duration::from_millis(50);
const MAX_RESEND_PAUSE: Duration = Duration::from_secs(2);
/// Longest time to sign off.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

struct Ended {
    id: TaskId,
    token: Arc<str>,
    outcome: Outcome,
}

pub(crate) async fn run(
    queue: Queue,
    config: WorkerConfig,
    handler: Arc<dyn Handler>,
    shutdown: CancellationToken,
) -> Result<StopReport, QueueError> {
    let link = Arc::clone(&queue.link);
    let name = config.name.clone();
    let services = CancellationToken::new();
    let (mail_in, mail) = mpsc::channel(MAIL_BUFFER);
    let mut background = JoinSet::new();
    let mut pokes = Vec::new();
    for shard in link.shards() {
        let poke = Arc::new(Notify::new());
        pokes.push(Arc::clone(&poke));
        let (link, name, mail_in, stop) = (Arc::clone(&link), name.clone(), mail_in.clone(), services.clone());
        background.spawn(async move {
            tokio::join!(
                mailbox::run(&link, shard, &name, mail_in, stop.clone()),
                ticker::run(&link, shard, &name, &poke, stop.clone()),
            )
        });
    }
    drop(mail_in);
    let handlers_on = config
        .handlers_on
        .clone()
        .unwrap_or_else(tokio::runtime::Handle::current);
    let (ended_in, ended) = mpsc::channel(ENDED_BUFFER);
    let attempts = Attempts {
        link: Arc::clone(&link),
        handler,
        handlers_on,
        ended: ended_in,
        set: JoinSet::new(),
    };
    let incarnation = lease_token();
    let mut session = Session {
        link: Arc::clone(&link),
        name,
        incarnation,
        engine: Engine::new(config, link.shards().len()),
        attempts,
        pokes,
    };
    let report = session.serve(mail, ended, shutdown).await;
    // A stranded worker leaves handlers behind; they end here.
    session.attempts.set.shutdown().await;
    services.cancel();
    while background.join_next().await.is_some() {}
    session.leave().await?;
    Ok(report)
}

/// Handlers at work.
struct Attempts {
    link: Arc<Link>,
    handler: Arc<dyn Handler>,
    handlers_on: tokio::runtime::Handle,
    ended: mpsc::Sender<Ended>,
    set: JoinSet<()>,
}

impl Attempts {
    fn start(&mut self, attempts: Vec<Attempt>) {
        while self.set.try_join_next().is_some() {}
        for mut attempt in attempts {
            attempt.link = Some(Arc::clone(&self.link));
            let (handler, ended) = (Arc::clone(&self.handler), self.ended.clone());
            let (id, token) = (attempt.id, Arc::clone(&attempt.lease_token));
            let work = async move {
                let outcome = attempt::run(handler, attempt).await;
                // The receiver goes only after every attempt has ended.
                let _ = ended.send(Ended { id, token, outcome }).await;
            };
            self.set.spawn_on(work, &self.handlers_on);
        }
    }
}

struct Session {
    link: Arc<Link>,
    name: String,
    incarnation: String,
    engine: Engine,
    attempts: Attempts,
    /// By shard.
    pokes: Vec<Arc<Notify>>,
}

impl Session {
    async fn serve(
        &mut self,
        mut mail: mpsc::Receiver<(u16, Mail)>,
        mut ended: mpsc::Receiver<Ended>,
        shutdown: CancellationToken,
    ) -> StopReport {
        let mut in_flight = UnderWay::new(self.pokes.len());
        let progressed = Arc::clone(&self.engine.progressed);
        let mut draining = false;
        loop {
            let now = Instant::now();
            self.engine.on_time(now);
            while let Some(request) = self.engine.next_request(now) {
                let args = request.encode(&self.name, &self.incarnation);
                let shard = request.shard;
                in_flight.push(shard, send(Arc::clone(&self.link), shard, self.name.clone(), args));
            }
            if self.engine.is_drained() {
                return self.engine.report;
            }
            if self.engine.is_stranded(now) {
                tracing::warn!(
                    worker = self.name,
                    "give up the drain: redis is away; held tasks re-run after their lease"
                );
                return self.engine.report;
            }
            let deadline = self.engine.next_deadline(now);
            tokio::select! {
                biased;
                (shard, reply) = in_flight.next() => {
                    let attempts = self.engine.apply(shard, reply, Instant::now());
                    self.attempts.start(attempts);
                }
                () = shutdown.cancelled(), if !draining => {
                    draining = true;
                    self.engine.drain(Instant::now());
                }
                Some(first) = ended.recv() => self.collect(first, &mut ended),
                Some((shard, item)) = mail.recv() => self.read_mail(shard, item),
                () = progressed.notified() => {
                    let attempts = self.engine.note_progress(Instant::now());
                    self.attempts.start(attempts);
                }
                () = sleep_until(deadline) => {}
            }
        }
    }

    /// Takes everything that has ended by now, so that one step commits it all.
    fn collect(&mut self, first: Ended, more: &mut mpsc::Receiver<Ended>) {
        let now = Instant::now();
        let mut next = Some(first);
        while let Some(Ended { id, token, outcome }) = next {
            let attempts = self.engine.attempt_ended(id, &token, outcome, now);
            self.attempts.start(attempts);
            next = more.try_recv().ok();
        }
    }

    fn read_mail(&mut self, shard: u16, item: Mail) {
        match item {
            Mail::Wake => self.engine.wake(shard),
            Mail::Tick => self.pokes[usize::from(shard)].notify_one(),
            Mail::Drain => self.engine.drain(Instant::now()),
            Mail::Cancel(id) => {
                let attempts = self.engine.cancel(id, Instant::now());
                self.attempts.start(attempts);
                self.engine.wake(shard);
            }
        }
    }

    async fn leave(&self) -> Result<(), QueueError> {
        let args: Vec<&str> = std::iter::once(self.name.as_str()).chain(self.engine.kinds()).collect();
        let leave = |shard| self.link.call::<u32>(shard, &self.link.scripts.leave, &args);
        let leaving = try_join_all(self.link.shards().map(leave));
        let left = timeout(LEAVE_LIMIT, leaving).await;
        left.map_err(|_| QueueError::Unavailable("no answer while signing off".to_owned()))?
            .map(drop)
    }
}

/// Steps under way. Within a shard they are answered in the order of the requests: an answer that comes early waits for
/// those before it.
struct UnderWay(Vec<FuturesOrdered<BoxFuture<'static, StepReply>>>);

impl UnderWay {
    fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| FuturesOrdered::new()).collect())
    }

    fn push(&mut self, shard: u16, step: BoxFuture<'static, StepReply>) {
        self.0[usize::from(shard)].push_back(step);
    }

    /// The next answer of any shard; never, while nothing is under way.
    async fn next(&mut self) -> (u16, StepReply) {
        std::future::poll_fn(|context| {
            for (shard, steps) in (0..).zip(&mut self.0) {
                if let Poll::Ready(Some(reply)) = steps.poll_next_unpin(context) {
                    return Poll::Ready((shard, reply));
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Sends a request until it is answered. A repeated one is answered by the script as the first was.
fn send(link: Arc<Link>, shard: u16, worker: String, args: Vec<Vec<u8>>) -> BoxFuture<'static, StepReply> {
    Box::pin(async move {
        let mut pause = RESEND_PAUSE;
        loop {
            match step::send(&link, shard, &args).await {
                Ok(reply) => return reply,
                Err(error) if error.is_transient() => {
                    tracing::warn!(worker, "commit a step: {error:#}; trying again");
                }
                Err(error) => tracing::error!(worker, "commit a step: {error:#}; trying again"),
            }
            let jitter = Duration::from_millis(random_u64() % 50);
            tokio::time::sleep(pause + jitter).await;
            pause = (pause * 2).min(MAX_RESEND_PAUSE);
        }
    })
}
