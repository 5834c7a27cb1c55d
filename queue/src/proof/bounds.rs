//! The scripts at their limits: the largest step and the largest round of the ticker, compared like all others.

use crate::MAX_BATCH;
use crate::proof::audit;
use crate::proof::op::{Op, Plan, Spec, Wait, Word};
use crate::proof::redis_server::Redis;
use crate::proof::sim::{KINDS, LARGE_SHAPE, Sim};
use crate::proof::world::World;

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
