//! What may happen to a queue, as values that proptest makes and shrinks. Tasks and workers are named by position,
//! taken modulo what is there, so that a sequence still means something after parts of it are gone.

use proptest::prelude::*;

use crate::proof::world;
use crate::rules::Flow;
use crate::task::Priority;

/// Longest sequence of one case.
const LONGEST: usize = 60;

/// Amounts by which the clock moves: the limits of leases, waits, registrations and results, and what lies between.
const ADVANCES_MS: [u64; 10] = [
    1,
    499,
    3_000,
    5_000,
    10_001,
    15_000,
    61_000,
    3_600_000,
    86_400_000,
    31 * 86_400_000,
];

/// One operation.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Enqueue(Vec<Spec>),
    /// The last enqueue arrives again: its reply was lost.
    Resend,
    Step {
        worker: usize,
        plan: Plan,
    },
    /// An earlier request of this worker arrives again; 0 is the last one.
    Duplicate {
        worker: usize,
        back: usize,
    },
    /// The worker is forgotten as SIGKILL would; another takes its place, maybe under its name.
    Die {
        worker: usize,
        same_name: bool,
    },
    /// The worker claims what it can, dies with it, and time passes until the leases are over: losses in a row are what
    /// single operations would seldom bring about.
    Lose {
        worker: usize,
    },
    /// The worker gives back what it holds and signs off.
    Leave {
        worker: usize,
    },
    Drain {
        worker: usize,
    },
    Cancel {
        task: usize,
        foreign: bool,
    },
    /// Changes a rule, by position in `world.rs`.
    Rule {
        subject: usize,
        change: Change,
    },
    /// Changes how much a tenant, or each, may have in the queue: tasks, bytes.
    Bound {
        tenant: Option<usize>,
        tasks: Option<u64>,
        bytes: Option<u64>,
    },
    Advance(u64),
    Tick {
        worker: usize,
    },
    /// Reads one task and lists all, through the public calls.
    Read {
        task: usize,
        foreign: bool,
    },
}

/// What of a rule changes.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Flow(Flow),
    /// Concurrency; tasks in a period of milliseconds.
    Limits(Option<u64>, Option<(u64, u64)>),
}

/// A task to enqueue.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) kind: usize,
    pub(super) tenant: usize,
    pub(super) fairness: Option<u8>,
    pub(super) priority: Priority,
    pub(super) wait: Wait,
    /// Idempotency key and fingerprint.
    pub(super) key: Option<(u8, u8)>,
    pub(super) live: bool,
    pub(super) ttl_ms: u64,
    /// From when it may run, or from now if it may run at once.
    pub(super) expires: Option<u64>,
    pub(super) unique: Option<u8>,
}

/// When a task may run.
#[derive(Debug, Clone)]
pub(super) enum Wait {
    Now,
    Delay(u64),
    /// This far from the present; negative is in the past.
    RunAt(i64),
}

/// What a worker puts into a step beside its wish for tasks.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) ends: Vec<(usize, Word)>,
    /// A word about an attempt of the past, with its old token or a forged one.
    pub(super) stale: Option<(usize, Word, bool)>,
    pub(super) renew: bool,
    pub(super) progress: Option<(usize, u8)>,
    pub(super) register: bool,
    /// Units claimed ahead.
    pub(super) extra: u32,
    /// The reply does not arrive: the worker sends the step again.
    pub(super) lost: bool,
    /// The request does not arrive at first: it is executed when it is sent again, maybe after the next one.
    pub(super) delayed: bool,
    /// If one step has no answer yet, this one is sent beside it instead of that one again.
    pub(super) second: bool,
}

impl Spec {
    /// A task without peculiarities.
    pub(super) fn plain(kind: usize) -> Self {
        Self {
            kind,
            tenant: 0,
            fairness: None,
            priority: Priority::Normal,
            wait: Wait::Now,
            key: None,
            live: false,
            ttl_ms: 0,
            expires: None,
            unique: None,
        }
    }
}

impl Plan {
    /// Says this of up to `count` attempts, and nothing else.
    pub(super) fn only(word: Word, count: usize) -> Self {
        Self {
            ends: vec![(0, word); count],
            stale: None,
            renew: false,
            progress: None,
            register: false,
            extra: 0,
            lost: false,
            delayed: false,
            second: false,
        }
    }
}

/// What a worker says of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word {
    Succeed,
    Fail,
    Cancel,
    Retry(u64),
    Snooze(u64),
    Release,
}

/// Sequences of operations.
pub(super) fn sequences() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..=LONGEST)
}

fn op() -> impl Strategy<Value = Op> {
    let worker = || 0_usize..3;
    prop_oneof![
        6 => prop::collection::vec(spec(), 1..=5).prop_map(Op::Enqueue),
        6 => (plain(), 1_usize..=4).prop_map(|(spec, count)| Op::Enqueue(vec![spec; count / 2 + 1])),
        1 => Just(Op::Resend),
        12 => (worker(), plan()).prop_map(|(worker, plan)| Op::Step { worker, plan }),
        1 => (worker(), 0_usize..4).prop_map(|(worker, back)| Op::Duplicate { worker, back }),
        2 => (worker(), any::<bool>()).prop_map(|(worker, same_name)| Op::Die { worker, same_name }),
        2 => worker().prop_map(|worker| Op::Lose { worker }),
        1 => worker().prop_map(|worker| Op::Leave { worker }),
        1 => worker().prop_map(|worker| Op::Drain { worker }),
        2 => (any::<usize>(), prop::bool::weighted(0.1)).prop_map(|(task, foreign)| Op::Cancel { task, foreign }),
        2 => (0..world::SUBJECTS, change()).prop_map(|(subject, change)| Op::Rule { subject, change }),
        1 => bound(),
        5 => prop::sample::select(&ADVANCES_MS).prop_map(Op::Advance),
        4 => worker().prop_map(|worker| Op::Tick { worker }),
        1 => (any::<usize>(), prop::bool::weighted(0.2)).prop_map(|(task, foreign)| Op::Read { task, foreign }),
    ]
}

fn bound() -> impl Strategy<Value = Op> {
    let tasks = prop::option::of(prop::sample::select(&[0, 1, 3, 8][..]));
    let bytes = prop::option::of(prop::sample::select(&[100, 400, 1_000][..]));
    (prop::option::of(0_usize..2), tasks, bytes).prop_map(|(tenant, tasks, bytes)| Op::Bound { tenant, tasks, bytes })
}

fn change() -> impl Strategy<Value = Change> {
    let flow = prop::sample::select(&[Flow::Open, Flow::Open, Flow::Paused, Flow::Draining][..]);
    let concurrency = prop::option::of(1_u64..3);
    let rate = prop::option::of(prop::sample::select(
        &[(1, 3_000), (2, 1_000), (3, 61_000), (7, 10)][..],
    ));
    prop_oneof![
        flow.prop_map(Change::Flow),
        (concurrency, rate).prop_map(|(concurrency, rate)| Change::Limits(concurrency, rate)),
        Just(Change::Limits(None, None)),
    ]
}

fn spec() -> impl Strategy<Value = Spec> {
    let wait = prop_oneof![
        5 => Just(Wait::Now),
        1 => prop::sample::select(&[1, 3_000, 40_000][..]).prop_map(Wait::Delay),
        1 => prop::sample::select(&[-10_000, 0, 1, 20_000][..]).prop_map(Wait::RunAt),
    ];
    let key = prop::option::weighted(0.3, (0_u8..3, 0_u8..2));
    (
        0_usize..3,
        (0_usize..2, prop::option::weighted(0.4, 0_u8..2)),
        prop::sample::select(&Priority::ALL[..]),
        wait,
        key,
        prop::bool::weighted(0.25),
        prop::sample::select(&[0, 3_600_000, 86_400_000][..]),
        prop::option::weighted(0.3, prop::sample::select(&[1, 3_000, 15_000, 100_000_000][..])),
        prop::option::weighted(0.2, 0_u8..2),
    )
        .prop_map(
            |(kind, (tenant, fairness), priority, wait, key, live, ttl_ms, expires, unique)| Spec {
                kind,
                tenant,
                fairness,
                priority,
                wait,
                key,
                live,
                ttl_ms,
                expires: expires.filter(|_| !live),
                unique,
            },
        )
}

/// What the scripts have a short way for, alone and in a batch.
fn plain() -> impl Strategy<Value = Spec> {
    (0_usize..3, 0_usize..2, prop::sample::select(&Priority::ALL[..])).prop_map(|(kind, tenant, priority)| Spec {
        tenant,
        priority,
        ..Spec::plain(kind)
    })
}

fn plan() -> impl Strategy<Value = Plan> {
    (
        prop::collection::vec((any::<usize>(), word()), 0..=3),
        prop::option::weighted(0.2, (any::<usize>(), word(), any::<bool>())),
        any::<bool>(),
        prop::option::weighted(0.3, (any::<usize>(), 0_u8..=100)),
        prop::bool::weighted(0.3),
        prop::sample::select(&[0, 0, 0, 2][..]),
        (prop::bool::weighted(0.2), prop::bool::weighted(0.1), any::<bool>()),
    )
        .prop_map(
            |(ends, stale, renew, progress, register, extra, (lost, delayed, second))| Plan {
                ends,
                stale,
                renew,
                progress,
                register,
                extra,
                lost,
                delayed,
                second,
            },
        )
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        4 => Just(Word::Succeed),
        1 => Just(Word::Fail),
        1 => Just(Word::Cancel),
        2 => prop::sample::select(&[0, 1, 4_000][..]).prop_map(Word::Retry),
        1 => prop::sample::select(&[0, 1, 4_000][..]).prop_map(Word::Snooze),
        2 => Just(Word::Release),
    ]
}
