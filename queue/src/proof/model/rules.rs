//! What is allowed: limits of concurrency and rate, pauses.

use super::{Model, Place};
use crate::rules::{Flow, Rate, Rule, Subject};
use crate::why::Cause;

/// How many more tasks of a kind or a key may run, while tasks are picked.
#[derive(Debug, Clone)]
pub(super) struct Room {
    pub(super) free: i64,
    pub(super) held: bool,
    subject: String,
    taken: bool,
    /// Without regard to the rate.
    unheld: i64,
    allowance: Option<Allowance>,
}

/// Microseconds.
#[derive(Debug, Clone)]
struct Allowance {
    now: u64,
    /// When it will be whole again.
    whole: u64,
    interval: u64,
    period: u64,
}

impl Allowance {
    fn rated(&self) -> i64 {
        let left = (self.now + self.period).cast_signed() - self.whole.cast_signed();
        left.div_euclid(self.interval.cast_signed())
    }

    /// When there is some again, milliseconds.
    fn again_at(&self) -> u64 {
        (self.whole + self.interval - self.period).div_ceil(1_000)
    }
}

impl Room {
    pub(super) fn spend(&mut self) {
        self.taken = true;
        self.free -= 1;
        self.unheld -= 1;
        if let Some(allowance) = &mut self.allowance {
            allowance.whole += allowance.interval;
            self.free = self.unheld.min(allowance.rated());
        }
    }
}

impl Model {
    pub(in crate::proof) fn is_ruled(&self) -> bool {
        !self.rules.is_empty()
    }

    pub(super) fn rule(&self, subject: &Subject) -> Rule {
        self.rules.get(subject).copied().unwrap_or_default()
    }

    pub(super) fn tenant_is_paused(&self, tenant: &str) -> bool {
        self.rule(&Subject::Tenant(tenant.to_owned())).flow == Flow::Paused
    }

    pub(super) fn key_room(&mut self, tenant: &str, key: &str) -> &mut Room {
        let name = super::lanes::lane(tenant, key);
        if !self.script.rooms.contains_key(&name) {
            let subject = Subject::Key {
                tenant: tenant.to_owned(),
                key: key.to_owned(),
            };
            let (own, default) = (self.rule(&subject), self.rule(&Subject::EachKey(tenant.to_owned())));
            let rule = Rule {
                flow: own.flow,
                concurrency: own.concurrency.or(default.concurrency),
                rate: own.rate.or(default.rate),
            };
            let room = self.room(&name, &subject, rule);
            self.script.rooms.insert(name.clone(), room);
        }
        self.script.rooms.get_mut(&name).expect("it was just made")
    }

    /// The room of a kind that has a rule.
    pub(super) fn kind_room(&mut self, kind: &str) -> Option<&mut Room> {
        let subject = Subject::Kind(kind.to_owned());
        if !self.rules.contains_key(&subject) {
            return None;
        }
        if !self.script.rooms.contains_key(kind) {
            let room = self.room(kind, &subject, self.rule(&subject));
            self.script.rooms.insert(kind.to_owned(), room);
        }
        self.script.rooms.get_mut(kind)
    }

    fn room(&self, name: &str, subject: &Subject, rule: Rule) -> Room {
        let holders = self.holders(name).len() as i64;
        let unheld = rule
            .concurrency
            .map_or(i64::MAX / 2, |most| most.cast_signed() - holders);
        let allowance = rule.rate.map(|Rate { count, period_ms }| {
            let (now, period) = (self.now * 1_000, period_ms * 1_000);
            let whole = self.allowances.get(name).copied().unwrap_or_default().max(now);
            Allowance {
                now,
                whole,
                interval: period.div_ceil(count),
                period,
            }
        });
        let free = allowance
            .as_ref()
            .map_or(unheld, |allowance| unheld.min(allowance.rated()));
        Room {
            free: if rule.flow == Flow::Paused { 0 } else { free },
            held: rule.concurrency.is_some(),
            subject: subject.field(),
            taken: false,
            unheld,
            allowance,
        }
    }

    /// Whether a kind's own rule lets a task of it begin.
    pub(in crate::proof) fn kind_is_open(&self, kind: &str) -> bool {
        let subject = Subject::Kind(kind.to_owned());
        self.room(kind, &subject, self.rule(&subject)).free > 0
    }

    /// Whether somebody's queue of this kind is there to be claimed from.
    pub(in crate::proof) fn may_run(&self, kind: &str) -> bool {
        let seated = |flow: String| {
            let ring = self.lanes.rings.get(&format!("fl:{flow}"));
            ring.is_some_and(|ring| ring.values().any(|seat| !seat.away))
        };
        let plain = format!("q:{kind}");
        let queued = self
            .tasks
            .values()
            .any(|task| matches!(&task.place, Place::Queued(name) if *name == plain));
        queued || seated(kind.to_owned()) || seated(format!("{kind}!"))
    }

    /// Pauses and limits of concurrency that keep a queued task from being begun.
    pub(in crate::proof) fn rules_against(&self, task: &crate::task::Task) -> Vec<Cause> {
        if task.state != crate::task::State::Queued {
            return Vec::new();
        }
        let (kind, key) = (&task.kind, task.fairness_key.clone().unwrap_or_default());
        let lane = super::lanes::lane(&task.tenant, &key);
        let full = |name: &str, most: Option<u64>| most.filter(|most| self.holders(name).len() as u64 >= *most);
        let (of_kind, of_key) = (
            self.rule(&Subject::Kind(kind.clone())),
            self.rule(&Subject::Key {
                tenant: task.tenant.clone(),
                key,
            }),
        );
        let each = self.rule(&Subject::EachKey(task.tenant.clone()));
        let kind_limit = full(kind, of_kind.concurrency).map(|limit| Cause::KindAtLimit { limit });
        let key_limit = full(&lane, of_key.concurrency.or(each.concurrency)).map(|limit| Cause::KeyAtLimit { limit });
        let paused = |flow: Flow, cause: Cause| (flow == Flow::Paused).then_some(cause);
        let tenant = self.tenant_is_paused(&task.tenant).then_some(Cause::TenantPaused);
        let kind_paused = paused(of_kind.flow, Cause::KindPaused);
        let causes = [
            kind_paused,
            kind_limit,
            tenant,
            paused(of_key.flow, Cause::KeyPaused),
            key_limit,
        ];
        causes.into_iter().flatten().collect()
    }

    /// Tasks that count for a limit of concurrency, by when they began.
    pub(in crate::proof) fn holders(&self, name: &str) -> Vec<(u64, crate::id::TaskId)> {
        self.index(|task| {
            let lease = task.lease()?;
            let (kind, lane) = lease.holds.split_once('/')?;
            (kind == name || lane == name).then_some(lease.started)
        })
    }

    /// Writes down what is left of the allowances.
    pub(super) fn settle_rooms(&mut self) {
        for (name, room) in std::mem::take(&mut self.script.rooms) {
            let Some(allowance) = room.allowance else { continue };
            if room.taken {
                self.allowances.insert(name, allowance.whole);
            }
            if allowance.rated() < 1 {
                self.timers.insert(room.subject, allowance.again_at());
            }
        }
    }

    /// Changes a rule and lets run what it kept.
    pub(in crate::proof) fn set_rule(&mut self, subject: &Subject, rule: Rule) {
        self.begin();
        let was_ruled = self.is_ruled();
        if rule == Rule::default() {
            self.rules.remove(subject);
        } else {
            self.rules.insert(subject.clone(), rule);
        }
        if !was_ruled && self.is_ruled() {
            for (kind, owner) in self.lanes.owners.clone() {
                let plain = format!("q:{kind}");
                if self
                    .tasks
                    .values()
                    .any(|task| matches!(&task.place, Place::Queued(name) if *name == plain))
                {
                    self.split(&kind, &owner);
                }
                self.lanes.owners.remove(&kind);
            }
        }
        self.let_run(&subject.field());
        self.seat_all();
    }

    /// The rule of this subject has changed, or its rate allows for something again.
    pub(super) fn let_run(&mut self, field: &str) {
        match field.split_once('/').expect("a scope and a name") {
            ("kind", _) => {}
            ("keys", tenant) => {
                let prefix = format!("{tenant}:");
                let away = self.script.before.away.keys().filter(|name| name.starts_with(&prefix));
                for name in away.cloned().collect::<Vec<_>>() {
                    self.restore(&name);
                }
            }
            (_, name) => self.restore(name),
        }
    }
}
