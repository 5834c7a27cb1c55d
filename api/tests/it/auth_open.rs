//! When no key is asked for: on loopback while there is none, and with `AUTH=none`; and what happens elsewhere.

use std::collections::HashMap;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::auth_keys::Keys;
use crate::stage::{Answer, Stage};

#[tokio::test]
async fn on_loopback_without_a_key_credentials_are_ignored() {
    let stage = Stage::start().await;
    for value in ["", "Bearer nonsense", "Basic eDp5"] {
        let request = stage
            .request(Method::GET, "/api/v1/tasks")
            .header("authorization", value);
        assert_eq!(Answer::of(request).await.status, 200, "{value}");
    }
}

#[tokio::test]
async fn the_first_key_closes_the_api_and_its_revocation_does_not_open_it() {
    let stage = Stage::start().await;
    for body in [
        json!({}),
        json!({"scopes": ["tasks:read"]}),
        json!({"scopes": ["admin:*"], "expires_in": "1h"}),
    ] {
        let refused = stage.post("/api/v1/keys", &body).await;
        refused.is_refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_input",
            "/scopes",
            "it would lock us out",
        );
    }
    assert_eq!(stage.get("/api/v1/tasks").await.status, 200);
    let keys = Keys::first(&stage).await;
    assert_eq!(stage.get("/api/v1/tasks").await.status, 401);
    let id = keys.admin.split('_').nth(1).expect("an id");
    let request = stage.request(Method::DELETE, &format!("/api/v1/keys/{id}"));
    assert_eq!(Answer::of(request.bearer_auth(&keys.admin)).await.status, 200);
    assert_eq!(stage.get("/api/v1/tasks").await.status, 401);
}

#[tokio::test]
async fn probes_scrapers_and_the_documentation_need_no_key_on_loopback() {
    let stage = Stage::start().await;
    Keys::first(&stage).await;
    for path in [
        "/",
        "/livez",
        "/health",
        "/readyz",
        "/docs/",
        "/api/v1/openapi.json",
        "/metrics",
        "/api/v1/health/detailed",
    ] {
        assert_eq!(stage.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn where_others_can_reach_it_the_api_makes_one_key_and_asks_for_it() {
    let stage = Stage::start_with(&[("HOST", "0.0.0.0")]).await;
    while stage.get("/readyz").await.status != 200 {}
    for path in ["/api/v1/tasks", "/metrics", "/api/v1/health/detailed", "/api/v1/keys"] {
        assert_eq!(stage.get(path).await.status, 401, "{path}");
    }
    for path in ["/livez", "/readyz", "/docs/", "/api/v1/openapi.json"] {
        assert_eq!(stage.get(path).await.status, 200, "{path}");
    }
    let mut redis = stage.redis_connection().await;
    let mut kept = HashMap::<String, String>::new();
    while kept.is_empty() {
        let mut all = redis::cmd("HGETALL");
        kept = all
            .arg(zoetrope_shared::keys::API_KEYS)
            .query_async(&mut redis)
            .await
            .expect("the keys");
    }
    let record = kept.values().next().expect("one");
    assert!(kept.len() == 1 && record.contains("\"admin:*\""), "{kept:?}");
}

#[tokio::test]
async fn auth_none_opens_everything_on_purpose() {
    let stage = Stage::start_with(&[("HOST", "0.0.0.0"), ("AUTH", "none")]).await;
    Keys::first(&stage).await;
    for path in ["/api/v1/tasks", "/metrics", "/api/v1/keys"] {
        let request = stage
            .request(Method::GET, path)
            .header("authorization", "Bearer nonsense");
        assert_eq!(Answer::of(request).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn with_keys_nobody_gets_in_while_redis_is_away() {
    let mut stage = Stage::start().await;
    let keys = Keys::first(&stage).await;
    stage.redis.kill().await;
    let mut answer = keys.get(&stage, "/api/v1/kinds").await;
    while answer.status == 200 {
        answer = keys.get(&stage, "/api/v1/kinds").await;
    }
    answer.is_refused(
        StatusCode::SERVICE_UNAVAILABLE,
        "redis_unavailable",
        "",
        "keys cannot be looked up",
    );
    assert_eq!(stage.get("/livez").await.status, 200);
}

#[tokio::test]
async fn without_keys_a_page_cannot_reach_the_api_by_a_name_of_its_own() {
    let stage = Stage::start_with(&[("HOST", "0.0.0.0"), ("AUTH", "none")]).await;
    for host in ["127.0.0.1:8000", "api:8000", "192.168.1.5"] {
        let request = stage.request(Method::GET, "/api/v1/tasks").header("host", host);
        assert_eq!(Answer::of(request).await.status, 200, "{host}");
    }
    for (host, origin) in [
        ("evil.example:8000", Some("http://evil.example:8000")),
        ("evil.example", None),
        ("127.0.0.1:8000", Some("http://evil.example:8000")),
    ] {
        let request = stage.request(Method::POST, "/api/v1/tasks/echo").header("host", host);
        let request = origin
            .into_iter()
            .fold(request, |request, origin| request.header("origin", origin));
        let answer = Answer::of(request.json(&json!({"message": "hi"}))).await;
        answer.is_refused(StatusCode::FORBIDDEN, "forbidden", "", host);
    }
    stage.nothing_is_left("foreign pages").await;
}
