//! Every provider in each of its kinds, from a submit to the provider and back.

use serde_json::{Value, json};
use zoetrope_e2e::ai_services::{AiServices, SAID, wave};
use zoetrope_e2e::{Http, SCREENSHOT, Stage};

/// A provider: its name, the settings of its key and base URL, and what stands in that URL.
const PROVIDERS: [(&str, &str, &str, &str); 6] = [
    ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1"),
    ("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", ""),
    ("gemini", "GEMINI_API_KEY", "GEMINI_BASE_URL", ""),
    ("elevenlabs", "ELEVENLABS_API_KEY", "ELEVENLABS_BASE_URL", ""),
    ("deepgram", "DEEPGRAM_API_KEY", "DEEPGRAM_BASE_URL", ""),
    ("roboflow", "ROBOFLOW_API_KEY", "ROBOFLOW_BASE_URL", ""),
];

fn key(provider: &str) -> String {
    format!("sk-{provider}-41c7-never-shown")
}

async fn stage(services: &AiServices) -> Stage {
    // A server of one's own speaks and listens only if it is told a model.
    let builder = Stage::builder()
        .env("OPENAI_SPEECH_MODEL", "tts-1")
        .env("OPENAI_TRANSCRIPTION_MODEL", "whisper-1");
    let builder = PROVIDERS
        .iter()
        .fold(builder, |builder, (name, key_name, base_name, path)| {
            builder.env(key_name, &key(name)).env(base_name, &services.url(path))
        });
    builder.start().await
}

/// One provider in one kind: what is submitted, and where the result names the provider and repeats what it said.
struct Way {
    kind: &'static str,
    provider: &'static str,
    input: Value,
    author: &'static str,
    said: Option<(&'static str, &'static str)>,
}

async fn uploaded(http: &Http, name: &str, bytes: &[u8]) -> Value {
    let upload = http.post_file("/api/v1/uploads", name, bytes).await;
    json!({"artifact": upload.body["artifact"].as_str().expect("an upload is an artifact")})
}

async fn every_way(http: &Http) -> Vec<Way> {
    let (picture, sound) = (
        uploaded(http, "shot.png", SCREENSHOT).await,
        uploaded(http, "tone.wav", &wave()).await,
    );
    let mut ways = Vec::new();
    let mut add = |kind, provider, mut input: Value, author, said| {
        if author == "/provider" {
            input["provider"] = json!(provider);
        }
        ways.push(Way {
            kind,
            provider,
            input,
            author,
            said,
        });
    };
    for provider in ["openai", "anthropic", "gemini"] {
        let text = json!({"template": "summary", "text": "Somebody opened the gate at nine."});
        add(
            "content_generation",
            provider,
            text,
            "/provider",
            Some(("/content", SAID)),
        );
        let frames = json!({"frames": [picture]});
        add(
            "scene_description",
            provider,
            frames,
            "/provider",
            Some(("/description", SAID)),
        );
    }
    for provider in ["openai", "elevenlabs"] {
        let words = json!({"text": SAID, "voice": "cobalt"});
        add("voice_synthesis", provider, words, "/provider", None);
    }
    for provider in ["openai", "deepgram"] {
        add(
            "transcription",
            provider,
            json!({"audio": sound}),
            "/provider",
            Some(("/text", SAID)),
        );
    }
    let objects = json!({"image": picture, "detector": "roboflow", "features": ["objects"]});
    let label = Some(("/objects/0/label", "gate"));
    add(
        "image_analysis",
        "roboflow",
        objects,
        "/made_by/objects/provider",
        label,
    );
    ways
}

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_answers_through_the_api_and_is_named() {
    let services = AiServices::start().await;
    let stage = stage(&services).await;
    for way in every_way(&stage.http).await {
        let body = json!({"input": way.input, "max_attempts": 1});
        let id = stage.http.submit(way.kind, &body).await;
        let task = stage.http.until_ended(&id).await;
        let result = &task["result"];
        let named = result.pointer(way.author).and_then(Value::as_str);
        assert_eq!(named, Some(way.provider), "{}: {task}", way.kind);
        if let Some((pointer, expected)) = way.said {
            let said = result.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            assert!(said.contains(expected), "{} {pointer}: {task}", way.kind);
        }
    }
    let used = services.keys();
    for (name, ..) in PROVIDERS {
        assert!(used.contains(&key(name)), "{name} should be asked with its own key");
    }
}
