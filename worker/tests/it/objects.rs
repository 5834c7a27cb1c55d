//! `objects` and `faces` of `image_analysis` in a worker process: by a provider, by the operator's network, by one after
//! the other, and drawn on the image.

use std::sync::Arc;

use serde_json::{Value, json};
use zoetrope_queue::{State, SystemClock, Task};
use zoetrope_shared::config::{Settings, Sources};
use zoetrope_shared::tenant::Tenant;
use zoetrope_worker::services::Services;

use crate::detection::{library, squares};
use crate::onnx_network::{Export, network};
use crate::pixels::decoded;
use crate::providers::mock::{Mock, Reply};
use crate::vocabulary::{fixture, pool, work};
use crate::world::World;

const KEY: &str = "rf-test-17-never-shown";

/// One object in the middle of whatever was sent.
fn answer(confidence: f64) -> Reply {
    let found = json!({
        "image": {"width": 200, "height": 100},
        "predictions": [{"x": 100.0, "y": 50.0, "width": 100.0, "height": 50.0, "confidence": confidence, "class": "shop", "class_id": 0}],
    });
    Reply::json(200, found.to_string())
}

fn result(task: &Task) -> Value {
    assert_eq!(task.state, State::Succeeded, "{task:?}");
    serde_json::from_str(task.result.as_ref().expect("a result").get()).expect("a result is JSON")
}

fn error(task: &Task) -> (&str, &str) {
    assert_eq!(task.state, State::Failed, "{task:?}");
    let error = task.error.as_ref().expect("an error");
    (&error.code, &error.message)
}

async fn done(world: &World, input: &Value) -> Task {
    world.ended(world.submit("image_analysis", input).await).await
}

#[tokio::test]
async fn a_provider_finds_objects_and_they_are_drawn_on_the_image() {
    let world = World::new().await;
    let mock = Mock::always(answer(0.875)).await;
    let _worker = world.start_worker(&[("ROBOFLOW_API_KEY", KEY), ("ROBOFLOW_BASE_URL", &mock.url(""))]);
    let image = world.store(fixture("screen.png")).await;
    let input = json!({"image": {"artifact": image}, "features": ["objects", "hash"], "annotate": true});
    let found = result(&done(&world, &input).await);
    // The screen has 640 x 230 pixels.
    let expected = json!([{"label": "shop", "confidence": 0.875, "bbox": [160, 58, 320, 115]}]);
    assert_eq!(found["objects"], expected, "{found}");
    let by = &found["made_by"];
    let authors = [
        &by["objects"]["provider"],
        &by["objects"]["model"],
        &by["hash"]["provider"],
    ];
    assert_eq!(authors, [&json!("roboflow"), &json!("rfdetr-small"), &json!("local")]);
    assert_eq!(by["objects"]["usage"]["images"], 1);
    let asked = mock.requests()[0].json();
    let sent = asked["image"]["value"].as_str().expect("a picture in base64");
    assert!(sent.starts_with("/9j/"), "it was made anew as JPEG: {sent:.20}");

    let id = found["annotated"].as_str().expect("an id");
    let stored = world.artifacts.read(&Tenant::default_tenant(), id, 1 << 20).await;
    let stored = stored.expect("the folder is ours").expect("it is stored");
    let drawn = decoded(&stored).into_rgb8();
    assert_eq!(drawn.dimensions(), (640, 230));
    let orange = |x, y| drawn.get_pixel(x, y)[0] > 200 && drawn.get_pixel(x, y)[2] < 90;
    assert!(
        orange(320, 57) && orange(159, 100) && orange(480, 100),
        "the sides of the box"
    );
    assert!(!orange(320, 100) && !orange(100, 100));
}

#[tokio::test]
async fn a_provider_that_fails_gives_way_to_the_operators_network() {
    let world = World::new().await;
    let files = tempfile::tempdir().expect("there is room for a folder");
    let model = files.path().join("squares.onnx");
    std::fs::write(
        &model,
        network(Export {
            rows: false,
            names: true,
        }),
    )
    .expect("the folder is ours");
    let refusing = Mock::always(Reply::json(401, r#"{"message":"Unauthorized api_key"}"#)).await;
    let _worker = world.start_worker(&[
        ("ROBOFLOW_API_KEY", KEY),
        ("ROBOFLOW_BASE_URL", &refusing.url("")),
        ("DETECTOR_MODEL", model.to_str().expect("a path of ours")),
        ("ONNXRUNTIME_LIBRARY", library().to_str().expect("a path of ours")),
    ]);
    let image = world.store(squares()).await;
    let labels = |found: &Value| -> Vec<Value> {
        let objects = found["objects"].as_array().expect("objects were asked for");
        objects.iter().map(|object| object["label"].clone()).collect()
    };
    let found = result(&done(&world, &json!({"image": {"artifact": image}, "features": ["objects"]})).await);
    assert_eq!(labels(&found), ["red square", "blue square"], "{found}");
    let by = &found["made_by"]["objects"];
    let refused = json!([{"provider": "roboflow", "code": "provider_unauthorized"}]);
    assert_eq!((&by["provider"], &by["fell_back"]), (&json!("onnx"), &refused));

    let own = json!({"image": {"artifact": image}, "detector": "onnx"});
    let found = result(&done(&world, &own).await);
    assert_eq!(labels(&found).len(), 2);
    assert!(
        found["colors"].is_array() && found["made_by"]["objects"]["fell_back"].is_null(),
        "{found}"
    );
    let theirs = json!({"image": {"artifact": image}, "detector": "roboflow"});
    let failed = done(&world, &theirs).await;
    assert_eq!(error(&failed).0, "provider_unauthorized");
    let then_own = json!({"image": {"artifact": image}, "detector": "roboflow", "detector_fallback": ["onnx"]});
    assert_eq!(labels(&result(&done(&world, &then_own).await)).len(), 2);
}

#[tokio::test]
async fn without_any_detector_the_failure_says_what_to_set() {
    let world = World::new().await;
    let _worker = world.start_worker(&[]);
    let image = world.store(fixture("screen.png")).await;
    for (detector, needed) in [
        ("auto", "ROBOFLOW_API_KEY"),
        ("onnx", "DETECTOR_MODEL"),
        ("roboflow", "`roboflow`"),
    ] {
        let input = json!({"image": {"artifact": image}, "features": ["objects"], "detector": detector});
        let failed = done(&world, &input).await;
        let (code, message) = error(&failed);
        assert_eq!(code, "provider_not_configured");
        assert!(message.contains(needed), "{detector}: {message}");
    }
}

#[tokio::test]
async fn a_worker_does_not_start_with_a_model_that_is_not_there() {
    let open = |name: &str, value: &str| {
        let given = [
            ("DETECTOR_MODEL", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")),
            (name, value),
        ];
        let sources = Sources {
            environment: given.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..Sources::default()
        };
        let settings = Settings::from_sources(&sources).expect("the settings are valid");
        Services::open(&settings, Arc::new(SystemClock))
            .err()
            .map(|error| format!("{error:#}"))
    };
    for name in [
        "DETECTOR_MODEL",
        "DETECTOR_LABELS",
        "ONNXRUNTIME_LIBRARY",
        "WHISPER_MODEL",
    ] {
        let refused = open(name, "/nowhere/at-all").expect("there is no such file");
        assert!(
            refused.contains(name) && refused.contains("/nowhere/at-all"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_face_is_found_where_it_is_and_a_screen_has_none() {
    let (pool, _) = pool();
    let faces = json!({"features": ["faces"]});
    let found = work(&pool, "image_analysis", fixture("face.jpg"), faces.clone()).await;
    let found = found.expect("the picture is sound");
    let [face] = found["faces"].as_array().expect("faces were asked for").as_slice() else {
        panic!("one face was expected: {found}");
    };
    let [x, y, width, height]: [u32; 4] = serde_json::from_value(face["bbox"].clone()).expect("four numbers");
    // Eyes at (145, 100) and (188, 103), chin at 185.
    assert!((95..135).contains(&x) && (50..95).contains(&y), "{face}");
    assert!((70..130).contains(&width) && (70..140).contains(&height), "{face}");
    assert!(face["confidence"].as_f64().expect("a number") > 0.8, "{face}");
    assert_eq!(found["made_by"]["faces"]["provider"], "local");
    let none = work(&pool, "image_analysis", fixture("screen.png"), faces).await;
    assert_eq!(none.expect("the screen is sound")["faces"], json!([]));
}
