//! Pictures out of recordings, of a camera that numbers them: what is shown at a time is the picture that was recorded then, as
//! an export has it.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use zoetrope_e2e::Stage;
use zoetrope_e2e::numbered::{FPS, NumberedCamera, number_of, numbers_of};
use zoetrope_shared::wire::parse_rfc3339_ms;

use crate::cli::zoetrope;
use crate::recordings::{list, number, pictures, recordings, stage, text};

/// A picture of a recording as the export of a range has it: its number, and when it is shown, Unix seconds.
type Exported = (u32, f64);

/// Every picture of a range.
async fn exported(stage: &Stage, range: &Value) -> Vec<Exported> {
    let (status, _, bytes) = stage.http.bytes(text(&range["export"]), &[]).await;
    assert_eq!(status, StatusCode::OK, "{range}");
    let numbers = numbers_of(&bytes, stage.dir()).unwrap_or_else(|error| panic!("{error}"));
    let times = pictures(&stage.dir().join("numbered.mp4"));
    assert_eq!(numbers.len(), times.len(), "every picture has a time");
    let began = number(&range["start"]);
    numbers
        .into_iter()
        .zip(times.into_iter().map(|time| began + time))
        .collect()
}

/// Records a stream for some seconds and answers its id once it is stopped.
async fn recorded(stage: &Stage, camera: &NumberedCamera) -> String {
    let wanted = json!({"url": camera.url(), "store": true, "duration": 11});
    let made = stage.http.post("/api/v1/streams", &wanted).await.body;
    let path = format!("/api/v1/streams/{}", text(&made["id"]));
    let started = stage.http.post(&format!("{path}/start"), &json!({})).await;
    assert_eq!(started.status, StatusCode::OK, "{}", started.body);
    stage
        .http
        .until_body(&path, |stream| stream["state"] == "stopped")
        .await;
    text(&made["id"]).to_owned()
}

/// A picture; a machine that is too busy for it says so, and is asked again.
async fn shown(stage: &Stage, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
    loop {
        let answer = stage.http.bytes(path, headers).await;
        if answer.0 != StatusCode::SERVICE_UNAVAILABLE {
            return answer;
        }
        assert!(answer.1.contains_key("retry-after"), "{:?}", answer.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_at_a_time_is_the_picture_that_was_recorded_then() {
    let camera = NumberedCamera::start().await;
    let stage = stage().env("MEDIA_SIGNING_KEY", "a long random key").start().await;
    let id = recorded(&stage, &camera).await;
    let path = format!("/api/v1/streams/{id}/snapshot");
    let now = stage.http.get(&path).await;
    assert_eq!(
        (now.status, &now.body["code"]),
        (StatusCode::CONFLICT, &json!("stream_stopped"))
    );

    let found = stage.http.get(&recordings(&id)).await.body;
    let range = &list(&found, "ranges")[0];
    let exported = exported(&stage, range).await;
    assert!(exported.len() > 60, "{} pictures in some segments", exported.len());
    let half_ms = 500.0 / f64::from(FPS);
    // Key frames and what is between them, up to the last.
    let looked_at = exported.iter().step_by(7).chain(exported.last());
    for (place, (wanted, shown_at)) in looked_at.enumerate() {
        // While it is shown, whatever the clocks of two segments differ by.
        let at = shown_at + half_ms / 1_000.0;
        let width = if place % 2 == 0 { "" } else { "&width=64" };
        let (status, headers, jpeg) = shown(&stage, &format!("{path}?at={at:.3}{width}"), &[]).await;
        assert_eq!(status, StatusCode::OK, "{at}: {}", String::from_utf8_lossy(&jpeg));
        assert_eq!(number_of(&jpeg), Some(*wanted), "at {at} of {range}");
        let said = headers["frame-at"].to_str().ok().and_then(parse_rfc3339_ms);
        let apart_ms = said.expect("a time") as f64 - shown_at * 1_000.0;
        assert!(apart_ms.abs() < half_ms, "{apart_ms} ms from {shown_at}");
    }

    let (wanted, shown_at) = exported[exported.len() / 2];
    check_others(&stage, &id, range, (wanted, shown_at + half_ms / 1_000.0)).await;
}

/// With a signed URL, at the command line, and where nothing is recorded.
async fn check_others(stage: &Stage, id: &str, range: &Value, (wanted, at): Exported) {
    let signed = text(&range["snapshot"]);
    let (_, grant) = signed.split_once("&grant=").expect("a signed URL");
    let granted = format!("/api/v1/streams/{id}/snapshot?at={at:.3}&grant={grant}");
    let page = [("origin", "https://player.example.com")];
    let (status, headers, jpeg) = shown(stage, &granted, &page).await;
    assert_eq!((status, number_of(&jpeg)), (StatusCode::OK, Some(wanted)));
    assert_eq!(headers["access-control-allow-origin"], "*");
    let (status, _, _) = shown(stage, signed, &page).await;
    assert_eq!(status, StatusCode::OK, "as it is listed");

    let file = stage.dir().join("at.jpg").display().to_string();
    let typed = format!("{at:.3}");
    let ran = zoetrope(stage, &["stream", "snapshot", id, "--at", &typed, "--out", &file]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let written = std::fs::read(&file).expect("it is written");
    assert_eq!(number_of(&written), Some(wanted));
    let date = ran.json()["taken_at"].as_str().expect("a time").to_owned();
    let ran = zoetrope(
        stage,
        &["stream", "snapshot", id, "--at", &date, "--width", "64", "--out", &file],
    )
    .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let written = std::fs::read(&file).expect("it is written");
    assert_eq!(
        number_of(&written),
        Some(wanted),
        "a picture is shown from its own time on"
    );

    let before = stage.http.get(&format!("/api/v1/streams/{id}/snapshot?at=5")).await;
    assert_eq!(before.status, StatusCode::NOT_FOUND, "{}", before.body);
    let start = range["start"].to_string();
    assert!(text(&before.body["detail"]).ends_with(&start), "{}", before.body);
    let ran = zoetrope(stage, &["stream", "snapshot", id, "--at", "5"]).await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let ran = zoetrope(stage, &["stream", "snapshot", id, "--at", "soon"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
}
