//! `transcription` by whisper.cpp: with a model of the test's own where it is compiled in, and what is said where it is not,
//! or where its model is missing or none.

use serde_json::{Value, json};
use zoetrope_queue::{State, Task};

use crate::transcription::audio;
use crate::world::World;

#[cfg(feature = "whisper")]
use crate::whisper_model::model_that_says;

/// A file that is there and is no model.
const NO_MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

async fn heard(world: &World, seconds: u32, more: &Value) -> Task {
    let artifact = world.store(audio("", seconds, "wav")).await;
    let mut input = json!({"audio": {"artifact": artifact}});
    let fields = more.as_object().expect("fields").clone();
    input.as_object_mut().expect("an object").extend(fields);
    world.ended(world.submit("transcription", &input).await).await
}

fn error(task: &Task) -> (&str, &str) {
    assert_eq!(task.state, State::Failed, "{task:?}");
    let error = task.error.as_ref().expect("an error");
    (&error.code, &error.message)
}

#[tokio::test]
async fn without_a_model_whisper_is_named_as_what_has_to_be_set() {
    let world = World::new().await;
    let _worker = world.start_worker(&[]);
    let task = heard(&world, 1, &json!({"provider": "whisper"})).await;
    let (code, message) = error(&task);
    assert!(
        code == "provider_not_configured" && message.contains("WHISPER_MODEL"),
        "{message}"
    );
}

#[cfg(not(feature = "whisper"))]
#[tokio::test]
async fn a_build_without_whisper_says_how_to_make_one_with_it_and_hears_by_pocketsphinx_if_asked() {
    let world = World::new().await;
    let _worker = world.start_worker(&[("WHISPER_MODEL", NO_MODEL)]);
    let task = heard(&world, 1, &json!({})).await;
    let (code, message) = error(&task);
    assert!(
        code == "engine_not_installed" && message.contains("zoetrope-worker/whisper"),
        "{message}"
    );
    let task = heard(&world, 1, &json!({"provider": "pocketsphinx"})).await;
    assert_eq!(task.state, State::Succeeded, "{task:?}");
}

#[cfg(feature = "whisper")]
fn result(task: &Task) -> Value {
    assert_eq!(task.state, State::Succeeded, "{task:?}");
    serde_json::from_str(task.result.as_ref().expect("a result").get()).expect("a result is JSON")
}

#[cfg(feature = "whisper")]
#[tokio::test]
async fn whisper_hears_with_the_operators_model_and_tells_segments_words_and_its_name() {
    let world = World::new().await;
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join("ggml-three-words.en.bin");
    std::fs::write(&path, model_that_says(&[" The", " gate", " op", "ens"])).expect("there is room for a file");
    let _worker = world.start_worker(&[("WHISPER_MODEL", path.to_str().expect("a path of ours"))]);
    let told = result(&heard(&world, 4, &json!({"timestamps": "word"})).await);
    assert_eq!(
        (&told["provider"], &told["model"], &told["language"]),
        (&json!("whisper"), &json!("ggml-three-words.en.bin"), &json!("en")),
        "{told}"
    );
    let segments = told["segments"].as_array().expect("segments");
    assert!(!segments.is_empty(), "{told}");
    for (second, segment) in (0_u64..).zip(segments) {
        let times = (segment["start_ms"].as_u64(), segment["end_ms"].as_u64());
        assert_eq!(times, (Some(second * 1_000), Some((second + 1) * 1_000)), "{segment}");
        let words = segment["words"].as_array().expect("words");
        let texts: Vec<_> = words.iter().filter_map(|word| word["text"].as_str()).collect();
        assert_eq!(
            (texts, &segment["text"]),
            (vec!["The", "gate", "opens"], &json!("The gate opens"))
        );
        assert!(
            words
                .iter()
                .all(|word| word["start_ms"].as_u64() <= word["end_ms"].as_u64()),
            "{segment}"
        );
        assert!(
            words.iter().all(|word| word["confidence"].as_f64() > Some(0.9)),
            "{segment}"
        );
    }
    let plain = result(&heard(&world, 4, &json!({"provider": "whisper"})).await);
    assert!(plain["segments"][0].get("words").is_none(), "{plain}");

    let task = heard(&world, 1, &json!({"language": "de"})).await;
    assert_eq!(error(&task).0, "language_not_available", "the model hears English only");
}

#[cfg(feature = "whisper")]
#[tokio::test]
async fn a_file_that_is_no_model_fails_the_task_and_not_the_child() {
    let world = World::new().await;
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let half = folder.path().join("half.bin");
    let whole = folder.path().join("whole-floats.bin");
    let mut model = model_that_says(&[" The"]);
    std::fs::write(&half, &model[..model.len() / 2]).expect("there is room for a file");
    // The form of its numbers: the last word before the filters.
    model[44..48].fill(0);
    std::fs::write(&whole, model).expect("there is room for a file");
    let paths = [&half, &whole].map(|path| path.to_str().expect("a path of ours"));
    for path in paths.into_iter().chain([NO_MODEL]) {
        let _worker = world.start_worker(&[("WHISPER_MODEL", path)]);
        let task = heard(&world, 1, &json!({})).await;
        let (code, message) = error(&task);
        assert!(
            code == "model_invalid" && message.contains("WHISPER_MODEL"),
            "{code}: {message}"
        );
    }
}
