//! What all requests share, and the router with its layers. Handlers are in the module of their resource.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use utoipa_axum::router::OpenApiRouter;
use zoetrope_queue::{Clock, QueueError, QueueStatus, RedisHealth, SystemClock};
use zoetrope_shared::artifacts::Artifacts;
use zoetrope_shared::config::Settings;
use zoetrope_shared::ledger::Ledger;
use zoetrope_shared::live_view::LiveLink;
use zoetrope_shared::netguard::{NetGuard, NetGuardConfig};
use zoetrope_shared::provider_reports::ProviderReports;
use zoetrope_shared::recordings::Recordings;
use zoetrope_shared::redis_link::RedisLink;
use zoetrope_shared::secrets::SecretKeys;
use zoetrope_shared::streams::StreamStore;
use zoetrope_shared::tasks::Preparation;
use zoetrope_shared::tasks::voices::VoicesOutput;
use zoetrope_shared::tenant::Tenant;

use crate::artifacts::{download, uploads};
use crate::auth::{Gate, gate, keys, tickets};
use crate::cached::Cached;
use crate::http::body::Budget;
use crate::http::guard::{self, Doors};
use crate::http::problem::Refusal;
use crate::http::{answer, request_id};
use crate::limits::{
    BODY_TIMEOUT, HANDLER_TIMEOUT, HEALTH_CACHE, MAX_LIVE_CLIENTS, MAX_LONG_POLLS, MAX_WAIT, UPLOAD_TIMEOUT,
    VOICES_CACHE,
};
use crate::link::{Link, Plain};
use crate::live::{events, process_frame, scenes, socket};
use crate::recordings::grant::GrantKey;
use crate::recordings::{export, media, overview, player, playlist, still};
use crate::service::metrics::Metrics;
use crate::service::{
    backlog, docs, health, hello, kinds, metrics, providers, queue_status, rules, spend, usage, voices, workers,
};
use crate::streams;
use crate::submit::held::Held;
use crate::submit::idempotency::{self, Memories};
use crate::submit::submission::Judge;
use crate::submit::{batch, one as submit};
use crate::tasks::{list, one as tasks, why};
use crate::tenant::Tenants;
use crate::viewing::{self, Board, page};

/// What all requests share. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// The parts of [`App`].
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) link: Link,
    pub(crate) memories: Memories,
    /// What tenants' calls to providers used.
    pub(crate) ledger: Ledger,
    pub(crate) provider_reports: ProviderReports,
    pub(crate) streams: StreamStore,
    pub(crate) artifacts: Artifacts,
    pub(crate) recordings: Recordings,
    /// Signs URLs of recordings, if `MEDIA_SIGNING_KEY` is set.
    pub(crate) grant_key: Option<GrantKey>,
    pub(crate) netguard: NetGuard,
    pub(crate) secrets: SecretKeys,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tenants: Tenants,
    pub(crate) gate: Gate,
    pub(crate) metrics: Metrics,
    pub(crate) budget: Budget,
    pub(crate) long_polls: Semaphore,
    /// The streams that are watched here.
    pub(crate) board: Board,
    /// Places for event streams and web sockets.
    pub(crate) live_places: Arc<Semaphore>,
    /// Open web sockets, which no longer belong to a request; awaited at the end.
    pub(crate) sockets: TaskTracker,
    /// Cancelled when this process is asked to stop: long polls end.
    pub(crate) stopping: CancellationToken,
    /// What requests that were cut off leave to be done: removals of artifacts, cancelling. Awaited at the end.
    pub(crate) removals: TaskTracker,
    /// Who can speak, as a worker has last said.
    pub(crate) voices: Cached<Option<VoicesOutput>>,
    redis_health: Cached<Result<RedisHealth, Arc<QueueError>>>,
    queue_status: Cached<Result<QueueStatus, Arc<QueueError>>>,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Opens what does not need the network.
    pub(crate) fn open(settings: Settings, tenants: Tenants) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let artifacts = Artifacts::open(&settings.artifacts_url, clock.clone())?;
        let outside = RedisLink::at(settings.redis());
        let redis = Plain::over(outside.clone());
        let metrics = Metrics::new();
        let shared = Shared {
            board: Board::new(LiveLink::at(settings.live_redis()), metrics.viewing.clone()),
            gate: Gate::new(&settings, redis.clone()),
            link: Link::new(settings.redis()),
            memories: Memories::new(redis),
            provider_reports: ProviderReports::new(outside.clone()),
            streams: StreamStore::new(outside.clone()),
            ledger: Ledger::new(outside, clock.clone(), settings.provider_bounds.spend_cap),
            recordings: Recordings::beside(&artifacts),
            grant_key: settings.media_signing_key.as_ref().map(GrantKey::of),
            artifacts,
            secrets: settings.secret_keys(),
            netguard: NetGuard::new(NetGuardConfig::of(&settings)),
            clock,
            tenants,
            metrics,
            budget: Budget::new(),
            long_polls: Semaphore::new(MAX_LONG_POLLS),
            live_places: Arc::new(Semaphore::new(MAX_LIVE_CLIENTS)),
            sockets: TaskTracker::new(),
            stopping: CancellationToken::new(),
            removals: TaskTracker::new(),
            voices: Cached::new(VOICES_CACHE),
            redis_health: Cached::new(HEALTH_CACHE),
            queue_status: Cached::new(HEALTH_CACHE),
            settings,
        };
        Ok(Self(Arc::new(shared)))
    }

    /// The judge of submissions that arrive now.
    pub(crate) fn judge(&self) -> Judge {
        Judge {
            netguard: self.netguard.clone(),
            secrets: self.secrets.clone(),
            now_ms: self.clock.now_ms(),
        }
    }

    /// What stored inputs are prepared with.
    pub(crate) fn preparation(&self) -> Preparation<'_> {
        Preparation {
            netguard: &self.netguard,
            secrets: &self.secrets,
        }
    }

    /// Nothing yet stored for a request.
    pub(crate) fn held(&self, tenant: &Tenant) -> Held {
        Held::new(self.artifacts.clone(), self.removals.clone(), tenant.clone())
    }

    /// Redis' condition, at most `HEALTH_CACHE` old.
    pub(crate) async fn redis_health(&self) -> Result<RedisHealth, Arc<QueueError>> {
        self.redis_health
            .get(health::in_time(async { self.link.queue()?.health().await }))
            .await
    }

    /// The queue's counts, at most `HEALTH_CACHE` old.
    pub(crate) async fn queue_status(&self) -> Result<QueueStatus, Arc<QueueError>> {
        self.queue_status
            .get(health::in_time(async { self.link.queue()?.status().await }))
            .await
    }

    /// Makes the next reader of the queue's counts, or of its workers, see them as they are.
    pub(crate) async fn forget_queue_status(&self) {
        self.queue_status.forget().await;
    }

    /// The router with everything around it.
    pub(crate) fn router(&self) -> Router {
        let (routes, _) = routes().split_for_parts();
        let admitted = routes.route_layer(middleware::from_fn_with_state(self.clone(), gate::admit));
        self.wrap(
            admitted
                .merge(docs::pages())
                .merge(player::pages())
                .merge(page::pages()),
        )
    }

    /// Layers, the last one outermost.
    fn wrap(&self, routes: Router<Self>) -> Router {
        let doors = Doors::new(self.settings.host, self.settings.auth, &self.settings.allowed_origins);
        routes
            .route_layer(middleware::from_fn(answer::tell_route))
            .layer(CatchPanicLayer::custom(answer::panicked))
            .layer(cors(&self.settings.allowed_origins))
            .layer(middleware::from_fn_with_state(doors, guard::check))
            .layer(middleware::from_fn_with_state(self.clone(), answer::complete))
            .with_state(self.clone())
    }
}

/// Every route of ours. The `OpenAPI` document is made from the same list.
pub(crate) fn routes() -> OpenApiRouter<App> {
    let moving_bodies = uploads::routes().layer(middleware::from_fn_with_state(
        UPLOAD_TIMEOUT + HANDLER_TIMEOUT,
        deadline,
    ));
    let others = OpenApiRouter::new()
        .merge(submit::routes())
        .merge(batch::routes())
        .merge(tasks::routes())
        .merge(list::routes())
        .merge(why::routes())
        .merge(events::routes())
        .merge(process_frame::routes())
        .merge(scenes::routes())
        .merge(socket::routes())
        .merge(streams::routes())
        .merge(download::routes())
        .merge(overview::routes())
        .merge(playlist::routes())
        .merge(media::routes())
        .merge(export::routes())
        .merge(player::routes())
        .merge(viewing::routes())
        .merge(kinds::routes())
        .merge(queue_status::routes())
        .merge(rules::routes())
        .merge(backlog::routes())
        .merge(providers::routes())
        .merge(usage::routes())
        .merge(spend::routes())
        .merge(voices::routes())
        .merge(workers::routes())
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(hello::routes())
        .merge(keys::routes())
        .merge(tickets::routes())
        .merge(docs::routes())
        .layer(middleware::from_fn_with_state(
            BODY_TIMEOUT + MAX_WAIT + HANDLER_TIMEOUT,
            deadline,
        ));
    // Bodies are bounded where they are read, each by its own limit.
    docs::described()
        .merge(moving_bodies)
        .merge(others)
        .layer(DefaultBodyLimit::disable())
}

/// The last resort against a handler that hangs: everything it waits for has its own, shorter limit.
async fn deadline(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::overloaded("the request took too long").into_response(),
    }
}

/// Browsers' pages of `ALLOWED_ORIGINS` may read answers; `guard` keeps all other origins out.
fn cors(allowed_origins: &[String]) -> CorsLayer {
    let origins: Vec<HeaderValue> = allowed_origins
        .iter()
        .filter_map(|origin| origin.trim_end_matches('/').parse().ok())
        .collect();
    let named = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            header::RANGE,
            named("idempotency-key"),
            named("last-event-id"),
            named("prefer"),
            named("x-api-key"),
            request_id::HEADER,
        ])
        .expose_headers([
            header::LOCATION,
            header::RETRY_AFTER,
            header::ETAG,
            header::CONTENT_RANGE,
            header::WWW_AUTHENTICATE,
            named("ratelimit"),
            named("ratelimit-policy"),
            idempotency::REPLAYED,
            idempotency::EXISTING,
            still::FRAME_AT,
            request_id::HEADER,
        ])
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use serde_json::{Value, json};
    use tower::ServiceExt;
    use zoetrope_shared::config::Sources;

    use super::*;

    async fn broken() -> &'static str {
        panic!("the secret is hunter2")
    }

    #[tokio::test]
    async fn a_handler_that_panics_answers_a_problem_that_tells_nothing() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let environment = [("DATA_DIR".to_owned(), folder.path().display().to_string())].into();
        let settings = Settings::from_sources(&Sources {
            environment,
            ..Sources::default()
        })
        .expect("good settings");
        let app = App::open(settings, Tenants::everybody_is_default()).expect("an app");
        let router = app.wrap(Router::new().route("/broken", get(broken)));
        let request = Request::get("/broken")
            .header("host", "localhost")
            .body(Body::empty())
            .expect("a request");
        let answer = router.oneshot(request).await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (500, &HeaderValue::from_static(answer::PROBLEM_JSON))
        );
        let body = to_bytes(answer.into_body(), 10_000).await.expect("a body");
        let problem: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(
            (&problem["code"], &problem["retryable"]),
            (&json!("internal"), &json!(true))
        );
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
}
