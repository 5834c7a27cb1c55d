//! What the api answers, as clients see it.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use zoetrope_queue::{Priority, Progress, Reason, State, Task, TaskError, TaskId};
use zoetrope_shared::schema;
use zoetrope_shared::tasks::KINDS;
use zoetrope_shared::wire::{HealthCheck, HealthStatus, HealthView, KindView, TaskView};

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("JSON")
}

fn task(state: State) -> Task {
    Task {
        id: TaskId::new(1_795_176_000_000, 0, 7),
        tenant: "default".to_owned(),
        kind: "echo".to_owned(),
        fairness_key: None,
        unique_key: None,
        state,
        reason: None,
        priority: Priority::Normal,
        attempt: 1,
        max_attempts: 3,
        losses: 0,
        progress: None,
        queue_position: None,
        worker: Some("w1".to_owned()),
        cancel_requested: false,
        created_at_ms: 1_795_176_000_000,
        run_at_ms: None,
        deadline_ms: None,
        started_at_ms: None,
        finished_at_ms: None,
        expires_at_ms: None,
        input: raw(&json!({"message": "secret"})),
        result: None,
        error: None,
        tags: vec!["nightly".to_owned()],
        metadata: None,
        traceparent: None,
    }
}

fn seen(task: &Task, result: Option<Box<RawValue>>) -> Value {
    let text = serde_json::to_string(&TaskView::from_task(task, result)).expect("JSON");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_succeeded_task_looks_as_the_design_says() {
    let done = Task {
        progress: Some(Progress {
            percent: 100,
            message: "done".to_owned(),
        }),
        started_at_ms: Some(1_795_176_000_001),
        finished_at_ms: Some(1_795_176_000_500),
        expires_at_ms: Some(1_795_262_400_500),
        result: Some(raw(&json!({"message": "hello"}))),
        metadata: Some(raw(&json!({"order": 7}))),
        ..task(State::Succeeded)
    };
    let id = done.id.to_string();
    let expected = json!({
        "id": id, "kind": "echo", "state": "succeeded", "reason": null, "priority": "normal", "attempt": 1,
        "max_attempts": 3, "progress": {"percent": 100, "message": "done"}, "queue_position": null,
        "cancel_requested": false, "created_at": "2026-11-20T12:00:00.000Z", "run_at": null, "deadline_at": null,
        "started_at": "2026-11-20T12:00:00.001Z", "finished_at": "2026-11-20T12:00:00.500Z",
        "expires_at": "2026-11-21T12:00:00.500Z", "result": {"message": "hello"}, "error": null, "tags": ["nightly"],
        "metadata": {"order": 7}, "fairness_key": null, "unique_key": null, "batch_id": null, "workflow_id": null,
        "urls": {
            "self": format!("/api/v1/tasks/{id}"),
            "cancel": format!("/api/v1/tasks/{id}"),
            "events": format!("/api/v1/tasks/{id}/events"),
            "why": format!("/api/v1/tasks/{id}/why"),
        }
    });
    assert_eq!(seen(&done, None), expected);
}

#[test]
fn a_failed_task_shows_its_error_and_no_input() {
    let error = TaskError {
        code: "media_invalid".to_owned(),
        class: "non_retryable".to_owned(),
        message: "the png is cut off".to_owned(),
        retryable: false,
        attempt: 1,
        provider: None,
    };
    let failed = Task {
        error: Some(error),
        reason: Some(Reason::NonRetryable),
        ..task(State::Failed)
    };
    let view = seen(&failed, None);
    let expected = json!({
        "code": "media_invalid", "class": "non_retryable", "message": "the png is cut off", "retryable": false,
        "attempt": 1, "provider": null
    });
    assert_eq!(
        (&view["error"], &view["reason"], &view["result"]),
        (&expected, &json!("non_retryable"), &Value::Null)
    );
    assert_eq!(view["metadata"], json!({}));
    assert!(!view.to_string().contains("secret"), "{view}");
}

#[test]
fn a_large_result_is_a_reference_until_it_is_loaded() {
    let id = "0123456789abcdefghjkmnpqrs";
    let done = Task {
        result: Some(raw(&json!({"$artifact": id}))),
        ..task(State::Succeeded)
    };
    assert_eq!(seen(&done, None)["result"], json!({"artifact": id}));
    assert_eq!(
        seen(&done, Some(raw(&json!({"text": "long"}))))["result"],
        json!({"text": "long"})
    );
}

#[test]
fn a_client_reads_back_what_the_api_wrote() {
    let view = TaskView::from_task(&task(State::Running), None);
    let text = serde_json::to_string(&view).expect("JSON");
    let read: TaskView = serde_json::from_str(&text).expect("a task");
    assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
    let value: Value = serde_json::from_str(&text).expect("JSON");
    let read: TaskView = serde_json::from_value(value).expect("a task");
    assert_eq!((read.state, read.priority), (State::Running, Priority::Normal));
}

#[test]
fn the_schema_of_a_task_lists_the_words_of_the_queue() {
    let schema = schema::of::<TaskView>();
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    for state in schema["$defs"]["TaskState"]["enum"]
        .as_array()
        .expect("a list of states")
    {
        let state: State = serde_json::from_value(state.clone()).expect("a state");
        let view = seen(
            &Task {
                reason: Some(Reason::WorkerLost),
                ..task(state)
            },
            None,
        );
        let errors: Vec<_> = validator.iter_errors(&view).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{state:?}: {errors:?}");
    }
}

#[test]
fn every_kind_can_be_shown() {
    for kind in KINDS {
        let view = KindView::from(kind);
        assert_eq!(
            (view.kind.as_str(), view.media.is_some()),
            (kind.name, kind.media.is_some())
        );
        assert_eq!(view.input_schema, (kind.input_schema)());
    }
}

#[test]
fn health_is_as_bad_as_the_worst_check() {
    let check = |status| HealthCheck {
        name: "redis".to_owned(),
        status,
        detail: String::new(),
        latency_ms: None,
    };
    let health = |statuses: &[HealthStatus]| {
        HealthView::of("1.0.0", statuses.iter().map(|status| check(*status)).collect()).status
    };
    assert_eq!(health(&[]), HealthStatus::Ok);
    assert_eq!(
        health(&[HealthStatus::Ok, HealthStatus::Degraded]),
        HealthStatus::Degraded
    );
    assert_eq!(health(&[HealthStatus::Down, HealthStatus::Ok]), HealthStatus::Down);
}
