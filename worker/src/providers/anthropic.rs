//! Anthropic's Messages, with pictures. Nothing is sent that a current model refuses: no sampling parameters unless the
//! list of models allows them, no forced tool, no budget for thinking.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use zoetrope_shared::usage::Usage;

use super::capability::{Ask, Call, Engine, Finish, Pieces, TextModel, Turn, VisionModel, Written};
use super::catalogue::Model;
use super::classify::classify_event;
use super::error_body::ErrorBody;
use super::fault::{Class, Fault};
use super::http::{Answer, Endpoint};
use super::strict_schema;

/// The version of the API that this adapter speaks.
pub const VERSION: &str = "2023-06-01";

/// The adapter.
#[derive(Debug)]
pub struct Anthropic {
    endpoint: Endpoint,
}

impl Anthropic {
    /// An adapter for a server.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint: endpoint.with_header("anthropic-version", VERSION),
        }
    }

    async fn ask(&self, ask: &Ask, model: &Model, pieces: &Pieces) -> Result<Written, Fault> {
        let body = request_body(ask, model, pieces.are_read());
        let request = self.endpoint.request(Method::POST, &["v1", "messages"]).json(&body);
        let answer = self.endpoint.send(request).await?;
        let written = if pieces.are_read() {
            self.read_stream(answer, pieces).await
        } else {
            self.read_whole(answer).await
        };
        written.map_err(|fault| self.endpoint.without_key(fault))
    }

    async fn read_whole(&self, answer: Answer<'_>) -> Result<Written, Fault> {
        let message: Message = answer.json().await?;
        let mut state = State::new(self.endpoint.provider());
        let blocks = message.content.iter().flatten();
        state.text = blocks.filter_map(|block| block.text.as_deref()).collect();
        state.has_message = message.content.is_some();
        state.start(&message);
        state.finish()
    }

    async fn read_stream(&self, answer: Answer<'_>, pieces: &Pieces) -> Result<Written, Fault> {
        let provider = self.endpoint.provider();
        let mut state = State::new(provider);
        let mut events = answer.events();
        let mut is_done = false;
        while let Some(event) = events.next().await? {
            let value: Value = serde_json::from_str(&event.data)
                .map_err(|_| Fault::garbage(provider, "an event of the answer is no JSON"))?;
            match value["type"].as_str().unwrap_or_default() {
                "error" => return Err(classify_event(provider, &ErrorBody::of(&value))),
                "message_start" => {
                    state.has_message = true;
                    state.start(&lenient(&value["message"]));
                }
                "content_block_delta" => {
                    // Deltas of thinking and signatures have no `text`.
                    let text = value["delta"]["text"].as_str().unwrap_or_default();
                    state.text += text;
                    pieces.text(text).await;
                }
                // Its counts are running totals: they replace, they do not add up.
                "message_delta" => {
                    state.stop_reason = value["delta"]["stop_reason"]
                        .as_str()
                        .map(str::to_owned)
                        .or(state.stop_reason);
                    state.count(&lenient(&value["usage"]));
                }
                "message_stop" => {
                    is_done = true;
                    break;
                }
                _ => {}
            }
        }
        if !is_done {
            return Err(Fault::new(provider, Class::Backoff, "the answer broke off"));
        }
        state.finish()
    }
}

impl Engine for Anthropic {
    fn provider(&self) -> &'static str {
        self.endpoint.provider()
    }

    fn address(&self) -> (String, u16) {
        self.endpoint.address()
    }
}

impl TextModel for Anthropic {
    fn write<'a>(&'a self, ask: &'a Ask, model: &'a Model, pieces: &'a Pieces) -> Call<'a, Written> {
        Box::pin(self.ask(ask, model, pieces))
    }
}

impl VisionModel for Anthropic {
    fn look<'a>(&'a self, ask: &'a Ask, model: &'a Model, pieces: &'a Pieces) -> Call<'a, Written> {
        Box::pin(self.ask(ask, model, pieces))
    }
}

fn request_body(ask: &Ask, model: &Model, streams: bool) -> Value {
    let messages = ask.turns.iter().enumerate().map(|(index, turn)| match turn {
        // Pictures before the text are understood best.
        Turn::User(text) if index == 0 && !ask.pictures.is_empty() => {
            let images = ask.pictures.iter().map(|picture| {
                let data = STANDARD.encode(&picture.bytes);
                json!({"type": "image", "source": {"type": "base64", "media_type": picture.content_type, "data": data}})
            });
            let parts: Vec<Value> = images
                .chain(std::iter::once(json!({"type": "text", "text": text})))
                .collect();
            json!({"role": "user", "content": parts})
        }
        Turn::User(text) => json!({"role": "user", "content": text}),
        Turn::Model(text) => json!({"role": "assistant", "content": text}),
    });
    let mut body = json!({
        "model": model.name,
        "max_tokens": ask.max_output_tokens,
        "system": ask.system,
        "messages": messages.collect::<Vec<_>>(),
        "stream": streams,
    });
    if let Some(temperature) = ask.temperature.filter(|_| model.takes_temperature) {
        // Anthropic's range ends at 1, ours at 2.
        body["temperature"] = json!(temperature.min(1.0));
    }
    let mut output = serde_json::Map::new();
    if let Some(effort) = &model.reasoning_effort {
        output.insert("effort".to_owned(), json!(effort));
    }
    if let Some(schema) = ask
        .schema
        .as_ref()
        .filter(|schema| model.takes_schema && strict_schema::fits(schema))
    {
        output.insert("format".to_owned(), json!({"type": "json_schema", "schema": schema}));
    }
    if !output.is_empty() {
        body["output_config"] = Value::Object(output);
    }
    body
}

#[derive(Debug, Default, Deserialize)]
struct Message {
    model: Option<String>,
    content: Option<Vec<Block>>,
    stop_reason: Option<String>,
    usage: Option<Tokens>,
}

/// A block of text; blocks of thinking have none.
#[derive(Debug, Deserialize)]
struct Block {
    text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Tokens {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

/// A part that is not what it should be counts as absent: nothing but text is needed.
fn lenient<T: serde::de::DeserializeOwned + Default>(value: &Value) -> T {
    T::deserialize(value).unwrap_or_default()
}

/// What was read so far.
struct State {
    provider: &'static str,
    model: String,
    text: String,
    usage: Usage,
    stop_reason: Option<String>,
    has_message: bool,
}

impl State {
    fn new(provider: &'static str) -> Self {
        Self {
            provider,
            model: String::new(),
            text: String::new(),
            usage: Usage::default(),
            stop_reason: None,
            has_message: false,
        }
    }

    fn start(&mut self, message: &Message) {
        self.model = message.model.clone().unwrap_or_default();
        self.stop_reason = message.stop_reason.clone();
        if let Some(tokens) = &message.usage {
            self.count(tokens);
        }
    }

    fn count(&mut self, tokens: &Tokens) {
        if let Some(fresh) = tokens.input_tokens {
            let cached = tokens.cache_creation_input_tokens.unwrap_or(0) + tokens.cache_read_input_tokens.unwrap_or(0);
            self.usage.input_tokens = Some(fresh + cached);
        }
        self.usage.output_tokens = tokens.output_tokens.or(self.usage.output_tokens);
    }

    fn finish(self) -> Result<Written, Fault> {
        if !self.has_message {
            return Err(Fault::garbage(self.provider, "the answer is no message"));
        }
        let finish = match self.stop_reason.as_deref() {
            Some("refusal") => {
                return Err(Fault::new(
                    self.provider,
                    Class::Content,
                    "the model declined to answer",
                ));
            }
            Some("max_tokens" | "model_context_window_exceeded") if self.text.trim().is_empty() => {
                let message = "max_output_tokens was used up before anything was said";
                return Err(Fault::new(self.provider, Class::Truncated, message));
            }
            Some("max_tokens" | "model_context_window_exceeded") => Finish::Length,
            _ => Finish::Stop,
        };
        Ok(Written {
            text: self.text,
            finish,
            model: self.model,
            usage: self.usage,
        })
    }
}
