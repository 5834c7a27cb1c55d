//! The ACL user of the manual is enough for api and worker: nothing they do is refused to it.

use serde_json::json;
use zoetrope_e2e::Stage;

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
async fn the_documented_redis_user_is_all_that_api_and_worker_need() {
    let stage = Stage::builder().redis_user(&documented_rule()).start().await;
    let http = &stage.http;
    let body = json!({"input": {"message": "hello", "sleep_ms": 1}});
    let id = http.submit("echo", &body).await;
    assert_eq!(http.until_ended(&id).await["state"], "succeeded");
    let batch = json!({"tasks": [
        {"kind": "echo", "input": {"message": "a"}},
        {"kind": "echo", "input": {"message": "b"}, "delay": 3600},
    ]});
    let answer = http
        .post_with("/api/v1/tasks/batch", &[("idempotency-key", "batch")], &batch)
        .await;
    assert!(answer.status.is_success(), "{}", answer.body);
    let upload = http.post_file("/api/v1/uploads", "a.txt", "not media").await;
    assert!(upload.status.as_u16() < 500, "{}", upload.body);
    let asleep = http
        .submit("echo", &json!({"input": {"message": "long", "sleep_ms": 60_000}}))
        .await;
    http.until(&asleep, |task| task["state"] == "running").await;
    let canceled = http.post(&format!("/api/v1/tasks/{asleep}/cancel"), &json!({})).await;
    assert!(canceled.status.is_success(), "{}", canceled.body);
    http.until_ended(&asleep).await;
    for path in [
        "/api/v1/tasks",
        "/api/v1/queue/status",
        "/api/v1/workers",
        "/api/v1/health/detailed",
        "/readyz",
        "/metrics",
    ] {
        assert!(!http.text(path).await.is_empty(), "{path}");
    }
    let key = http.post("/api/v1/keys", &json!({"name": "app"})).await;
    assert!(key.status.is_success(), "{}", key.body);
    let ready = http.text("/readyz").await;
    assert!(ready.contains("by unix socket, durability none"), "{ready}");
    assert_eq!(stage.redis.refusals().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_the_documented_rule_is_refused_to_it() {
    let stage = Stage::builder().redis_user(&documented_rule()).workers(0).start().await;
    for command in ["FLUSHALL", "KEYS *", "GET other", "CONFIG SET maxmemory 1", "ACL LIST"] {
        let refused = stage.redis.as_user(command).await.expect_err(command);
        assert_eq!(refused.code(), Some("NOPERM"), "{command}: {refused}");
    }
}
