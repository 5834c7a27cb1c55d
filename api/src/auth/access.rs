//! The one table of what each route takes. A route that is not in it takes `admin:*`; the `OpenAPI` document says the
//! same, and a test walks it.

use axum::http::Method;
use serde_json::{Value, json};
use zoetrope_shared::tasks;
use zoetrope_shared::wire::Scope;

use crate::service::every_operation;

use Scope::{Admin, Streams, TasksRead, TasksWrite};

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    Public,
    /// A caller with any of these.
    AnyOf(&'static [Scope]),
    /// The same, and a WebSocket may show a ticket instead of a key.
    Socket(&'static [Scope]),
    /// The same, and a signed URL's grant does instead of a key.
    Media(&'static [Scope]),
    /// Nothing while `HOST` is loopback, for probes and scrapers of this machine; elsewhere a caller with any of these.
    Local(&'static [Scope]),
}

const READ: Access = Access::AnyOf(&[TasksRead]);
const WRITE: Access = Access::AnyOf(&[TasksWrite]);
/// Which of the two a submit takes depends on its kinds: `Identity::may_submit`.
const SUBMIT: Access = Access::AnyOf(&[TasksWrite, Streams]);
const STREAMS: Access = Access::AnyOf(&[Streams]);
const SCENES: Access = Access::AnyOf(&[TasksRead, Streams]);
const RECORDED: &[Scope] = &[TasksRead, Streams];
const ADMIN: Access = Access::AnyOf(&[Admin]);

/// Method, path as routed, access.
const TABLE: &[(&str, &str, Access)] = &[
    ("GET", "/", Access::Public),
    ("GET", "/health", Access::Public),
    ("GET", "/livez", Access::Public),
    ("GET", "/readyz", Access::Public),
    ("GET", "/api/v1/openapi.json", Access::Public),
    ("GET", "/metrics", Access::Local(&[Admin])),
    ("GET", "/api/v1/health/detailed", Access::Local(&[TasksRead])),
    ("GET", "/api/v1/queue/status", READ),
    ("GET", "/api/v1/queue/rules", ADMIN),
    ("PUT", "/api/v1/queue/{kind}/limits", ADMIN),
    ("POST", "/api/v1/queue/{kind}/{action}", ADMIN),
    ("GET", "/api/v1/queue/backlog", ADMIN),
    ("PUT", "/api/v1/queue/backlog", ADMIN),
    ("PUT", "/api/v1/tenants/{tenant}/limits", ADMIN),
    ("GET", "/api/v1/tenants/{tenant}/backlog", READ),
    ("PUT", "/api/v1/tenants/{tenant}/backlog", ADMIN),
    ("GET", "/api/v1/tenants/{tenant}/spend", READ),
    ("PUT", "/api/v1/tenants/{tenant}/spend", ADMIN),
    ("POST", "/api/v1/tenants/{tenant}/{action}", ADMIN),
    ("GET", "/api/v1/usage", READ),
    ("GET", "/api/v1/providers", READ),
    ("GET", "/api/v1/workers", ADMIN),
    ("POST", "/api/v1/workers/{name}/drain", ADMIN),
    ("GET", "/api/v1/kinds", READ),
    ("GET", "/api/v1/kinds/{kind}", READ),
    ("GET", "/api/v1/voices", READ),
    ("POST", "/api/v1/uploads", SUBMIT),
    ("GET", "/api/v1/artifacts/{id}", READ),
    ("GET", "/api/v1/tasks", READ),
    ("POST", "/api/v1/tasks/batch", SUBMIT),
    ("POST", "/api/v1/tasks/{id}", SUBMIT),
    ("GET", "/api/v1/tasks/{id}", READ),
    ("DELETE", "/api/v1/tasks/{id}", WRITE),
    ("GET", "/api/v1/tasks/{id}/events", READ),
    ("GET", "/api/v1/tasks/{id}/why", READ),
    ("GET", "/api/v1/tasks/{id}/scenes", SCENES),
    ("POST", "/api/v1/streams", STREAMS),
    ("GET", "/api/v1/streams", SCENES),
    ("POST", "/api/v1/streams/test", STREAMS),
    ("GET", "/api/v1/streams/{id}", SCENES),
    ("PATCH", "/api/v1/streams/{id}", STREAMS),
    ("DELETE", "/api/v1/streams/{id}", STREAMS),
    ("POST", "/api/v1/streams/{id}/start", STREAMS),
    ("POST", "/api/v1/streams/{id}/stop", STREAMS),
    ("POST", "/api/v1/streams/{id}/test", STREAMS),
    ("GET", "/api/v1/streams/{id}/status", SCENES),
    ("GET", "/api/v1/streams/{id}/snapshot", Access::Media(RECORDED)),
    ("GET", "/api/v1/streams/{id}/recordings", Access::AnyOf(RECORDED)),
    ("GET", "/api/v1/streams/{id}/playlist.m3u8", Access::Media(RECORDED)),
    ("GET", "/api/v1/streams/{id}/segments/{name}", Access::Media(RECORDED)),
    ("GET", "/api/v1/streams/{id}/init/{name}", Access::Media(RECORDED)),
    ("GET", "/api/v1/streams/{id}/export", Access::Media(RECORDED)),
    ("GET", "/api/v1/streams/{id}/player", Access::Media(RECORDED)),
    ("GET", "/api/v1/streams/{id}/live", Access::Socket(RECORDED)),
    ("GET", "/ws/video-stream", Access::Socket(RECORDED)),
    ("GET", "/api/v1/ws", Access::Socket(&[TasksRead, Streams])),
    ("POST", "/process_frame", WRITE),
    ("POST", "/api/v1/tickets", Access::AnyOf(&[TasksRead, Streams])),
    ("POST", "/api/v1/keys", ADMIN),
    ("GET", "/api/v1/keys", ADMIN),
    ("DELETE", "/api/v1/keys/{id}", ADMIN),
];

/// What a request to this route takes.
pub(crate) fn of(method: &Method, route: &str) -> Access {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    find(method, route).unwrap_or(ADMIN)
}

fn find(method: &str, route: &str) -> Option<Access> {
    TABLE
        .iter()
        .find(|(known_method, known, _)| *known_method == method && *known == route)
        .map(|(_, _, access)| *access)
}

/// What a path of the document takes: it has one path a kind where there is one route.
fn of_documented(method: &str, path: &str) -> Access {
    let kind = path.strip_prefix("/api/v1/tasks/").and_then(tasks::find);
    match kind {
        Some(kind) if method == "POST" && kind.policy.live => Access::AnyOf(&[Streams]),
        Some(_) if method == "POST" => WRITE,
        _ => find(method, path).unwrap_or(ADMIN),
    }
}

/// Writes the table into the `OpenAPI` document.
pub(crate) fn describe(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "zt_<id>_<secret>",
            "description": "An API key. The names beside it are the scopes that the route takes"},
        "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same API key"},
    });
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    for (path, operations) in paths {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            let access = of_documented(&method.to_ascii_uppercase(), path);
            operation["security"] = security(access);
            if access != Access::Public {
                refuse(operation);
            }
        }
    }
}

fn security(access: Access) -> Value {
    let (scopes, free) = match access {
        Access::Public => return json!([]),
        Access::AnyOf(scopes) | Access::Socket(scopes) | Access::Media(scopes) => (scopes, false),
        Access::Local(scopes) => (scopes, true),
    };
    let mut ways: Vec<Value> = ["bearer", "api_key"]
        .iter()
        .flat_map(|scheme| scopes.iter().map(move |scope| json!({*scheme: [scope.as_str()]})))
        .collect();
    if free {
        ways.push(json!({}));
    }
    Value::Array(ways)
}

/// Adds the answers of the gate.
fn refuse(operation: &mut Value) {
    for (status, description) in [
        ("401", "No API key, or none that is valid"),
        ("403", "The key lacks the scope"),
        ("429", "Too many requests with this key: see Retry-After"),
        ("503", "Redis is away"),
    ] {
        every_operation::refuse(operation, status, description);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app;

    #[test]
    fn a_route_that_is_not_in_the_table_takes_an_admin() {
        assert_eq!(of(&Method::PATCH, "/api/v1/tasks/{id}"), ADMIN);
        assert_eq!(of(&Method::GET, "/api/v1/secrets"), ADMIN);
        assert_eq!(of(&Method::HEAD, "/api/v1/artifacts/{id}"), READ);
    }

    #[test]
    fn every_documented_route_is_in_the_table_by_its_own_name() {
        let (_, described) = app::routes().split_for_parts();
        let document = serde_json::to_value(described).expect("JSON");
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for method in operations.as_object().expect("operations").keys() {
                let method = method.to_ascii_uppercase();
                assert!(find(&method, path).is_some(), "access.rs lacks {method} {path}");
            }
        }
    }
}
