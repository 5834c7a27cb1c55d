//! Requests that are wrong before their content matters: routes, methods, types, parameters, headers, framing.

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::pictures::png;
use crate::stage::{Answer, Stage};

const ECHO: &str = "/api/v1/tasks/echo";
const OCR: &str = "/api/v1/tasks/ocr";

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    let stage = Stage::start().await;
    for path in ["/nowhere", "/api/v2/tasks", "/api/v1/tasks/0/0/0", "/docs/nothing.js"] {
        stage
            .get(path)
            .await
            .is_refused(StatusCode::NOT_FOUND, "not_found", "", path);
    }
    for (method, path) in [
        (Method::PUT, ECHO),
        (Method::PATCH, "/api/v1/tasks"),
        (Method::TRACE, ECHO),
        (Method::DELETE, "/health"),
    ] {
        let answer = Answer::of(stage.request(method.clone(), path)).await;
        answer.is_refused(StatusCode::METHOD_NOT_ALLOWED, "not_found", "", path);
        assert!(answer.header("allow").contains("GET"), "{method} {answer:?}");
    }
    let overridden = stage
        .request(Method::GET, "/api/v1/tasks")
        .header("x-http-method-override", "DELETE");
    assert_eq!(Answer::of(overridden).await.status, 200);
}

#[tokio::test]
async fn ids_that_are_none_name_nothing() {
    let stage = Stage::start().await;
    let ids = [
        "x",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e%2f",
        "%252e",
        "*",
        "%7B%7D",
        "0%0d%0a*1",
        "00000000000000000000",
        &"9".repeat(10_000),
    ];
    for id in ids {
        for prefix in ["/api/v1/tasks/", "/api/v1/artifacts/"] {
            let answer = stage.get(&format!("{prefix}{id}")).await;
            answer.is_refused(StatusCode::NOT_FOUND, "not_found", "", id);
        }
        stage
            .delete(&format!("/api/v1/tasks/{id}"))
            .await
            .is_refused(StatusCode::NOT_FOUND, "not_found", "", id);
    }
    stage.get("/api/v1/kinds/%ff").await.is_refused(
        StatusCode::BAD_REQUEST,
        "invalid_input",
        "",
        "a path that is no text",
    );
}

#[tokio::test]
async fn bodies_of_other_types_are_unsupported() {
    let stage = Stage::start().await;
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "image/png",
        "",
    ] {
        let answer = stage.post_bytes(ECHO, content_type, "{\"message\": \"hi\"}").await;
        answer.is_refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "",
            content_type,
        );
    }
    let compressed = stage
        .request(Method::POST, ECHO)
        .header("content-encoding", "gzip")
        .json(&json!({"message": "hi"}));
    Answer::of(compressed)
        .await
        .is_refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "", "gzip");
    let merge = stage
        .post_bytes(ECHO, "application/vnd.api+json; charset=utf-8", "{\"message\": \"hi\"}")
        .await;
    assert_eq!(merge.status, 202, "{merge:?}");
}

#[tokio::test]
async fn parameters_and_headers_are_read_strictly() {
    let stage = Stage::start().await;
    let lists = [
        ("limit=0", "?limit"),
        ("limit=-1", "?limit"),
        ("limit=1000000000", "?limit"),
        ("limit=x", "?limit"),
        ("state=done", "?state"),
        ("state=QUEUED", "?state"),
        ("cursor=forged", "?cursor"),
        ("cursor=%2a%0d%0a", "?cursor"),
        ("created_after=yesterday", "?created_after"),
        ("tag=zoetrope:batch:x", "?tag"),
        ("tag=a&batch_id=b", "?batch_id"),
        ("limit=1&limit=2", "?limit"),
    ];
    for (query, pointer) in lists {
        let answer = stage.get(&format!("/api/v1/tasks?{query}")).await;
        answer.is_refused(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", pointer, query);
    }
    let unknown = stage.get("/api/v1/tasks?workflow_id=x").await;
    unknown.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "unknown_field",
        "?workflow_id",
        "a filter that is not there yet",
    );
    let wait = stage
        .post(&format!("{ECHO}?wait=soon"), &json!({"message": "hi"}))
        .await;
    wait.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_input",
        "?wait",
        "a wait that is no duration",
    );
    for key in ["", "\"\"", &"k".repeat(10_000)] {
        let request = stage
            .request(Method::POST, ECHO)
            .header("idempotency-key", key)
            .json(&json!({"message": "hi"}));
        Answer::of(request)
            .await
            .is_refused(StatusCode::BAD_REQUEST, "invalid_input", "", key);
    }
    stage.nothing_is_left("refused parameters").await;
}

#[tokio::test]
async fn broken_forms_are_refused_and_leave_nothing() {
    let stage = Stage::start().await;
    let typed = "multipart/form-data; boundary=b";
    let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n";
    let many = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n".repeat(10_000);
    let mut unfinished = head.as_bytes().to_vec();
    unfinished.extend(png(2, 2));
    let mut endless = b"--b\r\nX: ".to_vec();
    endless.resize(8 * 1024 * 1024, b'x');
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("no boundary", "multipart/form-data", head.into()),
        (
            "another boundary",
            "multipart/form-data; boundary=other",
            [head.as_bytes(), b"x\r\n--b--\r\n"].concat(),
        ),
        ("no end", typed, unfinished),
        ("no body", typed, Vec::new()),
        ("a part without a header", typed, b"--b\r\n\r\nx\r\n--b--\r\n".to_vec()),
        ("10,000 parts", typed, format!("{many}--b--\r\n").into_bytes()),
        ("a header without end", typed, endless),
    ];
    for (what, content_type, body) in cases {
        for path in [OCR, "/api/v1/uploads"] {
            // In pieces, as a network delivers them.
            let pieces: Vec<_> = body
                .chunks(256 * 1024)
                .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
                .collect();
            let answer = stage
                .post_bytes(
                    path,
                    content_type,
                    reqwest::Body::wrap_stream(futures_util::stream::iter(pieces)),
                )
                .await;
            let (status, _, _) = answer.refusal();
            assert!(status == 400 || status == 422, "{what} at {path}: {answer:?}");
            stage.nothing_is_left(what).await;
        }
    }
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_refused_or_cut_off_and_leaves_nothing() {
    let stage = Stage::start().await;
    let head = "POST /api/v1/tasks/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";
    let answer = raw(&stage, &format!("{head}{{\"message\": \"hi\"}}")).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    stage.nothing_is_left("a short body").await;
}

#[tokio::test]
async fn requests_that_could_be_smuggled_are_refused() {
    let stage = Stage::start().await;
    let start = "POST /api/v1/tasks/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let body = "{\"message\":\"hi\"}";
    for framing in [
        "Content-Length: 16\r\nContent-Length: 5\r\n",
        "Content-Length: x\r\n",
        "Content-Length: -1\r\n",
        "Transfer-Encoding: gzip, x\r\n",
    ] {
        let answer = raw(&stage, &format!("{start}{framing}\r\n{body}")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{framing}: {answer}");
    }
    let headers = "X-A: b\r\n".repeat(1_000);
    let many = raw(
        &stage,
        &format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"),
    )
    .await;
    assert!(many.starts_with("HTTP/1.1 431"), "{many}");
    let large = raw(
        &stage,
        &format!(
            "GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: {}\r\n\r\n",
            "b".repeat(64 * 1024)
        ),
    )
    .await;
    assert!(large.is_empty() || large.starts_with("HTTP/1.1 431"), "{large}");
    stage.nothing_is_left("bad framing").await;
}

/// Sends bytes, says that no more come, and reads what comes back until the api closes.
async fn raw(stage: &Stage, request: &str) -> String {
    let mut stream = TcpStream::connect(stage.address).await.expect("a connection");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it takes the request");
    stream.shutdown().await.expect("half-closed");
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}
