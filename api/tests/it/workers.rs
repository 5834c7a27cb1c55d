//! The workers: who may see them, and draining one by its name.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::auth_keys::Keys;
use crate::stage::{Answer, Stage};

const WORKERS: &str = "/api/v1/workers";

#[tokio::test]
async fn a_worker_is_drained_by_its_name_and_gives_back_what_it_holds() {
    let stage = Stage::start().await;
    let mut worker = stage.worker().await;
    let id = stage.echo("hold").await;
    assert_eq!(worker.has_started().await, id);

    let listed = stage.get(WORKERS).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    let only = &listed.body["items"][0];
    assert_eq!(
        (
            &only["name"],
            &only["kinds"],
            &only["draining"],
            listed.body["items"].as_array().map(Vec::len)
        ),
        (&json!("test"), &json!(["echo"]), &json!(false), Some(1)),
        "{listed:?}"
    );
    assert!(only["seen_ms_ago"].is_u64() && only["running"].is_u64(), "{only}");

    let told = stage.post("/api/v1/workers/test/drain", &Value::Null).await;
    assert_eq!((told.status, &told.body["draining"]), (202, &json!(true)), "{told:?}");
    worker.ends().await;
    assert_eq!(stage.get(&format!("/api/v1/tasks/{id}")).await.text("/state"), "queued");
    let gone = stage.post("/api/v1/workers/test/drain", &Value::Null).await;
    gone.is_refused(StatusCode::NOT_FOUND, "not_found", "", "it has signed off");
    assert_eq!(stage.get(WORKERS).await.body["items"], json!([]));
}

#[tokio::test]
async fn workers_are_the_operators_alone() {
    let stage = Stage::start().await;
    let operator = Keys::first(&stage).await;
    let alice = operator
        .make(&stage, json!({"tenant": "alice", "scopes": ["admin:*"]}))
        .await;
    for (method, path) in [(Method::GET, WORKERS), (Method::POST, "/api/v1/workers/test/drain")] {
        let answer = Answer::of(stage.request(method, path).bearer_auth(&alice)).await;
        answer.is_refused(StatusCode::FORBIDDEN, "forbidden", "", path);
    }
    assert_eq!(operator.get(&stage, WORKERS).await.body["items"], json!([]));
}

#[tokio::test]
async fn what_the_routes_do_not_take_is_refused() {
    let stage = Stage::start().await;
    for name in ["nobody", "w%0A1", "..%2F..", "%00"] {
        let answer = stage.post(&format!("/api/v1/workers/{name}/drain"), &Value::Null).await;
        answer.is_refused(StatusCode::NOT_FOUND, "not_found", "", name);
    }
    let answer = stage.get("/api/v1/workers?limit=1").await;
    answer.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "unknown_field",
        "?limit",
        "a parameter",
    );
}
