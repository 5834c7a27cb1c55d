//! Bad input: a 4xx problem with code and pointer, and nothing left behind.

use reqwest::StatusCode;
use serde_json::json;

use crate::pictures::{base64, png};
use crate::stage::Stage;

const OCR: &str = "/api/v1/tasks/ocr";
const ECHO: &str = "/api/v1/tasks/echo";

#[tokio::test]
async fn bodies_that_are_not_json_are_malformed_and_leave_nothing() {
    let stage = Stage::start().await;
    let invalid_utf8: &[u8] = b"{\"message\": \"\xff\"}";
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("text", b"hello".to_vec()),
        ("nothing", Vec::new()),
        ("half an object", b"{\"input\": {".to_vec()),
        ("a trailing comma", b"{\"message\": \"hi\",}".to_vec()),
        ("two values", b"{} {}".to_vec()),
        ("100,000 brackets", "[".repeat(100_000).into_bytes()),
        ("100,000 nested objects", "{\"input\":".repeat(100_000).into_bytes()),
        ("a repeated key", b"{\"message\": \"a\", \"message\": \"b\"}".to_vec()),
        ("NaN", b"{\"message\": NaN}".to_vec()),
        ("1e400", b"{\"sleep_ms\": 1e400, \"message\": \"hi\"}".to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{\"message\": \"hi\"}".to_vec()),
        (
            "UTF-16",
            "{\"message\": \"hi\"}"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
        ),
        ("invalid UTF-8", invalid_utf8.to_vec()),
        ("a lone surrogate", br#"{"message": "\ud800"}"#.to_vec()),
    ];
    for (what, body) in cases {
        for path in [ECHO, OCR, "/api/v1/tasks/batch"] {
            let answer = stage.post_bytes(path, "application/json", body.clone()).await;
            answer.is_refused(StatusCode::BAD_REQUEST, "malformed_json", "", what);
            stage.nothing_is_left(what).await;
        }
    }
}

/// Kind, body, code, pointer. `PNG` stands for a picture.
const WRONG_FIELDS: &str = r#"
echo | []                                                            | invalid_input |
echo | "hi"                                                          | invalid_input |
echo | null                                                          | invalid_input |
echo | {}                                                            | invalid_input | /message
echo | {"input": {}}                                                 | invalid_input | /input/message
echo | {"input": null}                                               | invalid_input | /input
echo | {"input": []}                                                 | invalid_input | /input
echo | {"input": {"message": 5}}                                     | invalid_input | /input/message
echo | {"message": null}                                             | invalid_input | /message
echo | {"message": "hi", "sleep_ms": -1}                             | invalid_input | /sleep_ms
echo | {"message": "hi", "sleep_ms": 60001}                          | invalid_input | /sleep_ms
echo | {"message": "hi", "sleep_ms": "5"}                            | invalid_input | /sleep_ms
echo | {"message": "hi", "sleep_ms": 9007199254740993}               | invalid_input | /sleep_ms
echo | {"message": "hi", "fail": "NONE"}                             | invalid_input | /fail
echo | {"message": "hi", "mesage": 1}                                | unknown_field | /mesage
echo | {"message": "hi", "__proto__": {}}                            | unknown_field | /__proto__
echo | {"message": "hi", "tenant": "other"}                          | unknown_field | /tenant
echo | {"message": "hi", "attempt": 7}                               | unknown_field | /attempt
echo | {"message": "hi", "a/b~c": 1}                                 | unknown_field | /a~1b~0c
echo | {"input": {"message": "hi"}, "message": "hi"}                 | unknown_field | /message
echo | {"input": {"message": "hi", "x": 1}}                          | unknown_field | /input/x
echo | {"message": "hi", "priority": "urgent"}                       | invalid_input | /priority
echo | {"message": "hi", "priority": -9223372036854775808}           | invalid_input | /priority
echo | {"message": "hi", "timeout": 0}                               | invalid_input | /timeout
echo | {"message": "hi", "timeout": -1}                              | invalid_input | /timeout
echo | {"message": "hi", "timeout": 1e18}                            | invalid_input | /timeout
echo | {"message": "hi", "delay": "soon"}                            | invalid_input | /delay
echo | {"message": "hi", "run_at": "9999-12-31T23:59:59Z"}           | invalid_input | /run_at
echo | {"message": "hi", "run_at": "yesterday"}                      | invalid_input | /run_at
echo | {"message": "hi", "max_attempts": 0}                          | invalid_input | /max_attempts
echo | {"message": "hi", "max_attempts": 21}                         | invalid_input | /max_attempts
echo | {"message": "hi", "tags": [1]}                                | invalid_input | /tags
echo | {"message": "hi", "tags": ["zoetrope:batch:x"]}               | invalid_input | /tags
echo | {"message": "hi", "metadata": "x"}                            | invalid_input | /metadata
echo | {"message": "hi", "metadata": {"x": "LONG"}}                  | invalid_input | /metadata
echo | {"message": "hi", "webhook": {"url": "http://127.0.0.1/"}}    | unknown_field | /webhook
echo | {"message": "hi", "expires_in": 0}                            | invalid_input | /expires_in
echo | {"message": "hi", "expires_in": "5s", "delay": "10s"}         | invalid_input | /expires_in
stream-ingest | {"url": "rtsp://cam.example/1", "expires_in": "1m"}  | invalid_input | /expires_in
echo | {"message": "hi", "fairness_key": "a b"}                      | invalid_input | /fairness_key
echo | {"message": "hi", "unique_key": 7}                            | invalid_input | /unique_key
ocr  | {"image": PNG, "level": "sentence"}                           | invalid_input | /level
ocr  | {"input": {"image": PNG, "languages": "eng"}}                 | invalid_input | /input/languages
image-analysis | {"image": PNG, "features": ["smell"]}               | invalid_input | /features/0
image-analysis | {"image": PNG, "min_confidence": 1.01}              | invalid_input | /min_confidence
image-analysis | {"image": PNG, "features": ["hash"], "annotate": true} | invalid_input | /annotate
image-analysis | {"image": PNG, "features": ["hash"], "detector": "onnx"} | invalid_input | /detector
image-analysis | {"input": {"image": PNG, "features": ["faces"], "detector_model": "a/1"}} | invalid_input | /input/detector_model
image-analysis | {"image": PNG, "detector": "x", "detector_fallback": "onnx"} | invalid_input | /detector_fallback
image-analysis | {"image": PNG, "annotate": "yes"}                   | invalid_input | /annotate
"#;

#[tokio::test]
async fn wrong_fields_are_named_by_pointer_and_leave_nothing() {
    let stage = Stage::start().await;
    let picture = json!({"base64": base64(&png(20, 10))}).to_string();
    for line in WRONG_FIELDS.trim().lines() {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let [kind, body, code, pointer] = columns[..] else {
            panic!("four columns: {line}")
        };
        let body = body.replace("PNG", &picture).replace("LONG", &"x".repeat(4_096));
        let answer = stage
            .post_bytes(&format!("/api/v1/tasks/{kind}"), "application/json", body)
            .await;
        answer.is_refused(StatusCode::UNPROCESSABLE_ENTITY, code, pointer, line);
        stage.nothing_is_left(line).await;
    }
}

#[tokio::test]
async fn every_mistake_of_a_request_is_named_at_once() {
    let stage = Stage::start().await;
    let body = json!({"input": {"sleep_ms": -1, "x": 1}, "priority": "urgent", "webhook": {}});
    let answer = stage.post(ECHO, &body).await;
    let mut pointers: Vec<_> = (0..5)
        .filter_map(|i| answer.body.pointer(&format!("/errors/{i}/pointer"))?.as_str())
        .collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        ["/input/message", "/input/sleep_ms", "/input/x", "/priority", "/webhook"],
        "{answer:?}"
    );
}

#[tokio::test]
async fn an_unknown_kind_is_not_found_whatever_it_is_called() {
    let stage = Stage::start().await;
    for kind in [
        "sing",
        "OCR",
        "o%63r2",
        "..%2f..%2fetc",
        "%2e%2e%2fx",
        "%252e",
        "*",
        "%7B%7D",
        "ocr%00",
        &"x".repeat(8_000),
    ] {
        let answer = stage
            .post(&format!("/api/v1/tasks/{kind}"), &json!({"message": "hi"}))
            .await;
        answer.is_refused(StatusCode::NOT_FOUND, "unknown_kind", "", kind);
    }
    stage.nothing_is_left("unknown kinds").await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_too_large() {
    let stage = Stage::start().await;
    let body = format!("{{\"message\": \"{}\"}}", "x".repeat(32 * 1024 * 1024));
    let announced = stage.post_bytes(ECHO, "application/json", body.clone()).await;
    announced.is_refused(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "",
        "a Content-Length over the limit",
    );
    let chunks = futures_util::stream::iter(
        body.into_bytes()
            .chunks(1 << 20)
            .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
            .collect::<Vec<_>>(),
    );
    let chunked = stage
        .post_bytes(ECHO, "application/json", reqwest::Body::wrap_stream(chunks))
        .await;
    chunked.is_refused(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "",
        "chunks over the limit",
    );
    let many = format!("{{\"message\": [{}0]}}", "0,".repeat(300_000));
    let values = stage.post_bytes(ECHO, "application/json", many).await;
    values.is_refused(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "",
        "more values than fit",
    );
    stage.nothing_is_left("large bodies").await;
}
