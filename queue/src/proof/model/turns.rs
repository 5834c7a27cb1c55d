//! Whose turn it is: up to eight tasks of one key at a time, of the tenant and key that were given fewest.

use std::collections::BTreeMap;

use super::Model;
use super::lanes::{CREDIT, Ring, Seat, lane};
use super::rules::Room;
use super::step::Before;
use crate::id::TaskId;

const QUANTUM: usize = 8;
const REALTIME_AHEAD: u64 = 64;
const MOST_VISITS: usize = 256;

/// Somebody in a ring while tasks are picked.
#[derive(Debug, Clone)]
struct Turn {
    name: String,
    pass: u64,
    /// Where it stood at first: of equals the one ahead goes first.
    rank: usize,
    gone: Option<Gone>,
    /// Tasks taken of a key's queue; `None` for one that was not visited.
    taken: Option<usize>,
    keys: Option<Vec<Self>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    Empty,
    Away,
}

/// A turn under way: tenant and key by position, tasks left.
#[derive(Debug, Clone, Copy)]
struct Visit {
    fast: bool,
    tenant: usize,
    key: usize,
    quota: usize,
}

/// The rings of one kind.
#[derive(Debug)]
pub(super) struct Turns {
    kind: String,
    /// Usual and realtime tasks.
    rings: [Vec<Turn>; 2],
    some_away: [bool; 2],
    visit: Option<Visit>,
    visited: bool,
}

/// A task that a ring offers.
#[derive(Debug, Clone)]
pub(super) struct Offered {
    pub(super) score: u64,
    pub(super) id: TaskId,
    pub(super) lane: String,
}

fn turns(ring: Option<&Ring>) -> Vec<Turn> {
    let mut seats: Vec<(u64, &String)> = ring
        .into_iter()
        .flatten()
        .filter(|(_, seat)| !seat.away)
        .map(|(name, seat)| (seat.pass, name))
        .collect();
    seats.sort_unstable();
    let turn = |(rank, (pass, name)): (usize, (u64, &String))| Turn {
        name: name.clone(),
        pass,
        rank,
        gone: None,
        taken: None,
        keys: None,
    };
    seats.into_iter().enumerate().map(turn).collect()
}

fn some_away(ring: Option<&Ring>) -> bool {
    ring.is_some_and(|ring| ring.values().any(|seat| seat.away))
}

fn front(turns: &[Turn]) -> Option<usize> {
    let there = turns.iter().enumerate().filter(|(_, turn)| turn.gone.is_none());
    there.min_by_key(|(_, turn)| (turn.pass, turn.rank)).map(|(at, _)| at)
}

impl Turns {
    /// `None` if nobody of this kind may run.
    pub(super) fn new(model: &Model, kind: &str) -> Option<Self> {
        let ring = |flow: String| model.script.before.rings.get(&format!("fl:{flow}"));
        let flows = [ring(kind.to_owned()), ring(format!("{kind}!"))];
        let this = Self {
            kind: kind.to_owned(),
            rings: flows.map(turns),
            some_away: flows.map(some_away),
            visit: None,
            visited: false,
        };
        this.front_tenant().is_some().then_some(this)
    }

    fn flow(&self, fast: bool) -> String {
        if fast {
            format!("{}!", self.kind)
        } else {
            self.kind.clone()
        }
    }

    fn front_tenant(&self) -> Option<(bool, usize)> {
        let [usual, fast] = [0, 1].map(|ring| front(&self.rings[ring]));
        match (fast, usual) {
            (Some(at), None) => Some((true, at)),
            (Some(at), Some(other)) if self.rings[1][at].pass <= self.rings[0][other].pass + REALTIME_AHEAD => {
                Some((true, at))
            }
            (_, other) => other.map(|at| (false, at)),
        }
    }

    /// The task whose turn it is.
    pub(super) fn head(&mut self, model: &mut Model, before: &Before, visits: &mut usize) -> Option<Offered> {
        let goes_on = self.visit.is_some_and(|visit| {
            let tenant = &self.rings[usize::from(visit.fast)][visit.tenant];
            let key = &tenant.keys.as_ref().expect("it is visited")[visit.key];
            let room = model.key_room(&tenant.name, &key.name);
            key.gone.is_none() && visit.quota > 0 && room.free > 0
        });
        if !goes_on {
            self.visit = self.next_visit(model, before, visits);
        }
        let visit = self.visit?;
        let tenant = &self.rings[usize::from(visit.fast)][visit.tenant];
        let key = &tenant.keys.as_ref().expect("it is visited")[visit.key];
        let name = lane(&tenant.name, &key.name);
        let queue = &before.queues[&format!("f:{}:{name}", self.flow(visit.fast))];
        let (score, id) = queue[key.taken.expect("it is visited")];
        Some(Offered { score, id, lane: name })
    }

    fn next_visit(&mut self, model: &mut Model, before: &Before, visits: &mut usize) -> Option<Visit> {
        self.visited = true;
        while *visits < MOST_VISITS {
            let (fast, at) = self.front_tenant()?;
            *visits += 1;
            let flow = self.flow(fast);
            let tenant = &mut self.rings[usize::from(fast)][at];
            let ring = model.script.before.rings.get(&format!("fl:{flow}:{}", tenant.name));
            let keys = tenant.keys.get_or_insert_with(|| turns(ring));
            if model.tenant_is_paused(&tenant.name) {
                tenant.gone = Some(Gone::Away);
                continue;
            }
            let Some(key_at) = front(keys) else {
                let away = some_away(ring) || keys.iter().any(|key| key.gone == Some(Gone::Away));
                tenant.gone = Some(if away { Gone::Away } else { Gone::Empty });
                continue;
            };
            let key = &mut keys[key_at];
            let taken = *key.taken.get_or_insert(0);
            let room = model.key_room(&tenant.name, &key.name);
            let queue = before
                .queues
                .get(&format!("f:{flow}:{}", lane(&tenant.name, &key.name)));
            if room.free < 1 {
                key.gone = Some(Gone::Away);
            } else if queue.is_none_or(|queue| queue.len() <= taken) {
                key.gone = Some(Gone::Empty);
            } else {
                return Some(Visit {
                    fast,
                    tenant: at,
                    key: key_at,
                    quota: QUANTUM.min(usize::try_from(room.free).expect("it is positive")),
                });
            }
        }
        None
    }

    /// Takes what `head` has offered.
    pub(super) fn take(&mut self, model: &mut Model, before: &Before) {
        let visit = self.visit.as_mut().expect("something was offered");
        visit.quota -= 1;
        let flow = if visit.fast {
            format!("{}!", self.kind)
        } else {
            self.kind.clone()
        };
        let tenant = &mut self.rings[usize::from(visit.fast)][visit.tenant];
        tenant.pass += 1;
        let key = &mut tenant.keys.as_mut().expect("it is visited")[visit.key];
        key.pass += 1;
        let taken = key.taken.insert(key.taken.unwrap_or(0) + 1);
        let room = model.key_room(&tenant.name, &key.name);
        room.spend();
        if before.queues[&format!("f:{flow}:{}", lane(&tenant.name, &key.name))].len() == *taken {
            key.gone = Some(Gone::Empty);
        } else if room.free < 1 {
            key.gone = Some(Gone::Away);
        }
    }

    /// Writes down what became of the rings.
    pub(super) fn settle(mut self, model: &mut Model) {
        if !self.visited {
            return;
        }
        for fast in [false, true] {
            let flow = self.flow(fast);
            for tenant in &mut self.rings[usize::from(fast)] {
                if tenant.keys.is_some() {
                    settle_tenant(model, &flow, tenant);
                }
            }
        }
        let next = [0, 1]
            .into_iter()
            .find_map(|ring| front(&self.rings[ring]).map(|at| self.rings[ring][at].pass));
        let flows = [self.kind.clone(), format!("{}!", self.kind)];
        let away =
            |ring: usize| self.some_away[ring] || self.rings[ring].iter().any(|tenant| tenant.gone == Some(Gone::Away));
        let joined = |flow: &String| model.script.joins.keys().any(|(name, _)| name == flow);
        let stays = away(0) || away(1) || flows.iter().any(joined);
        for flow in flows {
            let remembered = model.lanes.remembered.entry(flow).or_default();
            match next {
                Some(pass) if pass >= CREDIT => remembered.retain(|_, theirs| *theirs > pass - CREDIT),
                Some(_) => {}
                None if !stays => remembered.clear(),
                None => {}
            }
        }
        if let Some(pass) = next {
            let turn = model.lanes.remembered.entry(self.kind).or_default();
            let highest = turn.entry(String::new()).or_insert(pass);
            *highest = pass.max(*highest);
        }
    }
}

fn settle_tenant(model: &mut Model, flow: &str, tenant: &mut Turn) {
    let keys = tenant.keys.take().expect("it was visited");
    let (ring, top) = (format!("fl:{flow}:{}", tenant.name), format!("fl:{flow}"));
    let joined = model.script.joins.get(&(flow.to_owned(), tenant.name.clone())).cloned();
    let before = model.script.before.rings.get(&ring).cloned();
    let paused = model.tenant_is_paused(&tenant.name);
    for key in keys.iter().filter(|key| key.taken.is_some()) {
        let stays = joined.as_ref().is_some_and(|keys| keys.contains(&key.name)) && key.gone == Some(Gone::Empty);
        seat(&mut model.lanes.rings, &ring, key, stays);
        if key.gone == Some(Gone::Away) {
            model.stand_away(&lane(&tenant.name, &key.name), flow);
        }
    }
    if tenant.gone.is_none() && front(&keys).is_none() {
        let away = some_away(before.as_ref()) || keys.iter().any(|key| key.gone == Some(Gone::Away));
        tenant.gone = Some(if away { Gone::Away } else { Gone::Empty });
    }
    if paused {
        model.stand_away(&tenant.name, flow);
    }
    let stays = joined.is_some() && !paused;
    seat(&mut model.lanes.rings, &top, tenant, stays);
    if tenant.gone == Some(Gone::Empty) && !stays {
        let remembered = model.lanes.remembered.entry(flow.to_owned()).or_default();
        remembered.insert(tenant.name.clone(), tenant.pass);
    }
}

fn seat(rings: &mut BTreeMap<String, Ring>, ring: &str, turn: &Turn, stays: bool) {
    let seats = rings.entry(ring.to_owned()).or_default();
    if turn.gone == Some(Gone::Empty) && !stays {
        seats.remove(&turn.name);
    } else {
        let away = turn.gone == Some(Gone::Away) && !stays;
        seats.insert(turn.name.clone(), Seat { pass: turn.pass, away });
    }
}

impl Model {
    fn stand_away(&mut self, name: &str, flow: &str) {
        self.lanes
            .away
            .entry(name.to_owned())
            .or_default()
            .insert(flow.to_owned());
    }
}

/// Rooms are looked up by value so that several kinds share them.
pub(super) type Rooms = BTreeMap<String, Room>;
