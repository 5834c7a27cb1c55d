//! Has a media child find the steps of recordings with a ground truth, for `make eval`:
//! `eval_steps TRUTH PREDICTIONS`, folders as `../shared/eval/README.md` describes them. Prints processor seconds a
//! second of recording, and the child's largest memory.

use std::path::Path;

use anyhow::Context;
use bytes::Bytes;
use serde_json::{Value, json, value::to_raw_value};
use zoetrope_worker::media_pool::{MediaPool, MediaPoolConfig};
use zoetrope_worker::metrics::Metrics;
use zoetrope_worker::protocol::Request;
use zoetrope_worker::protocol_steps::{STEPS, StepsFound, StepsInput};

/// Pictures looked at a second, as the API's default.
const SAMPLE_FPS: f64 = 10.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [truth, predictions] = &arguments[..] else {
        anyhow::bail!("usage: eval_steps TRUTH PREDICTIONS");
    };
    std::fs::create_dir_all(predictions).context("make the folder of predictions")?;
    let media = std::env::current_exe()?.with_file_name("../zoetrope-media");
    let config = MediaPoolConfig {
        inputs: Path::new(truth).canonicalize()?,
        ..MediaPoolConfig::of(media, 1)
    };
    let pool = MediaPool::new(config, Metrics::new()?);
    let mut folders: Vec<_> = std::fs::read_dir(truth)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    folders.sort();
    let (mut cpu, mut length) = (0.0, 0.0);
    for folder in folders.iter().filter(|folder| folder.join("video.mp4").is_file()) {
        let before = cpu_seconds(&pool);
        let found = steps(&pool, &folder.join("video.mp4")).await?;
        cpu += cpu_seconds(&pool) - before;
        length += found.recording_ms as f64 / 1000.0;
        let name = folder.file_name().context("a folder has a name")?.to_string_lossy();
        let told: Vec<Value> = found.steps.iter().map(prediction).collect();
        std::fs::write(
            Path::new(predictions).join(format!("{name}.json")),
            serde_json::to_vec(&told)?,
        )?;
    }
    say(&format!(
        "{:.3} CPU s per second of recording ({length:.0} s), child's peak {} MiB",
        cpu / f64::max(length, 1.0),
        peak_mebibytes(&pool)
    ));
    Ok(())
}

async fn steps(pool: &MediaPool, video: &Path) -> anyhow::Result<StepsFound> {
    let input = StepsInput {
        video: Some(video.canonicalize()?.display().to_string()),
        frames: Vec::new(),
        sample_fps: SAMPLE_FPS,
        language: "eng".to_owned(),
        describe: true,
        pictures: true,
    };
    let request = Request {
        kind: STEPS.to_owned(),
        input: to_raw_value(&input)?,
    };
    let answer = pool.run(&request, Bytes::new(), |_, _| {}).await?;
    Ok(serde_json::from_slice(&answer)?)
}

/// A step as the scorer takes it.
fn prediction(step: &zoetrope_shared::tasks::step_detection::Step) -> Value {
    json!({
        "t_ms": step.t_ms, "t_end_ms": step.end_ms, "type": step.step.as_str(), "detail": step.detail,
        "bbox": step.bbox, "text": step.target_text, "value": step.value, "confidence": step.confidence,
        "description": step.description,
    })
}

/// Processor time of the child that waits in the pool, seconds.
fn cpu_seconds(pool: &MediaPool) -> f64 {
    /// Of `/proc/<pid>/stat` on every Linux.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = pool
        .idle_pids()
        .first()
        .and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    let stat = stat.unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

fn peak_mebibytes(pool: &MediaPool) -> u64 {
    let status = pool
        .idle_pids()
        .first()
        .and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
    let status = status.unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}
