//! Five hundred WebSocket readers of which one stalls: it is bounded, cut off and resumes; nobody else notices.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, try_join_all};
use futures_util::{SinkExt, StreamExt};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use zoetrope_e2e::{Http, Process, Stage, resident_kib};
use zoetrope_queue::{
    Appended, Attempt, ConnectOptions, Handler, KindSlot, Outcome, Queue, SlotClass, Worker, WorkerConfig,
};

const READERS: usize = 500;
/// News that all but the stalled reader get while it stalls.
const NEWS: u64 = 40;
/// Output of the task that only the stalled reader follows: more than the sockets between hold.
const LARGE_CHUNKS: u64 = 250;
const LARGE_BYTES: usize = 60 * 1024;
const MIB: u64 = 1024 * 1024;
/// What one client that stalls may hold of the process.
const MOST_WAITING: u64 = MIB;
/// By how much the process may grow while it serves them.
const MOST_GROWTH: u64 = 100 * MIB;

/// Attempts in the hands of the test.
struct Strings(mpsc::Sender<(Attempt, oneshot::Sender<Outcome>)>);

impl Handler for Strings {
    fn run(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        let (outcome, says) = oneshot::channel();
        let handed_over = self.0.clone();
        async move {
            let _ = handed_over.send((attempt, outcome)).await;
            says.await.unwrap_or(Outcome::Released)
        }
        .boxed()
    }
}

/// A worker that hands its attempts over, until told to stop.
async fn worker(queue: Queue, attempts: mpsc::Sender<(Attempt, oneshot::Sender<Outcome>)>, until: CancellationToken) {
    let echo = KindSlot {
        kind: "echo".to_owned(),
        class: 0,
        cost: 1,
        lease: Duration::from_secs(60),
        claim_ahead: false,
    };
    let config = WorkerConfig {
        name: "strings".to_owned(),
        classes: vec![SlotClass {
            name: "io",
            units: 8,
            spread: false,
        }],
        kinds: vec![echo],
        drain_grace: Duration::from_secs(1),
        handlers_on: None,
    };
    let worker = Worker::new(queue, config, Arc::new(Strings(attempts)));
    worker.run(until).await.expect("the worker should drain");
}

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("JSON")
}

async fn say(attempt: &Attempt, position: u64, chunk: &Value) {
    let appended = attempt.output().append(position, &raw(chunk), None).await;
    assert_eq!(appended.expect("Redis should answer"), Appended::Written);
}

/// A client that follows one task.
struct Reader(WebSocketStream<TcpStream>);

impl Reader {
    async fn follow(http: &Http, task: &str, since: u64) -> Result<Self, tokio_tungstenite::tungstenite::Error> {
        let address = http.base().trim_start_matches("http://");
        let socket = TcpSocket::new_v4()?;
        // What a client leaves unread shall not fit into its own buffers.
        socket.set_recv_buffer_size(16 * 1024)?;
        let stream = socket.connect(address.parse().expect("an address")).await?;
        let url = format!("ws://{address}/api/v1/ws");
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await?;
        let subscribe = json!({"type": "subscribe", "task_id": task, "since": since});
        socket.send(Message::text(subscribe.to_string())).await?;
        let mut reader = Self(socket);
        let first = reader.next().await.expect("a first envelope");
        assert_eq!(first["type"], "state", "{first}");
        Ok(reader)
    }

    /// The next envelope; `None` when the connection has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return None,
            }
        }
    }

    /// The position of the next output; `None` when the connection has ended.
    async fn next_output(&mut self) -> Option<u64> {
        loop {
            let envelope = self.next().await?;
            if envelope["type"] == "output" {
                return envelope["seq"].as_u64();
            }
        }
    }
}

async fn metric(http: &Http, name: &str) -> u64 {
    let text = http.text("/metrics").await;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value: f64 = value
        .and_then(|value| value.parse().ok())
        .expect("the metric should be there");
    value as u64
}

/// Memory that a process holds, bytes.
fn resident(process: &Process) -> u64 {
    resident_kib(process.pid()).expect("a running process should have memory") * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reader_of_five_hundred_that_stalls_is_bounded_and_delays_nobody() {
    let stage = Stage::builder().workers(0).start().await;
    let queue = Queue::connect(ConnectOptions::new(stage.redis.url()))
        .await
        .expect("Redis");
    let (hands_over, mut attempts) = mpsc::channel(2);
    let (stop, mut running) = (CancellationToken::new(), JoinSet::new());
    running.spawn(worker(queue, hands_over, stop.clone()));
    let input = json!({"input": {"message": "x"}});
    let large = stage.http.submit("echo", &input).await;
    let (large_attempt, large_ends) = attempts.recv().await.expect("an attempt");
    let news = stage.http.submit("echo", &input).await;
    let (news_attempt, news_ends) = attempts.recv().await.expect("an attempt");

    let readers = (1..READERS).map(|_| Reader::follow(&stage.http, &news, 0));
    let mut readers = try_join_all(readers).await.expect("they should be let in");
    let mut stalled = Reader::follow(&stage.http, &large, 0)
        .await
        .expect("it should be let in");
    assert_eq!(metric(&stage.http, "zoetrope_live_sockets").await, READERS as u64);
    let before = resident(&stage.api);

    let chunk = json!("x".repeat(LARGE_BYTES));
    for position in 1..=LARGE_CHUNKS {
        say(&large_attempt, position, &chunk).await;
    }
    let (mut most_waiting, mut most_resident) = (0, before);
    for position in 1..=NEWS {
        say(&news_attempt, position, &json!(position)).await;
        for reader in &mut readers {
            assert_eq!(reader.next_output().await, Some(position));
        }
        most_waiting = most_waiting.max(metric(&stage.http, "zoetrope_live_buffered_bytes").await);
        most_resident = most_resident.max(resident(&stage.api));
    }
    while metric(&stage.http, "zoetrope_live_stalled_total").await == 0 {
        tokio::task::yield_now().await;
    }
    let growth = most_resident - before;
    tell(&format!(
        "{READERS} readers: {} MiB before, {} KiB more at most; {most_waiting} bytes waited for the stalled one",
        before / MIB,
        growth / 1024
    ));
    assert!(most_waiting <= MOST_WAITING, "{most_waiting} bytes wait");
    assert!(growth <= MOST_GROWTH, "it grew by {growth} bytes");

    // Cut off, it has what was on the way, and comes back for the rest.
    let mut seen = Vec::new();
    while let Some(position) = stalled.next_output().await {
        seen.push(position);
    }
    let last = seen.last().copied().unwrap_or_default();
    assert!(last < LARGE_CHUNKS, "it was not cut off");
    let mut resumed = Reader::follow(&stage.http, &large, last)
        .await
        .expect("it should be let in");
    while seen.len() < LARGE_CHUNKS as usize {
        seen.push(resumed.next_output().await.expect("the rest"));
    }
    assert_eq!(seen, (1..=LARGE_CHUNKS).collect::<Vec<_>>());
    for ends in [large_ends, news_ends] {
        let _ = ends.send(Outcome::Succeeded(raw(&json!(null))));
    }
    stop.cancel();
    running.join_all().await;
}

#[expect(clippy::print_stderr, reason = "figures for whoever runs it with --nocapture")]
fn tell(text: &str) {
    eprintln!("{text}");
}
