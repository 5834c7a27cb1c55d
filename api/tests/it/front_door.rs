//! Who gets in: hosts, origins, and what every answer says to browsers.

use reqwest::{Method, StatusCode};
use tempfile::TempDir;
use zoetrope_api::{Api, Tenants};

use crate::stage::{Answer, Stage, settings};

#[tokio::test]
async fn on_loopback_foreign_hosts_and_origins_stay_outside() {
    let stage = Stage::start().await;
    let with = |name: &'static str, value: &str| Answer::of(stage.request(Method::GET, "/health").header(name, value));
    for host in ["evil.example", "127.0.0.1.nip.io:8000", "10.0.0.1"] {
        with("host", host)
            .await
            .is_refused(StatusCode::FORBIDDEN, "forbidden", "", host);
    }
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        with("origin", origin)
            .await
            .is_refused(StatusCode::FORBIDDEN, "forbidden", "", origin);
    }
    assert_eq!(with("host", "localhost:8000").await.status, 200);
    assert_eq!(with("origin", &format!("http://{}", stage.address)).await.status, 200);
    assert_eq!(with("x-forwarded-for", "127.0.0.1").await.status, 200);
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful() {
    let stage = Stage::start().await;
    for path in ["/", "/nowhere", "/api/v1/tasks", "/docs/", "/metrics"] {
        let answer = stage.get(path).await;
        assert_eq!(
            (
                answer.header("x-content-type-options"),
                answer.header("x-frame-options")
            ),
            ("nosniff", "DENY"),
            "{path}"
        );
        assert!(
            answer.header("content-security-policy").contains("default-src 'none'"),
            "{path}"
        );
        assert!(
            answer.headers.contains_key("x-request-id") && answer.headers.contains_key("cache-control"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_may_read_answers() {
    use axum::body::Body;
    use tower::ServiceExt;
    let folder = TempDir::new().expect("a folder");
    let settings = settings(
        folder.path(),
        "redis://127.0.0.1:1",
        &[("ALLOWED_ORIGINS", "https://dash.example")],
    );
    let router = Api::new(settings, Tenants::everybody_is_default())
        .expect("an api")
        .router();
    let request = |method: &str, origin: &str| {
        axum::http::Request::builder()
            .method(method)
            .uri("/livez")
            .header("host", "localhost")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .body(Body::empty())
            .expect("a request")
    };
    let read = router
        .clone()
        .oneshot(request("GET", "https://dash.example"))
        .await
        .expect("an answer");
    assert_eq!(read.headers()["access-control-allow-origin"], "https://dash.example");
    let preflight = router
        .clone()
        .oneshot(request("OPTIONS", "https://dash.example"))
        .await
        .expect("an answer");
    assert_eq!(
        (
            preflight.status().as_u16(),
            preflight.headers().contains_key("access-control-allow-methods")
        ),
        (200, true)
    );
    let foreign = router
        .oneshot(request("OPTIONS", "https://evil.example"))
        .await
        .expect("an answer");
    assert_eq!(foreign.status().as_u16(), 403);
}
