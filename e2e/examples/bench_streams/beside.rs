//! Fifteen streams, beside the loop over the same video at the same time.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use zoetrope_e2e::Stage;

use crate::Tools;
use crate::clips::{self, Clips};
use crate::film::FPS;
use crate::spent::{Counted, over, pass, spent, stage, submit};

const STREAMS: u32 = 15;
/// From the first connection to steady work.
const WARM: Duration = Duration::from_secs(20);
pub(super) const MEASURED: Duration = Duration::from_secs(60);
/// On the same stage before and beside them.
const IDLE: Duration = Duration::from_secs(15);

/// One content's figures. Time: milliseconds of processor for a second of video; memory: MiB.
pub(super) struct Row {
    content: &'static str,
    cpu_ms: f64,
    cpu_net_ms: f64,
    pss_mib: f64,
    loop_cpu_ms: f64,
    loop_pss_mib: f64,
    frames: u64,
    passed: u64,
    /// How long it takes until a recording plays, where there is one.
    clips: Option<Clips>,
    /// Streams that came short.
    pub(super) stalls: Vec<String>,
}

/// Streams that are watched at the same time.
pub(super) struct Crowd {
    pub(super) streams: u32,
    /// From the first connection to steady work.
    pub(super) warm: Duration,
    /// How long one is watched alone.
    pub(super) alone: Duration,
    /// Whether they are recorded.
    pub(super) store: bool,
}

/// What they and the loop took.
pub(super) struct Watched {
    pub(super) ids: Vec<String>,
    /// Of each stream.
    pub(super) length: Duration,
    /// Of all streams, milliseconds of processor for a second.
    pub(super) cpu_ms: f64,
    /// Memory of all of ours, MiB.
    pub(super) all_mib: f64,
    /// What each stream but the first adds to it, MiB.
    pub(super) pss_mib: f64,
    pub(super) loop_cpu_ms: f64,
    pub(super) loop_pss_mib: f64,
}

/// Measures a content.
#[expect(clippy::print_stderr, reason = "it takes a while")]
pub(super) async fn measure(tools: &Tools, film: &Path, content: &'static str, store: bool) -> Row {
    eprintln!(
        "bench-streams: {content}: {STREAMS} streams for {} s",
        (WARM + MEASURED).as_secs()
    );
    let (server, stage) = stage(tools, film).await;
    let url = server.url("/file");
    let idle = over(&stage, IDLE).await;
    let crowd = Crowd {
        streams: STREAMS,
        warm: WARM,
        alone: WARM + IDLE,
        store,
    };
    let watched = watch(tools, &stage, &url, &crowd).await;
    let clips = match store {
        true => Some(clips::measure(&stage.http, &watched.ids[0]).await),
        false => None,
    };
    let counted = Counted::of(&stage, &watched.ids, watched.length).await;
    Row {
        content,
        cpu_ms: watched.cpu_ms / f64::from(STREAMS),
        cpu_net_ms: (watched.cpu_ms - idle) / f64::from(STREAMS),
        pss_mib: watched.pss_mib,
        loop_cpu_ms: watched.loop_cpu_ms,
        loop_pss_mib: watched.loop_pss_mib,
        frames: counted.frames,
        passed: counted.passed,
        clips,
        stalls: counted.stalls,
    }
}

/// Has one stream watched, and then all of them, beside the loop.
pub(super) async fn watch(tools: &Tools, stage: &Stage, url: &str, crowd: &Crowd) -> Watched {
    let one = submit(stage, url, crowd.alone, crowd.store).await;
    pass(crowd.warm).await;
    let with_one = spent(stage).pss_kib;
    stage.http.until_ended(&one).await;

    let length = crowd.warm + MEASURED + crowd.warm;
    let mut ids = Vec::new();
    for _ in 0..crowd.streams {
        ids.push(submit(stage, url, length, crowd.store).await);
    }
    let ours = async {
        pass(crowd.warm).await;
        over(stage, MEASURED).await
    };
    let (cpu_ms, beside) = tokio::join!(ours, opencv(tools, url));
    let with_all = spent(stage).pss_kib;
    Watched {
        ids,
        length,
        cpu_ms,
        all_mib: with_all as f64 / 1024.0,
        pss_mib: with_all.saturating_sub(with_one) as f64 / f64::from(crowd.streams - 1) / 1024.0,
        loop_cpu_ms: beside["cpu_ms"].as_f64().expect("the loop should tell its time"),
        loop_pss_mib: beside["pss_mib"].as_f64().expect("the loop should tell its memory"),
    }
}

/// What the loop says of itself.
async fn opencv(tools: &Tools, url: &str) -> Value {
    let output = Command::new(&tools.python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("opencv-loop.py"))
        .args([url, &FPS.to_string(), &WARM.as_secs().to_string()])
        .arg(MEASURED.as_secs().to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .expect("the loop should run");
    serde_json::from_slice(&output.stdout).expect("the loop should print one line of JSON")
}

/// The rows as people read them.
pub(super) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{STREAMS} streams, 720p at {FPS} frames/s, 1 frame/s sampled; ms of processor time for a second of video\n\n\
         | content | ours, ms | ours less idle, ms | OpenCV loop, ms | ratio | PSS a stream, MiB | OpenCV loop, MiB | frames | passed the gate | stalls |\n\
         |---|---|---|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        text.push_str(&format!(
            "| {} | {:.1} | {:.1} | {:.1} | 1/{:.1} | {:.1} | {:.0} | {} | {} | {} |\n",
            row.content,
            row.cpu_ms,
            row.cpu_net_ms,
            row.loop_cpu_ms,
            row.loop_cpu_ms / row.cpu_ms,
            row.pss_mib,
            row.loop_pss_mib,
            row.frames,
            row.passed,
            row.stalls.len(),
        ));
    }
    for clips in rows.iter().filter_map(|row| row.clips.as_ref()) {
        text.push_str(&format!("\n{clips}"));
    }
    text
}
