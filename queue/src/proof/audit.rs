//! Compares all that Redis holds with the model: every task in the one place where it should be, every record to the
//! byte, no key that nobody accounts for, no wake-up lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use redis::AsyncCommands;

use crate::fsck::{Fault, FsckMode};
use crate::id::TaskId;
use crate::proof::model::{Model, Task};
use crate::proof::sim::KINDS;
use crate::proof::world::{TENANTS, World};

/// Registrations older than this are not trusted by the scripts.
const FRESH_MS: u64 = 10_000;
/// What a registration holds above its time: how little its worker holds.
const TURN: u64 = 1 << 41;

type Scores = BTreeMap<String, Vec<(String, u64)>>;

/// Checks every invariant.
pub(super) async fn compare(world: &mut World) {
    let mut keys: Vec<String> = world.raw.keys("*").await.unwrap();
    keys.sort();
    let found = Found::read(world, &keys).await;
    assert_eq!(found.indexes, indexes(&world.model));
    assert_eq!(found.kept, kept(&world.model));
    assert_eq!(found.records, records(&world.model));
    for name in &found.others {
        assert!(is_furniture(name), "nobody accounts for the key {name}");
    }
    assert_eq!(found.own, world.model.lanes.owners);
    assert_eq!(found.rules, rules(&world.model));
    assert_eq!(found.hold, world.model.hold);
    assert_eq!(
        found.registry,
        world.model.registry.keys().cloned().collect::<BTreeSet<_>>()
    );
    lists(&world.model, &found);
    wake_ups(world, &found);
}

/// What operators look with sees nothing wrong either.
pub(super) async fn fsck_is_clean(world: &World) {
    let report = world.queue.fsck(FsckMode::Check).await.unwrap();
    // Idempotency keys lapse by the server's clock, and this world has its own: it keeps them itself.
    let wrong: Vec<_> = report
        .findings
        .iter()
        .filter(|found| found.fault != Fault::KeyWithoutTask)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(report.tasks, world.model.tasks.len() as u64);
}

/// What Redis holds, by meaning.
#[derive(Default)]
struct Found {
    indexes: Scores,
    /// Results by the moment they may go.
    kept: BTreeMap<String, Vec<String>>,
    /// Tasks on pages of tenants' lists.
    pages: BTreeMap<String, Vec<TaskId>>,
    /// Pages that these lists name.
    lists: Scores,
    records: BTreeMap<String, String>,
    idle: Scores,
    own: BTreeMap<String, String>,
    rules: BTreeMap<String, String>,
    /// Workers whose mailbox holds something that a step follows.
    mail: BTreeSet<String>,
    hold: Option<String>,
    registry: BTreeSet<String>,
    others: Vec<String>,
}

impl Found {
    async fn read(world: &mut World, keys: &[String]) -> Self {
        let mut found = Self::default();
        let mut pipe = redis::pipe();
        for key in keys {
            match kind_of_key(name_of(world, key)) {
                Holds::Index => pipe.zrange_withscores(key, 0, -1),
                Holds::Text => pipe.get(key),
                Holds::Fields => pipe.hgetall(key),
                Holds::Mail | Holds::Results | Holds::Page => pipe.lrange(key, 0, -1),
                Holds::Other => pipe.exists(key),
            };
        }
        let values: Vec<redis::Value> = pipe.query_async(&mut world.raw).await.unwrap();
        for (key, value) in keys.iter().zip(values) {
            let name = name_of(world, key).to_owned();
            match kind_of_key(&name) {
                Holds::Index => {
                    let scores: Vec<(String, u64)> = redis::from_redis_value(value).unwrap();
                    let into = match name.split(':').next() {
                        Some("idle") => &mut found.idle,
                        Some("ix") => &mut found.lists,
                        _ => &mut found.indexes,
                    };
                    into.insert(name, scores);
                }
                Holds::Text if name == "hold" => found.hold = redis::from_redis_value(value).unwrap(),
                // Behind them stands when they last changed.
                Holds::Text if name.starts_with("n:") => {
                    let text: String = redis::from_redis_value(value).unwrap();
                    let (tally, _) = text.rsplit_once('|').unwrap();
                    found.records.insert(name, tally.to_owned());
                }
                Holds::Text => drop(found.records.insert(name, redis::from_redis_value(value).unwrap())),
                Holds::Fields => {
                    let fields: BTreeMap<String, String> = redis::from_redis_value(value).unwrap();
                    match name.as_str() {
                        "own" => found.own = fields,
                        "rules" => found.rules = fields,
                        // What the queue says of them was compared when they were set.
                        "bounds" => {}
                        "a" => found
                            .records
                            .extend(fields.into_iter().map(|(id, text)| (format!("a:{id}"), text))),
                        span if span.starts_with("t:") => found
                            .records
                            .extend(fields.into_iter().map(|(id, text)| (format!("{span}:{id}"), text))),
                        _ => found.registry = fields.into_keys().collect(),
                    }
                }
                Holds::Mail => {
                    let items: Vec<String> = redis::from_redis_value(value).unwrap();
                    if items.iter().any(|item| item != "t") {
                        found.mail.insert(name["w:".len()..].to_owned());
                    }
                }
                Holds::Results => drop(found.kept.insert(name, redis::from_redis_value(value).unwrap())),
                Holds::Page => {
                    let ids: Vec<String> = redis::from_redis_value(value).unwrap();
                    let ids = ids.iter().map(|id| id.parse().unwrap());
                    found.pages.insert(name, ids.collect());
                }
                Holds::Other => found.others.push(name),
            }
        }
        found
    }
}

enum Holds {
    Index,
    Text,
    Fields,
    Mail,
    Results,
    Page,
    Other,
}

fn kind_of_key(name: &str) -> Holds {
    match name.split(':').next().unwrap_or_default() {
        "idem" | "u" | "n" | "r" | "hold" => Holds::Text,
        "t" | "workers" | "own" | "rules" | "bounds" | "a" => Holds::Fields,
        "w" => Holds::Mail,
        "done" if name.contains(':') => Holds::Results,
        "ix" if name.matches(':').count() > 1 => Holds::Page,
        "q" | "f" | "fl" | "fm" | "b" | "c" | "solo" | "lease" | "tm" | "wait" | "park" | "done" | "dl" | "ix"
        | "exp" | "idle" => Holds::Index,
        _ => Holds::Other,
    }
}

/// Keys that no task accounts for: registries, hints, counters, the last replies, the ticker's duty.
fn is_furniture(name: &str) -> bool {
    matches!(name, "meta" | "kinds" | "ev" | "tick") || name.starts_with("rt:") || name.starts_with("rp:")
}

fn name_of<'a>(world: &World, key: &'a str) -> &'a str {
    key.strip_prefix(&world.prefix).expect("keys of this case alone")
}

fn indexes(model: &Model) -> Scores {
    let mut indexes = Scores::new();
    let mut add_all = |name: String, entries: Vec<(u64, String)>| {
        if !entries.is_empty() {
            let entries = entries.into_iter().map(|(score, member)| (member, score));
            indexes.insert(name, entries.collect());
        }
    };
    add_all("tm".to_owned(), model.timetable());
    add_lanes(model, &mut add_all);
    let mut add = |name: String, entries: Vec<(u64, TaskId)>| {
        add_all(
            name,
            entries.into_iter().map(|(score, id)| (score, id.to_string())).collect(),
        );
    };
    for (kind, ..) in KINDS {
        add(format!("solo:{kind}"), model.solo(kind));
    }
    for (name, entries) in model.queues() {
        add(name, entries);
    }
    add("lease".to_owned(), model.leased());
    for name in holders(model) {
        add(format!("c:{name}"), model.holders(&name));
    }
    add("dl".to_owned(), model.dead());
    let mut deadlines: Vec<(u64, TaskId)> = model.deadlines.iter().map(|(id, deadline)| (*deadline, *id)).collect();
    deadlines.sort_unstable();
    add("exp".to_owned(), deadlines);
    if !model.kept.is_empty() {
        let moments = model.kept.keys().map(|moment| (moment.to_string(), *moment));
        indexes.insert("done".to_owned(), moments.collect());
    }
    indexes
}

fn rules(model: &Model) -> BTreeMap<String, String> {
    model
        .rules
        .iter()
        .map(|(subject, rule)| (subject.field(), rule.text()))
        .collect()
}

/// Rings, remembered passes, and who stands away.
fn add_lanes(model: &Model, add: &mut impl FnMut(String, Vec<(u64, String)>)) {
    let sorted = |mut entries: Vec<(u64, String)>| {
        entries.sort_unstable();
        entries
    };
    for (name, ring) in &model.lanes.rings {
        add(
            name.clone(),
            sorted(
                ring.iter()
                    .map(|(member, seat)| (seat.score(), member.clone()))
                    .collect(),
            ),
        );
    }
    for (flow, passes) in &model.lanes.remembered {
        add(
            format!("fm:{flow}"),
            sorted(passes.iter().map(|(member, pass)| (*pass, member.clone())).collect()),
        );
    }
    for (name, flows) in &model.lanes.away {
        add(
            format!("b:{name}"),
            flows.iter().map(|flow| (0, flow.clone())).collect(),
        );
    }
}

/// Whatever running tasks count for.
fn holders(model: &Model) -> BTreeSet<String> {
    let leases = model.tasks.values().filter_map(Task::lease);
    let names = leases.filter_map(|lease| lease.holds.split_once('/'));
    names
        .flat_map(|(kind, lane)| [kind.to_owned(), lane.to_owned()])
        .filter(|name| !name.is_empty())
        .collect()
}

/// Each tenant's list names the pages that are there, and perhaps an empty one behind them; they hold its tasks as they came,
/// each on the last page that was begun by then.
fn lists(model: &Model, found: &Found) {
    let mut pages = found.pages.clone();
    for tenant in TENANTS {
        let index = format!("ix:{tenant}");
        let named = found.lists.get(&index).map_or(&[][..], Vec::as_slice);
        let mut listed = Vec::new();
        for (at, (page, begun)) in named.iter().enumerate() {
            assert_eq!(*page, begun.to_string());
            let ids = pages.remove(&format!("{index}:{page}"));
            let is_last = at + 1 == named.len();
            assert!(
                ids.is_some() || (is_last && at > 0),
                "{index} names page {page}, which is not there"
            );
            let ids = ids.unwrap_or_default();
            let next = named.get(at + 1).map_or(u64::MAX, |(_, next)| *next);
            for id in &ids {
                let created = model.tasks[id].created;
                assert!(
                    (*begun..next).contains(&created),
                    "{id} of {created} on page {page} before {next}"
                );
            }
            listed.extend(ids);
        }
        assert_eq!(listed, model.listed(tenant), "{index}");
    }
    assert!(pages.is_empty(), "nothing names {pages:?}");
}

fn kept(model: &Model) -> BTreeMap<String, Vec<String>> {
    let lists = model.kept.iter();
    let list = |(moment, ids): (&u64, &VecDeque<TaskId>)| {
        let ids = ids.iter().map(ToString::to_string).collect();
        (format!("done:{moment}"), ids)
    };
    lists.map(list).collect()
}

fn records(model: &Model) -> BTreeMap<String, String> {
    let tasks = model
        .tasks
        .iter()
        .map(|(id, task)| (format!("t:{}:{id}", id.span()), task.record.clone()));
    let keys = model.keys.iter().map(|((tenant, hash), (id, fingerprint))| {
        let key = format!("idem:{tenant}:{hash}");
        (key, format!("{id} {fingerprint}"))
    });
    let allowances = model
        .allowances
        .iter()
        .map(|(name, whole)| (format!("r:{name}"), whole.to_string()));
    let unique = model
        .unique
        .iter()
        .map(|((tenant, hash), id)| (format!("u:{tenant}:{hash}"), id.to_string()));
    let tallies = TENANTS.iter().filter_map(|tenant| {
        let tally = model.tally(tenant);
        (tally.tasks > 0).then(|| (format!("n:{tenant}"), format!("{}|{}", tally.tasks, tally.bytes)))
    });
    tasks
        .chain(attempts(model))
        .chain(keys)
        .chain(unique)
        .chain(tallies)
        .chain(allowances)
        .collect()
}

/// An attempt is there exactly while a task runs or has used something up.
fn attempts(model: &Model) -> impl Iterator<Item = (String, String)> {
    let attempt = |task: &Task| {
        let counts = format!("{}|{}", task.used, task.losses);
        let Some(lease) = task.lease() else {
            return (task.used > 0 || task.losses > 0).then(|| format!("||{counts}"));
        };
        let (token, started, length, worker) = (&lease.token, lease.started, lease.length, &lease.worker);
        let holds = &lease.holds;
        let cancel = if lease.cancel { "1" } else { "" };
        let progress = task.progress.as_deref().unwrap_or_default();
        Some(format!(
            "{token}|{holds}|{counts}|{started}|{length}|{worker}|{cancel}|{progress}"
        ))
    };
    let live = model.tasks.iter().filter(|(_, task)| !task.has_ended());
    live.filter_map(move |(id, task)| Some((format!("a:{id}"), attempt(task)?)))
}

/// If a kind has claimable tasks and a worker waits for that kind, then somebody who can pass the word on is about to
/// step: a worker with mail, with an unanswered step, or with reason to look again. Only the death of such a worker
/// suspends this, until the next round of the ticker. A task to be run alone may also wait for the worker that has
/// taken this on.
fn wake_ups(world: &World, found: &Found) {
    let lost = world.wakeup_lost || world.dead.iter().any(|name| found.mail.contains(name));
    for (kind, ..) in KINDS {
        let solo = !world.model.solo(kind).is_empty() && world.model.hold.is_none();
        let claimable = world.model.kind_is_open(kind) && (solo || world.model.may_run(kind));
        let waiting = found.idle.get(&format!("idle:{kind}")).is_some_and(|entries| {
            entries
                .iter()
                .any(|(_, score)| score % TURN + FRESH_MS >= world.model.now)
        });
        let about_to_step = world
            .workers
            .iter()
            .filter(|sim| sim.serves(kind))
            .any(|sim| sim.woken || !sim.unanswered.is_empty() || found.mail.contains(&sim.name));
        assert!(
            !claimable || !waiting || about_to_step || lost,
            "{kind} has work, {:?} wait for it, and nobody is about to step",
            found.idle
        );
    }
}
