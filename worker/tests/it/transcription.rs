//! `transcription` in a worker process: by the local listener, by providers, over seams.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use zoetrope_queue::{State, Task};

use crate::providers::mock::{Mock, Reply};
use crate::world::World;

const KEY: &str = "sk-test-99-never-shown";

fn result(task: &Task) -> Value {
    assert_eq!(task.state, State::Succeeded, "{task:?}");
    serde_json::from_str(task.result.as_ref().expect("a result").get()).expect("a result is JSON")
}

/// A file of a kind that FFmpeg makes of what `flite` says, or of a tone if nothing is said.
pub(crate) fn audio(said: &str, seconds: u32, extension: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    // Long audio comes at the rate that is wanted: making another rate of it is slow without optimisation.
    let rate = if seconds > 60 { 16_000 } else { 44_100 };
    let (wav, made) = (
        folder.path().join("said.wav"),
        folder.path().join(format!("made.{extension}")),
    );
    let source: Vec<String> = if said.is_empty() {
        vec![
            "-f".into(),
            "lavfi".into(),
            "-i".into(),
            format!("sine=frequency=300:duration={seconds}:sample_rate={rate}"),
        ]
    } else {
        let spoken = Command::new("flite")
            .args(["-voice", "slt", "-t", said, "-o"])
            .arg(&wav)
            .status();
        assert!(spoken.expect("flite is installed").success());
        vec!["-i".into(), wav.display().to_string()]
    };
    let made_well = Command::new("ffmpeg")
        .args(["-v", "error", "-y"])
        .args(source)
        .arg(&made)
        .stdin(Stdio::null())
        .status()
        .expect("ffmpeg is installed");
    assert!(made_well.success());
    std::fs::read(made).expect("it was made")
}

#[tokio::test]
async fn without_a_provider_clear_english_is_heard_with_the_times_of_its_words() {
    let world = World::new().await;
    let _worker = world.start_worker(&[]);
    let said = "The quick brown fox jumps over the lazy dog. A storm is coming from the north.";
    let artifact = world.store(audio(said, 0, "wav")).await;
    let input = json!({"audio": {"artifact": artifact}, "timestamps": "word"});
    let heard = result(&world.ended(world.submit("transcription", &input).await).await);
    assert_eq!(
        (&heard["provider"], &heard["model"]),
        (&json!("pocketsphinx"), &json!("en-us"))
    );
    let text = heard["text"].as_str().expect("a text");
    let expected = [
        "quick", "brown", "fox", "over", "the", "lazy", "dog", "storm", "is", "coming", "from", "north",
    ];
    let right = expected
        .iter()
        .filter(|word| text.split(' ').any(|heard| heard == **word))
        .count();
    assert!(right >= 10, "{right} of {} words are in {text:?}", expected.len());
    let words = heard["segments"][0]["words"].as_array().expect("words");
    assert!(
        words
            .windows(2)
            .all(|pair| pair[0]["start_ms"].as_u64() < pair[1]["start_ms"].as_u64()),
        "{words:?}"
    );
    assert!(
        (4_000..7_000).contains(&heard["duration_ms"].as_u64().expect("a duration")),
        "{heard}"
    );
    assert!(
        heard["notes"][0].as_str().expect("a note").contains("at best"),
        "{heard}"
    );

    let german = json!({"audio": {"artifact": artifact}, "language": "de"});
    let refused = world.ended(world.submit("transcription", &german).await).await;
    assert_eq!(
        refused.error.as_ref().map(|error| error.code.as_str()),
        Some("language_not_available")
    );
}

#[tokio::test]
async fn every_form_of_audio_reaches_a_provider_as_flac_and_its_words_their_segments() {
    let world = World::new().await;
    let answer = json!({"task": "transcribe", "language": "english", "duration": 3.0, "text": "One two.",
        "segments": [{"id": 0, "start": 0.0, "end": 1.0, "text": " One"}, {"id": 1, "start": 1.5, "end": 2.9, "text": " two."}],
        "words": [{"word": "One", "start": 0.1, "end": 0.9}, {"word": "two", "start": 1.6, "end": 2.8}]});
    let mock = Mock::always(Reply::json(200, answer.to_string())).await;
    let _worker = world.start_worker(&[
        ("OPENAI_API_KEY", KEY),
        ("OPENAI_BASE_URL", &mock.url("/v1")),
        ("OPENAI_TRANSCRIPTION_MODEL", "whisper-1"),
    ]);
    for extension in ["wav", "mp3", "ogg", "flac", "m4a", "aac", "mkv"] {
        let artifact = world.store(audio("", 3, extension)).await;
        let input = json!({"audio": {"artifact": artifact}, "timestamps": "word", "language": "en"});
        let heard = result(&world.ended(world.submit("transcription", &input).await).await);
        assert_eq!(
            (&heard["provider"], &heard["text"]),
            (&json!("openai"), &json!("One two.")),
            "{extension}"
        );
        assert_eq!(
            heard["segments"][1]["words"][0],
            json!({"start_ms": 1_600, "end_ms": 2_800, "text": "two"})
        );
        let duration = heard["duration_ms"].as_u64().expect("a duration");
        assert!((2_900..3_150).contains(&duration), "{extension}: {duration}");
        let cost = heard["usage"]["cost_usd"].as_f64().expect("a price");
        assert!((cost - 0.006 * duration as f64 / 60_000.0).abs() < 1e-9, "{heard}");
    }
    let request = &mock.requests()[0];
    let body = String::from_utf8_lossy(&request.body);
    for part in [
        "filename=\"audio.flac\"",
        "whisper-1",
        "verbose_json",
        "timestamp_granularities[]",
        "fLaC",
    ] {
        assert!(body.contains(part), "the form lacks {part}");
    }
}

#[tokio::test]
async fn long_audio_is_heard_in_pieces_and_its_seams_are_told_once() {
    let world = World::new().await;
    let calls = AtomicUsize::new(0);
    // Each piece says at which second it hears each word, ten seconds apart.
    let mock = Mock::start(move |_| {
        let from = calls.fetch_add(1, Ordering::Relaxed) * 592;
        let words: Vec<Value> = (0..600)
            .filter(|second| (from + second).is_multiple_of(4) && from + second < 620)
            .map(|second| json!({"word": format!("s{}", from + second), "start": second, "end": second + 1, "confidence": 0.9}))
            .collect();
        let utterance = json!({"start": 0.0, "end": 600.0, "transcript": "x", "words": words});
        let answer = json!({"metadata": {"duration": 600.0}, "results": {"utterances": [utterance],
            "channels": [{"alternatives": [{"transcript": "x", "words": words}]}]}});
        Reply::json(200, answer.to_string())
    })
    .await;
    let _worker = world.start_worker(&[("DEEPGRAM_API_KEY", KEY), ("DEEPGRAM_BASE_URL", &mock.url(""))]);
    let artifact = world.store(audio("", 620, "mp3")).await;
    let input = json!({"audio": {"artifact": artifact}, "timestamps": "word"});
    let heard = result(&world.ended(world.submit("transcription", &input).await).await);
    assert_eq!((&heard["provider"], mock.requests().len()), (&json!("deepgram"), 2));
    let segments = heard["segments"].as_array().expect("segments");
    let words: Vec<&str> = segments
        .iter()
        .flat_map(|segment| segment["words"].as_array().expect("words"))
        .map(|word| word["text"].as_str().expect("a word"))
        .collect();
    let expected: Vec<String> = (0..620).step_by(4).map(|second| format!("s{second}")).collect();
    assert_eq!(words, expected);
    assert_eq!(
        mock.requests()[0].header("authorization"),
        Some(format!("Token {KEY}").as_str())
    );
}

/// A second of silence in a WAV file of so many channels, 16 bits each.
fn wav_of(channels: u16) -> Vec<u8> {
    const RATE: u32 = 8_000;
    let frame = channels * 2;
    let bytes = RATE * u32::from(frame);
    let head: [&[u8]; 12] = [
        b"RIFF",
        &(bytes + 36).to_le_bytes(),
        b"WAVEfmt ",
        &16_u32.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &channels.to_le_bytes(),
        &RATE.to_le_bytes(),
        &bytes.to_le_bytes(),
        &frame.to_le_bytes(),
        &16_u16.to_le_bytes(),
        b"data",
        &bytes.to_le_bytes(),
    ];
    [head.concat(), vec![0; bytes as usize]].concat()
}

#[tokio::test]
async fn what_is_no_audio_and_what_has_no_sound_are_the_tasks_own_mistakes() {
    let world = World::new().await;
    let _worker = world.start_worker(&[]);
    let mut damaged = audio("", 2, "flac");
    damaged.truncate(60);
    for bytes in [
        b"RIFF\x00\x00\x00\x00WAVEjunk".to_vec(),
        damaged,
        b"#EXTM3U\nfile:///etc/passwd".to_vec(),
        wav_of(33),
    ] {
        let artifact = world.store(bytes).await;
        let task = world
            .submit("transcription", &json!({"audio": {"artifact": artifact}}))
            .await;
        let ended = world.ended(task).await;
        assert_eq!(
            ended.error.as_ref().map(|error| error.code.as_str()),
            Some("media_invalid"),
            "{ended:?}"
        );
    }
}
