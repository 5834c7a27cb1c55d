//! A peer's figures, by the script of its folder.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use zoetrope_e2e::Durability;

use crate::{CONCURRENCIES, DURABLE, Figures, RATE_PER_S, RATE_TASKS, TASKS, higher, text, variable};

const PEER: &str = "bullmq-rs";

/// Builds the peer into our own target folder and runs the folder's script at each concurrency.
pub(crate) fn measure(folder: &Path, worker: &Path, quick: bool) -> Result<Figures, String> {
    // The script changes its working folder.
    let target = std::path::absolute(worker.with_file_name("peers")).map_err(|error| error.to_string())?;
    let manifest = folder.join("rust").join("Cargo.toml");
    let mut build = Command::new("cargo");
    build
        .args([
            "build",
            "--release",
            "--locked",
            "--bin",
            "bullmq_rs",
            "--manifest-path",
        ])
        .arg(manifest);
    let built = build
        .arg("--target-dir")
        .arg(&target)
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    if !built.success() {
        return Err(format!("it does not build: {built}"));
    }
    let target = target.join("release");
    let mut best = Figures::default();
    for concurrency in CONCURRENCIES {
        let line = run(folder, &target, concurrency, Durability::None)?;
        if line["drain_per_s"].as_f64() > best.drain_per_s {
            best.drain_per_s = line["drain_per_s"].as_f64();
            best.rss_mib = line["worker_rss_mib"].as_f64();
            best.keyed_per_s = best.drain_per_s;
        }
        best.batch_per_s = higher(best.batch_per_s, line["enqueue_per_s"].as_f64());
        best.start_ms = [
            best.start_ms[0].or(line["lat_p50_ms"].as_f64()),
            best.start_ms[1].or(line["lat_p99_ms"].as_f64()),
        ];
        let all = (TASKS + line["lat_n"].as_u64().unwrap_or_default()) as f64;
        // An empty Redis takes about a megabyte.
        best.bytes_a_task[0] = line["redis_mib"].as_f64().map(|mib| (mib - 1.0) * 1_048_576.0 / all);
        for (place, durability) in DURABLE.into_iter().enumerate().filter(|_| !quick) {
            let line = run(folder, &target, concurrency, durability)?;
            best.durable_per_s[place] = higher(best.durable_per_s[place], line["drain_per_s"].as_f64());
        }
    }
    Ok(best)
}

/// The folder's script starts `redis-server` as it finds it: a stand-in before it adds the durability.
fn stand_in(durability: Durability) -> std::io::Result<TempDir> {
    let dir = tempfile::tempdir()?;
    let path = variable("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("redis-server"));
    let server = found.into_iter().find(|file| file.is_file()).unwrap_or_default();
    let text = format!(
        "#!/bin/sh\nexec '{}' \"$@\" --dir '{}' {}\n",
        server.display(),
        dir.path().display(),
        durability.arguments().join(" ")
    );
    let file = dir.path().join("redis-server");
    std::fs::write(&file, text)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}

fn run(folder: &Path, target: &Path, concurrency: u64, durability: Durability) -> Result<Value, String> {
    let server = stand_in(durability).map_err(|error| error.to_string())?;
    let mut path = server.path().as_os_str().to_owned();
    path.push(":");
    path.push(variable("PATH").unwrap_or_default());
    let mut run = Command::new("python3");
    run.env("PATH", path).arg(folder.join("run.py")).args([
        "--peers",
        PEER,
        "--n",
        &text(TASKS),
        "--c",
        &text(concurrency),
    ]);
    // The timetable only once: it takes its time, and its result does not depend on the concurrency.
    let rate_tasks = if (concurrency, durability) == (CONCURRENCIES[0], Durability::None) {
        RATE_TASKS
    } else {
        1
    };
    run.args(["--rate-n", &text(rate_tasks), "--rate", &text(RATE_PER_S), "--target"])
        .arg(target);
    let output = run
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    let line: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("run.py prints no JSON: {error}"))?;
    match line["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(line),
    }
}
