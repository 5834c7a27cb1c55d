//! Which tasks a step claims, and who may take one that must run alone.

use super::step::Before;
use super::turns::{Offered, Turns};
use super::{Lease, Model, Place};
use crate::id::TaskId;
use crate::worker::step::{Claim, Offer, StepRequest};

/// What a step took.
#[derive(Debug, Default)]
pub(super) struct Picked {
    pub(super) claims: Vec<Claim>,
    pub(super) hold: bool,
    pub(super) alone: bool,
}

/// A task to claim.
struct Chosen {
    id: TaskId,
    lease_ms: u64,
    holds: String,
}

impl Model {
    pub(super) fn pick(&mut self, worker: &str, request: &StepRequest, before: &Before) -> Picked {
        let mut picked = Picked::default();
        if request.wanted == 0 {
            return picked;
        }
        for offer in &request.kinds {
            self.kind_room(&offer.kind);
        }
        // A worker that is empty but has no room (streams do not count) could never start the task.
        let able: Vec<&Offer> = request
            .kinds
            .iter()
            .filter(|offer| !request.idle || has_units(request, offer, 0))
            .filter(|offer| self.kind_room(&offer.kind).is_none_or(|room| room.free > 0))
            .collect();
        let solo = able.iter().flat_map(|offer| {
            let head = before.solo[&offer.kind].first();
            head.map(|(score, id)| (*score, *id, *offer))
        });
        // Of equal scores the first kind wins.
        let solo = solo.reduce(|best, next| if next.0 < best.0 { next } else { best });
        let free_to_take = request.idle || self.hold.as_deref().is_none_or(|holder| holder == worker);
        picked.hold = solo.is_some() && free_to_take;
        let chosen = match solo {
            Some((_, id, offer)) if picked.hold && request.idle => {
                picked.alone = true;
                let held = self.kind_room(&offer.kind).is_some_and(|room| {
                    room.spend();
                    room.held
                });
                vec![Chosen {
                    id,
                    lease_ms: offer.lease_ms,
                    holds: if held {
                        format!("{}/", offer.kind)
                    } else {
                        String::new()
                    },
                }]
            }
            Some(_) if picked.hold => Vec::new(),
            _ => self.most_urgent(request, before),
        };
        for chosen in chosen {
            if self.script.late && self.is_over(chosen.id) {
                if !self.tasks[&chosen.id].has_ended() {
                    self.bury_expired(chosen.id, None);
                }
                continue;
            }
            picked.claims.push(self.claim(worker, chosen, &request.token));
        }
        if picked.alone {
            self.hold = None;
        } else if picked.hold {
            self.hold = Some(worker.to_owned());
        }
        picked
    }

    fn claim(&mut self, worker: &str, chosen: Chosen, token: &str) -> Claim {
        let Chosen { id, lease_ms, holds } = chosen;
        let now = self.now;
        let task = self.tasks.get_mut(&id).expect("a queued task exists");
        task.used += 1;
        task.place = Place::Running(Lease {
            worker: worker.to_owned(),
            token: token.to_owned(),
            started: now,
            length: lease_ms,
            deadline: now + lease_ms,
            cancel: false,
            holds,
        });
        Claim {
            id,
            attempt: task.used,
            losses: task.losses,
            record: task.record.clone(),
        }
    }

    /// A merge of the kinds by the score of their heads, as long as there is room and more is wanted.
    fn most_urgent(&mut self, request: &StepRequest, before: &Before) -> Vec<Chosen> {
        let mut turns: Vec<Option<Turns>> = request
            .kinds
            .iter()
            .map(|offer| Turns::new(self, &offer.kind))
            .collect();
        let (mut taken, mut used) = (vec![0; turns.len()], vec![0; request.free.len()]);
        let (mut chosen, mut visits) = (Vec::new(), 0);
        while chosen.len() < request.wanted {
            let mut heads = Vec::new();
            for (at, offer) in request.kinds.iter().enumerate() {
                let closed = self.kind_room(&offer.kind).is_some_and(|room| room.free < 1);
                if closed || !has_units(request, offer, used[offer.class]) {
                    continue;
                }
                let head = match &mut turns[at] {
                    Some(turns) => turns.head(self, before, &mut visits),
                    None => before.plain(&offer.kind, taken[at]),
                };
                heads.extend(head.map(|head| (at, head)));
            }
            // Of equal scores the first kind wins.
            let best = heads
                .into_iter()
                .reduce(|best, next| if next.1.score < best.1.score { next } else { best });
            let Some((at, head)) = best else { break };
            let offer = &request.kinds[at];
            let kind_held = self.kind_room(&offer.kind).is_some_and(|room| {
                room.spend();
                room.held
            });
            let lane_held = turns[at].is_some() && self.lane_is_held(&head.lane);
            if let Some(turns) = &mut turns[at] {
                turns.take(self, before);
            }
            taken[at] += 1;
            used[offer.class] += offer.cost;
            let part = |held: bool, name: &str| if held { name.to_owned() } else { String::new() };
            let holds = format!("{}/{}", part(kind_held, &offer.kind), part(lane_held, &head.lane));
            chosen.push(Chosen {
                id: head.id,
                lease_ms: offer.lease_ms,
                holds: if holds == "/" { String::new() } else { holds },
            });
        }
        for turns in turns.into_iter().flatten() {
            turns.settle(self);
        }
        chosen
    }

    fn lane_is_held(&mut self, lane: &str) -> bool {
        let (tenant, key) = lane.split_once(':').expect("a tenant and a key");
        self.key_room(tenant, key).held
    }
}

impl Before {
    /// A task of the queue that a kind has while all of its tasks are of one tenant and key.
    fn plain(&self, kind: &str, at: usize) -> Option<Offered> {
        let (score, id) = *self.queues.get(&format!("q:{kind}"))?.get(at)?;
        Some(Offered {
            score,
            id,
            lane: String::new(),
        })
    }
}

/// Whether one more task of this kind fits, `used` units of its class being taken by this step.
fn has_units(request: &StepRequest, offer: &Offer, used: u32) -> bool {
    used + offer.cost <= request.free[offer.class] + offer.extra
}
