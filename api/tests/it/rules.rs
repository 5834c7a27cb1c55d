//! Limits, pauses and drains, and who may set them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::auth_keys::Keys;
use crate::stage::{Answer, Stage};

const ECHO: &str = "/api/v1/tasks/echo";

async fn put(stage: &Stage, path: &str, body: &Value) -> Answer {
    Answer::of(stage.request(Method::PUT, path).json(body)).await
}

#[tokio::test]
async fn a_paused_kind_takes_tasks_and_runs_them_once_it_is_resumed() {
    let stage = Stage::start().await;
    let paused = stage.post("/api/v1/queue/echo/pause", &Value::Null).await;
    assert_eq!(
        (paused.status, paused.text("/flow")),
        (200, "paused".to_owned()),
        "{paused:?}"
    );
    let _worker = stage.worker().await;
    let id = stage.echo("hi").await;
    let other = stage.post(&format!("{ECHO}?wait=1ms"), &json!({"message": "hi"})).await;
    assert_eq!(other.status, 202);
    let resumed = stage.post("/api/v1/queue/echo/resume", &Value::Null).await;
    assert_eq!((resumed.status, resumed.text("/flow")), (200, "open".to_owned()));
    let task = stage.get(&format!("/api/v1/tasks/{id}?wait=30s")).await;
    assert_eq!(task.text("/state"), "succeeded");
    assert_eq!(stage.get("/api/v1/queue/rules").await.body["items"], json!([]));
}

#[tokio::test]
async fn a_kind_that_is_drained_refuses_new_tasks_with_503() {
    let stage = Stage::start().await;
    let id = stage.echo("before").await;
    assert_eq!(
        stage.post("/api/v1/queue/echo/drain", &Value::Null).await.text("/flow"),
        "draining"
    );
    let refused = stage.post(ECHO, &json!({"message": "after"})).await;
    refused.is_refused(StatusCode::SERVICE_UNAVAILABLE, "queue_full", "", "it is being drained");
    assert!(!refused.header("retry-after").is_empty());
    let batch = json!({"tasks": [{"kind": "echo", "input": {"message": "after"}}]});
    let batch = stage.post("/api/v1/tasks/batch", &batch).await;
    assert_eq!(batch.body["items"][0]["error"]["code"], "queue_full", "{batch:?}");
    let _worker = stage.worker().await;
    let task = stage.get(&format!("/api/v1/tasks/{id}?wait=30s")).await;
    assert_eq!(task.text("/state"), "succeeded");
}

#[tokio::test]
async fn limits_are_set_shown_and_lifted() {
    let stage = Stage::start().await;
    let limits = json!({"concurrency": 4, "rate": {"count": 10, "period": "1s"}});
    let kind = put(&stage, "/api/v1/queue/image-analysis/limits", &limits).await;
    assert_eq!(kind.status, 200, "{kind:?}");
    let shown = json!({"kind": "image_analysis", "tenant": null, "fairness_key": null, "each_key": false, "flow": "open",
        "concurrency": 4, "rate": {"count": 10, "period_ms": 1_000}});
    assert_eq!(kind.body, shown);
    let key = put(
        &stage,
        "/api/v1/tenants/acme/limits?fairness_key=a:1",
        &json!({"concurrency": 1}),
    )
    .await;
    assert_eq!(key.body["fairness_key"], "a:1");
    let each = put(
        &stage,
        "/api/v1/tenants/acme/limits",
        &json!({"rate": {"count": 1, "period": 60}}),
    )
    .await;
    assert_eq!(
        (&each.body["each_key"], &each.body["rate"]["period_ms"]),
        (&json!(true), &json!(60_000))
    );
    let listed = stage.get("/api/v1/queue/rules").await;
    assert_eq!(
        listed.body["items"],
        json!([kind.body, key.body, each.body]),
        "{listed:?}"
    );
    for path in [
        "/api/v1/queue/image-analysis/limits",
        "/api/v1/tenants/acme/limits?fairness_key=a:1",
        "/api/v1/tenants/acme/limits",
    ] {
        let lifted = put(&stage, path, &json!({"concurrency": null})).await;
        assert_eq!((lifted.status, &lifted.body["concurrency"]), (200, &Value::Null));
    }
    assert_eq!(stage.get("/api/v1/queue/rules").await.body["items"], json!([]));
}

#[tokio::test]
async fn a_tenant_and_one_of_its_keys_are_paused_and_resumed() {
    let stage = Stage::start().await;
    let (tenant, key) = ("/api/v1/tenants/default", "?fairness_key=slow");
    for path in [format!("{tenant}/pause"), format!("{tenant}/pause{key}")] {
        assert_eq!(stage.post(&path, &Value::Null).await.text("/flow"), "paused");
    }
    let _worker = stage.worker().await;
    let task = json!({"input": {"message": "hi"}, "fairness_key": "slow"});
    let slow = stage.post(ECHO, &task).await;
    assert_eq!(slow.text("/fairness_key"), "slow");
    let quick = stage.echo("hi").await;
    stage.post(&format!("{tenant}/resume"), &Value::Null).await;
    let ended = stage.get(&format!("/api/v1/tasks/{quick}?wait=30s")).await;
    assert_eq!(ended.text("/state"), "succeeded");
    let slow = slow.text("/id");
    assert_eq!(
        stage.get(&format!("/api/v1/tasks/{slow}")).await.text("/state"),
        "queued"
    );
    let only = stage.get("/api/v1/tasks?fairness_key=slow").await;
    assert_eq!(only.body["items"].as_array().map(Vec::len), Some(1));
    stage.post(&format!("{tenant}/resume{key}"), &Value::Null).await;
    let ended = stage.get(&format!("/api/v1/tasks/{slow}?wait=30s")).await;
    assert_eq!(ended.text("/state"), "succeeded");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let stage = Stage::start().await;
    let wrong = [
        ("/api/v1/queue/echo/limits", json!({"concurrency": 0}), "/concurrency"),
        ("/api/v1/queue/echo/limits", json!({"concurrency": "4"}), "/concurrency"),
        ("/api/v1/queue/echo/limits", json!({"rate": 5}), "/rate"),
        (
            "/api/v1/queue/echo/limits",
            json!({"rate": {"count": 5}}),
            "/rate/period",
        ),
        (
            "/api/v1/queue/echo/limits",
            json!({"rate": {"count": 0, "period": 1}}),
            "/rate",
        ),
        (
            "/api/v1/queue/echo/limits",
            json!({"rate": {"count": 1, "period": "31d"}}),
            "/rate",
        ),
        ("/api/v1/queue/echo/limits", json!([]), ""),
        (
            "/api/v1/tenants/acme/limits?fairness_key=a%20b",
            json!({}),
            "?fairness_key",
        ),
    ];
    for (path, body, pointer) in wrong {
        let answer = put(&stage, path, &body).await;
        answer.is_refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_input",
            pointer,
            &body.to_string(),
        );
    }
    let unknown = put(&stage, "/api/v1/queue/echo/limits", &json!({"most": 1})).await;
    unknown.is_refused(StatusCode::UNPROCESSABLE_ENTITY, "unknown_field", "/most", "a field");
    for (path, code) in [
        ("/api/v1/queue/nothing/pause", "unknown_kind"),
        ("/api/v1/queue/echo/stop", "not_found"),
        ("/api/v1/tenants/acme/drain", "not_found"),
        ("/api/v1/tenants/a:b/pause", "not_found"),
    ] {
        let answer = stage.post(path, &Value::Null).await;
        answer.is_refused(StatusCode::NOT_FOUND, code, "", path);
    }
}

#[tokio::test]
async fn rules_are_the_operators_alone() {
    let stage = Stage::start().await;
    let operator = Keys::first(&stage).await;
    let alice = operator
        .make(&stage, json!({"tenant": "alice", "scopes": ["admin:*"]}))
        .await;
    for (method, path) in [
        (Method::GET, "/api/v1/queue/rules"),
        (Method::POST, "/api/v1/queue/echo/pause"),
        (Method::POST, "/api/v1/tenants/alice/resume"),
        (Method::PUT, "/api/v1/queue/echo/limits"),
        (Method::PUT, "/api/v1/tenants/alice/limits"),
    ] {
        let request = stage.request(method, path).json(&json!({"concurrency": 1}));
        let answer = Answer::of(request.bearer_auth(&alice)).await;
        answer.is_refused(StatusCode::FORBIDDEN, "forbidden", "", path);
    }
    assert_eq!(
        operator.get(&stage, "/api/v1/queue/rules").await.body["items"],
        json!([])
    );
}

#[tokio::test]
async fn a_task_that_waits_says_every_reason_and_one_that_runs_its_worker() {
    let stage = Stage::start().await;
    stage.post("/api/v1/queue/echo/pause", &Value::Null).await;
    stage.echo("first").await;
    let id = stage.echo("hold").await;
    let why = format!("/api/v1/tasks/{id}/why");
    let waits = stage.get(&why).await;
    let codes = |answer: &Answer| {
        let causes = answer.body["causes"].as_array().expect("causes");
        causes.iter().map(|cause| cause["code"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&waits), ["kind_paused", "no_worker", "behind"], "{waits:?}");
    assert_eq!(
        (waits.text("/state"), &waits.body["causes"][2]["tasks"]),
        ("queued".to_owned(), &json!(1))
    );
    let mut worker = stage.worker().await;
    stage.post("/api/v1/queue/echo/resume", &Value::Null).await;
    while worker.has_started().await != id {}
    let runs = stage.get(&why).await;
    assert_eq!(
        (runs.text("/state"), runs.text("/worker")),
        ("running".to_owned(), "test".to_owned())
    );
    assert!(runs.text("/renewed_at") < runs.text("/lease_until"), "{runs:?}");
    assert_eq!(codes(&runs), Vec::<Value>::new());
    let foreign = stage.request(Method::GET, &why).header(crate::stage::TENANT, "other");
    Answer::of(foreign)
        .await
        .is_refused(StatusCode::NOT_FOUND, "not_found", "", "a foreign task");
}

#[tokio::test]
async fn a_tenant_has_no_more_in_the_queue_than_it_may() {
    let stage = Stage::start().await;
    let path = "/api/v1/tenants/default/backlog";
    let usual = stage.get(path).await;
    let expected =
        json!({"tenant": "default", "tasks": 0, "bytes": 0, "most_tasks": 1_000_000, "most_bytes": 4_294_967_296_u64});
    assert_eq!(usual.body, expected);
    let each = put(&stage, "/api/v1/queue/backlog", &json!({"most_tasks": 2})).await;
    assert_eq!(
        (each.status, &each.body["tenant"], &each.body["most_tasks"]),
        (200, &Value::Null, &json!(2))
    );
    let id = stage.echo("hi").await;
    let pair =
        json!({"tasks": [{"kind": "echo", "input": {"message": "a"}}, {"kind": "echo", "input": {"message": "b"}}]});
    let batch = stage.post("/api/v1/tasks/batch", &pair).await;
    batch.is_refused(
        StatusCode::SERVICE_UNAVAILABLE,
        "queue_full",
        "",
        "a batch that does not fit",
    );
    assert!(!batch.header("retry-after").is_empty());
    stage.echo("ho").await;
    let task = json!({"input": {"message": "hi"}});
    let full = stage.post(ECHO, &task).await;
    full.is_refused(StatusCode::SERVICE_UNAVAILABLE, "queue_full", "", "one task more");
    assert_eq!(full.body["retryable"], true);
    assert!(!full.header("retry-after").is_empty());
    assert_eq!(stage.get(path).await.body["tasks"], 2);
    stage.delete(&format!("/api/v1/tasks/{id}")).await;
    stage.echo("again").await;
    let own = put(&stage, path, &json!({"most_tasks": 3, "most_bytes": null})).await;
    assert_eq!((&own.body["tasks"], &own.body["most_tasks"]), (&json!(2), &json!(3)));
    stage.echo("more").await;
    for (wrong, pointer) in [
        (json!({"most_tasks": -1}), "/most_tasks"),
        (json!({"most_bytes": "4 GiB"}), "/most_bytes"),
        (json!({"most": 1}), "/most"),
    ] {
        let refused = put(&stage, path, &wrong).await;
        assert_eq!(
            (refused.status, refused.body["errors"][0]["pointer"].as_str()),
            (422, Some(pointer))
        );
    }
}

#[tokio::test]
async fn a_status_names_the_longest_backlogs_by_key_and_says_what_is_paused() {
    let stage = Stage::start().await;
    stage.post("/api/v1/queue/echo/pause", &Value::Null).await;
    for (key, count) in [("few", 1), ("many", 3)] {
        let task = json!({"kind": "echo", "input": {"message": "hi"}, "fairness_key": key});
        stage
            .post("/api/v1/tasks/batch", &json!({"tasks": vec![task; count]}))
            .await;
    }
    let status = stage.get("/api/v1/queue/status").await;
    let kinds = status.body["kinds"].as_array().expect("a list");
    let echo = kinds.iter().find(|kind| kind["kind"] == "echo").expect("it is listed");
    let key = |key: &str, queued: u64| json!({"tenant": "default", "fairness_key": key, "queued": queued});
    assert_eq!(
        (&echo["paused"], &echo["keys"]),
        (&json!(true), &json!([key("many", 3), key("few", 1)]))
    );
}
