//! A stream of a stage, what happens to it, and what its worker says of it.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{Attempt, ConnectOptions, Handler, Outcome};
use zoetrope_shared::redis_link::RedisLink;
use zoetrope_shared::streams::{Reporting, StreamId, StreamRecord, StreamReport, StreamStore};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::StreamState;

use crate::stage::{Answer, Stage};
use crate::streams::created;
use crate::worker;

/// Watches nothing until it is stopped.
struct Idle;

impl Handler for Idle {
    fn run(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        async move {
            attempt.stopped().await;
            Outcome::Released
        }
        .boxed()
    }
}

/// A stage with one stream.
pub(crate) struct Camera {
    pub(crate) stage: Stage,
    pub(crate) path: String,
    pub(crate) id: StreamId,
    pub(crate) store: StreamStore,
    pub(crate) tenant: Tenant,
    worker: JoinSet<()>,
}

impl Camera {
    pub(crate) async fn new() -> Self {
        let stage = Stage::start().await;
        let id = created(&stage, json!({"name": "gate", "url": "rtsp://camera.example.com/live"})).await;
        let id = id.text("/id");
        Self {
            path: format!("/api/v1/streams/{id}"),
            id: StreamId::parse(&id).expect("the api makes ids of streams"),
            store: StreamStore::new(RedisLink::at(ConnectOptions::new(stage.redis_url()))),
            tenant: Tenant::default_tenant(),
            worker: JoinSet::new(),
            stage,
        }
    }

    /// A worker takes whatever is started.
    pub(crate) async fn with_worker(mut self) -> Self {
        let served = ("idle", "stream", "stream_ingest");
        self.worker = worker::run(self.stage.queue().await, served, Idle, CancellationToken::new());
        self
    }

    pub(crate) async fn start(&self) -> Answer {
        self.stage.post(&format!("{}/start", self.path), &json!({})).await
    }

    pub(crate) async fn stop(&self) -> Answer {
        self.stage.post(&format!("{}/stop", self.path), &json!({})).await
    }

    pub(crate) async fn state(&self) -> String {
        self.stage.get(&self.path).await.text("/state")
    }

    /// Tasks of the tenant that have not ended.
    pub(crate) async fn live_tasks(&self) -> Vec<String> {
        let page = self.stage.get("/api/v1/tasks?kind=stream_ingest&limit=200").await;
        let items = page.body["items"].as_array().expect("a page").clone();
        let live = items.iter().filter(|task| task["finished_at"].is_null());
        live.map(|task| task["id"].as_str().expect("an id").to_owned())
            .collect()
    }

    pub(crate) async fn record(&self) -> StreamRecord {
        let listed = self.store.get(&self.tenant, self.id).await.expect("Redis");
        listed.expect("the stream is there").record
    }

    /// Leave to report as the worker of the newest run has it.
    pub(crate) async fn reporting(&self) -> Reporting {
        let run = self.record().await.run;
        let leave = self.store.begin(&self.tenant, self.id, run).await.expect("Redis");
        leave.expect("the run is wanted")
    }

    pub(crate) async fn until_running(&self, task: &str) {
        let path = format!("/api/v1/tasks/{task}");
        while self.stage.get(&path).await.text("/state") != "running" {
            tokio::task::yield_now().await;
        }
    }
}

/// What a worker says of a run.
pub(crate) fn report(run: u64, state: StreamState) -> StreamReport {
    StreamReport {
        run,
        state,
        cause: None,
        detail: None,
        since_ms: 1_795_165_200_000,
        sources: Vec::new(),
        counts: Default::default(),
        last_frame_ms: None,
        live_fps: 0.0,
        codec: None,
        size: None,
        answered: 0,
        snapshot: None,
        previous: None,
        reported_ms: 1_795_165_201_000,
    }
}
