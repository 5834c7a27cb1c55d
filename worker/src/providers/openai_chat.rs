//! OpenAI's chat completions, with pictures, and every server that speaks them: Ollama, vLLM, llama.cpp, LiteLLM,
//! Groq, OpenRouter. Lenient in what it reads, for they differ.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use zoetrope_shared::usage::Usage;

use super::capability::{Ask, Call, Engine, Finish, Picture, Pieces, TextModel, Turn, VisionModel, Written};
use super::catalogue::Model;
use super::classify::classify_event;
use super::error_body::ErrorBody;
use super::fault::{Class, Fault};
use super::http::{Answer, Endpoint};
use super::strict_schema;

/// Name of the schema in a request; servers demand one.
const SCHEMA_NAME: &str = "answer";
/// The data of the last event.
const DONE: &str = "[DONE]";

/// The adapter.
#[derive(Debug)]
pub struct OpenAiChat {
    endpoint: Endpoint,
}

impl OpenAiChat {
    /// An adapter for a server.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    async fn ask(&self, ask: &Ask, model: &Model, pieces: &Pieces) -> Result<Written, Fault> {
        let body = request_body(ask, model, pieces.are_read());
        let request = self
            .endpoint
            .request(Method::POST, &["chat", "completions"])
            .json(&body);
        let answer = self.endpoint.send(request).await?;
        let written = if pieces.are_read() {
            self.read_stream(answer, pieces).await
        } else {
            self.read_whole(answer).await
        };
        let mut written = written.map_err(|fault| self.endpoint.without_key(fault))?;
        if written.model.is_empty() {
            written.model.clone_from(&model.name);
        }
        Ok(written)
    }

    async fn read_whole(&self, answer: Answer<'_>) -> Result<Written, Fault> {
        let value: Value = answer.json().await?;
        if !value["error"].is_null() {
            return Err(classify_event(self.endpoint.provider(), &ErrorBody::of(&value)));
        }
        let mut state = State::new(self.endpoint.provider());
        let completion = serde_json::from_value(value)
            .map_err(|_| Fault::garbage(self.endpoint.provider(), "the answer is no chat completion"))?;
        state.take(completion);
        state.finish()
    }

    async fn read_stream(&self, answer: Answer<'_>, pieces: &Pieces) -> Result<Written, Fault> {
        let provider = self.endpoint.provider();
        let mut state = State::new(provider);
        let mut events = answer.events();
        let mut is_done = false;
        while let Some(event) = events.next().await? {
            if event.data.trim() == DONE {
                is_done = true;
                break;
            }
            let chunk: Value = serde_json::from_str(&event.data)
                .map_err(|_| Fault::garbage(provider, "an event of the answer is no JSON"))?;
            if !chunk["error"].is_null() {
                return Err(classify_event(provider, &ErrorBody::of(&chunk)));
            }
            let chunk = serde_json::from_value(chunk)
                .map_err(|_| Fault::garbage(provider, "an event of the answer is no part of a chat completion"))?;
            let more = state.take(chunk);
            pieces.text(&more).await;
        }
        if !is_done && state.finish_reason.is_none() {
            return Err(Fault::new(provider, Class::Backoff, "the answer broke off"));
        }
        state.finish()
    }
}

impl Engine for OpenAiChat {
    fn provider(&self) -> &'static str {
        self.endpoint.provider()
    }

    fn address(&self) -> (String, u16) {
        self.endpoint.address()
    }
}

impl TextModel for OpenAiChat {
    fn write<'a>(&'a self, ask: &'a Ask, model: &'a Model, pieces: &'a Pieces) -> Call<'a, Written> {
        Box::pin(self.ask(ask, model, pieces))
    }
}

impl VisionModel for OpenAiChat {
    fn look<'a>(&'a self, ask: &'a Ask, model: &'a Model, pieces: &'a Pieces) -> Call<'a, Written> {
        Box::pin(self.ask(ask, model, pieces))
    }
}

fn request_body(ask: &Ask, model: &Model, streams: bool) -> Value {
    let mut messages = vec![json!({"role": "system", "content": ask.system})];
    for (index, turn) in ask.turns.iter().enumerate() {
        messages.push(match turn {
            Turn::User(text) if index == 0 && !ask.pictures.is_empty() => {
                let images = ask
                    .pictures
                    .iter()
                    .map(|picture| json!({"type": "image_url", "image_url": {"url": data_uri(picture)}}));
                let parts: Vec<Value> = std::iter::once(json!({"type": "text", "text": text}))
                    .chain(images)
                    .collect();
                json!({"role": "user", "content": parts})
            }
            Turn::User(text) => json!({"role": "user", "content": text}),
            Turn::Model(text) => json!({"role": "assistant", "content": text}),
        });
    }
    let mut body = json!({"model": model.name, "messages": messages, "stream": streams});
    let cap = if model.old_token_cap {
        "max_tokens"
    } else {
        "max_completion_tokens"
    };
    body[cap] = json!(ask.max_output_tokens);
    if let Some(temperature) = ask.temperature.filter(|_| model.takes_temperature) {
        body["temperature"] = json!(temperature);
    }
    if let Some(effort) = &model.reasoning_effort {
        body["reasoning_effort"] = json!(effort);
    }
    if let Some(schema) = ask
        .schema
        .as_ref()
        .filter(|schema| model.takes_schema && strict_schema::fits(schema))
    {
        body["response_format"] = json!({
            "type": "json_schema",
            "json_schema": {"name": SCHEMA_NAME, "strict": true, "schema": schema},
        });
    }
    if streams {
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

/// Only data: a URL would make the provider, or a server on our own network, fetch it.
fn data_uri(picture: &Picture) -> String {
    format!(
        "data:{};base64,{}",
        picture.content_type,
        STANDARD.encode(&picture.bytes)
    )
}

/// A completion or a part of one. Everything may be missing.
#[derive(Debug, Default, Deserialize)]
struct Completion {
    model: Option<String>,
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    usage: Option<Tokens>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    index: Option<u64>,
    #[serde(alias = "delta")]
    message: Option<Message>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Message {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Tokens {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    /// OpenRouter tells what it charges.
    cost: Option<f64>,
}

/// What was read so far.
struct State {
    provider: &'static str,
    written: Written,
    refusal: String,
    finish_reason: Option<String>,
    has_choice: bool,
}

impl State {
    fn new(provider: &'static str) -> Self {
        Self {
            provider,
            written: Written::default(),
            refusal: String::new(),
            finish_reason: None,
            has_choice: false,
        }
    }

    /// Takes a part and answers its text.
    fn take(&mut self, part: Completion) -> String {
        if let Some(model) = part.model {
            self.written.model = model;
        }
        if let Some(tokens) = part.usage {
            self.written.usage = Usage {
                input_tokens: tokens.prompt_tokens,
                output_tokens: tokens.completion_tokens,
                cost_usd: tokens.cost,
                ..Usage::default()
            };
        }
        let mut more = String::new();
        // We ask for one choice; whoever sends more of them means the first.
        let first = part
            .choices
            .into_iter()
            .flatten()
            .find(|choice| choice.index.unwrap_or(0) == 0);
        if let Some(choice) = first {
            self.has_choice = true;
            let message = choice.message.unwrap_or_default();
            more = message.content.unwrap_or_default();
            self.refusal += &message.refusal.unwrap_or_default();
            self.finish_reason = choice.finish_reason.or(self.finish_reason.take());
        }
        self.written.text += &more;
        more
    }

    fn finish(mut self) -> Result<Written, Fault> {
        if !self.has_choice {
            return Err(Fault::garbage(self.provider, "the answer holds no choice"));
        }
        if !self.refusal.is_empty() {
            return Err(Fault::new(
                self.provider,
                Class::Content,
                format!("declined: {}", self.refusal),
            ));
        }
        match self.finish_reason.as_deref() {
            Some("content_filter") => {
                return Err(Fault::new(
                    self.provider,
                    Class::Content,
                    "its content filter stopped the answer",
                ));
            }
            Some("length") if self.written.text.trim().is_empty() => {
                let message = "max_output_tokens was used up before anything was said";
                return Err(Fault::new(self.provider, Class::Truncated, message));
            }
            Some("length") => self.written.finish = Finish::Length,
            _ => {}
        }
        Ok(self.written)
    }
}
