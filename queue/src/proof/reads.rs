//! What the public calls say of the tasks must be what the model says.

use crate::proof::model::Place;
use crate::proof::world::{TENANTS, World};
use crate::task::{ListQuery, State, Task};
use crate::why::Cause;

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
            let mut expected = self.model.listed(tenant);
            expected.reverse();
            assert_eq!(page.items.iter().map(|task| task.id).collect::<Vec<_>>(), expected);
            for seen in &page.items {
                self.read_as_modelled(seen);
                self.why_as_modelled(seen).await;
            }
        }
    }

    /// Why a task waits, as far as rules are the reason; and who runs it.
    async fn why_as_modelled(&self, seen: &Task) {
        let why = self.queue.why(&seen.tenant, seen.id).await.unwrap().unwrap();
        assert_eq!(why.state, Some(seen.state));
        assert_eq!(
            (why.worker, why.due_ms),
            match seen.state {
                State::Running => (seen.worker.clone(), None),
                State::Scheduled => (None, seen.run_at_ms),
                _ => (None, None),
            }
        );
        let paused = [Cause::KindPaused, Cause::TenantPaused, Cause::KeyPaused];
        let at_limit = |cause: &Cause| matches!(cause, Cause::KindAtLimit { .. } | Cause::KeyAtLimit { .. });
        let by_rule = |cause: &Cause| paused.contains(cause) || at_limit(cause);
        let found: Vec<Cause> = why.causes.iter().copied().filter(by_rule).collect();
        assert_eq!(found, self.model.rules_against(seen), "{seen:?}");
        assert_eq!(why.causes.is_empty(), seen.state != State::Queued);
    }

    fn read_as_modelled(&self, seen: &Task) {
        let task = &self.model.tasks[&seen.id];
        let state = match &task.place {
            Place::Queued(_) | Place::Solo => State::Queued,
            Place::Scheduled { .. } => State::Scheduled,
            Place::Running(_) => State::Running,
            Place::Ended { state, .. } => *state,
        };
        assert_eq!(
            (seen.state, seen.attempt, seen.losses, seen.created_at_ms, &seen.kind),
            (state, task.used, task.losses, task.created, &task.spec.kind),
            "{seen:?}"
        );
        assert_eq!(seen.fairness_key, task.spec.fairness_key);
        assert_eq!(seen.traceparent, task.spec.traceparent);
        assert_eq!(
            (seen.deadline_ms, &seen.unique_key),
            (task.deadline(), &task.spec.unique_key)
        );
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
            Place::Queued(queue) => {
                let queue = &self.model.queues()[queue];
                let ahead = queue.iter().position(|(_, id)| *id == seen.id).expect("it is queued");
                assert_eq!(seen.queue_position, Some(ahead as u64));
            }
            Place::Ended { until, .. } => assert_eq!(seen.expires_at_ms, Some(*until)),
            Place::Solo => {}
        }
    }
}
