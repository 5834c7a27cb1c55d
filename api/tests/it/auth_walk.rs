//! The authorisation walk: every route of the `OpenAPI` document as no one, as a foreign tenant, with a key that lacks
//! the scope. Whatever a later change adds to the document is walked too.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::auth_keys::Keys;
use crate::pictures::png;
use crate::stage::{Answer, Stage};

const SCOPES: [&str; 3] = ["tasks:read", "tasks:write", "streams:*"];

/// One operation of the document.
struct Route {
    method: Method,
    path: String,
    /// The scopes that the document names; `None` for a public route.
    takes: Option<Vec<String>>,
}

/// Every operation, ids filled in.
fn routes(document: &Value, id: &str) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let ways = operation["security"]
                .as_array()
                .unwrap_or_else(|| panic!("{method} {path} says nothing of security"));
            let named = ways.iter().filter_map(|way| way["bearer"][0].as_str());
            let is_free = ways.is_empty() || ways.contains(&json!({}));
            routes.push(Route {
                method: method.to_uppercase().parse().expect("a method"),
                path: path
                    .replace("{id}", id)
                    .replace("{kind}", "echo")
                    .replace("{name}", "no-such-worker"),
                takes: (!is_free).then(|| named.map(str::to_owned).collect()),
            });
        }
    }
    assert!(routes.len() > 20, "only {} routes were found", routes.len());
    routes
}

async fn walk(stage: &Stage, id: &str) -> Vec<Route> {
    let document = stage.get("/api/v1/openapi.json").await;
    assert_eq!(document.status, 200);
    routes(&document.body, id)
}

#[tokio::test]
async fn no_one_gets_in_but_where_everybody_may() {
    let stage = Stage::start().await;
    let keys = Keys::first(&stage).await;
    for route in walk(&stage, "00000000000000000000").await {
        let label = format!("{} {}", route.method, route.path);
        let answer = Answer::of(stage.request(route.method, &route.path)).await;
        if route.takes.is_none() {
            assert!(answer.status < 400, "{label}: {answer:?}");
            continue;
        }
        answer.is_refused(StatusCode::UNAUTHORIZED, "unauthenticated", "", &label);
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{label}");
    }
    assert_eq!(keys.get(&stage, "/api/v1/tasks").await.body["items"], json!([]));
}

#[tokio::test]
async fn a_key_without_the_scope_is_forbidden_on_every_route() {
    let stage = Stage::start().await;
    let admin = Keys::first(&stage).await;
    for scope in SCOPES {
        let key = admin
            .make(&stage, json!({"scopes": [scope], "requests_per_second": 1_000}))
            .await;
        for route in walk(&stage, "00000000000000000000").await {
            let Some(takes) = route.takes else { continue };
            let label = format!("{} {} with {scope}", route.method, route.path);
            let answer = Answer::of(stage.request(route.method, &route.path).bearer_auth(&key)).await;
            if takes.iter().any(|taken| taken == scope) {
                assert!(![401, 403].contains(&answer.status), "{label}: {answer:?}");
            } else {
                answer.is_refused(StatusCode::FORBIDDEN, "forbidden", "", &label);
            }
        }
    }
}

#[tokio::test]
async fn what_is_foreign_is_not_found_on_every_route_with_an_id() {
    let stage = Stage::start().await;
    let admin = Keys::first(&stage).await;
    let everything = json!(["tasks:read", "tasks:write", "streams:*", "admin:*"]);
    let alice = admin
        .make(&stage, json!({"tenant": "alice", "scopes": everything}))
        .await;
    let bob = admin.make(&stage, json!({"tenant": "bob", "scopes": everything})).await;
    let submit = stage
        .request(Method::POST, "/api/v1/tasks/echo")
        .json(&json!({"message": "hi"}));
    let task = Answer::of(submit.bearer_auth(&alice)).await.text("/id");
    let upload = stage.request(Method::POST, "/api/v1/uploads").body(png(20, 10));
    let artifact = Answer::of(upload.bearer_auth(&alice)).await.text("/artifact");
    let stream = stage
        .request(Method::POST, "/api/v1/streams")
        .json(&json!({"url": "rtsp://camera.example.com/live"}));
    let stream = Answer::of(stream.bearer_auth(&alice)).await.text("/id");
    let key = alice.split('_').nth(1).expect("an id").to_owned();
    let mut tried = 0;
    for id in [&task, &artifact, &stream, &key] {
        for route in walk(&stage, id)
            .await
            .into_iter()
            .filter(|route| route.path.contains(id))
        {
            let label = format!("{} {}", route.method, route.path);
            let answer = Answer::of(stage.request(route.method, &route.path).bearer_auth(&bob)).await;
            answer.is_refused(StatusCode::NOT_FOUND, "not_found", "", &label);
            tried += 1;
        }
    }
    assert!(tried >= 12, "tried {tried}");
    let own = Answer::of(
        stage
            .request(Method::GET, &format!("/api/v1/tasks/{task}"))
            .bearer_auth(&alice),
    )
    .await;
    assert_eq!((own.status, own.text("/state")), (200, "queued".to_owned()));
}

#[tokio::test]
async fn lists_show_only_what_is_ones_own() {
    let stage = Stage::start().await;
    let admin = Keys::first(&stage).await;
    let alice = admin
        .make(&stage, json!({"tenant": "alice", "scopes": ["admin:*"]}))
        .await;
    let submit = stage
        .request(Method::POST, "/api/v1/tasks/echo")
        .json(&json!({"message": "hi"}));
    assert_eq!(Answer::of(submit.bearer_auth(&alice)).await.status, 202);
    assert_eq!(admin.get(&stage, "/api/v1/tasks").await.body["items"], json!([]));
    assert_eq!(
        admin.get(&stage, "/api/v1/keys").await.body["items"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    let seen = Answer::of(stage.request(Method::GET, "/api/v1/keys").bearer_auth(&alice)).await;
    assert_eq!(seen.body["items"].as_array().map(Vec::len), Some(1));
    let foreign = json!({"tenant": "default", "scopes": ["admin:*"]});
    let request = stage
        .request(Method::POST, "/api/v1/keys")
        .json(&foreign)
        .bearer_auth(&alice);
    Answer::of(request)
        .await
        .is_refused(StatusCode::FORBIDDEN, "forbidden", "", "another tenant's key");
}

#[tokio::test]
async fn a_live_stream_takes_its_own_scope() {
    let stage = Stage::start().await;
    let admin = Keys::first(&stage).await;
    let writer = admin.make(&stage, json!({"scopes": ["tasks:write"]})).await;
    let streamer = admin.make(&stage, json!({"scopes": ["streams:*"]})).await;
    let post = async |key: &str, path: &str, body: &Value| {
        Answer::of(stage.request(Method::POST, path).json(body).bearer_auth(key)).await
    };
    let stream = json!({"input": {"url": "rtsp://camera.example/live"}});
    let (echo, batch) = (json!({"message": "hi"}), json!({"tasks": [{"kind": "stream_ingest"}]}));
    for path in ["/api/v1/tasks/stream-ingest", "/api/v1/tasks/stream_ingest"] {
        assert_eq!(post(&writer, path, &stream).await.status, 403, "{path}");
        assert_ne!(post(&streamer, path, &stream).await.status, 403, "{path}");
    }
    assert_eq!(post(&streamer, "/api/v1/tasks/echo", &echo).await.status, 403);
    let refused = post(&writer, "/api/v1/tasks/batch", &batch).await;
    assert_eq!(refused.text("/items/0/error/code"), "forbidden");
}
