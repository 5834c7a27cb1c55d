//! Both sides of a case: the model and the real queue in a namespace of its own, and the workers that speak to it.
//! Each operation is done on both, and what they answer must be equal.

use std::time::Duration;

use redis::AsyncCommands;

use crate::backlog::Bound;
use crate::client::Queue;
use crate::connection::ConnectOptions;
use crate::error::QueueError;
use crate::id::TaskId;
use crate::keys::SHARD;
use crate::proof::model::{Model, Refused};
use crate::proof::op::{Change, Op, Plan, Spec, Wait, Word};
use crate::proof::redis_server::Redis;
use crate::proof::sim::{KINDS, Sim};
use crate::rules::{Flow, Rate, Subject};
use crate::submission::{Prepared, Submission};
use crate::task::{CancelOutcome, Enqueued, Idempotency, LossPolicy, NewTask};
use crate::worker::step::{StepRequest, send};
use crate::worker::ticker;

/// Where the clock stands at first: years ahead of any real one, so that only the operations move it.
const BEGINNING_MS: u64 = 2_500_000_000_000;
pub(super) const TENANTS: [&str; 2] = ["t1", "t2"];
/// How many there are.
pub(super) const SUBJECTS: usize = 8;

/// Whom rules are about.
fn subjects() -> Vec<Subject> {
    let key = |tenant: &str, key: &str| Subject::Key {
        tenant: tenant.to_owned(),
        key: key.to_owned(),
    };
    let [first, second] = TENANTS;
    vec![
        Subject::Kind("a".to_owned()),
        Subject::Kind("b".to_owned()),
        Subject::Tenant(first.to_owned()),
        key(first, ""),
        key(first, "k:0"),
        key(second, "k:1"),
        key(second, ""),
        Subject::EachKey(first.to_owned()),
    ]
}

/// A case.
pub(super) struct World {
    pub(super) queue: Queue,
    pub(super) raw: redis::aio::MultiplexedConnection,
    pub(super) prefix: String,
    pub(super) model: Model,
    pub(super) workers: Vec<Sim>,
    /// Workers that were forgotten; whatever comes into their mailboxes is lost.
    pub(super) dead: Vec<String>,
    /// A wake-up may be lost until the next round of the ticker.
    pub(super) wakeup_lost: bool,
    last_batch: Vec<(TaskId, NewTask)>,
    ids: u64,
    incarnations: u64,
}

impl World {
    pub(super) async fn new(redis: &Redis, case: u64) -> Self {
        let mut options = ConnectOptions::new(redis.url());
        options.namespace = format!("case{case}");
        let queue = Queue::connect(options).await.unwrap();
        let mut raw = redis.try_connection().await.unwrap();
        let (): () = redis::cmd("FLUSHALL").query_async(&mut raw).await.unwrap();
        let mut world = Self {
            queue,
            raw,
            prefix: format!("case{case}:{{s00}}:"),
            model: Model::default(),
            workers: (0..3)
                .map(|shape| Sim::new(shape, format!("w{shape}"), shape as u64))
                .collect(),
            dead: Vec::new(),
            wakeup_lost: false,
            last_batch: Vec::new(),
            ids: 0,
            incarnations: 2,
        };
        world.advance(BEGINNING_MS).await;
        world
    }

    pub(super) async fn play(&mut self, op: &Op) {
        match op {
            Op::Enqueue(specs) => {
                self.last_batch = specs.iter().map(|spec| self.new_task(spec)).collect();
                self.enqueue().await;
            }
            Op::Resend => {
                let forgotten = |(id, spec): &(TaskId, NewTask)| !self.model.remembers(*id, spec);
                // A request is repeated within seconds, not after its result was pruned.
                if !self.last_batch.iter().any(forgotten) {
                    self.enqueue().await;
                }
            }
            Op::Step { worker, plan } => self.step(*worker, plan).await,
            Op::Duplicate { worker, back } => self.duplicate(*worker, *back).await,
            Op::Die { worker, same_name } => self.die(*worker, *same_name).await,
            Op::Lose { worker } => {
                self.step(*worker, &Plan::only(Word::Release, 0)).await;
                self.die(*worker, false).await;
                self.advance(15_000).await;
                self.tick((*worker + 1) % 3).await;
            }
            Op::Leave { worker } => self.leave(*worker).await,
            Op::Drain { worker } => {
                let known = self.queue.drain_worker(&self.workers[*worker].name).await.unwrap();
                assert_eq!(known, self.model.registry.contains_key(&self.workers[*worker].name));
            }
            Op::Cancel { task, foreign } => self.cancel(*task, *foreign).await,
            Op::Rule { subject, change } => self.set_rule(*subject, change).await,
            Op::Bound { tenant, tasks, bytes } => {
                let bound = Bound {
                    tasks: *tasks,
                    bytes: *bytes,
                };
                self.set_bound(tenant.map(|tenant| TENANTS[tenant]), bound).await;
            }
            Op::Advance(by_ms) => self.advance(*by_ms).await,
            Op::Tick { worker } => self.tick(*worker).await,
            Op::Read { task, foreign } => self.read(*task, *foreign).await,
        }
    }

    async fn set_rule(&mut self, subject: usize, change: &Change) {
        let subject = subjects().swap_remove(subject);
        let mut rule = self.model.rules.get(&subject).copied().unwrap_or_default();
        let done = match change {
            Change::Flow(flow) => {
                rule.flow = *flow;
                self.queue.set_flow(&subject, *flow).await
            }
            Change::Limits(concurrency, rate) => {
                let rate = rate.map(|(count, period_ms)| Rate { count, period_ms });
                (rule.concurrency, rule.rate) = (*concurrency, rate);
                self.queue.set_limits(&subject, *concurrency, rate).await
            }
        };
        match done {
            Ok(()) => self.model.set_rule(&subject, rule),
            // Not everything can be paused, drained, limited.
            Err(error) => assert!(matches!(error, QueueError::Invalid { .. }), "{error:?}"),
        }
        assert_eq!(self.queue.rules().await.unwrap(), self.model.rules);
    }

    async fn set_bound(&mut self, tenant: Option<&str>, bound: Bound) {
        self.queue.set_bound(tenant, bound).await.unwrap();
        let name = tenant.map(str::to_owned);
        if bound == Bound::default() {
            self.model.bounds.remove(&name);
        } else {
            self.model.bounds.insert(name, bound);
        }
        assert_eq!(self.queue.bounds().await.unwrap(), self.model.bounds);
    }

    /// Whatever rules and bounds there are no longer hold.
    pub(super) async fn lift_all_rules(&mut self) {
        for tenant in [None, Some(TENANTS[0]), Some(TENANTS[1])] {
            self.set_bound(tenant, Bound::default()).await;
        }
        for subject in 0..SUBJECTS {
            self.set_rule(subject, &Change::Flow(Flow::Open)).await;
            self.set_rule(subject, &Change::Limits(None, None)).await;
        }
        assert!(self.model.rules.is_empty());
    }

    fn new_task(&mut self, spec: &Spec) -> (TaskId, NewTask) {
        self.ids += 1;
        let input = serde_json::value::RawValue::from_string(format!("{{\"n\":{}}}", self.ids)).unwrap();
        let mut task = NewTask::new(TENANTS[spec.tenant], KINDS[spec.kind].0, input);
        task.fairness_key = spec.fairness.map(|key| format!("k:{key}"));
        task.priority = spec.priority;
        match spec.wait {
            Wait::Now => {}
            Wait::Delay(ms) => task.delay = Some(Duration::from_millis(ms)),
            Wait::RunAt(ms) => task.run_at_ms = Some(self.model.now.saturating_add_signed(ms)),
        }
        task.idempotency = spec.key.map(|(key, fingerprint)| Idempotency {
            key: format!("key {key}"),
            fingerprint: format!("f{fingerprint}"),
        });
        task.unique_key = spec.unique.map(|key| format!("only \"{key}\""));
        let waits = task.delay.unwrap_or_default();
        task.expires_in = spec.expires.map(|ms| waits + Duration::from_millis(ms));
        if spec.live {
            task.losses = LossPolicy::Live;
        }
        task.result_ttl = Duration::from_millis(spec.ttl_ms);
        task.traceparent = self
            .ids
            .is_multiple_of(2)
            .then(|| format!("00-{:032x}-{0:016x}-01", self.ids));
        // Makers' clocks differ: the tasks of a batch are of two spans.
        let made_at = self.model.now + 256 * (self.ids / 4 % 2);
        (TaskId::new(made_at, SHARD, self.ids), task)
    }

    async fn enqueue(&mut self) {
        let batch = std::mem::take(&mut self.last_batch);
        // Either way of refusing what is too much gets its share.
        let whole = batch.len().is_multiple_of(2);
        let mut submission = if whole {
            Submission::whole(SHARD)
        } else {
            Submission::to(SHARD)
        };
        for (id, task) in &batch {
            submission.push(*id, Prepared::new(task).unwrap());
        }
        let answers = submission.send(&self.queue.link).await.unwrap();
        let answers: Vec<Result<Enqueued, Refused>> = answers
            .into_iter()
            .map(|answer| answer.map_err(|error| Refused::of(&error).expect("it is refused for a reason")))
            .collect();
        assert_eq!(answers, self.model.enqueue(&batch, whole));
        self.last_batch = batch;
    }

    pub(super) async fn step(&mut self, worker: usize, plan: &Plan) {
        let mailbox = format!("{}w:{}", self.prefix, self.workers[worker].name);
        let mail: Vec<String> = self.raw.lrange(&mailbox, 0, -1).await.unwrap();
        let (): () = self.raw.del(mailbox).await.unwrap();
        let sim = &mut self.workers[worker];
        // A word for the ticker is not followed by a step.
        if mail.iter().any(|item| item != "t") {
            sim.read_mail();
        }
        let new = sim.unanswered.is_empty() || (plan.second && sim.may_send_second());
        let request = match sim.unanswered.front() {
            Some((oldest, _)) if !new => oldest.clone(),
            _ => sim.request(plan),
        };
        if new && plan.delayed {
            return;
        }
        let reply = self.deliver(worker, &request).await;
        if !(new && plan.lost) {
            self.workers[worker].answered(request.seq, reply);
        }
    }

    async fn duplicate(&mut self, worker: usize, back: usize) {
        let sent = &self.workers[worker].sent;
        let Some(request) = sent.iter().rev().nth(back).cloned() else {
            return;
        };
        self.deliver(worker, &request).await;
    }

    async fn deliver(&mut self, worker: usize, request: &StepRequest) -> crate::worker::step::StepReply {
        let sim = &self.workers[worker];
        let args = request.encode(&sim.name, &sim.incarnation);
        let reply = send(&self.queue.link, SHARD, &args).await.unwrap();
        assert_eq!(
            reply,
            self.model.step(&sim.name, &sim.incarnation, request),
            "{request:#?}"
        );
        reply
    }

    async fn die(&mut self, worker: usize, same_name: bool) {
        self.incarnations += 1;
        let old = self.workers[worker].name.clone();
        let name = if same_name {
            old.clone()
        } else {
            format!("w{worker}x{}", self.incarnations)
        };
        if !same_name {
            self.wakeup_lost |= self.workers[worker].woken || !self.workers[worker].unanswered.is_empty();
            self.dead.push(old.clone());
        }
        self.workers[worker] = Sim::new(worker, name, self.incarnations);
        self.lapse_duty("tick", &old).await;
    }

    /// The lease on a duty lapses with its holder; here at once.
    async fn lapse_duty(&mut self, duty: &str, holder: &str) {
        let key = format!("{}{duty}", self.prefix);
        let found: Option<String> = self.raw.get(&key).await.unwrap();
        if found.as_deref() == Some(holder) {
            let (): () = self.raw.del(&key).await.unwrap();
        }
    }

    pub(super) async fn leave(&mut self, worker: usize) {
        let release = Plan::only(Word::Release, 64);
        while !self.workers[worker].unanswered.is_empty() {
            self.step(worker, &release).await;
        }
        let mut request = self.workers[worker].request(&release);
        (request.wanted, request.register) = (0, false);
        self.deliver(worker, &request).await;
        let sim = &self.workers[worker];
        let args: Vec<&str> = std::iter::once(sim.name.as_str()).chain(sim.kinds()).collect();
        let link = &self.queue.link;
        let _: u32 = link.call(SHARD, &link.scripts.leave, &args).await.unwrap();
        self.model.leave(&sim.name);
        self.incarnations += 1;
        self.workers[worker] = Sim::new(worker, format!("w{worker}x{}", self.incarnations), self.incarnations);
    }

    async fn cancel(&mut self, task: usize, foreign: bool) {
        let Some((id, owner)) = self.some_task(task) else {
            return;
        };
        let tenant = if foreign { "t3" } else { owner.as_str() };
        let answer = self.queue.cancel(tenant, id).await.unwrap();
        assert_eq!(answer, self.model.cancel(tenant, id));
        if answer == CancelOutcome::Requested {
            let lease = self.model.tasks[&id].lease().expect("it runs");
            let mailbox = format!("{}w:{}", self.prefix, lease.worker);
            let mail: Vec<String> = self.raw.lrange(mailbox, -1, -1).await.unwrap();
            assert_eq!(mail, [format!("c{id}")]);
        }
    }

    pub(super) async fn advance(&mut self, by_ms: u64) {
        self.model.now += by_ms;
        let meta = format!("{}meta", self.prefix);
        let (): () = self
            .raw
            .hset_multiple(
                meta,
                &[("now", self.model.now.to_string()), ("behind", "stopped".to_owned())],
            )
            .await
            .unwrap();
    }

    pub(super) async fn tick(&mut self, worker: usize) {
        let name = self.workers[worker].name.clone();
        let holder: Option<String> = self.raw.get(format!("{}tick", self.prefix)).await.unwrap();
        let takes_it = holder.is_none_or(|holder| holder == name) || self.model.is_left_undone();
        if takes_it {
            // What was lost with the dead before this round is repaired by it.
            for dead in &self.dead {
                let (): () = self.raw.del(format!("{}w:{dead}", self.prefix)).await.unwrap();
            }
        }
        let round = ticker::run_once(&self.queue.link, SHARD, &name).await.unwrap();
        assert_eq!(round.on_duty, takes_it);
        if !takes_it {
            return;
        }
        let (expired, promoted, pruned) = self.model.tick();
        assert_eq!(
            (round.expired, round.promoted, round.pruned),
            (expired as u64, promoted as u64, pruned as u64)
        );
        assert_eq!(round.more, expired >= 64 || promoted >= 64 || pruned >= 100);
        assert_eq!(round.due_ms, self.model.next_due());
        self.wakeup_lost = false;
        self.keep_lapsing_keys().await;
    }

    /// Keys that outlive their record lapse by the server's own timer, which no operation moves: checks the timer,
    /// then stops it.
    async fn keep_lapsing_keys(&mut self) {
        for ((tenant, hash), rest) in std::mem::take(&mut self.model.lapsing) {
            let key = format!("{}idem:{tenant}:{hash}", self.prefix);
            let left: i64 = self.raw.pttl(&key).await.unwrap();
            if left < 0 {
                assert!(rest < 60_000, "{key} should be kept for {rest} ms more");
                self.model.keys.remove(&(tenant, hash));
                continue;
            }
            assert!(left as u64 <= rest && left as u64 + 60_000 > rest, "{left} of {rest}");
            let (): () = self.raw.persist(&key).await.unwrap();
        }
    }

    pub(super) fn some_task(&self, which: usize) -> Option<(TaskId, String)> {
        let count = self.model.tasks.len();
        let (id, task) = self.model.tasks.iter().nth(which % count.max(1))?;
        Some((*id, task.spec.tenant.clone()))
    }
}
