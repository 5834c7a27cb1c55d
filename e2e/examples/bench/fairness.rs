//! What tenants and keys do to each other.

use std::path::Path;

use zoetrope_e2e::Durability;

use crate::ours::{bench, drain, fresh, keyed};
use crate::table::median;
use crate::{Figures, HELD_TASKS, KEYS, MOST, SHARE, TASKS, TURNS, text};

pub(crate) async fn measure(worker: &Path, best: &mut Figures) {
    let redis = fresh(Durability::None).await;
    let [many, few, slots, run] = SHARE.map(text);
    let share = bench(worker, redis.url(), &["share", &many, &few, &slots, &run]).await;
    best.share_ms = ["alone_p95_ms", "beside_p95_ms"].map(|name| share[name].as_f64());

    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        alone.extend(keyed_drain(worker, 0).await);
        beside.extend(keyed_drain(worker, HELD_TASKS).await);
    }
    best.keyed_alone_per_s = median(alone.into_iter());
    best.keyed_beside_per_s = median(beside.into_iter());
}

/// Tasks a second of many keys, while `held` tasks of one more key may not run.
async fn keyed_drain(worker: &Path, held: u64) -> Option<f64> {
    let redis = fresh(Durability::None).await;
    if held > 0 {
        bench(worker, redis.url(), &["held", &text(held)]).await;
    }
    keyed(worker, &redis, TASKS, KEYS).await;
    drain(worker, redis.url(), TASKS, MOST).await
}
