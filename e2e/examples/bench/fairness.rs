//! What tenants and keys do to each other.

use std::path::Path;

use zoetrope_e2e::Durability;

use crate::ours::{bench, fresh, keyed};
use crate::table::median;
use crate::{CONCURRENCIES, Figures, HELD_TASKS, KEYS, SHARE, TASKS, text};

/// Drains of many keys alone, and as many beside one that stands at its limit: one drain is 20 % quicker than the next.
const TURNS: usize = 7;

pub(crate) async fn measure(worker: &Path, best: &mut Figures) {
    let redis = fresh(Durability::None).await;
    let [many, few, slots, run] = SHARE.map(text);
    let share = bench(worker, redis.url(), &["share", &many, &few, &slots, &run]).await;
    best.share_ms = ["alone_p95_ms", "beside_p95_ms"].map(|name| share[name].as_f64());

    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        alone.extend(drain(worker, 0).await);
        beside.extend(drain(worker, HELD_TASKS).await);
    }
    best.keyed_alone_per_s = median(alone.into_iter());
    best.keyed_beside_per_s = median(beside.into_iter());
}

/// Tasks a second of many keys, while `held` tasks of one more key may not run.
async fn drain(worker: &Path, held: u64) -> Option<f64> {
    let redis = fresh(Durability::None).await;
    if held > 0 {
        bench(worker, redis.url(), &["held", &text(held)]).await;
    }
    keyed(worker, &redis, TASKS, KEYS).await;
    let most = text(CONCURRENCIES[CONCURRENCIES.len() - 1]);
    bench(worker, redis.url(), &["work", &text(TASKS), &most]).await["drain_per_s"].as_f64()
}
