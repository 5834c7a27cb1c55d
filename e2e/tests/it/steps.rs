//! Steps of recordings, from the upload to the screenshots.

use reqwest::StatusCode;
use serde_json::{Value, json};
use zoetrope_e2e::{Stage, recording};

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_told_step_by_step_with_screenshots() {
    let stage = Stage::builder().start().await;
    let film = recording::scrolled_and_typed(stage.dir());
    let answer = stage
        .http
        .post_file("/api/v1/tasks/step_detection", "film.mp4", film)
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let task = stage.http.until_ended(&answer.id()).await;
    let result = &task["result"];
    let steps = result["steps"].as_array().cloned().unwrap_or_default();
    let told: Vec<(&Value, &Value)> = steps.iter().map(|step| (&step["index"], &step["type"])).collect();
    assert_eq!(
        told,
        [(&json!(0), &json!("scroll")), (&json!(1), &json!("type"))],
        "{task}"
    );
    assert_eq!(steps[0]["value"], recording::SCROLLED.to_string(), "{task}");
    assert_eq!(
        (&result["width"], &result["height"]),
        (&json!(640), &json!(400)),
        "{task}"
    );
    assert_eq!(
        (&result["provider"], &result["pointer"]),
        (&json!("local"), &json!(false)),
        "{task}"
    );
    for step in &steps {
        let (start, end) = (step["t_ms"].as_u64(), step["end_ms"].as_u64());
        assert!(start.is_some() && start <= end, "{step}");
        assert!(step["description"].is_string(), "{step}");
        for picture in ["before", "after"] {
            let id = step[picture].as_str().unwrap_or_else(|| panic!("{picture} of {step}"));
            let artifact = stage.http.get(&format!("/api/v1/artifacts/{id}")).await;
            assert_eq!(artifact.status, StatusCode::OK, "{picture} of {step}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_still_recording_has_no_steps_and_what_is_no_recording_fails_once() {
    let stage = Stage::builder().start().await;
    let film = recording::still(stage.dir());
    let still = stage
        .http
        .post_file("/api/v1/tasks/step_detection", "still.mp4", film.clone())
        .await;
    let cut = stage
        .http
        .post_file("/api/v1/tasks/step_detection", "cut.mp4", &film[..film.len() / 2])
        .await;
    let task = stage.http.until_ended(&still.id()).await;
    assert_eq!(
        (&task["state"], &task["result"]["steps"]),
        (&json!("succeeded"), &json!([])),
        "{task}"
    );
    let task = stage.http.until_ended(&cut.id()).await;
    assert_eq!(
        (&task["state"], &task["error"]["code"]),
        (&json!("failed"), &json!("media_invalid")),
        "{task}"
    );
    assert_eq!(task["attempt"], 1, "{task}");
}
