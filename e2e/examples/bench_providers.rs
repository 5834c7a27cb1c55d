//! `make bench-providers`: what tasks cost that wait for a provider. One worker with its usual 64 slots, a provider that
//! takes a second for every answer, fifty tasks a second from a client that keeps its timetable whatever comes back.
//!
//! Latency is from the moment at which a task should have been submitted to its end; memory is the worker's own, from
//! `/proc`, its media children left out: none is needed.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Pid;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use zoetrope_e2e::{Http, Provider, ProviderAnswer, Stage, resident_kib};

const PER_SECOND: u32 = 50;
const SECONDS: u32 = 60;
/// What the provider takes.
const LATENCY: Duration = Duration::from_secs(1);
/// Of the worker, MiB.
const MOST_RSS_MIB: f64 = 80.0;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program that prints figures")]
async fn main() {
    let programs = std::env::vars().find(|(name, _)| name == "BENCH_PROGRAMS");
    let programs = programs
        .expect("BENCH_PROGRAMS should be set: use `make bench-providers`")
        .1;
    let provider = Provider::start(ProviderAnswer::text("Done.").after(LATENCY)).await;
    let stage = Stage::builder()
        .programs(PathBuf::from(programs))
        .env("OPENAI_API_KEY", "bench")
        .env("OPENAI_BASE_URL", &provider.url("/v1"))
        .env("AUTH", "none")
        .start()
        .await;
    let idle = rss_mib(stage.workers[0].pid());
    // The first answer says that the worker has begun.
    task(&stage.http).await;

    let begin = Instant::now();
    let mut tick = interval(Duration::from_secs(1) / PER_SECOND);
    let mut running = JoinSet::new();
    let mut most = 0.0_f64;
    for number in 0..PER_SECOND * SECONDS {
        let due = tick.tick().await;
        let http = stage.http.clone();
        running.spawn(async move {
            let ended = task(&http).await;
            (due.elapsed().as_millis(), ended)
        });
        if number % PER_SECOND == 0 {
            most = most.max(rss_mib(stage.workers[0].pid()));
        }
    }
    let ended = running.join_all().await;
    let took = begin.elapsed().as_secs_f64();
    most = most.max(rss_mib(stage.workers[0].pid()));
    let by_provider = ended
        .iter()
        .filter(|(_, task)| task["result"]["provider"] == "openai")
        .count();
    let mut ms: Vec<u128> = ended.iter().map(|(ms, _)| *ms).collect();
    ms.sort_unstable();
    let share = |per_mille: usize| ms[(ms.len() - 1) * per_mille / 1_000];
    println!(
        "{PER_SECOND} tasks a second for {SECONDS} s, a provider of {} s, 64 slots\n\n\
         | tasks | by the provider | ended a second | p50, ms | p99, ms | slowest, ms | worker's memory idle, MiB | at work, MiB |\n\
         |---|---|---|---|---|---|---|---|\n\
         | {} | {by_provider} | {:.1} | {} | {} | {} | {idle:.1} | {most:.1} |",
        LATENCY.as_secs(),
        ended.len(),
        ended.len() as f64 / took,
        share(500),
        share(990),
        share(1_000),
    );
    let other = ended.iter().find(|(_, task)| task["result"]["provider"] != "openai");
    assert!(
        other.is_none(),
        "a task failed or was answered without the provider: {other:?}"
    );
    assert!(most <= MOST_RSS_MIB, "{most} MiB are more than {MOST_RSS_MIB}");
}

/// One task to its end.
async fn task(http: &Http) -> Value {
    let input = json!({"template": "summary", "text": "The pump broke. It rained.", "provider": "openai"});
    let id = http.submit("content-generation", &json!({"input": input})).await;
    http.until_ended(&id).await
}

fn rss_mib(pid: Pid) -> f64 {
    resident_kib(pid).expect("the worker should run") as f64 / 1_024.0
}
