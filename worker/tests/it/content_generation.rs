//! `content_generation` in a worker process: with a provider, without one, and with one that fails.

use serde_json::{Value, json};
use zoetrope_queue::{State, Task, TaskId};

use crate::providers::mock::{Mock, Reply};
use crate::world::World;

const KEY: &str = "sk-test-77-never-shown";

fn completion(text: &str) -> Reply {
    let delta =
        json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}], "model": "gpt-6-luna"});
    let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1_000, "completion_tokens": 100}});
    let body = format!("data: {delta}\n\ndata: {end}\n\ndata: [DONE]\n\n");
    Reply::new(200, "text/event-stream", body)
}

fn result(task: &Task) -> Value {
    assert_eq!(task.state, State::Succeeded, "{task:?}");
    serde_json::from_str(task.result.as_ref().expect("a result").get()).expect("a result is JSON")
}

fn failure(task: &Task) -> Value {
    assert_eq!(task.state, State::Failed, "{task:?}");
    serde_json::to_value(task.error.as_ref().expect("an error")).expect("an error is JSON")
}

/// The chunks that a task has told, put together by round.
async fn told(world: &World, id: TaskId) -> Vec<(u64, String)> {
    let chunks = world
        .queue
        .read_output("default", id, 0, 1_000)
        .await
        .expect("redis answers")
        .expect("the task exists");
    let mut rounds: Vec<(u64, String)> = Vec::new();
    for chunk in chunks {
        let chunk: Value = serde_json::from_str(chunk.json.get()).expect("a chunk is JSON");
        let (round, text) = (
            chunk["round"].as_u64().expect("a round"),
            chunk["text"].as_str().expect("a text"),
        );
        match rounds.last_mut() {
            Some((known, so_far)) if *known == round => *so_far += text,
            _ => rounds.push((round, text.to_owned())),
        }
    }
    rounds
}

#[tokio::test]
async fn without_a_provider_the_templates_write_and_say_so() {
    let world = World::new().await;
    let _worker = world.start_worker(&[]);
    let steps = json!([{"type": "click", "target_text": "New project"}, {"type": "type", "target_text": "Name", "value": "Apollo"}]);
    let guide = world
        .submit(
            "content_generation",
            &json!({"template": "how_to_guide", "title": "Start", "steps": steps}),
        )
        .await;
    let text = world
        .submit(
            "content_generation",
            &json!({"template": "summary", "text": "The pump broke. It rained.", "tone": "dry"}),
        )
        .await;
    let custom = world
        .submit(
            "content_generation",
            &json!({"template": "custom", "prompt": "Write a poem"}),
        )
        .await;
    let missing = world
        .submit(
            "content_generation",
            &json!({"template": "summary", "text": "x", "provider": "anthropic"}),
        )
        .await;

    let guide = result(&world.ended(guide).await);
    assert_eq!(
        (&guide["provider"], &guide["model"]),
        (&json!("template"), &json!("template:how_to_guide"))
    );
    assert_eq!(
        guide["content"],
        "# Start\n\n1. Click **New project**.\n\n2. Type `Apollo` into **Name**.\n"
    );
    let text = result(&world.ended(text).await);
    assert_eq!(
        (&text["provider"], &text["model"]),
        (&json!("template"), &json!("extractive"))
    );
    assert!(
        text["notes"][0]
            .as_str()
            .expect("a note")
            .starts_with("`tone` had no effect"),
        "{text}"
    );
    for id in [custom, missing] {
        let error = failure(&world.ended(id).await);
        assert_eq!(
            (&error["code"], &error["retryable"]),
            (&json!("provider_not_configured"), &json!(false))
        );
    }
}

#[tokio::test]
async fn a_provider_writes_its_pieces_are_told_and_the_result_names_it_with_its_cost() {
    let world = World::new().await;
    let mock = Mock::always(completion("# The pump\n\n- It broke. <script>x</script>")).await;
    let _worker = world.start_worker(&[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &mock.url("/v1"))]);
    let input = json!({"template": "summary", "text": "The pump broke.", "format": "html", "max_output_tokens": 77});
    let id = world.submit("content_generation", &input).await;
    let written = result(&world.ended(id).await);
    assert_eq!(
        (&written["provider"], &written["model"]),
        (&json!("openai"), &json!("gpt-6-luna"))
    );
    assert_eq!(
        (&written["title"], &written["finish_reason"]),
        (&json!("The pump"), &json!("stop"))
    );
    assert!(
        !written["content"].as_str().expect("text").contains("<script"),
        "{written}"
    );
    let cost = written["usage"]["cost_usd"]
        .as_f64()
        .expect("the built-in list has its price");
    assert!(
        (cost - (1_000.0 * 0.10 + 100.0 * 0.50) / 1e6).abs() < 1e-12,
        "{written}"
    );
    assert_eq!(
        told(&world, id).await,
        [(1, "# The pump\n\n- It broke. <script>x</script>".to_owned())]
    );
    let asked = mock.requests()[0].json();
    assert_eq!(
        (&asked["max_completion_tokens"], &asked["stream"]),
        (&json!(77), &json!(true))
    );
    assert!(
        asked["messages"][1]["content"]
            .as_str()
            .expect("text")
            .contains("The pump broke."),
        "{asked}"
    );
}

#[tokio::test]
async fn an_answer_of_the_wrong_form_is_sent_back_once_with_its_mistakes() {
    let world = World::new().await;
    let mock = Mock::start(|number| {
        completion(if number % 2 == 0 {
            "{\"n\": \"three\"}"
        } else {
            "{\"n\": 3}"
        })
    })
    .await;
    let never = Mock::always(completion("no json")).await;
    let worker = world.start_worker(&[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &mock.url("/v1"))]);
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["n"], "properties": {"n": {"type": "integer"}}});
    let input = json!({"template": "custom", "prompt": "Count", "text": "x", "schema": schema});
    let id = world.submit("content_generation", &input).await;
    let written = result(&world.ended(id).await);
    assert_eq!(
        (&written["structured"], &written["format"]),
        (&json!({"n": 3}), &json!("json"))
    );
    assert_eq!(written["usage"]["input_tokens"], 2_000, "both rounds are counted");
    // What the first round told, if it was told before the second began, is void.
    let rounds = told(&world, id).await;
    assert_eq!(rounds.last(), Some(&(2, "{\"n\": 3}".to_owned())));
    let requests = mock.requests();
    assert_eq!(requests[0].json()["response_format"]["json_schema"]["schema"], schema);
    let said = requests[1].json()["messages"][3]["content"].to_string();
    assert!(said.contains("at \\\"/n\\\""), "{said}");
    drop(worker);

    let _worker = world.start_worker(&[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &never.url("/v1"))]);
    let error = failure(&world.ended(world.submit("content_generation", &input).await).await);
    assert_eq!((&error["code"], never.requests().len()), (&json!("output_invalid"), 2));
}

#[tokio::test]
async fn a_provider_that_fails_gives_way_to_the_next_and_last_to_the_templates() {
    let world = World::new().await;
    let broken = Mock::always(Reply::json(
        401,
        format!("{{\"error\":{{\"message\":\"bad key {KEY}\"}}}}"),
    ))
    .await;
    let _worker = world.start_worker(&[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &broken.url("/v1"))]);
    let auto = world
        .submit(
            "content_generation",
            &json!({"template": "summary", "text": "One. Two."}),
        )
        .await;
    let named = json!({"template": "summary", "text": "One. Two.", "provider": "openai"});
    let named = world.submit("content_generation", &named).await;
    let auto = result(&world.ended(auto).await);
    assert_eq!(
        (&auto["provider"], &auto["fell_back"]),
        (
            &json!("template"),
            &json!([{"provider": "openai", "code": "provider_unauthorized"}])
        )
    );
    let error = failure(&world.ended(named).await);
    assert_eq!(
        (&error["code"], &error["provider"]),
        (&json!("provider_unauthorized"), &json!("openai"))
    );
    assert!(!error.to_string().contains(KEY), "{error}");
}

#[tokio::test]
async fn a_picture_is_made_anew_before_a_model_sees_it() {
    let world = World::new().await;
    let mock = Mock::always(completion("# A picture")).await;
    let _worker = world.start_worker(&[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &mock.url("/v1"))]);
    let mut png = Vec::new();
    image::RgbaImage::from_pixel(3_000, 10, image::Rgba([10, 200, 30, 255]))
        .write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png)
        .expect("a picture is written");
    let artifact = world.store(png).await;
    let input = json!({"template": "summary", "media": {"artifact": artifact}});
    let written = result(&world.ended(world.submit("content_generation", &input).await).await);
    assert_eq!(written["title"], "A picture");
    let sent = mock.requests()[0].json()["messages"][1]["content"][1]["image_url"]["url"].clone();
    let (kind, data) = sent.as_str().expect("a URL").split_once(',').expect("a data URL");
    assert_eq!(kind, "data:image/jpeg;base64");
    let jpeg = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data).expect("base64");
    let seen = image::load_from_memory(&jpeg).expect("a JPEG").into_rgb8();
    assert_eq!(seen.dimensions(), (1_568, 5));
    let [r, g, b] = seen.get_pixel(700, 2).0;
    assert!(r < 40 && g > 180 && b < 60, "{r} {g} {b}");
}
