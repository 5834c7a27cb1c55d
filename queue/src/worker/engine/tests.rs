//! The engine's decisions, by moving a number for the time and handing it answers.

use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::Instant;

use super::Engine;
use crate::failure::Outcome;
use crate::id::TaskId;
use crate::record;
use crate::task::NewTask;
use crate::worker::attempt::{Attempt, StopReason};
use crate::worker::step::{Claim, Renewed, StepReply, StepRequest, Verdict};
use crate::worker::{KindSlot, SlotClass, WorkerConfig};

const LEASE: Duration = Duration::from_secs(15);

fn engine(units: u32) -> (Engine, Instant) {
    engine_of(units, 1)
}

pub(super) fn engine_of(units: u32, shards: usize) -> (Engine, Instant) {
    let config = WorkerConfig {
        name: "w1".to_owned(),
        classes: vec![SlotClass {
            name: "io",
            units,
            spread: false,
        }],
        kinds: vec![KindSlot {
            kind: "echo".to_owned(),
            class: 0,
            cost: 1,
            lease: LEASE,
            claim_ahead: false,
        }],
        drain_grace: Duration::from_secs(5),
        handlers_on: None,
    };
    (Engine::new(config, shards), Instant::now())
}

pub(super) fn id(n: u64) -> TaskId {
    TaskId::new(1_763_635_490_123, 0, n)
}

/// An answer to this request that brings these tasks.
pub(super) fn answer(request: &StepRequest, tasks: &[u64]) -> StepReply {
    let input = RawValue::from_string("1".to_owned()).unwrap();
    let task = NewTask::new("acme", "echo", input);
    let (options, body) = record::encode_body(&task);
    let tail = record::encode_tail(&task, options);
    let claims = tasks.iter().map(|n| Claim {
        id: TaskId::new(1_763_635_490_123, request.shard, *n),
        attempt: 1,
        losses: 0,
        record: format!("Q|1||{tail}\n{body}"),
    });
    StepReply {
        now_ms: 1,
        accepted: vec![true; request.finishes.len()],
        renewed: vec![Renewed::Kept; request.renewals.len()],
        registered: request.register,
        claims: claims.collect(),
        ..StepReply::default()
    }
}

/// One round trip.
fn exchange(engine: &mut Engine, now: Instant, tasks: &[u64]) -> (StepRequest, Vec<Attempt>) {
    let request = engine
        .next_request(now)
        .expect("there should be something to say")
        .clone();
    let attempts = engine.apply(0, answer(&request, tasks), now);
    (request, attempts)
}

pub(super) fn succeed() -> Outcome {
    Outcome::Succeeded(RawValue::from_string("1".to_owned()).unwrap())
}

#[test]
fn an_idle_worker_registers_asks_for_its_slots_and_then_keeps_quiet() {
    let (mut engine, now) = engine(3);
    let (request, attempts) = exchange(&mut engine, now, &[]);
    assert!(request.register && request.idle && attempts.is_empty());
    assert_eq!((request.wanted, request.free), (3, vec![3]));
    assert!(engine.next_request(now).is_none());
    let later = engine
        .next_request(now + Duration::from_secs(3))
        .expect("its registration grows old");
    assert!(later.register);
}

#[test]
fn a_step_that_fills_the_slots_needs_no_other_to_say_so() {
    let (mut engine, now) = engine(2);
    let (_, attempts) = exchange(&mut engine, now, &[1, 2]);
    assert_eq!(attempts.len(), 2);
    assert!(engine.next_request(now).is_none());
}

#[test]
fn room_that_came_while_a_step_was_under_way_is_registered_by_the_next() {
    let (mut engine, now) = engine(1);
    let (_, attempts) = exchange(&mut engine, now, &[1]);
    engine.wake(0);
    let full = engine
        .next_request(now)
        .expect("a wake-up is followed by a step")
        .clone();
    assert_eq!((full.register, full.wanted, &full.free), (true, 0, &vec![0]));
    engine.attempt_ended(id(1), &attempts[0].lease_token, succeed(), now);
    engine.apply(0, answer(&full, &[]), now);
    let (next, _) = exchange(&mut engine, now, &[]);
    assert_eq!((next.register, next.wanted, next.finishes.len()), (true, 1, 1));
}

#[test]
fn a_wake_up_during_a_step_uses_up_the_registration_of_that_step() {
    let (mut engine, now) = engine(2);
    let first = engine.next_request(now).unwrap().clone();
    engine.wake(0);
    engine.apply(0, answer(&first, &[]), now);
    let (second, _) = exchange(&mut engine, now, &[]);
    assert!(second.register && second.wanted == 2);
}

#[test]
fn a_worker_that_drains_asks_for_nothing_and_is_nobody_to_wake() {
    let (mut engine, now) = engine(2);
    let (_, attempts) = exchange(&mut engine, now, &[1]);
    engine.drain(now);
    let (request, _) = exchange(&mut engine, now, &[]);
    assert_eq!((request.wanted, request.register, request.free), (0, true, vec![0]));
    engine.attempt_ended(id(1), &attempts[0].lease_token, Outcome::Released, now);
    let (last, _) = exchange(&mut engine, now, &[]);
    assert!(matches!(last.finishes[0].verdict, Verdict::Release));
    assert!(engine.is_drained());
    assert_eq!((engine.report.released, engine.report.finished), (1, 0));
}

#[test]
fn a_cancel_that_is_faster_than_the_claim_is_not_forgotten() {
    let (mut engine, now) = engine(1);
    let request = engine.next_request(now).unwrap().clone();
    engine.cancel(id(1), now);
    assert!(
        engine.apply(0, answer(&request, &[1]), now).is_empty(),
        "it never begins"
    );
    let (next, _) = exchange(&mut engine, now, &[]);
    assert!(matches!(next.finishes[0].verdict, Verdict::End { letter: 'c', .. }));
}

#[test]
fn the_end_of_a_lost_attempt_says_nothing_of_the_new_one() {
    let (mut engine, now) = engine(2);
    let (_, first) = exchange(&mut engine, now, &[1]);
    engine.wake(0);
    let (_, second) = exchange(&mut engine, now, &[1]);
    assert_eq!(first[0].control.stop_reason(), Some(StopReason::LeaseLost));
    engine.attempt_ended(id(1), &first[0].lease_token, succeed(), now);
    engine.wake(0);
    let (request, _) = exchange(&mut engine, now, &[]);
    assert_eq!((request.finishes.len(), request.free), (0, vec![1]));
    engine.attempt_ended(id(1), &second[0].lease_token, succeed(), now);
    let (request, _) = exchange(&mut engine, now, &[]);
    assert_eq!((request.finishes.len(), request.free), (1, vec![2]));
    assert_eq!((engine.report.finished, engine.report.abandoned), (1, 1));
}

#[test]
fn leases_are_renewed_after_a_third_and_given_up_after_two() {
    let (mut engine, now) = engine(1);
    let (_, attempts) = exchange(&mut engine, now, &[1]);
    let (renewing, _) = exchange(&mut engine, now + LEASE / 3, &[]);
    assert_eq!(renewing.renewals.len(), 1);
    let unanswered = engine.next_request(now + LEASE * 2 / 3).unwrap().clone();
    assert_eq!(unanswered.renewals.len(), 1);
    engine.on_time(now + LEASE - Duration::from_millis(1));
    assert_eq!(attempts[0].control.stop_reason(), None);
    engine.on_time(now + LEASE);
    assert_eq!(attempts[0].control.stop_reason(), Some(StopReason::LeaseLost));
    engine.apply(0, answer(&unanswered, &[]), now + LEASE);
    let next = engine.next_request(now + LEASE);
    assert!(
        next.is_none_or(|request| request.renewals.is_empty()),
        "a lost lease is not renewed"
    );
}

#[test]
fn a_lease_is_renewed_up_to_the_timeout_of_its_attempt_and_then_given_up() {
    let (mut engine, now) = engine(1);
    let (_, attempts) = exchange(&mut engine, now, &[1]);
    let timeout = attempts[0].timeout.unwrap();
    assert_eq!(timeout, 20 * LEASE);
    for third in 1..60 {
        let (renewing, _) = exchange(&mut engine, now + LEASE / 3 * third, &[]);
        assert_eq!(renewing.renewals.len(), 1, "at {third} thirds of a lease");
        engine.on_time(now + LEASE / 3 * third);
    }
    engine.on_time(now + timeout);
    let after = engine.next_request(now + timeout);
    assert!(after.is_none_or(|request| request.renewals.is_empty()));
    let given_up = now + timeout + LEASE / 3;
    assert_eq!(engine.next_deadline(given_up - Duration::from_secs(1)), given_up);
    engine.on_time(given_up);
    assert_eq!(attempts[0].control.stop_reason(), Some(StopReason::LeaseLost));
}

/// A worker with 64 slots that holds as many tasks.
fn busy() -> (Engine, Instant, Vec<Attempt>) {
    let (mut engine, now) = engine(64);
    let tasks: Vec<u64> = (0..64).collect();
    let (_, attempts) = exchange(&mut engine, now, &tasks);
    (engine, now, attempts)
}

fn end(engine: &mut Engine, now: Instant, attempts: &[Attempt]) {
    for attempt in attempts {
        engine.attempt_ended(attempt.id, &attempt.lease_token, succeed(), now);
    }
}

#[test]
fn a_second_step_follows_at_once_when_enough_has_ended_and_a_third_waits() {
    let (mut engine, now, attempts) = busy();
    end(&mut engine, now, &attempts[..20]);
    let first = engine.next_request(now).unwrap().clone();
    assert_eq!((first.finishes.len(), first.wanted, first.idle), (20, 20, false));
    end(&mut engine, now, &attempts[20..35]);
    assert!(
        engine.next_request(now).is_none(),
        "fifteen are better sent with others"
    );
    end(&mut engine, now, &attempts[35..36]);
    let second = engine.next_request(now).unwrap().clone();
    assert_eq!(
        (second.finishes.len(), second.wanted, second.seq),
        (16, 16, first.seq + 1)
    );
    end(&mut engine, now, &attempts[36..]);
    assert!(engine.next_request(now).is_none(), "two are under way");
    let refill: Vec<u64> = (100..120).collect();
    assert_eq!(engine.apply(0, answer(&first, &refill), now).len(), 20);
    let third = engine.next_request(now).unwrap();
    assert_eq!((third.finishes.len(), third.wanted, &third.free), (28, 28, &vec![28]));
}

#[test]
fn what_a_step_under_way_may_bring_is_not_asked_for_again() {
    let (mut engine, now, attempts) = busy();
    end(&mut engine, now, &attempts[..40]);
    let first = engine.next_request(now).unwrap().clone();
    end(&mut engine, now, &attempts[40..]);
    let second = engine.next_request(now).unwrap().clone();
    assert_eq!((first.wanted, second.wanted), (40, 24));
    assert!(!second.idle, "forty may be on their way");
    engine.apply(0, answer(&first, &[]), now);
    engine.apply(0, answer(&second, &[]), now);
    assert_eq!(engine.report.finished, 64);
    assert!(engine.next_request(now).is_none(), "it waits to be called");
    engine.wake(0);
    let (third, _) = exchange(&mut engine, now, &[]);
    assert_eq!((third.wanted, third.idle), (64, true));
}

#[test]
fn a_cancel_waits_for_the_last_step_that_may_bring_its_task() {
    let (mut engine, now, attempts) = busy();
    end(&mut engine, now, &attempts[..20]);
    let first = engine.next_request(now).unwrap().clone();
    end(&mut engine, now, &attempts[20..40]);
    let second = engine.next_request(now).unwrap().clone();
    engine.cancel(id(200), now);
    engine.apply(0, answer(&first, &[]), now);
    assert!(
        engine.apply(0, answer(&second, &[200]), now).is_empty(),
        "it never begins"
    );
}

#[test]
fn a_worker_that_was_told_to_empty_itself_says_when_it_is_empty() {
    let (mut engine, now, attempts) = busy();
    end(&mut engine, now, &attempts[..20]);
    let first = engine.next_request(now).unwrap().clone();
    end(&mut engine, now, &attempts[20..]);
    let second = engine.next_request(now).unwrap().clone();
    for request in [first, second] {
        let hold = StepReply {
            hold: true,
            ..answer(&request, &[])
        };
        engine.apply(0, hold, now);
    }
    let (third, _) = exchange(&mut engine, now, &[]);
    assert!(third.idle && third.wanted > 0);
}

#[test]
fn a_lease_that_was_renewed_early_is_renewed_again_in_time() {
    let (mut engine, now) = engine(2);
    let (_, old) = exchange(&mut engine, now, &[1]);
    engine.wake(0);
    exchange(&mut engine, now + LEASE / 6, &[2]);
    let sent = now + LEASE / 3;
    let both = engine.next_request(sent).unwrap().clone();
    assert_eq!(both.renewals.len(), 2, "the younger goes along with the older");
    end(&mut engine, sent, &old);
    engine.on_time(sent);
    engine.apply(0, answer(&both, &[]), sent);
    exchange(&mut engine, sent, &[]);
    let due = sent + LEASE / 3;
    engine.on_time(due);
    assert_eq!(exchange(&mut engine, due, &[]).0.renewals.len(), 1);
}

#[test]
fn a_worker_that_may_get_a_task_to_run_alone_sends_no_second_step() {
    let (mut engine, now) = engine(64);
    let first = engine.next_request(now).unwrap().clone();
    assert!(first.idle && first.wanted > 0);
    engine.wake(0);
    assert!(engine.next_request(now).is_none());
}

#[test]
fn an_attempt_that_only_waits_makes_room_for_the_next_as_far_as_waiting_has_room() {
    let class = |name, units| SlotClass {
        name,
        units,
        spread: false,
    };
    let config = WorkerConfig {
        classes: vec![class("cpu", 1), class("io", 1)],
        ..engine_of(1, 1).0.config
    };
    let (mut engine, now) = (Engine::new(config, 1), Instant::now());
    let (_, first) = exchange(&mut engine, now, &[1]);
    assert_eq!(engine.free_units(0), [0, 1]);
    first[0].now_waits();
    engine.note_progress(now);
    assert_eq!(engine.free_units(0), [1, 0]);
    let (request, second) = exchange(&mut engine, now, &[2]);
    assert_eq!((request.wanted, second.len()), (1, 1));
    second[0].now_waits();
    engine.note_progress(now);
    assert_eq!(engine.free_units(0), [0, 0], "there is one unit to wait with");
    end(&mut engine, now, &first);
    engine.note_progress(now);
    assert_eq!(engine.free_units(0), [1, 0], "it is the second one's now");
    end(&mut engine, now, &second);
    assert_eq!((&engine.used, &engine.busy), (&vec![0, 0], &vec![0, 0]));
}

#[test]
fn what_is_spread_is_claimed_one_at_a_time_and_only_by_whoever_was_woken() {
    let mut config = engine_of(4, 1).0.config;
    config.classes[0].spread = true;
    let (mut engine, now) = (Engine::new(config, 1), Instant::now());
    let offer = |request: &StepRequest| (request.kinds[0].most, request.kinds[0].load, request.free[0]);
    let (request, attempts) = exchange(&mut engine, now, &[1]);
    assert_eq!(offer(&request), (1, Some(0), 4));
    engine.wake(0);
    let (request, _) = exchange(&mut engine, now, &[2]);
    assert_eq!(offer(&request), (1, Some(1), 3));
    engine.attempt_ended(id(1), &attempts[0].lease_token, succeed(), now);
    let (request, _) = exchange(&mut engine, now, &[]);
    assert_eq!((request.finishes.len(), offer(&request)), (1, (0, Some(1), 3)));
    let (request, _) = exchange(&mut engine, now + Duration::from_secs(3), &[]);
    assert_eq!(offer(&request).0, 1, "a wake-up may have been lost");
}
