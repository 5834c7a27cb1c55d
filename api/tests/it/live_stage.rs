//! What tests of live clients need: tasks that do what the test says, and readers of events.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, SinkExt, StreamExt};
use reqwest::Method;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{Appended, Attempt, Handler, KindSlot, Outcome, Queue, SlotClass, Worker, WorkerConfig};

use crate::stage::{Stage, TENANT};

/// An attempt in the hands of the test.
pub(crate) struct Held {
    pub(crate) attempt: Attempt,
    outcome: oneshot::Sender<Outcome>,
}

impl Held {
    /// Appends a chunk.
    pub(crate) async fn says(&self, position: u64, chunk: &Value) {
        let chunk = raw(chunk);
        let appended = self.attempt.output().append(position, &chunk, None).await;
        assert_eq!(appended.expect("Redis"), Appended::Written);
    }

    /// Waits until the attempt is stopped.
    pub(crate) async fn ends_stopped(mut self) {
        self.outcome.closed().await;
    }

    pub(crate) fn succeeds(self, result: &Value) {
        let _ = self.outcome.send(Outcome::Succeeded(raw(result)));
    }
}

/// A worker whose attempts are played by the test.
pub(crate) struct Puppet {
    attempts: mpsc::Receiver<Held>,
    shutdown: CancellationToken,
    running: JoinSet<()>,
}

struct Strings(mpsc::Sender<Held>);

impl Handler for Strings {
    fn run(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        let (outcome, says) = oneshot::channel();
        let handed_over = self.0.clone();
        async move {
            let _ = handed_over.send(Held { attempt, outcome }).await;
            says.await.unwrap_or(Outcome::Released)
        }
        .boxed()
    }
}

impl Puppet {
    pub(crate) fn start(queue: Queue, kinds: &[&str]) -> Self {
        let (handed_over, attempts) = mpsc::channel(8);
        let slot = |kind: &&str| KindSlot {
            kind: (*kind).to_owned(),
            class: 0,
            cost: 1,
            lease: Duration::from_secs(15),
            claim_ahead: false,
        };
        let config = WorkerConfig {
            name: "puppet".to_owned(),
            classes: vec![SlotClass {
                name: "io",
                units: 8,
                spread: false,
            }],
            kinds: kinds.iter().map(slot).collect(),
            drain_grace: Duration::from_secs(1),
            handlers_on: None,
        };
        let shutdown = CancellationToken::new();
        let until = shutdown.clone();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let worker = Worker::new(queue, config, Arc::new(Strings(handed_over)));
            worker.run(until).await.expect("the worker should drain");
        });
        Self {
            attempts,
            shutdown,
            running,
        }
    }

    /// The next attempt.
    pub(crate) async fn takes(&mut self) -> Held {
        self.attempts.recv().await.expect("the worker should run")
    }

    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.expect("the worker should not panic");
        }
    }
}

/// An open event stream.
pub(crate) struct Sse {
    response: reqwest::Response,
    text: String,
}

/// One event: its id, name and data.
#[derive(Debug)]
pub(crate) struct SseEvent {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl Sse {
    /// Follows a task after a position.
    pub(crate) async fn open(stage: &Stage, id: &str, last_seen: Option<u64>) -> Self {
        let mut request = stage.request(Method::GET, &format!("/api/v1/tasks/{id}/events"));
        if let Some(seq) = last_seen {
            request = request.header("last-event-id", seq);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = String::new();
        Self { response, text }
    }

    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<SseEvent> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let piece = self.response.chunk().await.expect("a whole stream")?;
            self.text.push_str(std::str::from_utf8(&piece).expect("text"));
        }
    }

    /// Everything up to the end.
    pub(crate) async fn rest(&mut self) -> Vec<SseEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// An event; `None` for a comment.
fn parse(block: &str) -> Option<SseEvent> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    Some(SseEvent {
        id: field("id: ")?.parse().expect("a number"),
        name: field("event: ")?.to_owned(),
        data: serde_json::from_str(field("data: ")?).expect("JSON"),
    })
}

/// A WebSocket client.
pub(crate) struct Ws(pub(crate) WebSocketStream<TcpStream>);

impl Ws {
    /// Connects with these headers; the status if the upgrade is refused.
    pub(crate) async fn connect(stage: &Stage, path: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let mut request = format!("ws://{}{path}", stage.address)
            .into_client_request()
            .expect("a request");
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(*name, value.parse().expect("a header value"));
        }
        let socket = TcpSocket::new_v4().expect("a socket");
        // What a client leaves unread shall not fit into its own buffers.
        socket.set_recv_buffer_size(16 * 1024).expect("a small buffer");
        let stream = socket.connect(stage.address).await.expect("a connection");
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("the handshake broke: {other}"),
        }
    }

    pub(crate) async fn open(stage: &Stage, tenant: &str) -> Self {
        let connected = Self::connect(stage, "/api/v1/ws", &[(TENANT, tenant)]).await;
        connected.expect("the api should upgrade")
    }

    pub(crate) async fn says(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.expect("a socket");
    }

    pub(crate) async fn subscribes(&mut self, id: &str, since: u64) {
        self.says(&json!({"type": "subscribe", "task_id": id, "since": since}))
            .await;
    }

    /// The next envelope; panics with the close frame at the end.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.expect("an open socket").expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("instead of an envelope: {other:?}"),
            }
        }
    }

    /// Positions of the output that comes before `done`.
    pub(crate) async fn outputs_until_done(&mut self) -> Vec<u64> {
        let mut seen = Vec::new();
        loop {
            let envelope = self.next().await;
            assert!(envelope["seq"].is_u64(), "{envelope}");
            match envelope["type"].as_str() {
                Some("output") => seen.push(envelope["seq"].as_u64().expect("a number")),
                Some("done") => return seen,
                _ => {}
            }
        }
    }
}

/// The value of a metric without labels.
pub(crate) async fn metric(stage: &Stage, name: &str) -> f64 {
    let text = String::from_utf8(stage.get("/metrics").await.bytes).expect("text");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {text}"))
}

pub(crate) fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("JSON")
}
