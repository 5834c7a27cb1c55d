//! Windows of a video described by a vision model: what it is shown, when it is not asked, what is said when it fails.

use base64::Engine;
use serde_json::{Value, json};
use zoetrope_queue::{State, Task, TaskId};
use zoetrope_shared::ledger::{Cap, Ledger, Period};
use zoetrope_shared::redis_link::RedisLink;
use zoetrope_shared::tenant::Tenant;

use crate::films::Films;
use crate::process::get;
use crate::providers::mock::{Mock, Reply};
use crate::world::{WorkerProcess, World};

const KEY: &str = "sk-test-17-never-shown";
/// Something new in every frame.
const MOVING: &str = "-f lavfi -i testsrc2=size=1920x1080:rate=4";
/// A picture that stays.
const STILL: &str = "-f lavfi -i smptebars=size=640x360:rate=5";
const ENCODED: &str = "-c:v libx264 -preset ultrafast -g 4 -pix_fmt yuv420p";

fn completion(text: &str, tokens: u64) -> Reply {
    let answer = json!({
        "model": "gpt-6-luna-2026-09-22",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": 20},
    });
    Reply::json(200, answer.to_string())
}

fn start(world: &World, mock: &Mock, more: &[(&str, &str)]) -> WorkerProcess {
    let base = mock.url("/v1");
    let mut variables = vec![("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", base.as_str())];
    variables.extend(more);
    world.start_worker(&variables)
}

/// A film of so many seconds, in windows of one, as a task.
async fn watch(world: &World, picture: &str, seconds: u32, more: &Value) -> TaskId {
    let films = Films::new();
    let film = films.make("film.mp4", &format!("{picture} -t {seconds} {ENCODED}"));
    let artifact = world.store(std::fs::read(film).expect("ffmpeg wrote it")).await;
    let mut input = json!({"media": {"artifact": artifact}, "window": {"size_s": 1}});
    let fields = more.as_object().expect("fields").clone();
    input.as_object_mut().expect("an object").extend(fields);
    world.submit("stream_ingest", &input).await
}

async fn scenes(world: &World, id: TaskId) -> Vec<Value> {
    let read = world.queue.read_output("default", id, 0, 500).await;
    let chunks = read.expect("redis answers").expect("the task exists");
    let scenes = chunks.iter().map(|chunk| serde_json::from_str(chunk.json.get()));
    scenes.map(|scene| scene.expect("scenes are JSON")).collect()
}

fn result(task: &Task) -> Value {
    assert_eq!(task.state, State::Succeeded, "{task:?}");
    serde_json::from_str(task.result.as_ref().expect("a result").get()).expect("a result is JSON")
}

fn error_code(task: &Task) -> &str {
    assert_eq!(task.state, State::Failed, "{task:?}");
    &task.error.as_ref().expect("an error").code
}

/// `described`, or why not, of each scene.
fn words(scenes: &[Value]) -> Vec<&str> {
    let whys = scenes.iter().map(|scene| scene["why_local"].as_str());
    whys.map(|why| why.unwrap_or("described")).collect()
}

fn codes(scene: &Value) -> &str {
    scene["fell_back"][0]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn each_window_of_a_video_is_shown_to_the_model_in_turn_and_small() {
    let world = World::new().await;
    let mock = Mock::start(|number| completion(&format!("Scene {number}. "), 900)).await;
    let worker = start(&world, &mock, &[]);
    let id = watch(&world, MOVING, 4, &json!({"prompt": "What moves?", "fps": 2})).await;
    let ended = result(&world.ended(id).await);
    let scenes = scenes(&world, id).await;
    let said: Vec<_> = scenes.iter().map(|scene| scene["description"].as_str()).collect();
    assert_eq!(
        said,
        [Some("Scene 0."), Some("Scene 1."), Some("Scene 2."), Some("Scene 3.")]
    );
    let first = &scenes[0];
    assert_eq!(
        (&first["provider"], &first["model"], &first["usage"]["input_tokens"]),
        (&json!("openai"), &json!("gpt-6-luna-2026-09-22"), &json!(900)),
        "{first}"
    );
    assert!(
        first["motion"].is_number() && first["colors"].is_array(),
        "what is found stays: {first}"
    );
    let model = &ended["counts"]["model"];
    assert_eq!(
        (&model["described"], &ended["provider"]),
        (&json!(4), &json!("openai")),
        "{ended}"
    );
    assert!(
        model["cost_usd"]
            .as_f64()
            .is_some_and(|usd| (0.000_39..0.000_41).contains(&usd)),
        "{model}"
    );

    let asked: Vec<Value> = mock.requests().iter().map(|request| request.json()).collect();
    let parts = asked[1]["messages"][1]["content"].as_array().expect("parts");
    let urls: Vec<_> = parts
        .iter()
        .filter_map(|part| part["image_url"]["url"].as_str())
        .collect();
    assert_eq!(urls.len(), 2, "two frames a second");
    for url in urls {
        let data = url.strip_prefix("data:image/jpeg;base64,").expect("a JPEG");
        let jpeg = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
        let picture = image::load_from_memory(&jpeg).expect("a picture");
        assert_eq!((picture.width(), picture.height()), (1024, 576));
    }
    let said = asked[1]["messages"][1]["content"].to_string();
    for part in ["taken at 1000, 1500 ms", "What moves?", "Scene 0."] {
        assert!(said.contains(part), "{part}: {said:.300}");
    }
    let counted = get(&worker.health, "/metrics");
    assert!(
        counted.contains("zoetrope_stream_windows_total{outcome=\"described\"} 4\n"),
        "{counted}"
    );
}

#[tokio::test]
async fn an_answer_may_be_json_of_a_schema() {
    let world = World::new().await;
    let mock = Mock::always(completion("```json\n{\"moving\": 3}\n```", 900)).await;
    let _worker = start(&world, &mock, &[]);
    let schema = json!({"type": "object", "required": ["moving"], "additionalProperties": false, "properties": {"moving": {"type": "integer"}}});
    let id = watch(&world, MOVING, 1, &json!({"schema": schema})).await;
    result(&world.ended(id).await);
    let scene = scenes(&world, id).await.remove(0);
    assert_eq!(
        (&scene["structured"], &scene["description"]),
        (&json!({"moving": 3}), &json!("{\"moving\":3}")),
        "{scene}"
    );
}

#[tokio::test]
async fn a_picture_that_stays_is_described_once() {
    let world = World::new().await;
    let mock = Mock::always(completion("Bars.", 900)).await;
    let _worker = start(&world, &mock, &[]);
    let id = watch(&world, STILL, 4, &json!({"prompt": "What is it?"})).await;
    let ended = result(&world.ended(id).await);
    let scenes = scenes(&world, id).await;
    assert_eq!(words(&scenes), ["described", "still", "still", "still"], "{ended}");
    assert_eq!(
        (mock.requests().len(), &scenes[1]["provider"]),
        (1, &json!("local")),
        "{:?}",
        scenes[1]
    );
}

#[tokio::test]
async fn a_budget_is_kept_by_asking_less_often_and_scenes_say_so() {
    let world = World::new().await;
    // A call of a million tokens costs ten cents, which come in within 3.6 s of film.
    let mock = Mock::always(completion("Seen.", 1_000_000)).await;
    let _worker = start(&world, &mock, &[]);
    let id = watch(
        &world,
        MOVING,
        8,
        &json!({"prompt": "What moves?", "budget_usd_per_hour": 100}),
    )
    .await;
    let ended = result(&world.ended(id).await);
    let scenes = scenes(&world, id).await;
    let (paid, dear) = ("described", "over_budget");
    assert_eq!(
        words(&scenes),
        [paid, dear, dear, paid, dear, dear, dear, paid],
        "{ended}"
    );
    assert_eq!(
        (mock.requests().len(), &scenes[1]["provider"]),
        (3, &json!("local")),
        "{:?}",
        scenes[1]
    );
    assert_eq!(ended["counts"]["model"]["over_budget"], 5, "{ended}");
}

#[tokio::test]
async fn a_model_that_fails_leaves_its_windows_to_the_local_describer_and_the_stream_goes_on() {
    let world = World::new().await;
    let mock = Mock::start(|number| match number {
        0 => Reply::json(401, r#"{"error":{"message":"bad key"}}"#),
        1 => Reply::json(400, r#"{"error":{"message":"no such picture"}}"#),
        _ => completion("Seen.", 900),
    })
    .await;
    let _worker = start(&world, &mock, &[]);
    let id = watch(&world, MOVING, 3, &json!({"prompt": "What moves?"})).await;
    let ended = result(&world.ended(id).await);
    let scenes = scenes(&world, id).await;
    assert_eq!(words(&scenes), ["failed", "failed", "described"], "{ended}");
    let codes: Vec<&str> = scenes[..2].iter().map(codes).collect();
    assert_eq!(codes, ["provider_unauthorized", "provider_refused"], "{scenes:?}");
    assert_eq!(scenes[0]["fell_back"][0]["provider"], "openai");
}

#[tokio::test]
async fn another_provider_answers_before_the_local_describer_does() {
    let world = World::new().await;
    let mock = Mock::start(|number| match number {
        0 => Reply::json(401, r#"{"error":{"message":"bad key"}}"#),
        _ => Reply::json(
            200,
            json!({"model": "claude-haiku-5-5", "content": [{"type": "text", "text": "Seen."}],
                "stop_reason": "end_turn", "usage": {"input_tokens": 7, "output_tokens": 5}})
            .to_string(),
        ),
    })
    .await;
    let anthropic = mock.url("");
    let _worker = start(
        &world,
        &mock,
        &[("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", anthropic.as_str())],
    );
    let id = watch(
        &world,
        MOVING,
        1,
        &json!({"provider": "openai", "fallback": ["anthropic"]}),
    )
    .await;
    result(&world.ended(id).await);
    let scene = scenes(&world, id).await.remove(0);
    assert_eq!(
        (&scene["provider"], &scene["description"], codes(&scene)),
        (&json!("anthropic"), &json!("Seen."), "provider_unauthorized"),
        "{scene}"
    );
}

#[tokio::test]
async fn at_the_tenants_spend_cap_windows_are_described_locally() {
    let world = World::new().await;
    let mock = Mock::always(completion("Seen.", 2_000_000)).await;
    let _worker = start(&world, &mock, &[]);
    let link = RedisLink::at(zoetrope_queue::ConnectOptions::new(world.redis_url()));
    let ledger = Ledger::new(link, std::sync::Arc::new(zoetrope_queue::SystemClock), None);
    let cap = Cap {
        nano_usd: 100_000_000,
        period: Period::Month,
    };
    let capped = ledger.set_cap(&Tenant::default_tenant(), Some(cap)).await;
    capped.expect("redis answers");
    let id = watch(&world, MOVING, 3, &json!({"prompt": "What moves?"})).await;
    let ended = result(&world.ended(id).await);
    let scenes = scenes(&world, id).await;
    assert_eq!(words(&scenes), ["described", "failed", "failed"], "{ended}");
    assert_eq!(
        (codes(&scenes[1]), mock.requests().len()),
        ("spend_cap_reached", 1),
        "{scenes:?}"
    );
}

#[tokio::test]
async fn who_wants_a_model_where_there_is_none_is_told_at_once() {
    let world = World::new().await;
    let _worker = world.start_worker(&[]);
    let asked = watch(&world, STILL, 1, &json!({"prompt": "What is it?"})).await;
    let named = watch(&world, STILL, 1, &json!({"provider": "gemini"})).await;
    for id in [asked, named] {
        assert_eq!(error_code(&world.ended(id).await), "provider_not_configured");
    }
    let anyone = watch(&world, STILL, 1, &json!({"provider": "auto"})).await;
    assert_eq!(result(&world.ended(anyone).await)["provider"], "local");
    assert!(scenes(&world, anyone).await[0]["why_local"].is_null());
}

#[tokio::test]
async fn a_budget_is_refused_for_a_model_whose_price_nobody_knows() {
    let world = World::new().await;
    let mock = Mock::always(completion("Seen.", 900)).await;
    let _worker = start(&world, &mock, &[]);
    let input = json!({"prompt": "What moves?", "model": "somebodys-own", "budget_usd_per_hour": 1});
    let id = watch(&world, MOVING, 1, &input).await;
    assert_eq!(error_code(&world.ended(id).await), "model_unpriced");
    assert!(mock.requests().is_empty());
}
