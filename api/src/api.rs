//! The process as a whole: what is started, and the written order in which it stops.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zoetrope_shared::config::{AuthMode, Settings};
use zoetrope_shared::recordings::{
    Recording, StoredRecording, forget_if_empty, keep_tenant_within, keep_within, seal_old_hours,
};
use zoetrope_shared::shutdown::ShutdownSteps;
use zoetrope_shared::tenant::Tenant;

use crate::app::App;
use crate::auth::first_key;
use crate::boot_stream;
use crate::http::server;
use crate::limits::{DRAIN_GRACE, SWEEP_EVERY};
use crate::tenant::Tenants;

/// Longest time that each step after the last request may take.
const STEP: Duration = Duration::from_secs(5);

/// One api, ready to serve.
pub struct Api {
    app: App,
}

impl Api {
    /// Opens the artifact store; Redis is connected to while serving.
    pub fn new(settings: Settings, tenants: Tenants) -> anyhow::Result<Self> {
        if settings.auth == AuthMode::None {
            tracing::warn!("api.auth.none: AUTH=none, whoever reaches this address may do everything");
        }
        Ok(Self {
            app: App::open(settings, tenants)?,
        })
    }

    /// The routes with everything around them, for tests that need no socket.
    pub fn router(&self) -> Router {
        self.app.router()
    }

    /// Serves until `shutdown`, then: stop accepting, wake long polls, finish requests, stop the background, remove
    /// what cut-off requests left.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let app = self.app;
        let background = CancellationToken::new();
        let mut duties = JoinSet::new();
        duties.spawn(app.link.clone().run(background.clone()));
        duties.spawn(first_key::ensure(app.clone(), background.clone()));
        duties.spawn(sweep(app.clone(), background.clone()));
        duties.spawn(app.board.clone().run(background.clone()));
        duties.spawn(boot_stream::run(app.clone(), background.clone()));
        let connections = server::accept(listener, app.router(), shutdown).await;
        app.stopping.cancel();
        let mut steps = ShutdownSteps::new();
        steps
            .step("finish open requests", DRAIN_GRACE + STEP, server::finish(connections))
            .await;
        app.sockets.close();
        steps
            .step("close web sockets", STEP, async {
                app.sockets.wait().await;
                0
            })
            .await;
        background.cancel();
        steps
            .step("stop background duties", STEP, async {
                while duties.join_next().await.is_some() {}
                0
            })
            .await;
        app.removals.close();
        steps
            .step("remove artifacts of requests that were cut off", STEP, async {
                app.removals.wait().await;
                0
            })
            .await;
        steps
            .step("close the artifact store", STEP, async {
                app.artifacts.close().await;
                0
            })
            .await;
        steps.finish();
    }
}

/// Serves with these settings until `shutdown`.
pub async fn serve(settings: Settings, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    Api::new(settings, Tenants::everybody_is_default())?
        .serve(listener, shutdown)
        .await;
    Ok(())
}

/// Deletes expired artifacts now and then.
async fn sweep(app: App, stop: CancellationToken) {
    loop {
        match app.artifacts.sweep(app.clock.now_ms()).await {
            Ok(0) => {}
            Ok(swept) => tracing::info!(swept, "api.artifacts.swept: {swept} expired artifacts are gone"),
            Err(error) => {
                tracing::warn!(%error, "api.artifacts.unswept: cannot delete expired artifacts, will do so again");
            }
        }
        match sweep_recordings(&app).await {
            Ok(0) => {}
            Ok(freed) => tracing::info!(freed, "api.recordings.swept: {freed} bytes of recordings are gone"),
            Err(error) => {
                tracing::warn!("api.recordings.unswept: delete the oldest of recordings: {error:#}; will do so again");
            }
        }
        if stop
            .run_until_cancelled(tokio::time::sleep(SWEEP_EVERY))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// Deletes what is too old or too much of every recording and seals its old hours: those that nobody writes into have nobody else.
async fn sweep_recordings(app: &App) -> anyhow::Result<u64> {
    // Not connected yet: the next sweep is soon enough.
    let Ok(queue) = app.link.queue() else { return Ok(0) };
    let (mut freed, mut tenants) = (0, BTreeSet::new());
    for StoredRecording { tenant, stream, keep } in StoredRecording::all(queue).await? {
        let recording = Recording {
            queue,
            store: &app.recordings,
            tenant: &tenant,
            stream: &stream,
        };
        freed += keep_within(&recording, keep, app.clock.now_ms()).await?;
        forget_if_empty(&recording).await?;
        seal_old_hours(&recording, app.clock.now_ms()).await?;
        tenants.insert(tenant.to_string());
    }
    let Some(cap) = app.settings.recording_max_tenant_bytes else {
        return Ok(freed);
    };
    for tenant in tenants {
        let tenant = Tenant::parse(&tenant)?;
        freed += keep_tenant_within(queue, &app.recordings, &tenant, cap, app.clock.now_ms()).await?;
    }
    Ok(freed)
}
