//! Which tasks a step claims, and who may take one that must run alone.

use std::collections::BTreeMap;

use super::step::Before;
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

impl Model {
    pub(super) fn pick(&mut self, worker: &str, request: &StepRequest, before: &Before) -> Picked {
        let mut picked = Picked::default();
        if request.wanted == 0 {
            return picked;
        }
        // A worker that is empty but has no room (streams do not count) could never start the task.
        let able: Vec<&Offer> = request
            .kinds
            .iter()
            .filter(|offer| !request.idle || has_room(request, offer, 0))
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
                vec![(id, offer.lease_ms)]
            }
            Some(_) if picked.hold => Vec::new(),
            _ => most_urgent(request, before),
        };
        for (id, lease_ms) in chosen {
            picked.claims.push(self.claim(worker, id, lease_ms, &request.token));
        }
        if picked.alone {
            self.hold = None;
        } else if picked.hold {
            self.hold = Some(worker.to_owned());
        }
        picked
    }

    fn claim(&mut self, worker: &str, id: TaskId, lease_ms: u64, token: &str) -> Claim {
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
        });
        Claim {
            id,
            attempt: task.used,
            losses: task.losses,
            record: task.record.clone(),
        }
    }
}

/// Whether one more task of this kind fits, `used` units of its class being taken by this step.
fn has_room(request: &StepRequest, offer: &Offer, used: u32) -> bool {
    used + offer.cost <= request.free[offer.class] + offer.extra
}

/// A merge of the queues by score, as long as there is room and more is wanted.
fn most_urgent(request: &StepRequest, before: &Before) -> Vec<(TaskId, u64)> {
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    let mut used = vec![0; request.free.len()];
    let mut chosen = Vec::new();
    while chosen.len() < request.wanted {
        let heads = request.kinds.iter().filter_map(|offer| {
            let at = taken.get(offer.kind.as_str()).copied().unwrap_or_default();
            let head = before.queued[&offer.kind].get(at)?;
            has_room(request, offer, used[offer.class]).then_some((head.0, head.1, offer))
        });
        let Some((_, id, offer)) = heads.reduce(|best, next| if next.0 < best.0 { next } else { best }) else {
            break;
        };
        *taken.entry(&offer.kind).or_default() += 1;
        used[offer.class] += offer.cost;
        chosen.push((id, offer.lease_ms));
    }
    chosen
}
