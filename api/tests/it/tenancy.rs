//! Tenants see and touch only their own.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use crate::pictures::png;
use crate::stage::{Answer, Stage, TENANT};

async fn of(tenant: &str, request: RequestBuilder) -> Answer {
    Answer::of(request.header(TENANT, tenant)).await
}

#[tokio::test]
async fn a_foreign_task_is_not_found_on_any_route() {
    let stage = Stage::start().await;
    let made = of(
        "alice",
        stage
            .request(Method::POST, "/api/v1/tasks/echo")
            .json(&json!({"message": "secret", "tags": ["t"]})),
    )
    .await;
    let path = format!("/api/v1/tasks/{}", made.text("/id"));
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::GET, format!("{path}?wait=1s")),
        (Method::DELETE, path.clone()),
    ] {
        let answer = of("bob", stage.request(method, &path)).await;
        answer.is_refused(StatusCode::NOT_FOUND, "not_found", "", &path);
    }
    for query in ["", "?tag=t", "?q=echo", "?state=queued"] {
        let listed = of("bob", stage.request(Method::GET, &format!("/api/v1/tasks{query}"))).await;
        assert_eq!(listed.body, json!({"items": [], "next_cursor": null}));
    }
    assert_eq!(
        of("alice", stage.request(Method::GET, &path)).await.text("/state"),
        "queued"
    );
}

#[tokio::test]
async fn every_documented_route_with_an_id_hides_what_is_foreign() {
    let stage = Stage::start().await;
    let task = of(
        "alice",
        stage
            .request(Method::POST, "/api/v1/tasks/echo")
            .json(&json!({"message": "hi"})),
    )
    .await;
    let upload = of(
        "alice",
        stage.request(Method::POST, "/api/v1/uploads").body(png(20, 10)),
    )
    .await;
    let stream = of(
        "alice",
        stage
            .request(Method::POST, "/api/v1/streams")
            .json(&json!({"url": "rtsp://camera.example.com/live"})),
    )
    .await;
    let document = stage.get("/api/v1/openapi.json").await.body;
    let mut tried = 0;
    for (path, operations) in document["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .filter(|(path, _)| path.contains("{id}"))
    {
        for method in operations.as_object().expect("operations").keys() {
            for id in [task.text("/id"), upload.text("/artifact"), stream.text("/id")] {
                let method: Method = method.to_uppercase().parse().expect("a method");
                let answer = of("bob", stage.request(method, &path.replace("{id}", &id))).await;
                answer.is_refused(StatusCode::NOT_FOUND, "not_found", "", path);
                tried += 1;
            }
        }
    }
    assert!(tried >= 6, "tried {tried}");
}

#[tokio::test]
async fn a_foreign_artifact_cannot_be_read_or_used() {
    let stage = Stage::start().await;
    let upload = of(
        "alice",
        stage.request(Method::POST, "/api/v1/uploads").body(png(20, 10)),
    )
    .await;
    let id = upload.text("/artifact");
    let path = format!("/api/v1/artifacts/{id}");
    of("bob", stage.request(Method::GET, &path))
        .await
        .is_refused(StatusCode::NOT_FOUND, "not_found", "", "reading");
    assert_eq!(of("bob", stage.request(Method::HEAD, &path)).await.status, 404);
    let body = json!({"image": {"artifact": id}});
    let used = of("bob", stage.request(Method::POST, "/api/v1/tasks/ocr").json(&body)).await;
    used.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "media_invalid",
        "/image/artifact",
        "using",
    );
    assert_eq!(of("alice", stage.request(Method::GET, &path)).await.status, 200);
}

#[tokio::test]
async fn idempotency_keys_of_tenants_are_apart() {
    let stage = Stage::start().await;
    let submit = |tenant| {
        of(
            tenant,
            stage
                .request(Method::POST, "/api/v1/tasks/echo")
                .header("idempotency-key", "k")
                .json(&json!({"message": tenant})),
        )
    };
    let (alice, bob) = (submit("alice").await, submit("bob").await);
    assert_eq!((alice.status, bob.status), (202, 202));
    assert_ne!(alice.text("/id"), bob.text("/id"));
}

#[tokio::test]
async fn a_request_of_nobody_is_forbidden() {
    let stage = Stage::start().await;
    let answer = of("no/tenant", stage.request(Method::GET, "/api/v1/tasks")).await;
    answer.is_refused(StatusCode::FORBIDDEN, "forbidden", "", "a tenant that is none");
}
