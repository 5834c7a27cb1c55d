//! Every kind on a fresh machine: no key, no setting, `zoetrope submit`. Each result says which engine made it.

use std::process::Command;

use serde_json::{Value, json};
use zoetrope_e2e::{RtspServer, SCREENSHOT, Stage, recording};
use zoetrope_shared::tasks::KINDS;

use crate::cli::zoetrope;
use crate::recordings::{list, recordings};

/// What is submitted of a kind, and the engines that its result names: a field each, and what stands there.
struct Trial {
    kind: &'static str,
    file: Option<&'static str>,
    input: Value,
    engines: &'static [(&'static str, &'static str)],
}

fn trials(frame: &str, recorded: Value) -> Vec<Trial> {
    let trial = |kind, file, input, engines| Trial {
        kind,
        file,
        input,
        engines,
    };
    let everything = json!({
        "features": ["colors", "quality", "hash", "codes", "text", "faces", "description"],
        "annotate": true,
    });
    vec![
        // What is said comes back; there is no engine.
        trial("echo", None, json!({"message": "hello"}), &[("/message", "hello")]),
        trial("ocr", Some("shot.png"), json!({}), &[("/provider", "tesseract")]),
        trial(
            "image_analysis",
            Some("shot.png"),
            everything,
            &[
                ("/provider", "local"),
                ("/made_by/colors/provider", "local"),
                ("/made_by/codes/model", "rxing 0.9"),
                ("/made_by/faces/model", "rustface 0.1, seeta_fd_frontal_v1.0"),
                ("/made_by/description/provider", "local"),
            ],
        ),
        trial(
            "scene_description",
            None,
            json!({"frames": [{"artifact": frame}]}),
            &[("/provider", "local"), ("/model", "colors+tesseract")],
        ),
        trial(
            "content_generation",
            None,
            json!({"template": "summary", "text": "The gate opened at nine. A van came in. It left at ten with two crates."}),
            &[("/provider", "template"), ("/model", "extractive")],
        ),
        trial(
            "voice_synthesis",
            None,
            json!({"text": "The gate is open."}),
            &[("/provider", "espeak-ng")],
        ),
        trial(
            "transcription",
            Some("said.wav"),
            json!({}),
            &[("/provider", "pocketsphinx")],
        ),
        trial(
            "voices",
            None,
            json!({"language": "en"}),
            &[("/voices/0/provider", "espeak-ng")],
        ),
        trial("step_detection", Some("film.mp4"), json!({}), &[("/provider", "local")]),
        trial(
            "stream_ingest",
            Some("film.mp4"),
            json!({"window": {"size_s": 3}}),
            &[("/provider", "local")],
        ),
        // Nobody listens at this port: that is what it finds.
        trial(
            "stream_test",
            None,
            json!({"url": "rtsp://127.0.0.2:1/live"}),
            &[("/cause", "refused")],
        ),
        // Decoded, and nothing made up.
        trial("recording_snapshot", None, recorded, &[]),
    ]
}

/// A sentence that the local listener understands.
fn spoken(stage: &Stage) {
    let said = Command::new("flite")
        .args(["-voice", "slt", "-t", "A storm is coming from the north.", "-o"])
        .arg(stage.dir().join("said.wav"))
        .status();
    assert!(said.expect("flite should be installed: `make setup`").success());
}

/// Some seconds of a camera, and a time of them.
async fn recorded(stage: &Stage) -> Value {
    let camera = RtspServer::start(&[]).await;
    let input = json!({"url": camera.url("/h264"), "store": true, "duration": 5});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    stage.http.until_ended(&id).await;
    let found = stage.http.get(&recordings(&id)).await.body;
    json!({"stream": id, "at": list(&found, "ranges")[0]["start"], "width": 320})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_runs_without_a_key_and_names_its_engine() {
    // However full the disk of the tests is.
    let stage = Stage::builder()
        .env("RECORDING_MAX_DISK_PERCENT", "101")
        .env("NETGUARD_ALLOW_CIDRS", "127.0.0.1/32,127.0.0.2/32")
        .start()
        .await;
    let film = recording::scrolled_and_typed(stage.dir());
    for (name, bytes) in [("shot.png", SCREENSHOT), ("film.mp4", &film)] {
        std::fs::write(stage.dir().join(name), bytes).expect("there should be room for a file");
    }
    spoken(&stage);
    let upload = stage.http.post_file("/api/v1/uploads", "shot.png", SCREENSHOT).await;
    let frame = upload.body["artifact"].as_str().expect("an upload is an artifact");
    let trials = trials(frame, recorded(&stage).await);
    let tried: Vec<&str> = trials.iter().map(|trial| trial.kind).collect();
    for kind in KINDS {
        assert!(tried.contains(&kind.name), "`{}` should be tried here, too", kind.name);
    }
    for trial in trials {
        let input = trial.input.to_string();
        let mut arguments = vec!["submit", trial.kind, "--input", &input, "--wait", "--timeout", "2m"];
        arguments.extend(trial.file.iter().flat_map(|file| ["--file", file]));
        let ran = zoetrope(&stage, &arguments).await;
        assert_eq!(ran.code, Some(0), "{}: {ran:?}", trial.kind);
        let result = &ran.json()["result"];
        for (pointer, engine) in trial.engines {
            let named = result.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            assert_eq!(named, *engine, "{} {pointer}: {result}", trial.kind);
        }
    }
}
