//! What the public calls say of the tasks must be what the model says.

use crate::proof::model::Place;
use crate::proof::world::{TENANTS, World};
use crate::task::{ListQuery, State, Task};

impl World {
    /// Reads one task and lists all.
    pub(super) async fn read(&self, which: usize, foreign: bool) {
        if let Some((id, owner)) = self.some_task(which) {
            let tenant = if foreign { "t3" } else { owner.as_str() };
            let task = self.queue.get(tenant, id).await.unwrap();
            assert_eq!(task.is_none(), foreign);
        }
        for tenant in TENANTS {
            let query = ListQuery {
                limit: crate::MAX_PAGE,
                ..ListQuery::default()
            };
            let page = self.queue.list(tenant, &query).await.unwrap();
            let mut expected = self
                .model
                .index(|task| (task.spec.tenant == tenant).then_some(task.created));
            expected.reverse();
            assert_eq!(
                page.items.iter().map(|task| task.id).collect::<Vec<_>>(),
                expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>()
            );
            for seen in &page.items {
                self.read_as_modelled(seen);
            }
        }
    }

    fn read_as_modelled(&self, seen: &Task) {
        let task = &self.model.tasks[&seen.id];
        let state = match &task.place {
            Place::Queued | Place::Solo => State::Queued,
            Place::Scheduled { .. } => State::Scheduled,
            Place::Running(_) => State::Running,
            Place::Ended { state, .. } => *state,
        };
        assert_eq!(
            (seen.state, seen.attempt, seen.losses, seen.created_at_ms, &seen.kind),
            (state, task.used, task.losses, task.created, &task.spec.kind),
            "{seen:?}"
        );
        assert_eq!(seen.traceparent, task.spec.traceparent);
        let lease = task.lease();
        assert_eq!(seen.cancel_requested, lease.is_some_and(|lease| lease.cancel));
        assert_eq!(seen.result.is_some(), state == State::Succeeded);
        assert_eq!(seen.error.is_some(), state.is_terminal() && state != State::Succeeded);
        match &task.place {
            Place::Scheduled { due } => assert_eq!(seen.run_at_ms, Some(*due)),
            Place::Running(lease) => {
                assert_eq!(
                    (seen.worker.as_ref(), seen.started_at_ms),
                    (Some(&lease.worker), Some(lease.started))
                );
            }
            Place::Queued => {
                let queue = self.model.queued(&task.spec.kind);
                let ahead = queue.iter().position(|(_, id)| *id == seen.id).expect("it is queued");
                assert_eq!(seen.queue_position, Some(ahead as u64));
            }
            Place::Ended { until, .. } => assert_eq!(seen.expires_at_ms, Some(*until)),
            Place::Solo => {}
        }
    }
}
