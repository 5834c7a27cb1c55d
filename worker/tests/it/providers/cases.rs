//! Every adapter as the suite sees it: how it is switched on, asked, and what its provider says when all is well.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use zoetrope_shared::config::{ProviderSettings, Settings, Sources};
use zoetrope_worker::metrics::Metrics;
use zoetrope_worker::providers::calls::{Answered, CallPolicy, Unanswered};
use zoetrope_worker::providers::capability::{Ask, Piece, Pieces, Turn, Written};
use zoetrope_worker::providers::catalogue::Capability;
use zoetrope_worker::providers::configured::{Providers, Wanted};
use zoetrope_worker::providers::fault::{Class, Fault};
use zoetrope_worker::providers::http::HttpLimits;

/// The key of every provider in these tests: it may appear nowhere.
pub(crate) const KEY: &str = "sk-test-3f9a-never-shown";

/// What a call brought, the same for all capabilities.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// The text, or what the answer holds in words.
    pub(crate) said: String,
    /// The pieces put together.
    pub(crate) streamed: String,
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
}

/// One adapter in one capability.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) provider: &'static str,
    /// The settings that switch it on.
    pub(crate) key_name: &'static str,
    pub(crate) base_name: &'static str,
    /// Path that stands in the base URL.
    pub(crate) base_path: &'static str,
    /// Header and beginning of its value that carry the key.
    pub(crate) key_header: (&'static str, &'static str),
    /// Beginning of the request line.
    pub(crate) line: &'static str,
    pub(crate) ask: for<'a> fn(&'a Providers, bool) -> BoxFuture<'a, Result<Heard, Fault>>,
    /// An answer in one; it says [`Case::said`].
    pub(crate) whole: &'static str,
    /// What a good answer says.
    pub(crate) said: &'static str,
    /// The same as a stream, if it has one.
    pub(crate) stream: Option<&'static str>,
    /// A stream that ends before it is complete.
    pub(crate) broken_off: Option<&'static str>,
    /// A stream that reports an overload half way.
    pub(crate) failing: Option<&'static str>,
    /// An answer that declines.
    pub(crate) declined: Option<&'static str>,
}

/// All adapters.
pub(crate) fn all() -> Vec<Case> {
    vec![
        openai("openai text", ask_text),
        openai("openai vision", ask_vision),
        anthropic("anthropic text", ask_text),
        anthropic("anthropic vision", ask_vision),
    ]
}

impl Case {
    /// The settings with this provider alone, at a server.
    pub(crate) fn settings(&self, base: &str) -> ProviderSettings {
        let environment = [(self.key_name, KEY), (self.base_name, base)];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sources = Sources {
            environment: environment.into(),
            ..Sources::default()
        };
        Settings::from_sources(&sources)
            .expect("the settings are valid")
            .providers
    }

    /// The providers, with short pauses.
    pub(crate) fn open(&self, base: &str) -> Providers {
        self.open_counting(base, &metrics())
    }

    pub(crate) fn open_counting(&self, base: &str, metrics: &Metrics) -> Providers {
        self.open_with(base, metrics, Duration::from_secs(30))
    }

    /// The providers, impatient with silence.
    pub(crate) fn open_impatient(&self, base: &str) -> Providers {
        self.open_with(base, &metrics(), Duration::from_millis(150))
    }

    fn open_with(&self, base: &str, metrics: &Metrics, silence: Duration) -> Providers {
        let policy = CallPolicy {
            first_pause: Duration::from_millis(1),
            max_wait: Duration::from_secs(1),
            ..CallPolicy::default()
        };
        let limits = HttpLimits {
            silence,
            max_json_bytes: 256 * 1024,
        };
        Providers::open_with(&self.settings(base), metrics.clone(), policy, limits).expect("the settings are usable")
    }
}

pub(crate) fn metrics() -> Metrics {
    Metrics::new().expect("the names of metrics are valid")
}

pub(crate) fn question() -> Ask {
    Ask {
        system: "You are terse.".to_owned(),
        turns: vec![Turn::User("Reply with exactly: cobalt".to_owned())],
        max_output_tokens: 64,
        temperature: Some(0.5),
        ..Ask::default()
    }
}

fn ask_text(providers: &Providers, streams: bool) -> BoxFuture<'_, Result<Heard, Fault>> {
    Box::pin(async move {
        let wanted = Wanted {
            provider: "auto",
            model: None,
            fallback: &[],
            local: None,
        };
        let chain = providers
            .chain(Capability::Text, &providers.text, wanted)
            .expect("it is configured");
        let ask = question();
        let (pieces, told) = pieces(streams);
        let answered = providers
            .caller
            .first_answer(Capability::Text, &chain.candidates, &pieces, |candidate| {
                candidate.engine.write(&ask, &candidate.model, &pieces)
            });
        let answered = answered.await;
        drop(pieces);
        heard(answered, told).await
    })
}

fn ask_vision(providers: &Providers, streams: bool) -> BoxFuture<'_, Result<Heard, Fault>> {
    Box::pin(async move {
        let wanted = Wanted {
            provider: "auto",
            model: None,
            fallback: &[],
            local: None,
        };
        let chain = providers
            .chain(Capability::Vision, &providers.vision, wanted)
            .expect("it is configured");
        let ask = Ask {
            pictures: vec![zoetrope_worker::providers::capability::Picture {
                content_type: "image/jpeg",
                bytes: vec![0xff, 0xd8, 0xff].into(),
            }],
            ..question()
        };
        let (pieces, told) = pieces(streams);
        let answered = providers
            .caller
            .first_answer(Capability::Vision, &chain.candidates, &pieces, |candidate| {
                candidate.engine.look(&ask, &candidate.model, &pieces)
            });
        let answered = answered.await;
        drop(pieces);
        heard(answered, told).await
    })
}

fn pieces(streams: bool) -> (Pieces, Option<mpsc::Receiver<Piece>>) {
    if !streams {
        return (Pieces::nowhere(), None);
    }
    // Room for every piece of these streams: nobody reads before the end.
    let (sender, receiver) = mpsc::channel(10_000);
    (Pieces::to(sender), Some(receiver))
}

async fn heard(
    answered: Result<Answered<Written>, Unanswered>,
    told: Option<mpsc::Receiver<Piece>>,
) -> Result<Heard, Fault> {
    let written = match answered {
        Ok(answered) => answered.answer,
        Err(unanswered) => return Err(unanswered.fault.expect("somebody was asked")),
    };
    let mut streamed = String::new();
    if let Some(mut told) = told {
        while let Some(piece) = told.recv().await {
            match piece {
                Piece::Text(text) => streamed += &text,
                Piece::Anew => streamed.clear(),
            }
        }
    }
    if written.text.contains(KEY) {
        return Err(Fault::new("test", Class::Refused, "the answer holds the key"));
    }
    Ok(Heard {
        said: written.text,
        streamed,
        input_tokens: written.usage.input_tokens,
        output_tokens: written.usage.output_tokens,
    })
}

fn openai(name: &'static str, ask: for<'a> fn(&'a Providers, bool) -> BoxFuture<'a, Result<Heard, Fault>>) -> Case {
    Case {
        name,
        provider: "openai",
        key_name: "OPENAI_API_KEY",
        base_name: "OPENAI_BASE_URL",
        base_path: "/v1",
        key_header: ("authorization", "Bearer "),
        line: "POST /v1/chat/completions HTTP/1.1",
        ask,
        said: "cobalt",
        whole: r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-6-luna-2026-09-22","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"cobalt","refusal":null}}],"usage":{"prompt_tokens":12,"completion_tokens":2,"total_tokens":14}}"#,
        stream: Some(concat!(
            ": OPENROUTER PROCESSING\r\n\r\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"\",\"role\":\"assistant\"},\"finish_reason\":null,\"index\":0}],\"model\":\"gpt-6-luna\",\"usage\":null}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"cob\"},\"finish_reason\":null,\"index\":0}],\"model\":\"gpt-6-luna\"}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"alt\"},\"finish_reason\":null,\"index\":0}],\"model\":\"gpt-6-luna\"}\n\n",
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\",\"index\":0}],\"model\":\"gpt-6-luna\"}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":2,\"total_tokens\":14}}\n\n",
            "data: [DONE]\n\n",
        )),
        broken_off: Some(
            "data: {\"choices\":[{\"delta\":{\"content\":\"cob\"},\"finish_reason\":null,\"index\":0}]}\n\n",
        ),
        failing: Some(concat!(
            "data: {\"choices\":[{\"delta\":{\"content\":\"cob\"},\"finish_reason\":null,\"index\":0}]}\n\n",
            "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\",\"code\":503}}\n\ndata: [DONE]\n\n",
        )),
        declined: Some(
            r#"{"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"content":null,"refusal":"I'm sorry."}}]}"#,
        ),
    }
}

fn anthropic(name: &'static str, ask: for<'a> fn(&'a Providers, bool) -> BoxFuture<'a, Result<Heard, Fault>>) -> Case {
    Case {
        name,
        provider: "anthropic",
        key_name: "ANTHROPIC_API_KEY",
        base_name: "ANTHROPIC_BASE_URL",
        base_path: "",
        key_header: ("x-api-key", ""),
        line: "POST /v1/messages HTTP/1.1",
        ask,
        said: "cobalt",
        whole: r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-5-5","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"cobalt"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":5}}"#,
        stream: Some(concat!(
            "event: message_start\ndata: {\"message\":{\"content\":[],\"id\":\"msg_1\",\"model\":\"claude-haiku-5-5\",\"usage\":{\"input_tokens\":12,\"output_tokens\":1}},\"type\":\"message_start\"}\n\n",
            "event: content_block_start\ndata: {\"content_block\":{\"text\":\"\",\"type\":\"text\"},\"index\":0,\"type\":\"content_block_start\"}\n\n",
            "event: ping\ndata: {\"type\":\"ping\"}\n\n",
            "event: content_block_delta\ndata: {\"delta\":{\"text\":\"cob\",\"type\":\"text_delta\"},\"index\":0,\"type\":\"content_block_delta\"}\n\n",
            "event: content_block_delta\ndata: {\"delta\":{\"text\":\"alt\",\"type\":\"text_delta\"},\"index\":0,\"type\":\"content_block_delta\"}\n\n",
            "event: something_new\ndata: {\"type\":\"something_new\"}\n\n",
            "event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"end_turn\"},\"type\":\"message_delta\",\"usage\":{\"output_tokens\":2}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        )),
        broken_off: Some(concat!(
            "event: message_start\ndata: {\"message\":{\"content\":[],\"model\":\"m\"},\"type\":\"message_start\"}\n\n",
            "event: content_block_delta\ndata: {\"delta\":{\"text\":\"cob\"},\"type\":\"content_block_delta\"}\n\n",
        )),
        failing: Some(concat!(
            "event: message_start\ndata: {\"message\":{\"content\":[],\"model\":\"m\"},\"type\":\"message_start\"}\n\n",
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
        )),
        declined: Some(r#"{"model":"m","content":[],"stop_reason":"refusal","stop_details":{"category":"x"}}"#),
    }
}
