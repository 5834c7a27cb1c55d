//! `make bench-streams`: what a live stream costs, beside a single-threaded `OpenCV` loop over the same video.
//!
//! The video is encoded once, 720p at 15 frames a second with a key frame a second, and replayed by `GStreamer`'s RTSP
//! server, one pipeline a client. Both sides watch at the same time. Time and memory are those of our processes, from
//! `/proc`: the api, the worker, its media children and Redis. Only ratios travel between machines.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Pid;
use serde_json::{Value, json};
use tokio::process::Command as AsyncCommand;
use tokio::time::{Instant, timeout};
use zoetrope_e2e::{RtspServer, Stage, cpu_ms, descendants_of};

const STREAMS: u32 = 15;
/// Of the video.
const FPS: u32 = 15;
/// From the first connection to steady work.
const WARM: Duration = Duration::from_secs(20);
const MEASURED: Duration = Duration::from_secs(60);
/// On the same stage before and beside them.
const IDLE: Duration = Duration::from_secs(15);
/// A minute of video is encoded; this many make a film that outlasts the measurement.
const MINUTES: u32 = 10;

/// A still scene with the noise of a sensor: nothing to read, so that both sides do the same work.
const STILL: &str = "smptehdbars=size=1280x720:rate=15:duration=60,noise=alls=12:allf=t";
/// The same, through which something walks for 6 s of every 20: what passes the gate is read, which the loop does not do.
const WALKER: &str = "smptehdbars=size=1280x720:rate=15:duration=60,noise=alls=12:allf=t[scene];\
    color=color=0x803020:size=120x260:rate=15:duration=60[walker];\
    [scene][walker]overlay=x='if(lt(mod(t,20),6),mod(t,20)*230-120,-200)':y=400";

/// What is measured, and beside what.
struct Tools {
    /// The folder of our executables.
    programs: PathBuf,
    /// A python that has `OpenCV`.
    python: PathBuf,
}

/// Processor time and memory at one moment.
#[derive(Debug, Clone, Copy)]
struct Spent {
    at: Instant,
    cpu_ms: u64,
    pss_kib: u64,
}

/// One content's figures. Time: milliseconds of processor for a second of video; memory: MiB.
struct Row {
    content: &'static str,
    cpu_ms: f64,
    cpu_net_ms: f64,
    pss_mib: f64,
    loop_cpu_ms: f64,
    loop_pss_mib: f64,
    frames: u64,
    passed: u64,
    stalls: Vec<String>,
}

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]
async fn main() {
    let tools = Tools {
        programs: variable("BENCH_PROGRAMS"),
        python: variable("BENCH_OPENCV"),
    };
    let folder = tempfile::tempdir().expect("a temporary folder should be makeable");
    let mut rows = Vec::new();
    for (content, filter) in [("still", STILL), ("walker", WALKER)] {
        eprintln!("bench-streams: {content}: encoding");
        let film = encode(folder.path(), content, filter);
        eprintln!(
            "bench-streams: {content}: {STREAMS} streams for {} s",
            (WARM + MEASURED).as_secs()
        );
        rows.push(measure(&tools, &film, content).await);
    }
    println!("{}", table(&rows));
    let stalled: Vec<&String> = rows.iter().flat_map(|row| &row.stalls).collect();
    assert!(stalled.is_empty(), "streams stalled: {stalled:#?}");
}

/// A film of this content, 2 Mbit/s.
fn encode(folder: &Path, content: &str, filter: &str) -> PathBuf {
    let (minute, film) = (
        folder.join(format!("{content}-1.mp4")),
        folder.join(format!("{content}.mp4")),
    );
    let gop = FPS.to_string();
    let loops = (MINUTES - 1).to_string();
    let x264 = [
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-tune",
        "zerolatency",
        "-pix_fmt",
        "yuv420p",
    ];
    let rate = [
        "-b:v",
        "2M",
        "-maxrate",
        "2M",
        "-bufsize",
        "2M",
        "-g",
        &gop,
        "-keyint_min",
        &gop,
        "-sc_threshold",
        "0",
    ];
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-v", "error", "-y", "-filter_complex", filter])
        .args(x264)
        .args(rate)
        .arg(&minute);
    run(ffmpeg);
    let mut repeat = Command::new("ffmpeg");
    repeat
        .args(["-v", "error", "-y", "-stream_loop", &loops, "-i"])
        .arg(&minute);
    repeat.args(["-c", "copy"]).arg(&film);
    run(repeat);
    film
}

fn run(mut command: Command) {
    let status = command
        .stdin(Stdio::null())
        .status()
        .expect("ffmpeg should be installed: `make setup`");
    assert!(status.success(), "{command:?}: {status}");
}

/// Settings of a benchmark, which no process of ours reads.
fn variable(name: &str) -> PathBuf {
    let set = std::env::vars().find(|(known, _)| known == name);
    PathBuf::from(
        set.unwrap_or_else(|| panic!("{name} should be set: use `make bench-streams`"))
            .1,
    )
}

async fn measure(tools: &Tools, film: &Path, content: &'static str) -> Row {
    let server = RtspServer::start(&["--file", &film.display().to_string()]).await;
    let stage = Stage::builder()
        .programs(tools.programs.clone())
        .env("NETGUARD_ALLOW_CIDRS", RtspServer::ALLOWED)
        .start()
        .await;
    let url = server.url("/file");

    let idle = over(&stage, IDLE).await;
    let length = WARM + IDLE;
    let one = submit(&stage, &url, length).await;
    pass(WARM).await;
    let with_one = spent(&stage);
    stage.http.until_ended(&one).await;

    let length = WARM + MEASURED + WARM;
    let mut ids = Vec::new();
    for _ in 0..STREAMS {
        ids.push(submit(&stage, &url, length).await);
    }
    let beside = AsyncCommand::new(&tools.python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("opencv-loop.py"))
        .args([
            &url,
            &FPS.to_string(),
            &WARM.as_secs().to_string(),
            &MEASURED.as_secs().to_string(),
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output();
    let ours = async {
        pass(WARM).await;
        over(&stage, MEASURED).await
    };
    let (ours, beside) = tokio::join!(ours, beside);
    let with_all = spent(&stage);
    let beside: Value = serde_json::from_slice(&beside.expect("the loop should run").stdout)
        .expect("the loop should print one line of JSON");

    let mut row = Row {
        content,
        cpu_ms: ours / f64::from(STREAMS),
        cpu_net_ms: (ours - idle) / f64::from(STREAMS),
        pss_mib: with_all.pss_kib.saturating_sub(with_one.pss_kib) as f64 / f64::from(STREAMS - 1) / 1024.0,
        loop_cpu_ms: beside["cpu_ms"].as_f64().expect("the loop should tell its time"),
        loop_pss_mib: beside["pss_mib"].as_f64().expect("the loop should tell its memory"),
        frames: 0,
        passed: 0,
        stalls: Vec::new(),
    };
    for id in &ids {
        let task = stage.http.until_ended(id).await;
        judge(&mut row, &task, length.as_secs());
    }
    row
}

async fn submit(stage: &Stage, url: &str, length: Duration) -> String {
    let input = json!({"url": url, "fps": 1, "duration": length.as_secs(), "window": {"size_s": 10}});
    stage.http.submit("stream_ingest", &json!({"input": input})).await
}

/// Adds what one stream counted, and what it should not have.
fn judge(row: &mut Row, task: &Value, seconds: u64) {
    let counts = &task["result"]["counts"];
    let frames = counts["frames"].as_u64().unwrap_or_default();
    row.frames += frames;
    row.passed += counts["passed"].as_u64().unwrap_or_default();
    let sum = |group: &str| -> u64 {
        let values = counts[group].as_object().into_iter().flat_map(|group| group.values());
        values.filter_map(Value::as_u64).sum()
    };
    // The connection and the first key frame take their time.
    let enough = frames + 5 >= seconds;
    if !enough || sum("drops") > 0 || sum("reconnects") > 0 {
        row.stalls
            .push(format!("{}: {frames} frames in {seconds} s: {task}", row.content));
    }
}

/// Milliseconds of processor time a second, over this long.
async fn over(stage: &Stage, time: Duration) -> f64 {
    let before = spent(stage);
    pass(time).await;
    let after = spent(stage);
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    (after.cpu_ms - before.cpu_ms) as f64 / seconds
}

/// Lets time pass: what is measured runs by itself.
async fn pass(time: Duration) {
    let _ = timeout(time, std::future::pending::<()>()).await;
}

fn spent(stage: &Stage) -> Spent {
    let mut pids = vec![stage.api.pid(), stage.redis.pid()];
    for worker in &stage.workers {
        pids.push(worker.pid());
        pids.extend(descendants_of(worker.pid()));
    }
    Spent {
        at: Instant::now(),
        cpu_ms: pids.iter().map(|pid| cpu_ms(*pid)).sum(),
        pss_kib: pids.iter().map(|pid| pss_kib(*pid)).sum(),
    }
}

fn pss_kib(pid: Pid) -> u64 {
    let sizes = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = sizes.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

fn table(rows: &[Row]) -> String {
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
    text
}
