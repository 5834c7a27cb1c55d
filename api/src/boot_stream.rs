//! `RTSP_STREAM_URL`: a described stream that runs from boot on. Submitted as a client would submit it, once: other api
//! processes and later boots find the task that is there, and make another one only after it has ended.

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{Enqueued, TaskId};
use zoetrope_shared::config::{Secret, Settings};
use zoetrope_shared::tasks::stream_ingest;
use zoetrope_shared::tenant::Tenant;

use crate::app::App;
use crate::http::problem::Refusal;
use crate::limits::{MAX_BOOT_STREAMS, RECONNECT};
use crate::submit::enqueue;
use crate::submit::fingerprint::Fingerprint;
use crate::submit::intake;

/// The label by which it is found in lists.
pub(crate) const TAG: &str = "boot";
/// What the idempotency keys of boot streams begin with; no route of clients is called so.
const ROUTE: &str = "boot stream";

/// Submits the stream as soon as Redis is there. A stream that is refused is logged and not tried again.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    let Some(url) = app.settings.rtsp_stream_url.clone() else {
        return;
    };
    let (mut pause, longest) = RECONNECT;
    loop {
        match ensure(&app, &url).await {
            Ok(id) => {
                return tracing::info!(task = %id, "api.boot_stream.there: RTSP_STREAM_URL is described by task {id}");
            }
            Err(refusal) if refusal.problem.retryable => tracing::debug!(%refusal, "api.boot_stream.waiting"),
            Err(refusal) => return tracing::error!(%refusal, "api.boot_stream.refused: RTSP_STREAM_URL: {refusal}"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
        pause = (pause * 2).min(longest);
    }
}

/// The task that describes the stream: the newest one made for these settings if it has not ended, or else a new one.
async fn ensure(app: &App, url: &Secret) -> Result<TaskId, Refusal> {
    let queue = app.link.queue()?;
    let tenant = Tenant::default_tenant();
    let body = json!({"input": input(&app.settings, url), "tags": [TAG]});
    let fingerprint = Fingerprint::of(TAG).json(&body).finish();
    // Each task's key names its predecessor, so that whoever comes later walks the same chain to its end.
    let mut key = fingerprint.clone();
    for _ in 0..MAX_BOOT_STREAMS {
        let submission = app.judge().object(&stream_ingest::KIND, body.clone(), "")?;
        let mut ready = intake::settle(app, &tenant, submission).await?;
        ready.task.idempotency = Some(intake::idempotency(ROUTE, &key, &fingerprint));
        let id = match enqueue::one(queue, ready.task).await? {
            Enqueued::Created(id) => return Ok(id),
            Enqueued::Replayed(id) | Enqueued::Conflict(id) | Enqueued::Exists(id) => id,
        };
        match queue.get(tenant.as_str(), id).await? {
            Some(task) if !task.state.is_terminal() => return Ok(id),
            _ => key = format!("{fingerprint} after {id}"),
        }
    }
    Err(Refusal::overloaded(
        "too many streams of RTSP_STREAM_URL have ended lately",
    ))
}

/// The settings as an input. What is not set is not in it, or streams of earlier builds would be started a second time.
fn input(settings: &Settings, url: &Secret) -> Map<String, Value> {
    let given = [
        ("url", Some(json!(url.expose()))),
        ("fps", Some(json!(settings.frame_rate))),
        ("prompt", settings.rtsp_prompt.as_ref().map(|prompt| json!(prompt))),
        (
            "budget_usd_per_hour",
            settings.rtsp_budget_usd_per_hour.map(|usd| json!(usd)),
        ),
    ];
    let given = given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    given.collect()
}
