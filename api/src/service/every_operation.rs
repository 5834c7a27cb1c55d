//! What holds for every operation of the `OpenAPI` document: the answers of the layers around the handlers, what comes
//! with a refusal that may be tried again, and the links from an answer to what can be asked next.

use serde_json::{Value, json};

/// Statuses that come with `Retry-After`.
const COME_BACK: [&str; 2] = ["429", "503"];

/// What can be asked of a stream that was made.
const STREAM_TARGETS: [&str; 6] = [
    "get_stream",
    "update_stream",
    "start_stream",
    "stream_status",
    "stop_stream",
    "delete_stream",
];

/// Completes the document's operations.
pub(crate) fn complete(document: &mut Value) {
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    for (path, operations) in paths {
        for operation in operations.as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
            refuse(operation, "400", "Host, path, headers or body are not understood");
            refuse(operation, "403", "This Host or Origin is not served here");
            if path.starts_with("/api/") {
                refuse(operation, "422", "A parameter or field is unknown or wrong");
            }
            tell_when_to_come_back(operation);
            link(operation);
        }
    }
}

/// Adds an answer that is not documented yet.
pub(crate) fn refuse(operation: &mut Value, status: &str, description: &str) {
    if operation["responses"].get(status).is_none() {
        operation["responses"][status] = json!({"description": description, "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}});
    }
}

fn tell_when_to_come_back(operation: &mut Value) {
    for status in COME_BACK {
        if let Some(response) = operation["responses"].get_mut(status) {
            response["headers"]["Retry-After"] = json!({"description": "Seconds after which to try again",
                "required": false, "schema": {"type": "integer", "minimum": 1}});
        }
    }
}

/// A task, a stream or an artifact that was made can be asked for.
fn link(operation: &mut Value) {
    let name = operation["operationId"].as_str().unwrap_or_default();
    let (statuses, id, targets): (&[&str], &str, &[&str]) = if name.starts_with("submit_") && name != "submit_batch" {
        let targets = ["get_task", "cancel_task", "task_events", "task_scenes"].as_slice();
        (&["200", "202"], "$response.body#/id", targets)
    } else if name == "create_stream" {
        (&["201"], "$response.body#/id", &STREAM_TARGETS)
    } else if name == "upload" {
        (&["201"], "$response.body#/artifact", &["get_artifact"])
    } else {
        return;
    };
    for status in statuses {
        for target in targets {
            operation["responses"][*status]["links"][*target] =
                json!({"operationId": target, "parameters": {"id": id}});
        }
    }
}
