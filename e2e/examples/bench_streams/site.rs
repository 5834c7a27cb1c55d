//! A camera site: sixty streams on one worker, all recorded, beside one loop.

use std::path::Path;
use std::time::Duration;

use zoetrope_e2e::Stage;

use crate::Tools;
use crate::beside::opencv;
use crate::film::FPS;
use crate::spent::{Counted, over, pass, spent, stage, submit};

const STREAMS: u32 = 60;
/// Until all of them are connected, and parts and segments are written as they always are.
const WARM: Duration = Duration::from_secs(30);
const MEASURED: Duration = Duration::from_secs(60);

/// The figures as people read them, and what came short.
#[expect(clippy::print_stderr, reason = "it takes a while")]
pub(super) async fn measure(tools: &Tools, film: &Path) -> (String, Vec<String>) {
    eprintln!(
        "bench-streams: {STREAMS} streams, recorded, for {} s",
        (WARM + MEASURED).as_secs()
    );
    let (server, stage) = stage(tools, film).await;
    let url = server.url("/file");
    let one = submit(&stage, &url, WARM + MEASURED / 4, true).await;
    pass(WARM).await;
    let with_one = spent(&stage).pss_kib;
    stage.http.until_ended(&one).await;

    let length = WARM + MEASURED + WARM;
    let mut ids = Vec::new();
    for _ in 0..STREAMS {
        ids.push(submit(&stage, &url, length, true).await);
    }
    let ours = async {
        pass(WARM).await;
        over(&stage, MEASURED).await
    };
    let (ours, beside) = tokio::join!(ours, opencv(tools, &url));
    let with_all = spent(&stage).pss_kib;
    let counted = Counted::of(&stage, &ids, length).await;
    let recorded = recorded_s(&stage, &ids).await;
    let cpu_ms = ours / f64::from(STREAMS);
    let loop_ms = beside["cpu_ms"].as_f64().expect("the loop should tell its time");
    let pss = with_all.saturating_sub(with_one) as f64 / f64::from(STREAMS - 1) / 1024.0;
    let text = format!(
        "{STREAMS} streams, 720p at {FPS} frames/s, 1 frame/s sampled, all recorded, one worker\n\n\
         | cores in use | ours, ms a second of video | OpenCV loop, ms | ratio | PSS a stream, MiB | all, MiB | OpenCV loop, MiB | frames | least recorded, s of {} | stalls |\n\
         |---|---|---|---|---|---|---|---|---|---|\n\
         | {:.2} | {cpu_ms:.1} | {loop_ms:.1} | 1/{:.1} | {pss:.1} | {:.0} | {:.0} | {} | {recorded:.1} | {} |\n",
        length.as_secs(),
        ours / 1_000.0,
        loop_ms / cpu_ms,
        with_all as f64 / 1024.0,
        beside["pss_mib"].as_f64().unwrap_or_default(),
        counted.frames,
        counted.stalls.len(),
    );
    (text, counted.stalls)
}

/// How much is recorded of the stream of which least is, seconds; a break counts as an end.
async fn recorded_s(stage: &Stage, ids: &[String]) -> f64 {
    let mut least = f64::INFINITY;
    for id in ids {
        let found = stage.http.get(&format!("/api/v1/streams/{id}/recordings")).await.body;
        let range = &found["ranges"][0];
        let seconds = range["end"].as_f64().unwrap_or_default() - range["start"].as_f64().unwrap_or_default();
        least = least.min(seconds);
    }
    least
}
