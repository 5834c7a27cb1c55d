//! A camera site: sixty streams on one worker, all recorded, beside one loop.

use std::path::Path;
use std::time::Duration;

use zoetrope_e2e::Stage;

use crate::Tools;
use crate::beside::{Crowd, MEASURED, watch};
use crate::film::FPS;
use crate::spent::{Counted, stage};

const STREAMS: u32 = 60;
/// Until all of them are connected, and parts and segments are written as they always are.
const WARM: Duration = Duration::from_secs(30);

/// The figures as people read them, and what came short.
#[expect(clippy::print_stderr, reason = "it takes a while")]
pub(super) async fn measure(tools: &Tools, film: &Path) -> (String, Vec<String>) {
    eprintln!(
        "bench-streams: {STREAMS} streams, recorded, for {} s",
        (WARM + MEASURED).as_secs()
    );
    let (server, stage) = stage(tools, film).await;
    let url = server.url("/file");
    let crowd = Crowd {
        streams: STREAMS,
        warm: WARM,
        alone: WARM + MEASURED / 4,
        store: true,
    };
    let watched = watch(tools, &stage, &url, &crowd).await;
    let counted = Counted::of(&stage, &watched.ids, watched.length).await;
    let recorded = recorded_s(&stage, &watched.ids).await;
    let cpu_ms = watched.cpu_ms / f64::from(STREAMS);
    let text = format!(
        "{STREAMS} streams, 720p at {FPS} frames/s, 1 frame/s sampled, all recorded, one worker\n\n\
         | cores in use | ours, ms a second of video | OpenCV loop, ms | ratio | PSS a stream, MiB | all, MiB | OpenCV loop, MiB | frames | least recorded, s of {} | stalls |\n\
         |---|---|---|---|---|---|---|---|---|---|\n\
         | {:.2} | {cpu_ms:.1} | {:.1} | 1/{:.1} | {:.1} | {:.0} | {:.0} | {} | {recorded:.1} | {} |\n",
        watched.length.as_secs(),
        watched.cpu_ms / 1_000.0,
        watched.loop_cpu_ms,
        watched.loop_cpu_ms / cpu_ms,
        watched.pss_mib,
        watched.all_mib,
        watched.loop_pss_mib,
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
