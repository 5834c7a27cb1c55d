//! Keys of providers appear nowhere, however their providers fail: not in logs, errors, traces, metrics, artifacts, Redis
//! or answers of the API.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use zoetrope_e2e::{Collector, Http, Provider, ProviderAnswer, SCREENSHOT, Stage};

/// What is looked for.
const KEY: &str = "sk-zt-5b1c9e77-recognisable";
/// The rest of a key: some providers show its end only.
const TAIL: &str = "5b1c9e77-recognisable";

/// Answers that fail, with the codes that tasks may fail with. Outages stand between others, so that no circuit opens:
/// every adapter meets every answer.
fn failures() -> Vec<(ProviderAnswer, &'static [&'static str])> {
    let said = |fields: &str| format!(r#"{{"error":{{"message":"Incorrect API key provided: {KEY}."{fields}}}}}"#);
    let json = |status, fields: &str| ProviderAnswer::json(status, said(fields));
    let down = &["provider_unavailable"][..];
    let wrong = &["provider_refused"][..];
    let stream = format!("data: {}\n\n", said(r#","type":"overloaded_error""#));
    vec![
        (json(500, r#","type":"api_error""#), down),
        (
            json(401, r#","type":"authentication_error""#),
            &["provider_unauthorized"],
        ),
        (ProviderAnswer::json(502, format!("<html>{KEY}</html>")), down),
        (json(403, ""), &["provider_unauthorized"]),
        (json(429, ""), down),
        (
            json(429, r#","type":"insufficient_quota""#),
            &["provider_quota_exhausted"],
        ),
        (json(408, ""), down),
        (
            json(429, "").with_header("retry-after", "600"),
            &["provider_rate_limited"],
        ),
        (json(529, r#","type":"overloaded_error""#), down),
        (json(400, ""), wrong),
        // A stream that fails half way is nonsense to whoever awaits no stream.
        (
            ProviderAnswer::json(200, stream).with_header("content-type", "text/event-stream"),
            &["provider_unavailable", "provider_answer_invalid"],
        ),
        (json(404, ""), wrong),
        (
            ProviderAnswer::json(200, format!(r#"{{"{KEY}": "{KEY}"}}"#)),
            // Samples without a header are all that one of them sends: it takes these for sound that cannot be decoded.
            &["provider_answer_invalid", "provider_unavailable", "media_invalid"],
        ),
        (json(418, ""), wrong),
        (json(400, r#","code":"content_policy_violation""#), &["content_refused"]),
        (
            json(307, "").with_header("location", format!("http://127.0.0.1:9/?key={KEY}")),
            wrong,
        ),
    ]
}

/// A second of a tone, WAVE, mono, 16 bits, 16,000 samples a second.
fn tone() -> Vec<u8> {
    const RATE: u32 = 16_000;
    let mut wav = Vec::new();
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + 2 * RATE).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend_from_slice(&RATE.to_le_bytes());
    wav.extend_from_slice(&(2 * RATE).to_le_bytes());
    wav.extend_from_slice(b"\x02\0\x10\0data");
    wav.extend_from_slice(&(2 * RATE).to_le_bytes());
    for sample in 0..RATE {
        let loud = (f64::from(sample) * 0.17).sin() * 12_000.0;
        #[expect(clippy::cast_possible_truncation, reason = "a sine is within 16 bits")]
        wav.extend_from_slice(&(loud as i16).to_le_bytes());
    }
    wav
}

/// One task for each adapter in each capability.
async fn tasks(http: &Http) -> Vec<(&'static str, Value)> {
    let upload = async |name: &str, bytes: Vec<u8>| {
        let answer = http.post_file("/api/v1/uploads", name, bytes).await;
        answer.body["artifact"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", answer.body))
            .to_owned()
    };
    let picture = upload("shot.png", SCREENSHOT.to_vec()).await;
    let sound = upload("tone.wav", tone()).await;
    let mut tasks = Vec::new();
    for provider in ["openai", "anthropic", "gemini"] {
        tasks.push((
            "content-generation",
            json!({"template": "summary", "text": "One.", "provider": provider}),
        ));
        let frames = json!([{"artifact": picture}]);
        tasks.push((
            "scene-description",
            json!({"frames": frames, "prompt": "What?", "provider": provider}),
        ));
    }
    for provider in ["openai", "elevenlabs"] {
        tasks.push(("voice-synthesis", json!({"text": "One.", "provider": provider})));
    }
    for provider in ["openai", "deepgram"] {
        tasks.push((
            "transcription",
            json!({"audio": {"artifact": sound}, "provider": provider}),
        ));
    }
    let objects = json!({"image": {"artifact": picture}, "features": ["objects"], "detector": "roboflow"});
    tasks.push(("image-analysis", objects));
    tasks
}

/// Every file below a folder that holds the key.
fn files_with_key(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_with_key(&path, found);
        } else if holds(&std::fs::read(&path).unwrap_or_default()) {
            found.push(path.display().to_string());
        }
    }
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(TAIL.len()).any(|window| window == TAIL.as_bytes())
}

/// Every key of Redis whose value holds the key, as Redis would write it to its disk.
async fn redis_with_key(stage: &Stage) -> Vec<String> {
    // Compressed, a text could hide.
    stage.redis.run(&["CONFIG", "SET", "rdbcompression", "no"]).await;
    let client = redis::Client::open(stage.redis.url()).expect("a good address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("redis answers");
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut connection)
        .await
        .expect("keys");
    assert!(keys.iter().any(|key| key.contains(":usage:")), "{keys:?}");
    let mut found = Vec::new();
    for key in keys {
        let dump: Option<Vec<u8>> = redis::cmd("DUMP")
            .arg(&key)
            .query_async(&mut connection)
            .await
            .expect("a dump");
        if holds(&dump.unwrap_or_default()) || key.contains(TAIL) {
            found.push(key);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn however_providers_fail_their_keys_appear_nowhere() {
    let collector = Collector::start().await;
    let provider = Provider::start(ProviderAnswer::json(500, "{}")).await;
    let mut builder = Stage::builder()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .env("RUST_LOG", "trace")
        .env("OPENAI_SPEECH_MODEL", "tts-1")
        .env("OPENAI_TRANSCRIPTION_MODEL", "whisper-1");
    for name in ["OPENAI", "ANTHROPIC", "GEMINI", "ELEVENLABS", "DEEPGRAM", "ROBOFLOW"] {
        let path = if name == "OPENAI" { "/v1" } else { "" };
        builder = builder
            .env(&format!("{name}_API_KEY"), KEY)
            .env(&format!("{name}_BASE_URL"), &provider.url(path));
    }
    let mut stage = builder.start().await;
    let tasks = tasks(&stage.http).await;
    let (mut told, mut codes) = (String::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for (answer, expected) in failures() {
        let shown = format!("{} {:?}", answer.status, answer.headers);
        provider.answer(answer);
        let mut ids = Vec::new();
        for (kind, input) in &tasks {
            ids.push(
                stage
                    .http
                    .submit(kind, &json!({"input": input, "max_attempts": 1}))
                    .await,
            );
        }
        for (id, (kind, input)) in ids.iter().zip(&tasks) {
            let task = stage.http.until_ended(id).await;
            let code = task["error"]["code"].as_str().unwrap_or_default();
            assert!(
                expected.contains(&code),
                "{kind} {} at {shown}: {task}",
                input["provider"]
            );
            codes
                .entry(code.to_owned())
                .or_default()
                .insert(format!("{kind} {}", input["provider"]));
            told += &task.to_string();
        }
    }
    // All of them went all the way: nobody was left alone.
    for code in [
        "provider_unavailable",
        "provider_unauthorized",
        "provider_rate_limited",
        "content_refused",
    ] {
        assert_eq!(codes[code].len(), tasks.len(), "{code}: {:?}", codes[code]);
    }
    for path in [
        "/api/v1/tasks",
        "/api/v1/providers",
        "/api/v1/usage",
        "/api/v1/tenants/default/spend",
        "/api/v1/queue/status",
        "/api/v1/workers",
        "/api/v1/health/detailed",
        "/metrics",
    ] {
        told += &stage.http.text(path).await;
    }
    let log = stage.workers[0].log();
    let port = log
        .split("health on 127.0.0.1:")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    let port = port
        .and_then(|port| port.parse().ok())
        .expect("the worker says its port");
    let metrics = Http::on_port(port).text("/metrics").await;
    assert!(metrics.contains("provider_unauthorized"), "{metrics}");
    told += &metrics;
    assert!(!holds(told.as_bytes()), "an answer holds the key");
    assert_eq!(redis_with_key(&stage).await, Vec::<String>::new());

    for process in stage.workers.iter_mut().chain(std::iter::once(&mut stage.api)) {
        let status = process.terminate().await;
        assert!(status.success(), "{status}");
        let log = process.log();
        assert!(!log.is_empty() && !holds(log.as_bytes()), "a log holds the key");
    }
    let spans = collector.spans();
    assert!(
        spans.iter().any(|span| span.name == "chat gpt-6-luna" && span.failed),
        "{spans:#?}"
    );
    assert!(!collector.saw(TAIL), "a trace holds the key");
    let mut files = Vec::new();
    files_with_key(stage.dir(), &mut files);
    assert_eq!(files, Vec::<String>::new());
}
