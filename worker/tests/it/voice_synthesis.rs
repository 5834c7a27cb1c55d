//! `voice_synthesis` and `voices` in a worker process: by the local engine, by providers, and by those that fail.

use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zoetrope_queue::{State, Task};
use zoetrope_shared::tenant::Tenant;

use crate::providers::mock::{Mock, Reply};
use crate::world::World;

const KEY: &str = "sk-test-88-never-shown";
const TEXT: &str = "Click New project. Then type a name.\n\nThat is all.";

fn result(task: &Task) -> Value {
    assert_eq!(task.state, State::Succeeded, "{task:?}");
    serde_json::from_str(task.result.as_ref().expect("a result").get()).expect("a result is JSON")
}

async fn artifact(world: &World, id: &Value) -> Vec<u8> {
    let id = id.as_str().expect("an id");
    let read = world
        .artifacts
        .read(&Tenant::default_tenant(), id, 64 * 1024 * 1024)
        .await;
    read.expect("the folder can be read")
        .expect("the artifact is there")
        .to_vec()
}

/// Samples of a tone, 16 bits, mono.
fn tone(rate: u32, ms: u32) -> Vec<u8> {
    let samples = (0..rate * ms / 1_000).map(|n| if n % 100 < 50 { 8_000_i16 } else { -8_000 });
    samples.flat_map(i16::to_le_bytes).collect()
}

/// A WAVE file as a streaming server writes it: with open lengths.
fn wav(rate: u32, ms: u32) -> Vec<u8> {
    let mut bytes = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00".to_vec();
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * 2).to_le_bytes());
    bytes.extend([2, 0, 16, 0]);
    bytes.extend(b"data\xff\xff\xff\xff");
    bytes.extend(tone(rate, ms));
    bytes
}

/// Seconds and codec by FFmpeg's own program, which knows nothing of us.
fn probe(audio: &[u8]) -> (f64, String) {
    let file = tempfile::NamedTempFile::new().expect("there is room for a file");
    std::fs::write(file.path(), audio).expect("it is ours");
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file.path())
        .args(["-f", "s16le", "-ac", "1", "-ar", "8000", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is installed");
    assert!(decoded.status.success(), "{}", String::from_utf8_lossy(&decoded.stderr));
    let probed = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"])
        .arg(file.path())
        .output()
        .expect("ffprobe is installed");
    let codec = String::from_utf8_lossy(&probed.stdout).trim().to_owned();
    (decoded.stdout.len() as f64 / 16_000.0, codec)
}

#[tokio::test]
async fn without_a_provider_espeak_speaks_in_every_form_with_subtitles() {
    let world = World::new().await;
    let _worker = world.start_worker(&[]);
    for (format, codec, content_type) in [
        ("mp3", "mp3", "audio/mpeg"),
        ("wav", "pcm_s16le", "audio/wav"),
        ("opus", "opus", "audio/ogg"),
        ("flac", "flac", "audio/flac"),
    ] {
        let input = json!({"text": TEXT, "format": format, "timestamps": "word"});
        let spoken = result(&world.ended(world.submit("voice_synthesis", &input).await).await);
        assert_eq!(
            (&spoken["provider"], &spoken["content_type"]),
            (&json!("espeak-ng"), &json!(content_type))
        );
        assert!(
            spoken["notes"][0]
                .as_str()
                .expect("a note")
                .starts_with("`timestamps` had no effect"),
            "{spoken}"
        );
        let audio = artifact(&world, &spoken["artifact"]).await;
        assert_eq!(spoken["size"], audio.len());
        let (seconds, found) = probe(&audio);
        let told = spoken["duration_ms"].as_f64().expect("a duration") / 1_000.0;
        assert!(
            found == codec && (seconds - told).abs() < 0.15 && told > 2.0,
            "{format}: {found} {seconds} {told}"
        );
        let segments = spoken["segments"].as_array().expect("segments");
        let texts: Vec<&str> = segments.iter().filter_map(|segment| segment["text"].as_str()).collect();
        assert_eq!(texts, ["Click New project.", "Then type a name.", "That is all."]);
        let gap = |n: usize| segments[n]["start_ms"].as_u64().unwrap() - segments[n - 1]["end_ms"].as_u64().unwrap();
        assert!(
            (219..=221).contains(&gap(1)) && (599..=601).contains(&gap(2)),
            "{segments:?}"
        );
        let srt = String::from_utf8(artifact(&world, &spoken["srt"]).await).expect("text");
        let vtt = String::from_utf8(artifact(&world, &spoken["vtt"]).await).expect("text");
        assert!(
            srt.starts_with("1\n00:00:00,000 --> ") && srt.contains("\nThat is all.\n"),
            "{srt}"
        );
        assert!(vtt.starts_with("WEBVTT\n\n00:00:00.000 --> "), "{vtt}");
    }
}

#[tokio::test]
async fn a_voice_that_there_is_not_is_the_tasks_own_mistake_and_speed_is_heard() {
    let world = World::new().await;
    let _worker = world.start_worker(&[]);
    let wrong = world
        .submit("voice_synthesis", &json!({"text": "Hello.", "voice": "nobody-at-all"}))
        .await;
    let wrong = world.ended(wrong).await;
    let error = serde_json::to_value(wrong.error.as_ref().expect("an error")).expect("JSON");
    assert_eq!(
        (wrong.state, &error["code"]),
        (State::Failed, &json!("input_invalid")),
        "{error}"
    );
    let mut lengths = Vec::new();
    for speed in [0.5, 2.0] {
        let input = json!({"text": TEXT, "speed": speed, "language": "en-US", "format": "wav"});
        let spoken = result(&world.ended(world.submit("voice_synthesis", &input).await).await);
        assert_eq!(spoken["voice"], "en-us");
        lengths.push(spoken["duration_ms"].as_u64().expect("a duration"));
    }
    assert!(lengths[0] > lengths[1] * 2, "{lengths:?}");
}

#[tokio::test]
async fn a_provider_speaks_piece_by_piece_and_is_paid_by_the_character() {
    let world = World::new().await;
    let mock = Mock::always(Reply::new(200, "audio/wav", wav(24_000, 500))).await;
    let _worker = world.start_worker(&[
        ("OPENAI_API_KEY", KEY),
        ("OPENAI_BASE_URL", &mock.url("/v1")),
        ("OPENAI_SPEECH_MODEL", "tts-1"),
    ]);
    let parts = json!([{"text": "One. Two.", "pause_ms": 1_000}, {"text": "Three."}]);
    let input = json!({"segments": parts, "format": "wav", "voice": "nova", "speed": 1.5});
    let spoken = result(&world.ended(world.submit("voice_synthesis", &input).await).await);
    assert_eq!(
        (&spoken["provider"], &spoken["model"], &spoken["voice"]),
        (&json!("openai"), &json!("tts-1"), &json!("nova"))
    );
    assert_eq!(
        (&spoken["duration_ms"], &spoken["sample_rate"]),
        (&json!(2_000), &json!(24_000))
    );
    assert_eq!(spoken["usage"]["characters"], 15);
    let cost = spoken["usage"]["cost_usd"].as_f64().expect("a price");
    assert!((cost - 15.0 * 15.0 / 1e6).abs() < 1e-12, "{spoken}");
    let times: Vec<(u64, u64)> = spoken["segments"]
        .as_array()
        .expect("segments")
        .iter()
        .map(|segment| (segment["part"].as_u64().unwrap(), segment["start_ms"].as_u64().unwrap()))
        .collect();
    assert_eq!(times, [(0, 0), (0, 250), (1, 1_500)]);
    let bodies: Vec<Value> = mock
        .requests()
        .iter()
        .map(crate::providers::mock::Recorded::json)
        .collect();
    assert_eq!(
        (&bodies[0]["input"], &bodies[1]["input"], &bodies[0]["speed"]),
        (&json!("One. Two."), &json!("Three."), &json!(1.5))
    );
    let (seconds, _) = probe(&artifact(&world, &spoken["artifact"]).await);
    assert!((seconds - 2.0).abs() < 0.01, "{seconds}");
}

#[tokio::test]
async fn the_times_of_words_are_those_of_the_whole() {
    let world = World::new().await;
    let audio = STANDARD.encode(tone(24_000, 1_000));
    let timed = json!({"audio_base64": audio, "alignment": {
        "characters": ["H", "i", " ", "y", "o"],
        "character_start_times_seconds": [0.0, 0.1, 0.2, 0.5, 0.6],
        "character_end_times_seconds": [0.1, 0.2, 0.5, 0.6, 0.9],
    }});
    let mock = Mock::always(Reply::json(200, timed.to_string())).await;
    let _worker = world.start_worker(&[("ELEVENLABS_API_KEY", KEY), ("ELEVENLABS_BASE_URL", &mock.url(""))]);
    let input = json!({"segments": [{"text": "Hi yo", "pause_ms": 500}, {"text": "Hi yo"}], "timestamps": "word", "voice": "v"});
    let spoken = result(&world.ended(world.submit("voice_synthesis", &input).await).await);
    let words: Vec<(&str, u64)> = spoken["words"]
        .as_array()
        .expect("words")
        .iter()
        .map(|word| (word["text"].as_str().unwrap(), word["start_ms"].as_u64().unwrap()))
        .collect();
    assert_eq!(words, [("Hi", 0), ("yo", 500), ("Hi", 1_500), ("yo", 2_000)]);
}

#[tokio::test]
async fn voices_of_all_engines_are_listed_and_who_failed_is_named() {
    let world = World::new().await;
    let mock = Mock::always(Reply::json(401, format!("{{\"detail\": \"bad key {KEY}\"}}"))).await;
    let _worker = world.start_worker(&[("ELEVENLABS_API_KEY", KEY), ("ELEVENLABS_BASE_URL", &mock.url(""))]);
    let listed = result(&world.ended(world.submit("voices", &json!({})).await).await);
    let voices = listed["voices"].as_array().expect("voices");
    assert!(
        voices
            .iter()
            .any(|voice| voice["provider"] == "espeak-ng" && voice["voice"] == "en-us"),
        "{listed}"
    );
    assert_eq!(listed["unavailable"][0]["code"], "provider_unauthorized");
    assert!(!listed.to_string().contains(KEY), "{listed}");

    let german = result(
        &world
            .ended(world.submit("voices", &json!({"language": "de"})).await)
            .await,
    );
    let languages: Vec<&Value> = german["voices"]
        .as_array()
        .expect("voices")
        .iter()
        .map(|voice| &voice["language"])
        .collect();
    assert_eq!(languages, [&json!("de")]);

    // The task itself goes on with the local voice.
    let spoken = result(
        &world
            .ended(world.submit("voice_synthesis", &json!({"text": "Hello."})).await)
            .await,
    );
    assert_eq!(
        spoken["fell_back"],
        json!([{"provider": "elevenlabs", "code": "provider_unauthorized"}])
    );
}
