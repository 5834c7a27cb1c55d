//! The adapters held against the providers' own specifications and recorded exchanges, where the folder with them
//! stands beside the project.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::cases::{self, Case};
use super::mock::{Mock, Reply};

/// The folder, or a word that the test was skipped.
fn specs() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/specs");
    if !folder.is_dir() {
        let _ = writeln!(std::io::stderr(), "skipped: no folder {}", folder.display());
        return None;
    }
    Some(folder)
}

/// A schema of an `OpenAPI` file, with everything that it may refer to.
fn schema_of(file: &Path, name: &str) -> jsonschema::Validator {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let document: Value = serde_json::from_str(&text).expect("the file is JSON");
    let schema = json!({
        "$ref": format!("#/components/schemas/{name}"),
        "components": {"schemas": document["components"]["schemas"]},
    });
    jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[tokio::test]
async fn every_request_is_one_that_the_providers_specification_allows() {
    let Some(specs) = specs() else { return };
    for (path, file, name) in [
        (
            "/chat/completions",
            "openai/openapi.json",
            "CreateChatCompletionRequest",
        ),
        ("/v1/messages", "anthropic/openapi.yaml", "CreateMessageParams"),
        ("/audio/speech", "openai/openapi.json", "CreateSpeechRequest"),
        (
            "/text-to-speech/",
            "elevenlabs/openapi.json",
            "Body_text_to_speech_full",
        ),
    ] {
        let schema = schema_of(&specs.join(file), name);
        let mut checked = 0;
        for case in cases::all().into_iter().filter(|case| case.line.contains(path)) {
            for streams in [false, true] {
                let mock = Mock::always(Reply::json(500, "{}")).await;
                let providers = case.open(&mock.url(case.base_path));
                (case.ask)(&providers, streams).await.expect_err("it answers 500");
                let body = mock.requests()[0].json();
                let wrong: Vec<String> = schema.iter_errors(&body).map(|error| error.to_string()).collect();
                assert!(wrong.is_empty(), "{}: {wrong:?} in {body}", case.name);
                checked += 1;
            }
        }
        assert!(checked >= 2, "{path}: only {checked} requests were checked");
    }
}

/// One recorded exchange.
#[derive(Debug, Deserialize)]
struct Exchange {
    when: When,
    then: Then,
}

#[derive(Debug, Deserialize)]
struct When {
    path: String,
    method: String,
}

#[derive(Debug, Deserialize)]
struct Then {
    status: u16,
    #[serde(default)]
    header: Vec<Header>,
    body: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Header {
    name: String,
    value: String,
}

/// Every recorded exchange below a folder, with the name of its file.
fn recordings(folder: &Path) -> Vec<(String, Exchange)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = std::fs::read_to_string(&path).expect("a recording is text");
                for document in serde_yaml_ng::Deserializer::from_str(&text) {
                    // Exchanges over other protocols have another form.
                    if let Ok(exchange) = Exchange::deserialize(document) {
                        found.push((path.display().to_string(), exchange));
                    }
                }
            }
        }
    }
    found
}

#[tokio::test]
async fn every_recorded_answer_is_read() {
    let Some(specs) = specs() else { return };
    let recordings = recordings(&specs.join("recorded/rig"));
    for (case, path, least) in [
        ("openai text", "/v1/chat/completions", 100),
        ("anthropic text", "/v1/messages", 100),
        ("gemini text", "enerateContent", 50),
    ] {
        let all = cases::all();
        let case = all
            .iter()
            .find(|known| known.name == case)
            .expect("a case of this name");
        let ours = recordings
            .iter()
            .filter(|(_, it)| it.when.path.ends_with(path) && it.when.method == "POST");
        let mut read = 0;
        for (file, exchange) in ours {
            replay(case, file, exchange).await;
            read += 1;
        }
        assert!(
            read >= least,
            "{}: only {read} recordings of {path} were found",
            case.name
        );
    }
}

/// A success is read, declined or cut short; anything else has the class of its status. Never is it garbage.
async fn replay(case: &Case, file: &str, exchange: &Exchange) {
    let body = exchange.then.body.clone().unwrap_or_default();
    let mut reply = Reply::json(exchange.then.status, body);
    reply.headers.clear();
    let type_header = exchange.then.header.iter().find(|header| header.name == "content-type");
    let content_type = type_header.map_or("application/json", |header| header.value.as_str());
    let reply = reply.with_header("content-type", content_type);
    let mock = Mock::always(reply).await;
    let providers = case.open(&mock.url(case.base_path));
    let streams = content_type.starts_with("text/event-stream");
    let heard = (case.ask)(&providers, streams).await;
    let is_success = (200..300).contains(&exchange.then.status);
    match heard {
        Ok(_) => assert!(is_success, "{file}: {} was taken for a success", exchange.then.status),
        Err(fault) if is_success => {
            let known = ["content_refused", "output_truncated"];
            assert!(known.contains(&fault.code), "{file}: {} {fault}", fault.code);
        }
        Err(fault) => assert_ne!(fault.code, "provider_answer_invalid", "{file}: {fault}"),
    }
}
