//! The ACL user of the manual is enough for api, worker and fsck: nothing they do is refused to it.

use reqwest::StatusCode;
use serde_json::json;
use zoetrope_e2e::{Provider, ProviderAnswer, Stage, Viewer};
use zoetrope_queue::{ConnectOptions, FsckMode, Queue};

use crate::live_view::watched;
use crate::stream_records::{created, steer, until};

/// The rule as operators copy it from the manual.
fn documented_rule() -> Vec<String> {
    let manual = include_str!("../../../docs/src/operations.md");
    let line = manual
        .lines()
        .find_map(|line| line.strip_prefix("ACL SETUSER zoetrope on >PASSWORD "))
        .expect("the manual should name the rule");
    line.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_redis_user_is_all_that_api_worker_and_fsck_need() {
    let provider = Provider::start(ProviderAnswer::text("Done.")).await;
    let stage = Stage::builder()
        .redis_user("s3cret", documented_rule())
        .env("OPENAI_API_KEY", "k")
        .env("OPENAI_BASE_URL", &provider.url("/v1"))
        .env("PROVIDER_LIMITS", "openai:requests=600:tokens=60000")
        .env("SPEND_CAP_USD", "1")
        .start()
        .await;
    let http = &stage.http;
    let id = http
        .submit(
            "echo",
            &json!({"input": {"message": "hello"}, "unique_key": "once", "expires_in": "1h"}),
        )
        .await;
    assert_eq!(http.until_ended(&id).await["state"], "succeeded");
    let batch = json!({"tasks": [
        {"kind": "echo", "input": {"message": "a"}, "fairness_key": "a"},
        {"kind": "echo", "input": {"message": "b"}, "delay": 3600},
    ]});
    let answer = http
        .post_with("/api/v1/tasks/batch", &[("idempotency-key", "batch")], &batch)
        .await;
    assert!(answer.status.is_success(), "{}", answer.body);
    let asleep = http
        .submit("echo", &json!({"input": {"message": "long", "sleep_ms": 60_000}}))
        .await;
    http.until(&asleep, |task| task["state"] == "running").await;
    http.delete(&format!("/api/v1/tasks/{asleep}")).await;
    assert_eq!(http.until_ended(&asleep).await["state"], "canceled");
    for _ in 0..2 {
        let input = json!({"template": "summary", "text": "One.", "provider": "openai", "cache": true});
        let id = http.submit("content-generation", &json!({"input": input})).await;
        assert_eq!(http.until_ended(&id).await["state"], "succeeded");
    }
    assert_eq!(provider.calls(), 1);
    let stream = created(&stage, json!({"url": "rtsp://camera.example.com/live"})).await;
    steer(&stage, &stream, "start").await;
    until(&stage, &stream, |status| status["cause"] == "network").await;
    let path = format!("/api/v1/streams/{stream}");
    http.text(&format!("{path}/snapshot")).await;
    let viewer = Viewer::open(http, &format!("{path}/live")).await;
    while watched(&stage).await == 0 {}
    drop(viewer);
    assert_eq!(http.delete(&path).await.status, StatusCode::NO_CONTENT);
    http.post("/api/v1/queue/ocr/pause", &json!(null)).await;
    http.post("/api/v1/queue/ocr/resume", &json!(null)).await;
    for path in [
        "/api/v1/tasks",
        "/api/v1/streams",
        "/api/v1/queue/status",
        "/api/v1/queue/rules",
        "/api/v1/tenants/default/backlog",
        "/api/v1/tenants/default/spend",
        "/api/v1/usage",
        "/api/v1/providers",
        "/api/v1/workers",
        "/api/v1/health/detailed",
        "/readyz",
        "/metrics",
    ] {
        assert!(!http.text(path).await.is_empty(), "{path}");
    }
    let mut options = ConnectOptions::new(stage.redis.url());
    options.login.username = Some("zoetrope".to_owned());
    options.login.password = Some("s3cret".to_owned());
    let queue = Queue::connect(options).await.expect("redis should let it in");
    let report = queue.fsck(FsckMode::Fix).await.expect("nothing is refused to fsck");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(stage.redis.refusals().await, Vec::<String>::new());
    // It is told of what is refused.
    stage.redis.run(&["ACL", "SETUSER", "zoetrope", "-scan"]).await;
    queue.fsck(FsckMode::Check).await.expect_err("SCAN is refused");
    assert_eq!(stage.redis.refusals().await, ["scan"]);
}
