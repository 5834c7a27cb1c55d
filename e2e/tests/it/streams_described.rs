//! Live streams with a prompt: what a model describes, and what becomes of windows while it is slow, down, or its worker
//! is killed.

use std::time::Duration;

use serde_json::{Value, json};
use zoetrope_e2e::{Provider, ProviderAnswer, RtspServer, Stage};

use crate::streams::{scenes, stage};

const SAID: &str = "A ball flies to the left.";
const KEY: &str = "sk-e2e-41-never-shown";

async fn watched_by(provider: &Provider, workers: usize) -> Stage {
    let builder = stage().workers(workers).env("LEASE_SECONDS", "1");
    let builder = builder
        .env("OPENAI_API_KEY", KEY)
        .env("OPENAI_BASE_URL", &provider.url("/v1"));
    builder.start().await
}

async fn start(stage: &Stage, server: &RtspServer) -> String {
    let input = json!({"url": server.url("/h264"), "window": {"size_s": 1}, "prompt": "What does the ball do?"});
    stage.http.submit("stream_ingest", &json!({"input": input})).await
}

/// The scenes so far; at most 200.
async fn written(stage: &Stage, id: &str) -> Vec<Value> {
    let page = stage.http.get(&format!("/api/v1/tasks/{id}/scenes?limit=200")).await;
    page.body["items"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| panic!("{}", page.body))
}

/// The scenes once one of them is as wanted.
async fn until_scene(stage: &Stage, id: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut more_than = 0;
    loop {
        let task = stage.http.until(id, |task| scenes(task) > more_than).await;
        more_than = scenes(&task);
        let all = written(stage, id).await;
        if all.iter().any(&wanted) {
            return all;
        }
    }
}

fn is_by_model(scene: &Value) -> bool {
    scene["provider"] == "openai"
}

fn is_local_for(scene: &Value, why: &str) -> bool {
    scene["provider"] == "local" && scene["why_local"] == why
}

fn assert_each_once(scenes: &[Value]) {
    let numbers: Vec<_> = scenes.iter().map(|scene| scene["seq"].as_u64()).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "positions should rise: {numbers:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_a_prompt_is_described_by_the_model_and_paid_by_its_tenant() {
    let server = RtspServer::start(&[]).await;
    let provider = Provider::start(ProviderAnswer::description(SAID)).await;
    let stage = watched_by(&provider, 1).await;
    let id = start(&stage, &server).await;
    let all = until_scene(&stage, &id, is_by_model).await;
    let scene = all.iter().find(|scene| is_by_model(scene)).expect("it is there");
    assert_eq!(
        (&scene["description"], &scene["model"], &scene["usage"]["input_tokens"]),
        (&json!(SAID), &json!("gpt-6-luna"), &json!(900)),
        "{scene}"
    );
    let usage = stage.http.get("/api/v1/usage?group=provider,capability").await.body;
    let row = &usage["items"][0];
    assert_eq!(
        (&row["provider"], &row["capability"]),
        (&json!("openai"), &json!("vision")),
        "{usage}"
    );
    stage.http.delete(&format!("/api/v1/tasks/{id}")).await;
    assert_eq!(stage.http.until_ended(&id).await["state"], "canceled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_model_gets_only_the_latest_window() {
    let server = RtspServer::start(&[]).await;
    let slow = ProviderAnswer::description(SAID).after(Duration::from_millis(2_500));
    let provider = Provider::start(slow).await;
    let stage = watched_by(&provider, 1).await;
    let id = start(&stage, &server).await;
    let by_model_late = |scene: &Value| is_by_model(scene) && scene["totals"]["model"]["replaced"].as_u64() >= Some(2);
    let all = until_scene(&stage, &id, by_model_late).await;
    assert_each_once(&all);
    assert_eq!(provider.most_at_once(), 1, "one description at a time");
    let described = all.iter().filter(|scene| is_by_model(scene)).count();
    let asked = provider.calls();
    assert!(
        (described..=described + 2).contains(&asked),
        "{asked} calls for {described} scenes"
    );
    assert!(all.iter().any(|scene| is_local_for(scene, "replaced")), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_provider_is_down_scenes_are_local_and_afterwards_the_model_is_back() {
    let server = RtspServer::start(&[]).await;
    let down = ProviderAnswer::json(503, r#"{"error":{"message":"overloaded"}}"#);
    let provider = Provider::start(down).await;
    let stage = watched_by(&provider, 1).await;
    let id = start(&stage, &server).await;
    let all = until_scene(&stage, &id, |scene| is_local_for(scene, "failed")).await;
    let failed = all
        .iter()
        .find(|scene| is_local_for(scene, "failed"))
        .expect("it is there");
    assert_eq!(
        failed["fell_back"],
        json!([{"provider": "openai", "code": "provider_unavailable"}]),
        "{failed}"
    );
    let message = |task: &Value| task["progress"]["message"].as_str().unwrap_or_default().to_owned();
    stage
        .http
        .until(&id, |task| message(task).starts_with("live, model fails: "))
        .await;
    provider.answer(ProviderAnswer::description(SAID));
    let all = until_scene(&stage, &id, is_by_model).await;
    assert_each_once(&all);
    stage.http.until(&id, |task| message(task).starts_with("live: ")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_while_the_model_thinks_leaves_no_scene_twice() {
    let server = RtspServer::start(&[]).await;
    let slow = ProviderAnswer::description(SAID).after(Duration::from_millis(1_500));
    let provider = Provider::start(slow).await;
    let mut stage = watched_by(&provider, 1).await;
    let id = start(&stage, &server).await;
    for _ in 0..3 {
        let before = until_scene(&stage, &id, is_by_model).await.len();
        stage.workers[0].kill().await;
        stage.workers[0].restart();
        let last = before as u64;
        let newer = move |scene: &Value| is_by_model(scene) && scene["totals"]["scenes"].as_u64() > Some(last);
        assert_each_once(&until_scene(&stage, &id, newer).await);
    }
    let all = written(&stage, &id).await;
    let last = all.last().expect("there are scenes");
    assert_eq!(
        last["totals"]["scenes"],
        all.len() as u64,
        "counts go over to the next worker: {last}"
    );
    let described = all.iter().filter(|scene| is_by_model(scene)).count();
    assert_eq!(last["totals"]["model"]["described"], described as u64, "{last}");
}
