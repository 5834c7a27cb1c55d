//! The end of each case: whatever happened, time and willing workers bring every task to its end and leave nothing.

use redis::AsyncCommands;

use crate::proof::audit;
use crate::proof::op::{Op, Plan, Spec, Word};
use crate::proof::sim::KINDS;
use crate::proof::world::World;

/// Rounds in which everything must have come to its end.
const MAX_ROUNDS: usize = 400;

impl World {
    /// All workers come back empty; with nothing but steps, rounds and time every task must end and be pruned.
    pub(super) async fn run_dry(&mut self) {
        self.lift_all_rules().await;
        let one_of_each = (0..KINDS.len()).map(Spec::plain).collect();
        self.play(&Op::Enqueue(one_of_each)).await;
        let plan = Plan::only(Word::Succeed, 8);
        for round in 0.. {
            assert!(round < MAX_ROUNDS, "these never end: {:#?}", self.model.tasks);
            let ended = self.model.tasks.values().all(|task| task.has_ended());
            if ended && self.model.tasks.is_empty() {
                break;
            }
            self.advance(if ended { 32 * 86_400_000 } else { 31_000 }).await;
            self.tick(round % 3).await;
            for worker in 0..3 {
                self.step(worker, &plan).await;
                self.step(worker, &plan).await;
            }
            audit::compare(self).await;
        }
        for worker in 0..3 {
            self.leave(worker).await;
        }
        audit::compare(self).await;
        let waiting: Vec<String> = self.raw.keys(format!("{}idle:*", self.prefix)).await.unwrap();
        assert!(
            waiting.is_empty(),
            "nobody is left to wait, neither the living nor the dead"
        );
    }
}
