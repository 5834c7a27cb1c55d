//! Every adapter as the suite sees it: how it is switched on, asked, and what its provider says when all is well.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use zoetrope_shared::config::{ProviderSettings, Settings, Sources};
use zoetrope_worker::metrics::Metrics;
use zoetrope_worker::providers::calls::{Answered, CallPolicy, Unanswered};
use zoetrope_worker::providers::capability::{Ask, Audio, Piece, Pieces, Turn, Words, Written};
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
    /// An answer in one, and its type; it says [`Case::said`].
    pub(crate) whole: Vec<u8>,
    pub(crate) content_type: &'static str,
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
        gemini("gemini text", ask_text),
        gemini("gemini vision", ask_vision),
        openai_speech(),
        elevenlabs(),
        openai_transcription(),
        deepgram(),
        super::detection::roboflow(),
    ]
}

impl Case {
    /// The settings with this provider alone, at a server.
    pub(crate) fn settings(&self, base: &str) -> ProviderSettings {
        let speech_model = ("OPENAI_SPEECH_MODEL", "tts-1");
        let listening_model = ("OPENAI_TRANSCRIPTION_MODEL", "whisper-1");
        let environment = [
            (self.key_name, KEY),
            (self.base_name, base),
            speech_model,
            listening_model,
        ];
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
            max_audio_bytes: 256 * 1024,
        };
        Providers::open_with(&self.settings(base), metrics.clone(), policy, limits).expect("the settings are usable")
    }
}

/// Settings that switch nothing on.
pub(crate) fn no_settings() -> ProviderSettings {
    let settings = Settings::from_sources(&Sources::default());
    settings.expect("the defaults are valid").providers
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

fn gemini(name: &'static str, ask: for<'a> fn(&'a Providers, bool) -> BoxFuture<'a, Result<Heard, Fault>>) -> Case {
    Case {
        name,
        provider: "gemini",
        key_name: "GEMINI_API_KEY",
        base_name: "GEMINI_BASE_URL",
        base_path: "",
        key_header: ("x-goog-api-key", ""),
        line: "POST /v1beta/models/gemini-3.8-flash:generateContent HTTP/1.1",
        ask,
        said: "cobalt",
        content_type: "application/json",
        whole: br#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"cobalt","thoughtSignature":"s"}],"role":"model"},"finishReason":"STOP","index":0}],"modelVersion":"gemini-3.8-flash","usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":2}}"#.to_vec(),
        stream: Some(concat!(
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"cob\"}],\"role\":\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":12}}\r\n\r\n",
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"alt\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":12,\"candidatesTokenCount\":1,\"thoughtsTokenCount\":1}}\r\n\r\n",
        )),
        broken_off: Some("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"cob\"}]},\"index\":0}]}\r\n\r\n"),
        failing: Some(concat!(
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"cob\"}]},\"index\":0}]}\r\n\r\n",
            "data: {\"error\":{\"code\":503,\"message\":\"The model is overloaded.\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n",
        )),
        declined: Some(r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"modelVersion":"m"}"#),
    }
}

fn ask_speech(providers: &Providers, _streams: bool) -> BoxFuture<'_, Result<Heard, Fault>> {
    Box::pin(async move {
        let wanted = Wanted {
            provider: "auto",
            model: None,
            fallback: &[],
            local: None,
        };
        let chain = providers
            .chain(Capability::Speech, &providers.speech, wanted)
            .expect("it is configured");
        let words = Words {
            text: "Hello.".to_owned(),
            voice: Some("cobalt".to_owned()),
            speed: 1.0,
            with_times: false,
        };
        let nowhere = Pieces::nowhere();
        let answered = providers
            .caller
            .first_answer(Capability::Speech, &chain.candidates, &nowhere, |candidate| {
                candidate.engine.speak(&words, &candidate.model)
            });
        match answered.await {
            Ok(answered) => Ok(Heard {
                said: format!(
                    "{} bytes by {}",
                    answered.answer.sound.bytes.len(),
                    answered.answer.voice
                ),
                ..Heard::default()
            }),
            Err(unanswered) => Err(unanswered.fault.expect("somebody was asked")),
        }
    })
}

fn openai_speech() -> Case {
    Case {
        name: "openai speech",
        line: "POST /v1/audio/speech HTTP/1.1",
        ask: ask_speech,
        said: "48 bytes by cobalt",
        content_type: "audio/wav",
        whole: b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\xc0\x5d\x00\x00\x80\xbb\x00\x00\x02\x00\x10\x00data\xff\xff\xff\xff\x01\x00\x02\x00".to_vec(),
        stream: None,
        broken_off: None,
        failing: None,
        declined: None,
        ..openai("", ask_text)
    }
}

fn elevenlabs() -> Case {
    Case {
        name: "elevenlabs speech",
        provider: "elevenlabs",
        key_name: "ELEVENLABS_API_KEY",
        base_name: "ELEVENLABS_BASE_URL",
        base_path: "",
        key_header: ("xi-api-key", ""),
        line: "POST /v1/text-to-speech/cobalt?output_format=pcm_24000 HTTP/1.1",
        ask: ask_speech,
        said: "6 bytes by cobalt",
        content_type: "audio/pcm",
        whole: vec![0, 1, 0, 2, 0, 3],
        stream: None,
        broken_off: None,
        failing: None,
        declined: None,
    }
}

fn ask_transcription(providers: &Providers, _streams: bool) -> BoxFuture<'_, Result<Heard, Fault>> {
    Box::pin(async move {
        let wanted = Wanted {
            provider: "auto",
            model: None,
            fallback: &[],
            local: None,
        };
        let capability = Capability::Transcription;
        let chain = providers
            .chain(capability, &providers.transcribers, wanted)
            .expect("it is configured");
        let audio = Audio {
            flac: b"fLaC".to_vec().into(),
            duration_ms: 1_000,
            language: None,
            with_words: true,
        };
        let nowhere = Pieces::nowhere();
        let answered = providers
            .caller
            .first_answer(capability, &chain.candidates, &nowhere, |candidate| {
                candidate.engine.transcribe(&audio, &candidate.model)
            });
        match answered.await {
            Ok(answered) => Ok(Heard {
                said: answered
                    .answer
                    .segments
                    .iter()
                    .map(|segment| segment.text.as_str())
                    .collect(),
                ..Heard::default()
            }),
            Err(unanswered) => Err(unanswered.fault.expect("somebody was asked")),
        }
    })
}

fn openai_transcription() -> Case {
    Case {
        name: "openai transcription",
        line: "POST /v1/audio/transcriptions HTTP/1.1",
        ask: ask_transcription,
        said: "cobalt",
        content_type: "application/json",
        whole: br#"{"task":"transcribe","language":"english","duration":1.0,"text":"cobalt","segments":[{"id":0,"start":0.0,"end":0.8,"text":" cobalt"}],"usage":{"type":"duration","seconds":1}}"#.to_vec(),
        stream: None,
        broken_off: None,
        failing: None,
        declined: None,
        ..openai("", ask_text)
    }
}

fn deepgram() -> Case {
    Case {
        name: "deepgram transcription",
        provider: "deepgram",
        key_name: "DEEPGRAM_API_KEY",
        base_name: "DEEPGRAM_BASE_URL",
        base_path: "",
        key_header: ("authorization", "Token "),
        line: "POST /v1/listen?model=nova-3&smart_format=true&utterances=true&detect_language=true HTTP/1.1",
        ask: ask_transcription,
        said: "cobalt",
        content_type: "application/json",
        whole: br#"{"metadata":{"request_id":"r","duration":1.0,"channels":1},"results":{"channels":[{"detected_language":"en","alternatives":[{"transcript":"cobalt","confidence":0.9,"words":[]}]}],"utterances":[{"start":0.1,"end":0.8,"confidence":0.9,"transcript":"cobalt","words":[{"word":"cobalt","start":0.1,"end":0.8,"confidence":0.9}]}]}}"#.to_vec(),
        stream: None,
        broken_off: None,
        failing: None,
        declined: None,
    }
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
        content_type: "application/json",
        whole: br#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-6-luna-2026-09-22","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"cobalt","refusal":null}}],"usage":{"prompt_tokens":12,"completion_tokens":2,"total_tokens":14}}"#.to_vec(),
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
        content_type: "application/json",
        whole: br#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-5-5","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"cobalt"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":5}}"#.to_vec(),
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
