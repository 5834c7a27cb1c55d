//! The `OpenAPI` 3.1 document, made from the same list as the routes and from the table of kinds, and its page.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderValue, Uri, header};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};
use zoetrope_shared::tasks::{KINDS, Kind};
use zoetrope_shared::wire::{Problem, ProblemCode, TaskView};

use crate::app::{self, App};
use crate::auth::access;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::service::every_operation;
use crate::submit::envelope::{EnvelopeFields, PriorityName};

/// Where the document is served.
const PATH: &str = "/api/v1/openapi.json";
/// The route that stands for one route per kind in the document.
const SUBMIT: &str = "/api/v1/tasks/{id}";
/// The page loads its own scripts and styles and asks only this server.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                           img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Zoetrope",
        description = "A distributed task queue for media AI: submit pictures, recordings and audio, poll for results.\n\n\
            Errors are RFC 9457 problems with a `code` from a closed list. Unknown fields are refused. Instants are RFC 3339 with \
            milliseconds; durations in requests are seconds or text such as `30s`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "tasks", description = "Submit, read, list, cancel"),
        (name = "streams", description = "Live sources: created, started, stopped, looked at"),
        (name = "live", description = "Events and scenes as they happen"),
        (name = "streams", description = "Recordings of live streams"),
        (name = "artifacts", description = "Stored bytes"),
        (name = "kinds", description = "What tasks there are"),
        (name = "access", description = "API keys and tickets"),
        (name = "operations", description = "Health and load"),
    ),
    components(schemas(EnvelopeFields, PriorityName, Problem, ProblemCode, TaskView))
)]
struct Described;

/// The document's frame, to which the routes are added.
pub(crate) fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Described::openapi())
}

/// The route of the document itself.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(openapi))
}

/// The page at `/docs/`.
pub(crate) fn pages() -> Router<App> {
    let policy =
        SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    Router::from(SwaggerUi::new("/docs").config(Config::from(PATH))).layer(policy)
}

/// The document as indented JSON: what the route answers, and what is committed as a snapshot.
pub fn openapi_json() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut text = serde_json::to_string_pretty(&document()).expect("the document should be JSON");
        text.push('\n');
        text
    });
    &TEXT
}

/// This document
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")))]
async fn openapi(uri: Uri) -> Result<impl IntoResponse, Refusal> {
    Query::of(&uri, &[])?;
    Ok(([(header::CONTENT_TYPE, "application/json")], openapi_json()))
}

fn document() -> Value {
    let (_, described) = app::routes().split_for_parts();
    let mut document = serde_json::to_value(described).expect("the document should be JSON");
    let submit = document["paths"][SUBMIT]
        .as_object_mut()
        .and_then(|path| path.remove("post"))
        .expect("the submit route should be there");
    for kind in KINDS {
        let input = hoist(
            &mut document,
            &format!("{}Input", camel(kind.name)),
            (kind.input_schema)(),
        );
        let output = hoist(
            &mut document,
            &format!("{}Output", camel(kind.name)),
            (kind.output_schema)(),
        );
        let path = format!("/api/v1/tasks/{}", kind.name.replace('_', "-"));
        document["paths"][path] = json!({"post": operation(kind, submit.clone(), &input, &output)});
    }
    access::describe(&mut document);
    every_operation::complete(&mut document);
    // Another crate may switch on `serde_json/preserve_order`; the text must not depend on it.
    document.sort_all_objects();
    document
}

/// The submit of one kind: the general one with the kind's own input, result and example.
fn operation(kind: &Kind, mut general: Value, input: &Value, output: &Value) -> Value {
    general["operationId"] = json!(format!("submit_{}", kind.name));
    general["summary"] = json!(kind.summary);
    if let Some(parameters) = general["parameters"].as_array_mut() {
        parameters.retain(|parameter| parameter["in"] != "path");
    }
    let envelope = json!({"$ref": "#/components/schemas/Envelope"});
    let body = json!({"allOf": [envelope, {"type": "object", "required": ["input"], "properties": {"input": input}}]});
    let mut content = json!({"application/json": {"schema": body, "example": {"input": (kind.example)()}}});
    if kind.media.is_some() {
        let parts = json!({
            "file": {"type": "string", "format": "binary", "description": "The media"},
            "input": {"type": "object", "description": "The rest of the input"},
            "task": envelope,
        });
        content["multipart/form-data"] =
            json!({"schema": {"type": "object", "required": ["file"], "properties": parts}});
    }
    general["requestBody"] = json!({"required": true, "content": content});
    let ended = json!({"allOf": [
        {"$ref": "#/components/schemas/TaskView"},
        {"type": "object", "properties": {"result": {"oneOf": [output, {"type": "null"}]}}},
    ]});
    general["responses"]["200"]["content"]["application/json"]["schema"] = ended;
    general
}

/// Puts a self-contained schema and what it defines under the document's components; the answer refers to it.
fn hoist(document: &mut Value, name: &str, mut schema: Value) -> Value {
    let defs = schema.as_object_mut().and_then(|root| {
        root.remove("$schema");
        root.remove("$defs")
    });
    let mut parts = match defs {
        Some(Value::Object(defs)) => defs,
        _ => Map::new(),
    };
    parts.insert(name.to_owned(), schema);
    for (name, mut part) in parts {
        globalize(&mut part);
        document["components"]["schemas"][name] = part;
    }
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Points references at the document's components: `$defs` of a schema inside a document would not be found.
fn globalize(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(target) if name == "$ref" => {
                        *target = target.replace("#/$defs/", "#/components/schemas/");
                    }
                    _ => globalize(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(globalize),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn camel(snake: &str) -> String {
    let capital = |word: &str| {
        word.chars()
            .take(1)
            .map(|first| first.to_ascii_uppercase())
            .chain(word.chars().skip(1))
            .collect::<String>()
    };
    snake.split('_').map(capital).collect()
}
