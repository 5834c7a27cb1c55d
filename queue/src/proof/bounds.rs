//! The scripts at their limits: the largest step and the largest round of the ticker, compared like all others.

use std::time::Duration;

use redis::AsyncCommands;

use crate::client::Queue;
use crate::connection::ConnectOptions;
use crate::keys::SHARD;
use crate::proof::audit;
use crate::proof::op::{Op, Plan, Spec, Wait, Word};
use crate::proof::redis_server::Redis;
use crate::proof::sim::{KINDS, LARGE_SHAPE, Sim};
use crate::proof::world::World;
use crate::task::{Enqueued, NewTask};
use crate::worker::ticker;
use crate::{MAX_BATCH, MAX_SPEC_BYTES};

const MAX_FINISHES: usize = 128;
const LARGE: usize = 3;
const DOOMED: usize = 4;

fn specs(count: usize, wait: &Wait) -> Op {
    let spec = Spec {
        wait: wait.clone(),
        ttl_ms: 3_600_000,
        ..Spec::plain(0)
    };
    Op::Enqueue(vec![spec; count])
}

fn step(worker: usize, finishes: usize) -> Op {
    let mut plan = Plan::only(Word::Succeed, finishes);
    plan.renew = true;
    Op::Step { worker, plan }
}

async fn play(world: &mut World, ops: &[Op]) {
    for op in ops {
        world.play(op).await;
        audit::compare(world).await;
    }
}

#[tokio::test]
async fn the_largest_step_and_the_largest_round_stay_within_their_limits() {
    let redis = Redis::start(&[]).await;
    let mut world = World::new(&redis, 0).await;
    world.workers.push(Sim::new(LARGE_SHAPE, "large".to_owned(), 10));
    world.workers.push(Sim::new(LARGE_SHAPE, "doomed".to_owned(), 11));
    let lease = KINDS[0].3;
    play(
        &mut world,
        &[specs(MAX_BATCH, &Wait::Now), specs(200, &Wait::Delay(lease))],
    )
    .await;
    // 512 tasks for the one, 256 for the other, by 128 a step.
    play(
        &mut world,
        &[step(LARGE, 0), step(LARGE, 0), step(LARGE, 0), step(LARGE, 0)],
    )
    .await;
    play(&mut world, &[step(DOOMED, 0), step(DOOMED, 0)]).await;
    assert_eq!(
        (world.workers[LARGE].held.len(), world.workers[DOOMED].held.len()),
        (512, 256)
    );
    // 512 renewals; then 128 finishes and 128 claims beside 256 overdue leases and 200 due timers.
    play(&mut world, &[Op::Advance(lease - 1), step(LARGE, 0), Op::Advance(1)]).await;
    let before = (world.model.leased().len(), world.model.scheduled().len());
    play(&mut world, &[step(LARGE, MAX_FINISHES)]).await;
    let after = (world.model.leased().len(), world.model.scheduled().len());
    assert_eq!(world.workers[LARGE].held.len(), 512, "128 went and 128 came");
    assert_eq!((before.0 - after.0, before.1 - after.1), (64, 64));
    play(&mut world, &[Op::Tick { worker: LARGE }]).await;
    // Over a hundred results have had their time: a round takes the first hundred.
    play(
        &mut world,
        &[
            Op::Advance(3_660_000),
            Op::Tick { worker: LARGE },
            Op::Tick { worker: LARGE },
        ],
    )
    .await;
    assert!(world.model.kept.is_empty());
}

#[tokio::test]
async fn a_round_removes_results_of_some_megabytes_and_the_next_goes_on() {
    const RESULTS: u64 = 90;
    let redis = Redis::start(&[]).await;
    let queue = Queue::connect(ConnectOptions::new(redis.url())).await.unwrap();
    let mut raw = redis.try_connection().await.unwrap();
    let input = format!("\"{}\"", "x".repeat(MAX_SPEC_BYTES - 100));
    let mut task = NewTask::new("acme", "a", serde_json::value::RawValue::from_string(input).unwrap());
    task.result_ttl = Duration::ZERO;
    for _ in 0..RESULTS {
        let Ok(Enqueued::Created(id)) = queue.enqueue(task.clone()).await else {
            panic!("it is new");
        };
        queue.cancel("acme", id).await.unwrap();
    }
    let (seconds, _): (u64, u64) = redis::cmd("TIME").query_async(&mut raw).await.unwrap();
    let later = [
        ("now", (seconds * 1_000 + 60_000).to_string()),
        ("behind", "stopped".to_owned()),
    ];
    let (): () = raw.hset_multiple("z:{s00}:meta", &later).await.unwrap();

    let first = ticker::run_once(&queue.link, SHARD, "w").await.unwrap();
    let removed = first.pruned * MAX_SPEC_BYTES as u64;
    assert!((4 << 20..5 << 20).contains(&removed), "{first:?}");
    assert!(first.more, "{first:?}");
    let second = ticker::run_once(&queue.link, SHARD, "w").await.unwrap();
    assert_eq!((first.pruned + second.pruned, second.more), (RESULTS, false));
    let left: Vec<String> = raw.keys("z:{s00}:t:*").await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}
