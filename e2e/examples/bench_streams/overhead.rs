//! What is added to a window that a model describes: from its newest picture to the call of the model, and from the model's
//! answer to whoever follows the stream over a WebSocket.
//!
//! Fifteen cameras send pictures that show their number, which tells when they were sent; the model is a server of our own
//! that reads it from the pictures that it is asked about. Time in the camera's connection is in it, the model's own is not.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use zoetrope_e2e::numbered::{NumberedCamera, number_of};
use zoetrope_e2e::{Http, ProviderAnswer, RtspServer, Stage};
use zoetrope_queue::{Clock, SystemClock};

use crate::Tools;
use crate::beside::MEASURED;
use crate::film::{self, FPS, NUMBERED};
use crate::spent::pass;

/// Most that may be added at p95, milliseconds.
pub(super) const MOST_MS: f64 = 150.0;
const STREAMS: usize = 15;
/// Of each stream, seconds.
const WINDOW_S: u64 = 1;
/// From the first connection to steady work.
const WARM: Duration = Duration::from_secs(20);
/// How long the model takes.
const THINKS: Duration = Duration::from_millis(300);
/// Share of all windows that the model has to be asked about.
const LEAST_ASKED: f64 = 0.9;
/// Longest that a scene may be away after the last answer.
const LAST_SCENES: Duration = Duration::from_secs(3);

/// A call of the model. Its place in the list is what is answered.
struct Call {
    /// Unix milliseconds at which all of it had arrived.
    at_ms: u64,
    answered: Instant,
    body: Bytes,
}

type Calls = Arc<Mutex<Vec<Call>>>;
/// When the answer with a number was in a scene.
type Scenes = Arc<Mutex<HashMap<usize, Instant>>>;

/// A row of the table: what it is, and how long that took.
type Part = (&'static str, fn(&Added) -> f64);

/// Milliseconds that were added to a window.
#[derive(Clone, Copy)]
struct Added {
    before: f64,
    after: f64,
}

/// The figures as people read them, and both parts together at p95, milliseconds.
#[expect(clippy::print_stderr, reason = "it takes a while")]
pub(super) async fn measure(tools: &Tools, folder: &Path) -> (String, f64) {
    eprintln!(
        "bench-streams: {STREAMS} streams described by a model for {} s",
        (WARM + MEASURED).as_secs()
    );
    let film = film::encode_numbered(folder);
    let camera = NumberedCamera::start_film(&film, FPS, STREAMS).await;
    let (calls, scenes) = (Calls::default(), Scenes::default());
    let mut serving = JoinSet::new();
    let model = serve(calls.clone(), &mut serving).await;
    let stage = Stage::builder()
        .programs(tools.programs.clone())
        .env("NETGUARD_ALLOW_CIDRS", RtspServer::ALLOWED)
        .env("OPENAI_API_KEY", "sk-bench")
        .env("OPENAI_BASE_URL", &model)
        .start()
        .await;
    for number in 0..STREAMS {
        let input = json!({"url": camera.url_of(number), "fps": 1, "window": {"size_s": WINDOW_S},
            "prompt": format!("What does camera {number} show?")});
        let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
        serving.spawn(follow(stage.http.clone(), id, scenes.clone()));
    }
    pass(WARM).await;
    let from = calls.lock().expect("no holder should panic").len();
    pass(MEASURED).await;
    let to = calls.lock().expect("no holder should panic").len();
    pass(LAST_SCENES).await;

    let (calls, scenes) = (
        calls.lock().expect("no holder should panic"),
        scenes.lock().expect("no holder should panic"),
    );
    let all: Vec<Added> = (from..to)
        .map(|number| {
            let sent_ms = sent_ms(&camera, &calls[number]);
            let shown = scenes
                .get(&number)
                .unwrap_or_else(|| panic!("answer {number} should be in a scene"));
            Added {
                before: calls[number].at_ms as f64 - sent_ms,
                after: (*shown - calls[number].answered).as_secs_f64() * 1_000.0,
            }
        })
        .collect();
    let windows = STREAMS as u64 * MEASURED.as_secs() / WINDOW_S;
    assert!(
        all.len() as f64 >= windows as f64 * LEAST_ASKED,
        "the model was asked about {} of {windows} windows",
        all.len()
    );
    table(&all, windows)
}

/// A model that says which call it answers; its base URL.
async fn serve(calls: Calls, serving: &mut JoinSet<()>) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("some port should be free");
    let address = listener.local_addr().expect("a bound listener should know its address");
    let routes = Router::new().fallback(answer).with_state(calls);
    serving.spawn(async move { axum::serve(listener, routes).await.expect("the model should serve") });
    format!("http://{address}/v1")
}

async fn answer(State(calls): State<Calls>, body: Bytes) -> Json<Value> {
    let at_ms = SystemClock.now_ms();
    pass(THINKS).await;
    let mut calls = calls.lock().expect("no holder should panic");
    let said = ProviderAnswer::description(&calls.len().to_string()).body;
    calls.push(Call {
        at_ms,
        answered: Instant::now(),
        body,
    });
    Json(serde_json::from_str(&said).expect("it is JSON"))
}

/// Follows a stream as long as it goes on.
async fn follow(http: Http, id: String, scenes: Scenes) {
    let url = format!("{}/api/v1/ws", http.base().replacen("http", "ws", 1));
    let (mut socket, _) = tokio_tungstenite::connect_async(url)
        .await
        .expect("the api should upgrade");
    let subscribe = json!({"type": "subscribe", "task_id": id, "since": 0});
    let sent = socket.send(Message::text(subscribe.to_string())).await;
    sent.expect("an open socket");
    while let Some(Ok(message)) = socket.next().await {
        let now = Instant::now();
        let Message::Text(text) = message else { continue };
        let envelope: Value = serde_json::from_str(&text).expect("JSON");
        let said = envelope["chunk"]["description"].as_str().unwrap_or_default();
        if let Ok(number) = said.parse() {
            scenes.lock().expect("no holder should panic").insert(number, now);
        }
    }
}

/// When the newest picture of a call was sent, Unix milliseconds.
fn sent_ms(camera: &NumberedCamera, call: &Call) -> f64 {
    let asked: Value = serde_json::from_slice(&call.body).expect("JSON");
    let messages = asked["messages"].as_array().into_iter().flatten();
    let parts: Vec<&Value> = messages
        .filter_map(|said| said["content"].as_array())
        .flatten()
        .collect();
    let (mut place, mut newest) = (None, None);
    for part in parts {
        if let Some((_, rest)) = part["text"]
            .as_str()
            .and_then(|text| text.split_once("What does camera "))
        {
            place = rest.split(' ').next().and_then(|number| number.parse::<u64>().ok());
        }
        if let Some((_, data)) = part["image_url"]["url"]
            .as_str()
            .and_then(|url| url.split_once("base64,"))
        {
            newest = Some(STANDARD.decode(data).expect("base64"));
        }
    }
    let place = place.expect("the prompt should be in the question");
    let number = number_of(&newest.expect("a picture")).expect("a picture that reads");
    let first = camera.began_ms() + place * 1_000 / STREAMS as u64;
    let shown = first as f64 + f64::from(number) * 1_000.0 / f64::from(FPS);
    let length = f64::from(NUMBERED) * 1_000.0 / f64::from(FPS);
    shown + ((call.at_ms as f64 - shown) / length).floor() * length
}

fn table(all: &[Added], windows: u64) -> (String, f64) {
    let mut text = format!(
        "{STREAMS} streams of 720p at {FPS} frames/s, a key frame a second, 1 frame/s sampled, windows of {WINDOW_S} s; \
         a model asked about {} of {windows} windows\n\n\
         | added to a window | p50, ms | p95, ms | slowest, ms |\n|---|---|---|---|\n",
        all.len()
    );
    let mut p95 = 0.0;
    let parts: [Part; 3] = [
        ("newest picture sent to model called", |added| added.before),
        ("answered to scene on the WebSocket", |added| added.after),
        ("both", |added| added.before + added.after),
    ];
    for (what, part) in parts {
        let mut times: Vec<f64> = all.iter().map(part).collect();
        times.sort_unstable_by(f64::total_cmp);
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        p95 = at(95);
        text.push_str(&format!("| {what} | {:.0} | {p95:.0} | {:.0} |\n", at(50), at(100)));
    }
    (text, p95)
}
