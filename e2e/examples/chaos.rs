//! `make chaos`: plays every case, or those that `CHAOS_CASES` names, by the seed in `CHAOS_SEED`, and writes a report. Cases that
//! mostly wait are played two at a time, at the end. The soak is played only by name, for `CHAOS_SOAK` minutes. Ends with 1 if
//! a promise was broken.

use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use zoetrope_e2e::chaos::{self, Case, Played, Scale, cases};
use zoetrope_queue::{Clock, SystemClock};

/// Below the folder of the build.
const REPORT: &str = "chaos/report.md";
/// Of the soak.
const USUAL_MINUTES: u64 = 60;
/// Cases that are played beside each other, of those that mostly wait.
const AT_ONCE: usize = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let seed = arguments.next().filter(|text| !text.is_empty());
    let seed = seed.map_or_else(
        || SystemClock.now_ms() % 1_000_000,
        |text| text.parse().expect("CHAOS_SEED should be a number"),
    );
    let wanted = arguments.next().unwrap_or_default();
    let minutes = arguments.next().filter(|text| !text.is_empty());
    let minutes = minutes.map_or(USUAL_MINUTES, |text| {
        text.parse().expect("CHAOS_SOAK should be minutes")
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime should start");
    runtime.block_on(run(seed, &wanted, Duration::from_secs(minutes * 60)))
}

#[expect(clippy::print_stdout, reason = "the schedule and the report are what it is run for")]
async fn run(seed: u64, wanted: &str, soak: Duration) -> ExitCode {
    let named = |case: &Case| wanted.split([',', ' ']).any(|name| name == case.id);
    let chosen = |cases: Vec<Case>| cases.into_iter().filter(|case| wanted.is_empty() || named(case));
    let busy: Vec<Case> = chosen(cases::busy()).collect();
    let long = cases::long().into_iter().filter(named);
    let waiting: Vec<Case> = chosen(cases::waiting()).chain(long).collect();
    println!("chaos, seed {seed}: {} cases", busy.len() + waiting.len());
    let begun = Instant::now();
    let mut played = Vec::new();
    for case in busy {
        played.push(play(case, seed, soak).await);
    }
    for some in waiting.chunks(AT_ONCE) {
        played.extend(join_all(some.iter().map(|case| play(*case, seed, soak))).await);
    }
    let report = chaos::markdown(&played, begun.elapsed(), seed, Scale::Full, &machine());
    println!("\n{report}");
    write(&report);
    if played.iter().all(|case| case.verdict.holds(true)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[expect(clippy::print_stdout, reason = "the schedule and the report are what it is run for")]
async fn play(case: Case, seed: u64, soak: Duration) -> Played {
    println!("{} {}", case.id, case.fault);
    let played = chaos::play(case, seed, Scale::Full, soak).await;
    let word = if played.verdict.holds(true) { "kept" } else { "BROKEN" };
    println!("{word}: {}", chaos::details(&played).trim_end());
    played
}

fn write(report: &str) {
    let own = std::env::current_exe().expect("a program should know its own path");
    let target = own.ancestors().nth(3).expect("it is in target/debug/examples");
    let path = target.join(REPORT);
    std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("target should be writable");
    std::fs::write(path, report).expect("target should be writable");
}

/// What the figures were measured on, in a few words.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    format!("{cores} cores (load {load} at the end)")
}
