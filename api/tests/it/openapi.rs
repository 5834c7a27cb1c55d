//! The `OpenAPI` document: it is what is served, it is committed, and it names every route of every kind.

use reqwest::{Method, StatusCode};
use serde_json::Value;
use zoetrope_shared::tasks::KINDS;

use crate::stage::{Answer, Stage};

const COMMITTED: &str = include_str!("../../../docs/openapi.json");

#[test]
fn the_committed_document_is_fresh() {
    assert!(
        COMMITTED == zoetrope_api::openapi_json(),
        "docs/openapi.json is old; run: cargo run -p zoetrope-api -- openapi > docs/openapi.json"
    );
}

#[tokio::test]
async fn the_served_document_is_the_committed_one() {
    let stage = Stage::start().await;
    let served = stage.get("/api/v1/openapi.json").await;
    assert_eq!(served.header("content-type"), "application/json");
    assert_eq!(served.bytes, COMMITTED.as_bytes());
}

#[test]
fn every_kind_has_its_route_with_its_input_and_example() {
    let document: Value = serde_json::from_str(COMMITTED).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    for kind in KINDS {
        let operation = &document["paths"][format!("/api/v1/tasks/{}", kind.name.replace('_', "-"))]["post"];
        assert_eq!(operation["operationId"], format!("submit_{}", kind.name));
        assert_eq!(
            operation["requestBody"]["content"]["application/json"]["example"]["input"],
            (kind.example)()
        );
    }
}

/// Paths below `/api/` with their methods, ids filled in.
fn requests(document: &Value) -> Vec<(Method, String)> {
    let mut requests = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let path = path.replace("{id}", "00000000000000000000").replace("{kind}", "echo");
        for method in operations.as_object().expect("operations").keys() {
            let method = method.to_uppercase().parse().expect("a method");
            requests.push((method, path.replace("{name}", "no-such-worker")));
        }
    }
    requests.retain(|(_, path)| path.starts_with("/api/"));
    requests
}

#[tokio::test]
async fn no_route_of_ours_takes_a_parameter_that_it_does_not_know() {
    let stage = Stage::start().await;
    let document: Value = serde_json::from_str(COMMITTED).expect("JSON");
    let requests = requests(&document);
    assert!(requests.len() > 20, "only {} routes were found", requests.len());
    for (method, path) in requests {
        let label = format!("{method} {path}");
        let asked = stage.request(method, &format!("{path}?no_such=1"));
        let answer = Answer::of(asked).await;
        answer.is_refused(StatusCode::UNPROCESSABLE_ENTITY, "unknown_field", "?no_such", &label);
    }
}

#[test]
fn every_reference_leads_somewhere_and_operations_are_named_once() {
    let document: Value = serde_json::from_str(COMMITTED).expect("JSON");
    for reference in references(&document) {
        let pointer = reference.strip_prefix('#').expect("a reference into the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let paths = document["paths"].as_object().expect("paths");
    let operations: Vec<_> = paths
        .values()
        .flat_map(|path| path.as_object().expect("a path").values())
        .collect();
    let names: std::collections::BTreeSet<_> = operations
        .iter()
        .map(|operation| operation["operationId"].to_string())
        .collect();
    assert_eq!(names.len(), operations.len());
    assert!(operations.iter().all(|operation| operation["summary"].is_string()));
}

fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| match field {
                Value::String(target) if name == "$ref" => vec![target.as_str()],
                _ => references(field),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}
