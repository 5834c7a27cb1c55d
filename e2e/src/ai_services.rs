//! Every provider of AI services at one address of loopback, each in its own form. All is well with them: who fails is
//! `provider`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What every good answer says.
pub const SAID: &str = "The gate is open.";
/// Headers in which a key may come.
const KEY_HEADERS: [&str; 4] = ["authorization", "x-api-key", "x-goog-api-key", "xi-api-key"];
/// Samples a second of what is spoken.
const RATE: u32 = 24_000;

/// The running services.
#[derive(Debug)]
pub struct AiServices {
    address: SocketAddr,
    keys: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl AiServices {
    /// Starts to serve.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port should be free");
        let address = listener.local_addr().expect("a bound listener should know its address");
        let keys = Arc::<Mutex<Vec<String>>>::default();
        let routes = Router::new().fallback(serve).with_state(keys.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("the services should serve") });
        Self {
            address,
            keys,
            _server: server,
        }
    }

    /// A base URL: the path is the provider's own.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The keys of the requests so far, in their order.
    pub fn keys(&self) -> Vec<String> {
        self.keys.lock().expect("no holder should panic").clone()
    }
}

async fn serve(State(keys): State<Arc<Mutex<Vec<String>>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    keys.lock().expect("no holder should panic").push(key_of(&headers));
    good(uri.path(), &body)
}

fn key_of(headers: &HeaderMap) -> String {
    let value = KEY_HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok());
    let key = value.unwrap_or_default();
    key.trim_start_matches("Bearer ")
        .trim_start_matches("Token ")
        .to_owned()
}

fn good(path: &str, body: &[u8]) -> Response {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let streams = asked["stream"] == true;
    match path {
        "/v1/chat/completions" if streams => {
            let piece = |choice: Value| format!("data: {}\n\n", json!({"model": "m", "choices": [choice]}));
            let said = piece(json!({"index": 0, "delta": {"content": SAID}, "finish_reason": null}));
            events(&(said + &piece(json!({"index": 0, "delta": {}, "finish_reason": "stop"})) + "data: [DONE]\n\n"))
        }
        "/v1/chat/completions" => answer(&json!({"model": "m", "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": SAID}}]})),
        "/v1/messages" if streams => events(&anthropic_events()),
        "/v1/messages" => answer(&json!({"model": "m", "content": [{"type": "text", "text": SAID}],
            "stop_reason": "end_turn", "usage": {"input_tokens": 7, "output_tokens": 5}})),
        "/v1/audio/speech" => (wave()).into_response(),
        "/v1/text-to-speech/cobalt" => samples().into_response(),
        "/v1/audio/transcriptions" => answer(&json!({"text": SAID, "language": "english", "segments": [
            {"start": 0.0, "end": 0.5, "text": SAID}]})),
        "/v1/listen" => answer(&json!({"metadata": {"duration": 0.5}, "results": {
            "channels": [{"alternatives": [{"transcript": SAID}]}],
            "utterances": [{"start": 0.0, "end": 0.5, "transcript": SAID, "words": []}]}})),
        "/infer/object_detection" => answer(&json!({"image": {"width": 100, "height": 100}, "predictions": [
            {"x": 50.0, "y": 50.0, "width": 20.0, "height": 20.0, "confidence": 0.9, "class": "gate", "class_id": 0}]})),
        gemini if gemini.starts_with("/v1beta/models/") => {
            let whole = json!({"modelVersion": "m", "candidates": [
                {"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": SAID}]}}]});
            match gemini.ends_with(":streamGenerateContent") {
                true => events(&format!("data: {whole}\r\n\r\n")),
                false => answer(&whole),
            }
        }
        unknown => (StatusCode::NOT_FOUND, format!("nobody serves {unknown}")).into_response(),
    }
}

fn answer(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn events(text: &str) -> Response {
    ([(header::CONTENT_TYPE, "text/event-stream")], text.to_owned()).into_response()
}

fn anthropic_events() -> String {
    let all = [
        json!({"type": "message_start", "message": {"model": "m", "content": [], "usage": {"input_tokens": 7, "output_tokens": 1}}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": SAID}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}),
        json!({"type": "message_stop"}),
    ];
    let event = |event: &Value| {
        format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap_or_default()
        )
    };
    all.iter().map(event).collect()
}

/// Half a second of a tone, bare 16-bit samples.
fn samples() -> Vec<u8> {
    let sample = |at: u32| ((at as f32 * 0.1).sin() * 8_000.0) as i16;
    (0..RATE / 2).flat_map(|at| sample(at).to_le_bytes()).collect()
}

/// The same as a WAVE file.
pub fn wave() -> Vec<u8> {
    let samples = samples();
    let length = samples.len() as u32;
    let mut file = b"RIFF".to_vec();
    file.extend((length + 36).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(RATE.to_le_bytes());
    file.extend((RATE * 2).to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(length.to_le_bytes());
    file.extend(samples);
    file
}
