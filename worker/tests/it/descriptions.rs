//! `scene_description`, and the feature `description` of `image_analysis`, in a worker process: by a vision model, without
//! one, and with one that fails.

use serde_json::{Value, json};
use zoetrope_queue::{State, Task};

use crate::providers::mock::{Mock, Reply};
use crate::vocabulary::fixture;
use crate::world::World;

const KEY: &str = "sk-test-91-never-shown";

fn completion(text: &str) -> Reply {
    let answer = json!({
        "model": "gpt-6-luna",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 20},
    });
    Reply::json(200, answer.to_string())
}

fn result(task: &Task) -> Value {
    assert_eq!(task.state, State::Succeeded, "{task:?}");
    serde_json::from_str(task.result.as_ref().expect("a result").get()).expect("a result is JSON")
}

fn error_code(task: &Task) -> &str {
    assert_eq!(task.state, State::Failed, "{task:?}");
    &task.error.as_ref().expect("an error").code
}

/// What was sent as pictures, each as the beginning of its data URL.
fn pictures(request: &Value) -> Vec<String> {
    let parts = request["messages"][1]["content"].as_array().expect("parts");
    let urls = parts.iter().filter_map(|part| part["image_url"]["url"].as_str());
    urls.map(|url| url.chars().take(23).collect()).collect()
}

#[tokio::test]
async fn a_vision_model_is_asked_about_a_scene_with_pictures_made_anew() {
    let world = World::new().await;
    let mock = Mock::always(completion("The gate is open. ")).await;
    let _worker = world.start_worker(&[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &mock.url("/v1"))]);
    let (light, dark) = (
        world.store(fixture("screen.png")).await,
        world.store(fixture("dark.png")).await,
    );
    let input = json!({
        "frames": [{"artifact": light}, {"artifact": dark}],
        "t_ms": [0, 1_500],
        "prompt": "Is the gate open?",
        "previous": "The gate is shut.",
    });
    let scene = result(&world.ended(world.submit("scene_description", &input).await).await);
    assert_eq!(
        (&scene["description"], &scene["provider"], &scene["model"]),
        (&json!("The gate is open."), &json!("openai"), &json!("gpt-6-luna"))
    );
    assert_eq!(scene["usage"]["input_tokens"], 900);
    let asked = mock.requests()[0].json();
    assert_eq!(pictures(&asked), ["data:image/jpeg;base64,"; 2]);
    let said = asked["messages"][1]["content"].to_string();
    for part in ["taken at 0, 1500 ms", "The gate is shut.", "Is the gate open?"] {
        assert!(said.contains(part), "{part}: {said:.300}");
    }
}

#[tokio::test]
async fn a_description_of_an_image_can_be_json_of_a_schema() {
    let world = World::new().await;
    let mock = Mock::always(completion("{\"people\": 2}")).await;
    let _worker = world.start_worker(&[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &mock.url("/v1"))]);
    let schema = json!({"type": "object", "required": ["people"], "additionalProperties": false, "properties": {"people": {"type": "integer"}}});
    let image = world.store(fixture("screen.png")).await;
    let input = json!({"image": {"artifact": image}, "features": ["hash", "description"], "schema": schema});
    let found = result(&world.ended(world.submit("image_analysis", &input).await).await);
    let described = &found["description"];
    assert_eq!(
        (&described["structured"], &described["provider"]),
        (&json!({"people": 2}), &json!("openai"))
    );
    assert!(found["hash"].is_object() && found["provider"] == "local", "{found}");
}

#[tokio::test]
async fn without_a_provider_a_description_is_made_of_what_is_found_and_a_question_fails() {
    let world = World::new().await;
    let _worker = world.start_worker(&[]);
    let image = world.store(fixture("screen.png")).await;
    let scene = json!({"frames": [{"artifact": image}]});
    let scene = result(&world.ended(world.submit("scene_description", &scene).await).await);
    let sentence = scene["description"].as_str().expect("text");
    assert!(
        sentence.starts_with("A picture of ") && sentence.contains("It reads: "),
        "{sentence}"
    );
    assert_eq!(
        (&scene["provider"], &scene["model"]),
        (&json!("local"), &json!("colors+tesseract"))
    );
    let described = json!({"image": {"artifact": image}, "features": ["description"]});
    let found = result(&world.ended(world.submit("image_analysis", &described).await).await);
    assert_eq!(found["description"]["text"], scene["description"]);

    let question = json!({"frames": [{"artifact": image}], "prompt": "Who is it?"});
    let question = world.ended(world.submit("scene_description", &question).await).await;
    assert_eq!(error_code(&question), "provider_not_configured");
    let gone = json!({"frames": [{"artifact": "aaaaaaaaaaaaaaaaaaaaaaaaaa"}]});
    let gone = world.ended(world.submit("scene_description", &gone).await).await;
    assert_eq!(error_code(&gone), "media_missing");
}

#[tokio::test]
async fn a_vision_model_that_fails_gives_way_to_what_is_found() {
    let world = World::new().await;
    let broken = Mock::always(Reply::json(401, "{\"error\":{\"message\":\"bad key\"}}")).await;
    let _worker = world.start_worker(&[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &broken.url("/v1"))]);
    let image = world.store(fixture("screen.png")).await;
    let scene = json!({"frames": [{"artifact": image}]});
    let scene = result(&world.ended(world.submit("scene_description", &scene).await).await);
    assert_eq!(
        (&scene["provider"], &scene["fell_back"]),
        (
            &json!("local"),
            &json!([{"provider": "openai", "code": "provider_unauthorized"}])
        )
    );
    let question = json!({"frames": [{"artifact": image}], "prompt": "Who is it?"});
    let question = world.ended(world.submit("scene_description", &question).await).await;
    assert_eq!(error_code(&question), "provider_unauthorized");
}

#[tokio::test]
async fn a_remembered_description_is_of_the_same_picture_to_the_last_byte() {
    let world = World::new().await;
    let mock = Mock::always(completion("A window.")).await;
    let _worker = world.start_worker(&[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &mock.url("/v1"))]);
    let mut told = Vec::new();
    for picture in ["screen.png", "screen.png", "dark.png"] {
        let image = world.store(fixture(picture)).await;
        let input = json!({"image": {"artifact": image}, "features": ["description"], "cache": true});
        let analysed = result(&world.ended(world.submit("image_analysis", &input).await).await);
        assert_eq!(analysed["description"]["text"], "A window.", "{analysed}");
        told.push((
            analysed["description"]["usage"]["cached"] == true,
            mock.requests().len(),
        ));
    }
    assert_eq!(told, [(false, 1), (true, 1), (false, 2)]);
}
