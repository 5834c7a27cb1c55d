//! Redis away: liveness goes on, everything else says so, nothing is left behind.

use reqwest::StatusCode;
use serde_json::json;

use crate::pictures::{base64, png};
use crate::stage::Stage;

async fn everything_says_so(stage: &Stage) {
    for path in ["/health", "/livez"] {
        assert_eq!(stage.get(path).await.status, 200, "{path} never asks Redis");
    }
    let submit = json!({"image": {"base64": base64(&png(20, 10))}});
    let answers = [
        stage.get("/readyz").await,
        stage.get("/api/v1/tasks").await,
        stage.get("/api/v1/tasks/00000000000000000000").await,
        stage.delete("/api/v1/tasks/00000000000000000000").await,
        stage.get("/api/v1/queue/status").await,
        stage.post("/api/v1/tasks/ocr", &submit).await,
        stage.post("/api/v1/tasks/ocr?wait=30s", &submit).await,
        stage
            .post(
                "/api/v1/tasks/batch",
                &json!({"tasks": [{"kind": "ocr", "image": {"base64": base64(&png(2, 2))}}]}),
            )
            .await,
    ];
    for answer in answers {
        answer.is_refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "redis_unavailable",
            "",
            "Redis is away",
        );
        assert_eq!(answer.body["retryable"], true);
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    }
    assert_eq!(stage.stored_files(), 0);
    let detailed = stage.get("/api/v1/health/detailed").await;
    assert_eq!(
        (
            detailed.status,
            detailed.text("/status"),
            detailed.text("/checks/0/status")
        ),
        (200, "down".into(), "down".into())
    );
    let metrics = stage.get("/metrics").await;
    assert!(String::from_utf8_lossy(&metrics.bytes).contains("\nzoetrope_redis_up 0\n"));
}

#[tokio::test]
async fn an_api_without_redis_starts_and_says_so() {
    everything_says_so(&Stage::start_without_redis().await).await;
}

#[tokio::test]
async fn an_api_whose_redis_dies_says_so() {
    let mut stage = Stage::start().await;
    stage.redis.kill().await;
    everything_says_so(&stage).await;
}

#[tokio::test]
async fn uploads_and_kinds_need_no_redis_where_no_key_is_asked_for() {
    let mut stage = Stage::start().await;
    stage.redis.kill().await;
    let artifact = stage.upload(png(20, 10)).await;
    assert_eq!(stage.get(&format!("/api/v1/artifacts/{artifact}")).await.status, 200);
    assert_eq!(stage.get("/api/v1/kinds").await.status, 200);
}

#[tokio::test]
async fn a_full_redis_refuses_tasks_and_goes_on_answering() {
    let stage = Stage::start().await;
    let id = stage.echo("hi").await;
    let mut redis = stage.redis_connection().await;
    let mut limit = async |bytes: u64| {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("maxmemory").arg(bytes);
        let (): () = command.query_async(&mut redis).await.expect("Redis");
    };
    limit(1).await;
    let submit = json!({"image": {"base64": base64(&png(20, 10))}});
    let batch = json!({"tasks": [{"kind": "ocr", "image": {"base64": base64(&png(2, 2))}}]});
    for (path, body) in [("/api/v1/tasks/ocr", &submit), ("/api/v1/tasks/batch", &batch)] {
        let answer = stage.post(path, body).await;
        answer.is_refused(StatusCode::SERVICE_UNAVAILABLE, "queue_full", "", path);
        assert!(!answer.header("retry-after").is_empty());
    }
    assert_eq!(stage.stored_files(), 0);
    assert_eq!(stage.delete(&format!("/api/v1/tasks/{id}")).await.status, 200);
    limit(0).await;
    assert_eq!(stage.post("/api/v1/tasks/ocr", &submit).await.status, 202);
}
