//! The proof of the scripts: random operations run against a model and against the real scripts on a real Redis, and
//! all that Redis holds is compared with the model after each. `PROPTEST_CASES` sets the number of cases.
//!
//! `op.rs` says what may happen, `model/` what should follow, `sim.rs` how a worker behaves, `world.rs` does an
//! operation on both sides, `audit.rs` and `reads.rs` compare them, `dry.rs` brings a case to its end.
//! `bounds.rs` takes the scripts to their limits, `handover.rs` plays what chance seldom brings about.
//! It lives inside the crate because it speaks to the scripts as the worker does, below the public calls.

mod audit;
mod bounds;
mod dry;
mod handover;
mod model;
mod op;
mod reads;
#[path = "../../tests/it/redis_server.rs"]
mod redis_server;
mod sim;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::test_runner::{Config, TestRunner};

use redis_server::Redis;
use world::World;

/// Bounds the search for a smaller failing sequence, milliseconds.
const SHRINK_LIMIT_MS: u32 = 60_000;

#[test]
fn the_scripts_do_what_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let redis = runtime.block_on(Redis::start(&[]));
    let cases = AtomicU64::new(0);
    let config = Config {
        failure_persistence: None,
        max_shrink_time: SHRINK_LIMIT_MS,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&op::sequences(), |ops| {
        let case = cases.fetch_add(1, Ordering::Relaxed);
        runtime.block_on(async {
            let mut world = World::new(&redis, case).await;
            for op in &ops {
                world.play(op).await;
                audit::compare(&mut world).await;
            }
            // Of tenants whose tasks came or ended in this very millisecond it could not judge.
            world.advance(1).await;
            audit::fsck_is_clean(&world).await;
            world.run_dry().await;
            // Of tenants whose tasks came or ended in this very millisecond it could not judge.
            world.advance(1).await;
            audit::fsck_is_clean(&world).await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
