//! A provider of AI services of the test's own: answers every request alike, after a while if it is told so, and counts.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What every request is answered with.
#[derive(Debug, Clone)]
pub struct ProviderAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: String,
    /// How long it takes.
    pub delay: Duration,
}

impl ProviderAnswer {
    /// JSON at once.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.into(),
            delay: Duration::ZERO,
        }
    }

    /// A text of a chat model, as a stream of events.
    pub fn text(text: &str) -> Self {
        let piece = json!({"model": "gpt-6-luna", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
        let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10}});
        Self {
            headers: vec![("content-type", "text/event-stream".to_owned())],
            body: format!("data: {piece}\n\ndata: {end}\n\ndata: [DONE]\n\n"),
            ..Self::json(200, "")
        }
    }

    /// A text of a chat model in one, about pictures.
    pub fn description(text: &str) -> Self {
        let answer = json!({
            "model": "gpt-6-luna",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 900, "completion_tokens": 20},
        });
        Self::json(200, answer.to_string())
    }

    /// The same with another header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same after a while.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// A running provider.
#[derive(Debug)]
pub struct Provider {
    base: String,
    told: Arc<Told>,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Told {
    answer: Mutex<ProviderAnswer>,
    calls: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

/// A call that is not answered yet.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Provider {
    /// Starts one that answers like this.
    pub async fn start(answer: ProviderAnswer) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("some port should be free");
        let address = listener.local_addr().expect("a bound listener should know its address");
        let told = Arc::new(Told {
            answer: Mutex::new(answer),
            calls: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
        });
        let routes = Router::new().fallback(respond).with_state(told.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("the provider should serve") });
        Self {
            base: format!("http://{address}"),
            told,
            _server: server,
        }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Answers like this from now on.
    pub fn answer(&self, answer: ProviderAnswer) {
        *self.told.answer.lock().expect("no holder should panic") = answer;
    }

    /// Requests so far.
    pub fn calls(&self) -> usize {
        self.told.calls.load(Ordering::SeqCst)
    }

    /// Most requests that were open at a time.
    pub fn most_at_once(&self) -> usize {
        self.told.most_open.load(Ordering::SeqCst)
    }
}

async fn respond(State(told): State<Arc<Told>>, body: Body) -> Response {
    told.calls.fetch_add(1, Ordering::SeqCst);
    let open = told.open.fetch_add(1, Ordering::SeqCst) + 1;
    let _open = Open(&told.open);
    told.most_open.fetch_max(open, Ordering::SeqCst);
    // A request that is not read to its end is a broken connection to some clients.
    let _ = axum::body::to_bytes(body, usize::MAX).await;
    let answer = told.answer.lock().expect("no holder should panic").clone();
    if !answer.delay.is_zero() {
        // Never done: what ends is the wait.
        let _ = tokio::time::timeout(answer.delay, std::future::pending::<()>()).await;
    }
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).expect("a test should give a status");
    for (name, value) in answer.headers {
        let value = value.parse().expect("a test should give plain headers");
        response.headers_mut().insert(name, value);
    }
    response
}
