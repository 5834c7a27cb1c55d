//! Wake-ups that chance seldom brings about, played on purpose; the audit after each operation is the proof.

use crate::proof::audit;
use crate::proof::op::{Op, Plan, Spec, Word};
use crate::proof::redis_server::Redis;
use crate::proof::world::World;

fn step(worker: usize) -> Op {
    let plan = Plan::only(Word::Release, 0);
    Op::Step { worker, plan }
}

#[tokio::test]
async fn a_worker_that_is_woken_while_it_is_full_passes_the_wake_up_on() {
    let redis = Redis::start(&[]).await;
    let mut world = World::new(&redis, 0).await;
    let (a, b) = (0, 1);
    let ops = [
        // Worker 2 waits for b, worker 0 for a and b, worker 1 for a: each newer than the one before.
        step(2),
        Op::Advance(1),
        step(0),
        Op::Advance(1),
        step(1),
        // Worker 1 is called for these, but worker 0 happens to come by, takes them all and is full.
        Op::Enqueue(vec![Spec::plain(a), Spec::plain(a)]),
        step(0),
        step(1),
        // Worker 0 is still the newest to wait for b; it is called, cannot, and must call worker 2.
        Op::Enqueue(vec![Spec::plain(b)]),
        step(0),
        step(2),
    ];
    for op in &ops {
        world.play(op).await;
        audit::compare(&mut world).await;
    }
    assert_eq!((world.workers[0].held.len(), world.workers[2].held.len()), (2, 1));
}
