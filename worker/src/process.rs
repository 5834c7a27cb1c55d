//! The worker process from settings to the last step of its shutdown.
//!
//! Handlers run on the runtime that calls [`run`]; the queue's step loop has a thread and a current-thread runtime of
//! its own, so that a busy handler delays no lease.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{Clock, ConnectOptions, Queue, QueueError, StopReport, SystemClock, Worker, WorkerConfig};
use zoetrope_shared::config::Settings;
use zoetrope_shared::shutdown::ShutdownSteps;

use crate::dispatch::{Dispatch, kind_slots, slot_classes};
use crate::health::{self, Health, Phase};
use crate::providers::report;
use crate::services::Services;

/// Pause between attempts to reach Redis at the start: doubles from the first to the last.
const CONNECT_PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// What the step loop may take to sign off once the drain's grace is over.
const SIGN_OFF: Duration = Duration::from_secs(10);
/// What every other step of the shutdown may take.
const SHORT_STEP: Duration = Duration::from_secs(5);
/// The answer of a step that leaves nothing unfinished.
const NOTHING_LEFT: usize = 0;
/// Longest host name in a worker's name, characters: 40 are allowed for all of it.
const HOST_CHARS: usize = 20;

/// Works until `shutdown`, then stops in order. The answer is what the step loop says it did and left.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<StopReport> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let services = Services::open(&settings, clock.clone()).context("open what handlers work with")?;
    let (phase, phases) = watch::channel(Phase::Connecting);
    let listener = health::bind(SocketAddr::new(settings.host, settings.worker_port)).await?;
    let health_address = listener.local_addr().context("read the health port's address")?;
    let health = Health {
        phase: phases,
        metrics: services.metrics.clone(),
    };
    let close_health = CancellationToken::new();
    let mut servers = JoinSet::new();
    servers.spawn(served(listener, health, close_health.clone()));

    let config = WorkerConfig {
        name: worker_name(clock.now_ms()),
        classes: slot_classes(&settings),
        kinds: kind_slots(&settings),
        drain_grace: settings.drain,
        handlers_on: Some(Handle::current()),
    };
    let (providers, reports) = (services.providers.clone(), services.provider_reports.clone());
    servers.spawn(report::run(
        providers,
        reports,
        config.name.clone(),
        close_health.clone(),
    ));
    let (wants, live) = (services.wants.clone(), services.live.clone());
    servers.spawn(wants.run(live, close_health.clone()));
    tracing::info!(worker = config.name, %health_address, "worker {} starts, health on {health_address}", config.name);
    let steps = StepThread {
        redis: settings.redis(),
        config,
        handler: Dispatch::new(services.clone()),
        connected: services.queue.clone(),
        phase,
        shutdown: shutdown.clone(),
    };
    let mut ended = steps.start()?;
    let early = tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        report = &mut ended => Some(report),
    };

    let mut report = Ok(StopReport::default());
    let mut way_out = ShutdownSteps::new();
    let drain = async {
        report = match early {
            Some(report) => report,
            None => ended.await,
        }
        .unwrap_or_else(|_| Err(QueueError::Other("the step loop's thread is gone".to_owned())));
        report
            .as_ref()
            .map_or(0, |report| (report.released + report.abandoned) as usize)
    };
    way_out
        .step("drain attempts and release leases", settings.drain + SIGN_OFF, drain)
        .await;
    let end_children = async {
        services.media.close();
        services.live_media.close();
        services.segments.close();
        services.stills.close();
        NOTHING_LEFT
    };
    way_out.step("end media children", SHORT_STEP, end_children).await;
    let close_artifacts = async {
        services.artifacts.close().await;
        NOTHING_LEFT
    };
    way_out.step("close artifacts", SHORT_STEP, close_artifacts).await;
    close_health.cancel();
    let close_port = async {
        while servers.join_next().await.is_some() {}
        NOTHING_LEFT
    };
    way_out.step("close the health port", SHORT_STEP, close_port).await;
    report.context("run the step loop")
}

async fn served(listener: TcpListener, health: Health, shutdown: CancellationToken) {
    if let Err(error) = health::serve(listener, health, shutdown).await {
        tracing::error!("the health port is closed: {error}");
    }
}

/// What the step loop's thread owns.
struct StepThread {
    redis: ConnectOptions,
    config: WorkerConfig,
    handler: Dispatch,
    connected: Arc<OnceLock<Queue>>,
    phase: watch::Sender<Phase>,
    shutdown: CancellationToken,
}

impl StepThread {
    fn start(self) -> anyhow::Result<oneshot::Receiver<Result<StopReport, QueueError>>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("make a runtime")?;
        let (tell, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("steps".into())
            .spawn(move || {
                // Nobody listens once the drain was too slow.
                let _ = tell.send(runtime.block_on(self.run()));
            })
            .context("start the step loop's thread")?;
        Ok(ended)
    }

    async fn run(self) -> Result<StopReport, QueueError> {
        let Some(queue) = connect(self.redis, &self.shutdown).await? else {
            return Ok(StopReport::default());
        };
        // Nobody else sets it, and this runs once.
        let _ = self.connected.set(queue.clone());
        self.phase.send_replace(Phase::Running(queue.clone()));
        let worker = Worker::new(queue, self.config, Arc::new(self.handler));
        let mut drained = std::pin::pin!(worker.run(self.shutdown.clone()));
        tokio::select! {
            report = &mut drained => return report,
            () = self.shutdown.cancelled() => {}
        }
        self.phase.send_replace(Phase::Draining);
        drained.await
    }
}

/// Connects however long it takes; `None` if told to stop before.
async fn connect(redis: ConnectOptions, shutdown: &CancellationToken) -> Result<Option<Queue>, QueueError> {
    let mut pauses = CONNECT_PAUSES.iter();
    let mut pause = CONNECT_PAUSES[0];
    loop {
        let error = match Queue::connect(redis.clone()).await {
            Ok(queue) => return Ok(Some(queue)),
            Err(error) if error.is_transient() => error,
            Err(error) => return Err(error),
        };
        pause = *pauses.next().unwrap_or(&pause);
        tracing::warn!(
            "redis does not answer, next attempt in {} ms: {error}",
            pause.as_millis()
        );
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(None),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Host, process and start time: unique among running processes, and telling in logs.
fn worker_name(now_ms: u64) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host: String = host
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(HOST_CHARS)
        .collect();
    format!("{host}-{}-{:x}", std::process::id(), now_ms % 0x1_0000_0000)
}
