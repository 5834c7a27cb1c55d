//! Google's Gemini by `generateContent`, with pictures. The key travels in a header: in a query it would end in logs.

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

/// Words for an answer that was stopped for what it says.
const BLOCKED: &[&str] = &[
    "SAFETY",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "RECITATION",
];

/// The adapter.
#[derive(Debug)]
pub struct Gemini {
    endpoint: Endpoint,
}

impl Gemini {
    /// An adapter for a server.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    async fn ask(&self, ask: &Ask, model: &Model, pieces: &Pieces) -> Result<Written, Fault> {
        let streams = pieces.are_read();
        let (verb, query): (_, &[(&str, &str)]) = if streams {
            ("streamGenerateContent", &[("alt", "sse")])
        } else {
            ("generateContent", &[])
        };
        let called = format!("{}:{verb}", model.name);
        let path = ["v1beta", "models", called.as_str()];
        let request = self
            .endpoint
            .request_with(Method::POST, &path, query)
            .json(&request_body(ask, model));
        let answer = self.endpoint.send(request).await?;
        let mut state = State::new(self.endpoint.provider());
        let read = if streams {
            self.read_stream(answer, &mut state, pieces).await
        } else {
            self.read_whole(answer, &mut state).await
        };
        let written = read
            .and_then(|()| state.finish())
            .map_err(|fault| self.endpoint.without_key(fault))?;
        Ok(Written {
            model: if written.model.is_empty() {
                model.name.clone()
            } else {
                written.model
            },
            ..written
        })
    }

    async fn read_whole(&self, answer: Answer<'_>, state: &mut State) -> Result<(), Fault> {
        let value: Value = answer.json().await?;
        state.take(&value).map(drop)
    }

    /// There is no last event: the end of the body is the end.
    async fn read_stream(&self, answer: Answer<'_>, state: &mut State, pieces: &Pieces) -> Result<(), Fault> {
        let provider = self.endpoint.provider();
        let mut events = answer.events();
        while let Some(event) = events.next().await? {
            let value: Value = serde_json::from_str(&event.data)
                .map_err(|_| Fault::garbage(provider, "an event of the answer is no JSON"))?;
            let more = state.take(&value)?;
            pieces.text(&more).await;
        }
        if state.finish_reason.is_none() && !state.is_blocked {
            return Err(Fault::new(provider, Class::Backoff, "the answer broke off"));
        }
        Ok(())
    }
}

impl Engine for Gemini {
    fn provider(&self) -> &'static str {
        self.endpoint.provider()
    }

    fn address(&self) -> (String, u16) {
        self.endpoint.address()
    }
}

impl TextModel for Gemini {
    fn write<'a>(&'a self, ask: &'a Ask, model: &'a Model, pieces: &'a Pieces) -> Call<'a, Written> {
        Box::pin(self.ask(ask, model, pieces))
    }
}

impl VisionModel for Gemini {
    fn look<'a>(&'a self, ask: &'a Ask, model: &'a Model, pieces: &'a Pieces) -> Call<'a, Written> {
        Box::pin(self.ask(ask, model, pieces))
    }
}

fn request_body(ask: &Ask, model: &Model) -> Value {
    let contents = ask.turns.iter().enumerate().map(|(index, turn)| {
        let (role, text) = match turn {
            Turn::User(text) => ("user", text),
            Turn::Model(text) => ("model", text),
        };
        let pictures = if index == 0 { ask.pictures.as_slice() } else { &[] };
        let pictures = pictures.iter().map(|picture| {
            json!({"inlineData": {"mimeType": picture.content_type, "data": STANDARD.encode(&picture.bytes)}})
        });
        let parts: Vec<Value> = pictures.chain(std::iter::once(json!({"text": text}))).collect();
        json!({"role": role, "parts": parts})
    });
    let mut generation = json!({"maxOutputTokens": ask.max_output_tokens});
    if let Some(temperature) = ask.temperature.filter(|_| model.takes_temperature) {
        generation["temperature"] = json!(temperature);
    }
    if let Some(level) = &model.reasoning_effort {
        generation["thinkingConfig"] = json!({"thinkingLevel": level.to_uppercase()});
    }
    if let Some(schema) = ask
        .schema
        .as_ref()
        .filter(|schema| model.takes_schema && strict_schema::fits(schema))
    {
        generation["responseMimeType"] = json!("application/json");
        generation["responseJsonSchema"] = schema.clone();
    }
    json!({
        "systemInstruction": {"parts": [{"text": ask.system}]},
        "contents": contents.collect::<Vec<_>>(),
        "generationConfig": generation,
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    candidates: Option<Vec<Candidate>>,
    prompt_feedback: Option<Feedback>,
    model_version: Option<String>,
    usage_metadata: Option<Counts>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Content {
    parts: Option<Vec<Part>>,
}

#[derive(Debug, Deserialize)]
struct Part {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

/// Counts are running totals: the last ones stand.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    prompt_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
}

/// What was read so far.
struct State {
    provider: &'static str,
    written: Written,
    finish_reason: Option<String>,
    is_blocked: bool,
    has_candidate: bool,
}

impl State {
    fn new(provider: &'static str) -> Self {
        Self {
            provider,
            written: Written::default(),
            finish_reason: None,
            is_blocked: false,
            has_candidate: false,
        }
    }

    /// Takes an answer or a part of one, and answers its text.
    fn take(&mut self, value: &Value) -> Result<String, Fault> {
        if !value["error"].is_null() {
            return Err(classify_event(self.provider, &ErrorBody::of(value)));
        }
        let part = Generated::deserialize(value)
            .map_err(|_| Fault::garbage(self.provider, "the answer is no generated content"))?;
        if let Some(model) = part.model_version {
            self.written.model = model;
        }
        if let Some(counts) = part.usage_metadata {
            let written = counts.candidates_token_count.unwrap_or(0) + counts.thoughts_token_count.unwrap_or(0);
            self.written.usage = Usage {
                input_tokens: counts.prompt_token_count,
                output_tokens: Some(written),
                ..Usage::default()
            };
        }
        self.is_blocked |= part
            .prompt_feedback
            .is_some_and(|feedback| feedback.block_reason.is_some());
        let mut more = String::new();
        if let Some(candidate) = part.candidates.into_iter().flatten().next() {
            self.has_candidate = true;
            self.finish_reason = candidate.finish_reason.or(self.finish_reason.take());
            let parts = candidate
                .content
                .and_then(|content| content.parts)
                .into_iter()
                .flatten();
            more = parts
                .filter(|part| !part.thought)
                .filter_map(|part| part.text)
                .collect();
        }
        self.written.text += &more;
        Ok(more)
    }

    fn finish(mut self) -> Result<Written, Fault> {
        let reason = self.finish_reason.as_deref().unwrap_or_default();
        if self.is_blocked || BLOCKED.contains(&reason) {
            return Err(Fault::new(
                self.provider,
                Class::Content,
                format!("it declined the content: {reason}"),
            ));
        }
        if !self.has_candidate {
            return Err(Fault::garbage(self.provider, "the answer holds no candidate"));
        }
        if reason == "MAX_TOKENS" {
            if self.written.text.trim().is_empty() {
                let message = "max_output_tokens was used up before anything was said";
                return Err(Fault::new(self.provider, Class::Truncated, message));
            }
            self.written.finish = Finish::Length;
        }
        Ok(self.written)
    }
}
