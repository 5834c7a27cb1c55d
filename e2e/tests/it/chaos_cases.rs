//! The short cases of `make chaos`, in every test run. Promises about time are judged only by `make chaos`.

use std::time::Duration;

use zoetrope_e2e::chaos::{self, Scale, cases};

const SEED: u64 = 2026;

async fn keeps_its_promises(id: &str) {
    let mut all = [cases::busy(), cases::waiting(), cases::long()].concat().into_iter();
    let case = all.find(|case| case.id == id);
    let case = case.expect("it is one of the cases");
    let played = chaos::play(case, SEED, Scale::Smoke, Duration::ZERO).await;
    let all = std::slice::from_ref(&played);
    let report = chaos::markdown(all, played.took, SEED, Scale::Smoke, "this machine");
    assert!(played.verdict.holds(false), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_end_although_all_workers_are_killed_at_once() {
    keeps_its_promises("C02").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_of_a_worker_that_was_frozen_are_refused() {
    keeps_its_promises("C04").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_end_although_workers_abort_at_every_point_of_their_lives() {
    keeps_its_promises("C06").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn submits_over_connections_that_are_reset_make_one_task_each() {
    keeps_its_promises("C21").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn background_work_goes_on_although_whoever_does_it_is_killed() {
    keeps_its_promises("C38").await;
}

// Two minutes of a camera each, mostly of waiting: beside each other.
#[tokio::test(flavor = "multi_thread")]
async fn every_picture_is_recorded_or_in_a_gap_although_the_recording_workers_are_killed() {
    tokio::join!(keeps_its_promises("R1"), keeps_its_promises("R2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_started_lost_found_and_stopped_leave_nothing_behind() {
    keeps_its_promises("S1").await;
}
