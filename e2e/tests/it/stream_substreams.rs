//! Cameras with a smaller stream beside the main one: the small one is watched, the main one recorded, and neither waits for the
//! other. Over two foreign RTSP servers, so that each can fail by itself.

use std::path::Path;

use serde_json::{Value, json};
use zoetrope_e2e::{RtspServer, Stage};

use crate::cli::zoetrope;
use crate::recordings::{check_export, heard, list, number, recordings};
use crate::stream_records::{KEYS, created, steer, until};

/// How a source is, by its name.
fn source<'a>(status: &'a Value, name: &str) -> &'a Value {
    let sources = list(status, "sources");
    sources
        .iter()
        .find(|source| source["source"] == name)
        .unwrap_or(&Value::Null)
}

/// Whether the main source and the sub-stream are in these states, and the whole in the worse of the two.
fn are(url: &'static str, detect_url: &'static str, whole: &'static str) -> impl Fn(&Value) -> bool {
    move |status| {
        let each = [source(status, "url"), source(status, "detect_url")].map(|source| source["state"].clone());
        each == [url, detect_url] && status["state"] == whole
    }
}

fn both_play(status: &Value) -> bool {
    are("connected", "connected", "connected")(status) && status["counts"]["frames"].as_u64() >= Some(2)
}

/// Waits until more is in the recording than now, and answers it.
async fn grown(stage: &Stage, id: &str) -> Value {
    let path = recordings(id);
    let bytes = |found: &Value| found["bytes"].as_u64().unwrap_or_default();
    let before = bytes(&stage.http.get(&path).await.body);
    stage.http.until_body(&path, |found| bytes(found) > before).await
}

/// Waits for two more scenes, while the stream stays as it is to be.
async fn two_more_scenes(stage: &Stage, id: &str, stays: impl Fn(&Value) -> bool) {
    let count = |status: &Value| status["counts"]["scenes"].as_u64().unwrap_or_default();
    let before = count(&until(stage, id, &stays).await);
    until(stage, id, |status| stays(status) && count(status) >= before + 2).await;
}

/// The codecs of a file's streams.
fn codecs(file: &Path) -> Vec<String> {
    let output = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("`make setup` installs ffprobe");
    let text = String::from_utf8(output.stdout).expect("it writes text");
    text.lines()
        .map(|line| line.trim_end_matches(',').to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_source_is_recorded_while_its_substream_is_watched_and_neither_waits_for_the_other() {
    let (mut main, mut sub) = (RtspServer::start(&[]).await, RtspServer::start(&[]).await);
    let stage = crate::recordings::stage().start().await;
    let body =
        json!({"url": main.url("/h264aac"), "detect_url": sub.url("/h265"), "store": true, "window": {"size_s": 1}});
    let id = created(&stage, body).await;
    steer(&stage, &id, "start").await;
    let status = until(&stage, &id, both_play).await;
    assert_eq!(
        (
            &status["codec"],
            &source(&status, "url")["codec"],
            &source(&status, "detect_url")["codec"]
        ),
        (&json!("h265"), &json!("h264"), &json!("h265")),
        "{status}"
    );
    grown(&stage, &id).await;

    main.kill().await;
    let unrecorded = are("reconnecting", "connected", "reconnecting");
    let watched_on = |status: &Value| unrecorded(status) && status["live_fps"].as_f64() > Some(1.0);
    let status = until(&stage, &id, watched_on).await;
    let why = status["detail"].as_str().unwrap_or_default();
    assert!(
        why.starts_with("url: ") && status["cause"] == source(&status, "url")["cause"],
        "{status}"
    );
    two_more_scenes(&stage, &id, unrecorded).await;
    main.restart().await;
    until(&stage, &id, both_play).await;
    let path = recordings(&id);
    stage
        .http
        .until_body(&path, |found| !list(found, "gaps").is_empty())
        .await;

    sub.kill().await;
    let unwatched = are("connected", "reconnecting", "reconnecting");
    let status = until(&stage, &id, &unwatched).await;
    let why = status["detail"].as_str().unwrap_or_default();
    assert!(why.starts_with("detect_url: "), "{status}");
    grown(&stage, &id).await;
    until(&stage, &id, unwatched).await;
    sub.restart().await;
    until(&stage, &id, both_play).await;
    two_more_scenes(&stage, &id, both_play).await;
    steer(&stage, &id, "stop").await;

    let found = stage.http.get(&path).await.body;
    let (ranges, gaps) = (list(&found, "ranges"), list(&found, "gaps"));
    assert_eq!(ranges.len(), gaps.len() + 1, "{found}");
    assert!(gaps.iter().all(|gap| gap["cause"] == "source"), "{found}");
    for range in ranges {
        check_export(&stage.http, range, stage.dir()).await;
        let file = stage.dir().join("export.mp4");
        assert_eq!(codecs(&file), ["h264", "aac"]);
        let seconds = number(&range["end"]) - number(&range["start"]);
        assert!(heard(&file) > seconds / 2.0, "{} s heard of {seconds}", heard(&file));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_source_has_its_own_credentials_and_the_wrong_ones_of_one_do_not_stop_the_other() {
    let (main, sub) = (
        RtspServer::start(&[]).await,
        RtspServer::start(&["--auth", "basic"]).await,
    );
    let stage = crate::recordings::stage().env(KEYS.0, KEYS.1).start().await;
    let wrong = sub.url_as(RtspServer::USER, "wr0ng-pa55", "/h265");
    let body = json!({"url": main.url("/h264"), "detect_url": wrong, "store": true, "window": {"size_s": 1}});
    let id = created(&stage, body).await;
    steer(&stage, &id, "start").await;
    let status = until(&stage, &id, are("connected", "error", "error")).await;
    assert_eq!(
        (&status["cause"], &source(&status, "detect_url")["cause"]),
        (&json!("auth"), &json!("auth"))
    );
    assert!(source(&status, "url")["cause"].is_null(), "{status}");
    grown(&stage, &id).await;
    let shown = zoetrope(&stage, &["stream", "show", &id, "-o", "table"]).await.stdout;
    assert!(
        shown.contains("error; auth") && shown.contains("connected; h264"),
        "{shown}"
    );
    steer(&stage, &id, "stop").await;

    for (which, ok) in [("url", true), ("detect_url", false)] {
        let tried = zoetrope(&stage, &["stream", "test", &id, "--which", which])
            .await
            .json();
        assert_eq!(tried["ok"], ok, "{which}: {tried}");
    }
    let right = sub.url_as(RtspServer::USER, RtspServer::PASSWORD, "/h265");
    let mended = zoetrope(&stage, &["stream", "update", &id, "--detect-url", &right]).await;
    assert_eq!(mended.code, Some(0), "{mended:?}");
    steer(&stage, &id, "start").await;
    until(&stage, &id, both_play).await;
    steer(&stage, &id, "stop").await;
    for log in ["api.log", "worker-0.log"] {
        let log = std::fs::read_to_string(stage.dir().join(log)).expect("processes should have logs");
        assert!(!log.contains("wr0ng-pa55") && !log.contains(RtspServer::USER), "{log}");
    }
}
