//! One api with its own Redis and its own store, and the words that tests speak to it in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zoetrope_api::{Api, Tenants};
use zoetrope_queue::{ConnectOptions, Queue};
use zoetrope_shared::config::{Settings, Sources};
use zoetrope_shared::tenant::Tenant;

use crate::redis_server::RedisServer;
use crate::worker::TestWorker;

/// Header by which a test says whose request it is.
pub(crate) const TENANT: &str = "x-test-tenant";

/// An api that serves.
pub(crate) struct Stage {
    pub(crate) redis: RedisServer,
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinSet<()>,
    redis_url: String,
    client: reqwest::Client,
    folder: TempDir,
}

impl Stage {
    /// Starts Redis and an api, and returns when it is ready.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more settings.
    pub(crate) async fn start_with(more: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let redis = RedisServer::start(&folder.path().join("redis.sock")).await;
        let stage = Self::serve(folder, redis, more).await;
        stage.is_ready().await;
        stage
    }

    /// Another api on the same Redis and store.
    pub(crate) async fn second_api(&mut self) -> SocketAddr {
        let api = Api::new(settings(self.folder.path(), &self.redis_url, &[]), by_header()).expect("an api");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        self.serving.spawn(api.serve(listener, self.shutdown.clone()));
        address
    }

    /// Starts an api whose Redis does not run.
    pub(crate) async fn start_without_redis() -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut redis = RedisServer::start(&folder.path().join("redis.sock")).await;
        redis.kill().await;
        Self::serve(folder, redis, &[]).await
    }

    async fn serve(folder: TempDir, redis: RedisServer, more: &[(&str, &str)]) -> Self {
        let redis_url = format!("redis+unix://{}", folder.path().join("redis.sock").display());
        let api = Api::new(settings(folder.path(), &redis_url, more), by_header()).expect("an api");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let shutdown = CancellationToken::new();
        let mut serving = JoinSet::new();
        serving.spawn(api.serve(listener, shutdown.clone()));
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self {
            redis,
            address,
            shutdown,
            serving,
            redis_url,
            client,
            folder,
        }
    }

    /// Asks until the api has found its Redis; each question waits on the api's side for the answer.
    async fn is_ready(&self) {
        while self.get("/api/v1/tasks").await.status == 503 {
            tokio::task::yield_now().await;
        }
    }

    /// A handle on the same queue.
    pub(crate) async fn queue(&self) -> Queue {
        Queue::connect(ConnectOptions::new(&self.redis_url))
            .await
            .expect("the queue")
    }

    pub(crate) fn redis_url(&self) -> &str {
        &self.redis_url
    }

    /// A connection to the same Redis.
    pub(crate) async fn redis_connection(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.redis_url.as_str()).expect("a good address");
        client.get_multiplexed_async_connection().await.expect("Redis")
    }

    /// A worker of `echo`.
    pub(crate) async fn worker(&self) -> TestWorker {
        TestWorker::start(self.queue().await, None)
    }

    pub(crate) fn artifacts_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("data/artifacts")
    }

    /// Files in the artifact store, of any sort.
    pub(crate) fn stored_files(&self) -> usize {
        count_files(&self.artifacts_folder())
    }

    /// Asserts that no task is listed and nothing is stored.
    pub(crate) async fn nothing_is_left(&self, after: &str) {
        let listed = self.get("/api/v1/tasks").await;
        assert_eq!(
            listed.body["items"],
            serde_json::json!([]),
            "a task is left after: {after}"
        );
        assert_eq!(self.stored_files(), 0, "an artifact is left after: {after}");
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn post_form(&self, path: &str, form: Form) -> Answer {
        Answer::of(self.request(Method::POST, path).multipart(form)).await
    }

    pub(crate) async fn post_bytes(&self, path: &str, content_type: &str, bytes: impl Into<reqwest::Body>) -> Answer {
        Answer::of(
            self.request(Method::POST, path)
                .header("content-type", content_type)
                .body(bytes),
        )
        .await
    }

    /// Submits an echo and answers its id.
    pub(crate) async fn echo(&self, message: &str) -> String {
        let answer = self
            .post(
                "/api/v1/tasks/echo",
                &serde_json::json!({"input": {"message": message}}),
            )
            .await;
        // A worker may have been faster than the answer.
        assert!([200, 202].contains(&answer.status), "{answer:?}");
        answer.text("/id")
    }

    /// Uploads bytes and answers the artifact's id.
    pub(crate) async fn upload(&self, bytes: Vec<u8>) -> String {
        let answer = self
            .post_bytes("/api/v1/uploads", "application/octet-stream", bytes)
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.text("/artifact")
    }

    /// Stops the api and waits until it has.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.serving.join_next().await {
            ended.expect("serving should not panic");
        }
    }
}

/// A part of a form that is a file.
pub(crate) fn file(name: &str, bytes: Vec<u8>) -> Part {
    Part::bytes(bytes).file_name(name.to_owned())
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    /// JSON, or null if the body is none.
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.expect("a whole body").to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Self {
            status,
            headers,
            body,
            bytes,
        }
    }

    /// A header; empty without one.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("a plain header"))
    }

    /// The text at a JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> String {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no text at {pointer} in {self:?}"))
            .to_owned()
    }

    /// Status, code and first pointer of a refusal, after checking that it is a whole problem.
    pub(crate) fn refusal(&self) -> (u16, String, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], self.status, "{self:?}");
        assert_eq!(self.text("/request_id"), self.header("x-request-id"));
        for field in ["/type", "/title", "/detail", "/instance"] {
            assert!(!self.text(field).is_empty(), "{field} of {self:?}");
        }
        assert!(self.body["retryable"].is_boolean());
        let pointer = self
            .body
            .pointer("/errors/0/pointer")
            .and_then(Value::as_str)
            .unwrap_or_default();
        (self.status, self.text("/code"), pointer.to_owned())
    }

    pub(crate) fn is_refused(&self, status: StatusCode, code: &str, pointer: &str, why: &str) {
        assert_eq!(
            self.refusal(),
            (status.as_u16(), code.to_owned(), pointer.to_owned()),
            "{why}: {self:?}"
        );
    }
}

/// Settings of an api that keeps everything below a folder.
pub(crate) fn settings(folder: &Path, redis_url: &str, more: &[(&str, &str)]) -> Settings {
    let data = folder.join("data").display().to_string();
    let base = [("DATA_DIR", data.as_str()), ("REDIS_URL", redis_url)];
    let pairs = base
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment: BTreeMap<String, String> = pairs.collect();
    Settings::from_sources(&Sources {
        environment,
        ..Sources::default()
    })
    .expect("good settings")
}

/// Every request is of the tenant that its header names.
pub(crate) fn by_header() -> Tenants {
    Tenants::told_by(|headers| match headers.get(TENANT) {
        Some(name) => Tenant::parse(name.to_str().ok()?).ok(),
        None => Some(Tenant::default_tenant()),
    })
}

fn count_files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .map(|entry| entry.expect("a readable folder").path())
        .map(|path| if path.is_dir() { count_files(&path) } else { 1 })
        .sum()
}
