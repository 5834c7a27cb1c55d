//! Uploads, streamed and told by their content.

use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};

use crate::pictures::{gif, mp4, png};
use crate::stage::{Stage, file};

const UPLOADS: &str = "/api/v1/uploads";

#[tokio::test]
async fn an_upload_answers_what_it_is_by_its_content() {
    let stage = Stage::start().await;
    let cases = [
        (png(20, 10), "image/png"),
        (gif(), "image/gif"),
        (mp4(100), "video/mp4"),
    ];
    for (bytes, content_type) in cases {
        let answer = stage
            .post_bytes(&format!("{UPLOADS}?filename=shot.exe"), "text/html", bytes.clone())
            .await;
        assert_eq!(
            (answer.status, answer.text("/content_type").as_str()),
            (201, content_type),
            "{answer:?}"
        );
        assert_eq!(
            (answer.body["size"].as_u64(), answer.text("/filename").as_str()),
            (Some(bytes.len() as u64), "shot.exe")
        );
        assert_eq!(
            (answer.text("/sha256").len(), answer.header("location")),
            (64, answer.text("/urls/self").as_str())
        );
        assert_eq!(stage.get(answer.header("location")).await.bytes, bytes);
    }
}

#[tokio::test]
async fn file_names_lose_their_folders_and_tricks() {
    let stage = Stage::start().await;
    let names = [
        ("../../etc/cron.d/x", Some("x")),
        ("..\\..\\x", Some("x")),
        ("/etc/passwd", Some("passwd")),
        ("C:\\x", Some("x")),
        (".", None),
        ("CON", Some("_CON")),
        ("gpj\u{202e}.exe", Some("gpj.exe")),
        ("\u{1f600}.png", Some("\u{1f600}.png")),
    ];
    for (name, expected) in names {
        let answer = stage
            .post_form(UPLOADS, Form::new().part("file", file(name, png(2, 2))))
            .await;
        assert_eq!(
            (answer.status, answer.body["filename"].as_str()),
            (201, expected),
            "{name:?}"
        );
        let download = stage.get(answer.header("location")).await;
        assert!(
            download
                .header("content-disposition")
                .starts_with("attachment; filename=\""),
            "{download:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_media_is_refused_and_leaves_nothing() {
    let stage = Stage::start().await;
    let html = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    for (what, bytes) in [
        ("nothing", b"".to_vec()),
        ("text", b"hello".to_vec()),
        ("a script", html.into()),
        ("0xff", vec![0xff; 10_000]),
        ("a byte", vec![0x89]),
    ] {
        let raw = stage.post_bytes(UPLOADS, "image/png", bytes.clone()).await;
        raw.is_refused(StatusCode::UNPROCESSABLE_ENTITY, "media_invalid", "/file", what);
        let form = stage
            .post_form(UPLOADS, Form::new().part("file", file("a.png", bytes)))
            .await;
        form.is_refused(StatusCode::UNPROCESSABLE_ENTITY, "media_invalid", "/file", what);
        stage.nothing_is_left(what).await;
    }
}

#[tokio::test]
async fn a_form_of_an_upload_is_one_file() {
    let stage = Stage::start().await;
    let other = stage
        .post_form(UPLOADS, Form::new().part("image", file("a.png", png(2, 2))))
        .await;
    other.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "unknown_field",
        "/image",
        "another part",
    );
    let two = stage
        .post_form(
            UPLOADS,
            Form::new()
                .part("file", file("a.png", png(2, 2)))
                .part("input", Part::text("{}")),
        )
        .await;
    two.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "unknown_field",
        "/input",
        "a second part",
    );
    let nothing = stage.post_form(UPLOADS, Form::new()).await;
    nothing.is_refused(StatusCode::BAD_REQUEST, "invalid_input", "", "no part");
    stage.nothing_is_left("forms that are no uploads").await;
}

#[tokio::test]
async fn an_upload_over_the_limit_is_refused_and_leaves_nothing() {
    let stage = Stage::start().await;
    let request = format!(
        "POST {UPLOADS} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        500 * 1024 * 1024 + 1
    );
    let answer = raw_head(&stage, &request).await;
    assert!(
        answer.starts_with("HTTP/1.1 413") && answer.contains("body_too_large"),
        "{answer}"
    );
    stage.nothing_is_left("a large upload").await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    use tokio::io::AsyncWriteExt;
    let mut stage = Stage::start().await;
    let mut stream = tokio::net::TcpStream::connect(stage.address)
        .await
        .expect("a connection");
    let head = format!("POST {UPLOADS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("it takes the head");
    stream
        .write_all(&mp4(10_000_000))
        .await
        .expect("it takes half of the body");
    assert!(stage.stored_files() > 0, "the upload has begun");
    drop(stream);
    // Stopping awaits what requests leave to be removed.
    stage.stop().await;
    assert_eq!(stage.stored_files(), 0);
}

/// Sends a head and reads until the answer's problem is complete.
async fn raw_head(stage: &Stage, head: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(stage.address)
        .await
        .expect("a connection");
    stream.write_all(head.as_bytes()).await.expect("it takes the head");
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    while !String::from_utf8_lossy(&answer).contains("\"retryable\"") {
        let read = stream.read(&mut buffer).await.expect("an answer");
        assert!(read > 0, "the api closed: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}
