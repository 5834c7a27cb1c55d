//! A peer's figures, by the script of its folder.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;
use zoetrope_e2e::{Durability, Redis, free_port};

use crate::{
    CONCURRENCIES, DURABLE, Figures, LARGE_BYTES, RATE_PER_S, RATE_TASKS, SINGLE_TASKS, TASKS, higher, text, variable,
};

const PEER: &str = "bullmq-rs";

/// The folder's programs that add tasks one by one, with the words that make them.
pub(crate) const SINGLES: [(&str, &[&str]); 3] = [
    ("bullmq_rs", &["rate", "TASKS", "1000000"]),
    ("apalis", &["enqueue", "TASKS"]),
    ("sidekiq", &["enqueue", "TASKS"]),
];
/// Processes that add tasks side by side, for the programs have no other way: more only wait for the processor.
const SIDE_BY_SIDE: u64 = 16;

/// Builds the peers into our own target folder and runs the folder's script at each concurrency.
pub(crate) async fn measure(folder: &Path, worker: &Path, quick: bool) -> Result<Figures, String> {
    // The script changes its working folder.
    let target = std::path::absolute(target_of(worker)).map_err(|error| error.to_string())?;
    let wide = build_wide(folder, &target)?;
    build(&folder.join("rust"), &target)?;
    let target = target.join("release");
    let mut best = Figures::default();
    for concurrency in CONCURRENCIES {
        let line = run(folder, &target, concurrency, &Server::Near(Durability::None))?;
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
        best.bytes_a_task[0] = bytes_a_task(&line);
        if quick {
            continue;
        }
        for (place, durability) in DURABLE.into_iter().enumerate() {
            let line = run(folder, &target, concurrency, &Server::Near(durability))?;
            best.durable_per_s[place] = higher(best.durable_per_s[place], line["drain_per_s"].as_f64());
        }
        let line = run(folder, &target, concurrency, &Server::Far)?;
        best.far_per_s = higher(best.far_per_s, line["drain_per_s"].as_f64());
    }
    if !quick {
        let line = run(folder, &wide, CONCURRENCIES[0], &Server::Near(Durability::None))?;
        best.bytes_a_task[1] = bytes_a_task(&line);
    }
    for (program, words) in SINGLES {
        let rate = side_by_side(&target.join(program), words).await;
        best.callers_per_s = higher(best.callers_per_s, rate.ok());
    }
    Ok(best)
}

/// Where the peers are built.
pub(crate) fn target_of(worker: &Path) -> PathBuf {
    worker.with_file_name("peers")
}

fn build(sources: &Path, target: &Path) -> Result<(), String> {
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--locked", "--bins", "--manifest-path"]);
    build.arg(sources.join("Cargo.toml")).arg("--target-dir").arg(target);
    let built = build.status().map_err(|error| format!("cargo: {error}"))?;
    if built.success() {
        Ok(())
    } else {
        Err(format!("they do not build: {built}"))
    }
}

/// The peer's payload is fixed: builds a copy of its sources in which it is as large as ours; the folder it is in.
fn build_wide(folder: &Path, target: &Path) -> Result<PathBuf, String> {
    const PAYLOAD: &str = "json!({\"i\": i, \"n\": n}))";
    let text = |error: std::io::Error| error.to_string();
    let copy = target.join("wide-sources");
    let main = Path::new("src").join("bin").join("bullmq_rs.rs");
    std::fs::create_dir_all(copy.join("src").join("bin")).map_err(text)?;
    for file in ["Cargo.toml", "Cargo.lock"] {
        std::fs::copy(folder.join("rust").join(file), copy.join(file)).map_err(text)?;
    }
    let source = std::fs::read_to_string(folder.join("rust").join(&main)).map_err(text)?;
    if !source.contains(PAYLOAD) {
        return Err("its source has another payload than is known here".to_owned());
    }
    // It stands below our own workspace, and is none of it.
    let manifest = std::fs::read_to_string(copy.join("Cargo.toml")).map_err(text)?;
    std::fs::write(copy.join("Cargo.toml"), manifest + "\n[workspace]\n").map_err(text)?;
    let filler = "x".repeat(usize::try_from(LARGE_BYTES).expect("a few bytes") - 25);
    let wide = format!("json!({{\"i\": i, \"n\": n, \"f\": \"{filler}\"}}))");
    // By another name, or cargo would leave it where the plain one belongs.
    let program = copy.join("src").join("bin").join("bullmq_wide.rs");
    std::fs::write(program, source.replace(PAYLOAD, &wide)).map_err(text)?;
    build(&copy, target)?;
    let wide = target.join("wide");
    std::fs::create_dir_all(&wide).map_err(text)?;
    std::fs::copy(target.join("release").join("bullmq_wide"), wide.join("bullmq_rs")).map_err(text)?;
    Ok(wide)
}

/// Tasks a second that processes of this program add one by one, side by side.
#[expect(clippy::cast_precision_loss, reason = "a rate of a benchmark")]
async fn side_by_side(program: &Path, words: &[&str]) -> std::io::Result<f64> {
    let port = free_port();
    let _redis = Redis::start_on_port(port, Durability::None).await;
    let each = SINGLE_TASKS / SIDE_BY_SIDE;
    let begun = Instant::now();
    let started: Result<Vec<_>, _> = (0..SIDE_BY_SIDE)
        .map(|_| one_by_one(program, words, each, port).spawn())
        .collect();
    for mut process in started? {
        if !process.wait()?.success() {
            return Err(std::io::Error::other("it failed"));
        }
    }
    Ok((each * SIDE_BY_SIDE) as f64 / begun.elapsed().as_secs_f64())
}

/// A process of this program that adds so many tasks, one by one.
pub(crate) fn one_by_one(program: &Path, words: &[&str], tasks: u64, port: u16) -> Command {
    let mut command = Command::new(program);
    command
        .args(words.iter().map(|word| word.replace("TASKS", &text(tasks))))
        .env("REDIS_PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn bytes_a_task(line: &Value) -> Option<f64> {
    let all = (TASKS + line["lat_n"].as_u64().unwrap_or_default()) as f64;
    // An empty Redis takes about a megabyte.
    line["redis_mib"].as_f64().map(|mib| (mib - 1.0) * 1_048_576.0 / all)
}

/// Which Redis the script finds.
#[derive(Debug, PartialEq)]
enum Server {
    Near(Durability),
    /// A millisecond away.
    Far,
}

/// The folder's script starts `redis-server` as it finds it: a stand-in before it, which starts the one that is asked for.
fn stand_in(server: &Server) -> std::io::Result<TempDir> {
    let dir = tempfile::tempdir()?;
    let path = variable("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("redis-server"));
    let program = found.into_iter().find(|file| file.is_file()).unwrap_or_default();
    let (durability, launcher) = match server {
        Server::Near(durability) => (*durability, String::new()),
        Server::Far => (
            Durability::None,
            format!("'{}' far ", std::env::current_exe()?.display()),
        ),
    };
    let text = format!(
        "#!/bin/sh\nexec {launcher}'{}' \"$@\" --dir '{}' {}\n",
        program.display(),
        dir.path().display(),
        durability.arguments().join(" ")
    );
    let file = dir.path().join("redis-server");
    std::fs::write(&file, text)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}

fn run(folder: &Path, target: &Path, concurrency: u64, server: &Server) -> Result<Value, String> {
    let stand_in = stand_in(server).map_err(|error| error.to_string())?;
    let mut path = stand_in.path().as_os_str().to_owned();
    path.push(":");
    path.push(variable("PATH").unwrap_or_default());
    // The timetable only once: it takes its time, and its result does not depend on the concurrency.
    let on_timetable = (concurrency, server) == (CONCURRENCIES[0], &Server::Near(Durability::None));
    let rate_tasks = if on_timetable { RATE_TASKS } else { 1 };
    let mut run = Command::new("python3");
    run.env("PATH", path).arg(folder.join("run.py"));
    run.args(["--peers", PEER, "--n", &text(TASKS), "--c", &text(concurrency)]);
    run.args(["--rate-n", &text(rate_tasks), "--rate", &text(RATE_PER_S), "--target"]);
    let output = run
        .arg(target)
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
