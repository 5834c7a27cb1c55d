//! One tenant with very much to do beside one with little.

use std::collections::HashMap;

use futures_util::future::FutureExt;
use tokio::time::{Instant, interval};
use zoetrope_queue::{Clock, NewTask, SystemClock};

use crate::chaos::arena::{Arena, LOOK, OTHER_TENANT, PATIENCE};
use crate::chaos::judge::Verdict;
use crate::chaos::probe::ProbeInput;
use crate::chaos::{Case, Scene};
use crate::ledger::{Deed, Diary};
use crate::redis::Durability;

pub(super) const CASES: &[Case] = &[Case {
    id: "C35",
    fault: "10,000 tasks of one tenant, then ten times 10 of another",
    promise: "95 of 100 tasks of the other end within twice the time that they take when it is alone",
    play: |scene| c35(scene).boxed(),
}];

/// What a measured task works: long beside a round trip.
const WORKS_MS: u64 = 100;
/// Tasks of the other tenant that come together: more than there are slots, so that they wait for each other, too.
const TOGETHER: usize = 10;
const PROBES: usize = 4;
const UNITS: u32 = 2;

async fn c35(scene: Scene) -> Verdict {
    let mut arena = Arena::start(Durability::None).await;
    arena.settings.units = UNITS;
    arena.add_probes(PROBES);
    let rounds = scene.scale.of(10, 2);
    let alone = others_turns(&mut arena, rounds).await;
    // As many as are begun while it is measured, and what it ends with; the rest need not take long.
    let slow = rounds as u64 * 100;
    let first = arena.ledger.ids().len() as u64;
    let crowd = move |number: u64| ProbeInput {
        works_ms: if number < first + slow { WORKS_MS } else { 1 },
        ..ProbeInput::default()
    };
    arena.submit(scene.scale.of(10_000, 1_000), crowd).await;
    let beside = others_turns(&mut arena, rounds).await;
    let mut verdict = arena.judge().await;
    let (alone, beside) = (percentile(&alone), percentile(&beside));
    verdict.promise_in_time(
        beside <= 2 * alone,
        format!("from submit to end, p95: {alone} ms alone, {beside} ms beside the other tenant"),
    );
    verdict
}

/// How long each of the other tenant's tasks takes from its submit to its end, milliseconds, some at a time.
async fn others_turns(arena: &mut Arena, rounds: usize) -> Vec<u64> {
    let mut turns = Vec::new();
    for _ in 0..rounds {
        let before = arena.ledger.ids();
        let asked = SystemClock.now_ms();
        let works = |_| ProbeInput {
            works_ms: WORKS_MS,
            ..ProbeInput::default()
        };
        let others = |task: NewTask| NewTask {
            tenant: OTHER_TENANT.to_owned(),
            ..task
        };
        arena.submit_as(TOGETHER, works, others).await;
        let mine: Vec<String> = arena.ledger.ids().difference(&before).cloned().collect();
        turns.extend(
            ends(arena, &mine)
                .await
                .into_iter()
                .map(|end| end.saturating_sub(asked)),
        );
    }
    turns
}

/// Waits for the ends of these tasks; when each was, Unix milliseconds.
async fn ends(arena: &Arena, ids: &[String]) -> Vec<u64> {
    let (mut looks, give_up) = (interval(LOOK), Instant::now() + PATIENCE);
    loop {
        looks.tick().await;
        let diary = Diary::read_all(arena.dir());
        let done = diary.into_iter().filter(|entry| entry.deed == Deed::Done);
        let ends: HashMap<String, u64> = done.map(|entry| (entry.id, entry.at_ms)).collect();
        let ended: Vec<u64> = ids.iter().filter_map(|id| ends.get(id).copied()).collect();
        if ended.len() == ids.len() {
            return ended;
        }
        assert!(Instant::now() < give_up, "tasks should end");
    }
}

/// The 95th percentile.
fn percentile(turns: &[u64]) -> u64 {
    let mut sorted = turns.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() * 95).div_ceil(100) - 1]
}
