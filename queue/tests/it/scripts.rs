//! The scripts as texts, and what they cost.

use std::collections::HashMap;
use std::path::Path;

use zoetrope_queue::MAX_BATCH;

use crate::stage::{Stage, config, echoes, new_task};

const LONGEST_PART: usize = 60;
/// Commands of a script on average: scripts read and write the tasks of a step together, so that their commands are counted
/// by steps and not by tasks.
const MOST_CALLS_A_SCRIPT: u64 = 30;
/// Tasks of a script on average, from their enqueue to their end: how many a step carries depends on how fast it is answered.
const FEWEST_TASKS_A_SCRIPT: u64 = 10;

#[test]
fn every_part_of_a_script_is_short_and_says_what_it_is() {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua");
    for part in std::fs::read_dir(parts).unwrap() {
        let path = part.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        assert!(lines <= LONGEST_PART, "{} has {lines} lines", path.display());
        assert!(
            text.starts_with("-- "),
            "{} should begin by saying what it is",
            path.display()
        );
    }
}

#[tokio::test]
async fn a_plain_task_costs_few_commands() {
    let mut stage = Stage::new().await;
    let mut config = config("w1", &["echo"], 64);
    config.kinds[0].claim_ahead = true;
    let before = calls(&mut stage).await;
    let answers = stage
        .queue
        .enqueue_batch(vec![new_task("echo"); MAX_BATCH])
        .await
        .unwrap();
    assert_eq!(answers.len(), MAX_BATCH);
    let worker = stage.worker_with(config, echoes());
    stage.until_kept(|count| count == MAX_BATCH).await;
    worker.stop().await;
    let mut after = calls(&mut stage).await;
    for (name, count) in before {
        *after.entry(name).or_default() -= count;
    }
    // What this test itself asked, and what scripts do not call.
    after.retain(|name, _| !["keys", "llen", "evalsha", "info", "blmpop", "hello", "client"].contains(&name.as_str()));
    // Each script asks for the time, once.
    let (total, scripts): (u64, u64) = (after.values().sum(), after["time"]);
    assert!(
        total <= MOST_CALLS_A_SCRIPT * scripts && FEWEST_TASKS_A_SCRIPT * scripts <= MAX_BATCH as u64,
        "{total} calls of {scripts} scripts: {after:#?}"
    );
}

/// Calls of each command since the server's start.
async fn calls(stage: &mut Stage) -> HashMap<String, u64> {
    let text: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut stage.raw)
        .await
        .unwrap();
    let rows = text.lines().filter_map(|line| {
        let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let name = name.split('|').next()?.to_owned();
        Some((name, figures.split(',').next()?.parse::<u64>().ok()?))
    });
    let mut calls = HashMap::new();
    for (name, count) in rows {
        *calls.entry(name).or_default() += count;
    }
    calls
}
