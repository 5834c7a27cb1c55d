//! `POST /process_frame`: the interface of AI Stream.

use reqwest::multipart::Form;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::live_stage::Puppet;
use crate::pictures::png;
use crate::stage::{Stage, file};

#[tokio::test]
async fn a_frame_becomes_a_sentence_and_leaves_nothing_stored() {
    let stage = Stage::start().await;
    let mut puppet = Puppet::start(stage.queue().await, &["image_analysis", "ocr"]);
    for part in ["frame", "file"] {
        let form = Form::new().part(part, file("frame.png", png(20, 10)));
        let asked = stage.post_form("/process_frame", form);
        let works = async {
            for _ in 0..2 {
                let held = puppet.takes().await;
                let result = if held.attempt.kind == "ocr" {
                    json!({"text": "EXIT\n", "confidence": 0.9, "blocks": [], "page_count": 1, "pages": [],
                        "orientation": 0, "provider": "tesseract", "model": "5", "duration_ms": 1})
                } else {
                    json!({"width": 20, "height": 10, "content_type": "image/png",
                        "colors": [{"hex": "#1040d0", "share": 0.9}], "codes": [],
                        "provider": "local", "model": "x", "duration_ms": 1})
                };
                held.succeeds(&result);
            }
        };
        let (answer, ()) = tokio::join!(asked, works);
        assert_eq!(
            (answer.status, &answer.body),
            (
                200,
                &json!({"response": "A picture, mostly blue. It reads: \u{201c}EXIT\u{201d}."})
            )
        );
        assert_eq!(stage.stored_files(), 0);
    }
    puppet.stop().await;
}

#[tokio::test]
async fn what_is_no_frame_is_refused_in_the_form_that_these_clients_know() {
    let stage = Stage::start().await;
    let other_part = Form::new().part("picture", file("frame.png", png(20, 10)));
    let no_picture = Form::new().part("frame", file("frame.png", b"hello".to_vec()));
    for form in [other_part, no_picture] {
        let answer = stage.post_form("/process_frame", form).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body["error"].is_string(), "{answer:?}");
        assert_eq!(answer.body.as_object().map(serde_json::Map::len), Some(1));
    }
    let answer = stage.post("/process_frame", &json!({})).await;
    assert_eq!((answer.status, answer.body["error"].is_string()), (400, true));
    stage.nothing_is_left("refused frames").await;
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_tasks_and_its_frame_with_it() {
    let stage = Stage::start().await;
    let mut puppet = Puppet::start(stage.queue().await, &["image_analysis", "ocr"]);
    let picture = png(20, 10);
    let part = "--b\r\ncontent-disposition: form-data; name=\"frame\"; filename=\"f.png\"\r\n\r\n";
    let end = "\r\n--b--\r\n";
    let length = part.len() + picture.len() + end.len();
    let head = format!(
        "POST /process_frame HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=b\r\n\
         content-length: {length}\r\n\r\n"
    );
    let mut client = TcpStream::connect(stage.address).await.expect("a connection");
    for piece in [head.as_bytes(), part.as_bytes(), &picture, end.as_bytes()] {
        client.write_all(piece).await.expect("it is sent");
    }
    let (one, other) = (puppet.takes().await, puppet.takes().await);
    drop(client);
    one.ends_stopped().await;
    other.ends_stopped().await;
    while stage.stored_files() > 0 {
        tokio::task::yield_now().await;
    }
    puppet.stop().await;
    let tasks = stage.get("/api/v1/tasks").await;
    let states: Vec<_> = tasks.body["items"]
        .as_array()
        .expect("tasks")
        .iter()
        .map(|task| &task["state"])
        .collect();
    assert_eq!(states, ["canceled", "canceled"], "{tasks:?}");
}
