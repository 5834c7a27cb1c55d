//! HLS from a foreign packager: every form of segment, sources that misbehave, and who is told what.

use reqwest::StatusCode;
use serde_json::{Value, json};
use zoetrope_e2e::{HlsServer, Stage};

use crate::recordings::{check_export, heard, list, number, recordings, stage};
use crate::streams::{cancel, down, live_again, scenes};
use crate::streams_matrix::codecs;

/// A key of 32 bytes, for tests only.
const KEY: &str = "test:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

async fn submit(stage: &Stage, input: Value) -> String {
    stage.http.submit("stream_ingest", &json!({"input": input})).await
}

/// Length of a range of a recording, seconds.
fn length(range: &Value) -> f64 {
    number(&range["end"]) - number(&range["start"])
}

#[tokio::test(flavor = "multi_thread")]
async fn films_in_every_form_are_played_in_real_time_and_recorded_to_their_last_picture() {
    let stage = stage().start().await;
    let server = HlsServer::start(stage.dir(), "site").await;
    server.make_film().await;
    let mut streams = Vec::new();
    for (name, codec) in server.make_films().await {
        let input = json!({"url": server.url(&format!("{name}.m3u8")), "store": true, "window": {"size_s": 2}});
        streams.push((name, codec, submit(&stage, input).await));
    }
    for (name, codec, id) in streams {
        let task = stage.http.until_ended(&id).await;
        let counts = &task["result"]["counts"];
        assert_eq!(task["result"]["ended_by"], "end_of_file", "{name}: {task}");
        assert_eq!(counts["packets"], HlsServer::PICTURES, "{name}: {task}");
        assert_eq!(counts["drops"]["decode_errors"], 0, "{name}: {task}");
        assert!(counts["frames"].as_u64() >= Some(4), "{name}: {task}");
        let stream_ms = task["result"]["stream_ms"].as_u64().unwrap_or_default();
        assert!((6_000..12_000).contains(&stream_ms), "{name} in real time: {task}");
        let found = stage.http.get(&recordings(&id)).await.body;
        let [range] = list(&found, "ranges") else {
            panic!("{name}: one range: {found}")
        };
        let pictures = check_export(&stage.http, range, stage.dir()).await;
        assert_eq!(pictures, HlsServer::PICTURES, "{name}: {found}");
        let file = stage.dir().join("export.mp4");
        assert_eq!(codecs(&file), [codec, "aac"], "{name}");
        let sound_s = heard(&file);
        assert!(
            (sound_s - length(range)).abs() < 0.5,
            "{name}: {sound_s} s of sound: {found}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_whose_size_changes_behind_a_master_playlist_is_recorded_in_two_ranges() {
    let stage = stage().start().await;
    let server = HlsServer::start(stage.dir(), "site").await;
    server.make_film().await;
    let name = server.make_changing_film().await;
    let url = server.url(&format!("{name}.m3u8"));
    let id = submit(
        &stage,
        json!({"url": url, "store": true, "fps": 15, "window": {"size_s": 2}}),
    )
    .await;
    let task = stage.http.until_ended(&id).await;
    assert_eq!(task["result"]["ended_by"], "end_of_file", "{task}");
    assert_eq!(task["result"]["counts"]["packets"], HlsServer::PICTURES, "{task}");
    assert_eq!(task["result"]["counts"]["drops"]["decode_errors"], 0, "{task}");
    let found = stage.http.get(&recordings(&id)).await.body;
    let mut pictures = 0;
    for range in list(&found, "ranges") {
        pictures += check_export(&stage.http, range, stage.dir()).await;
        assert!((length(range) - 4.0).abs() < 0.5, "{found}");
    }
    assert_eq!(pictures, HlsServer::PICTURES, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_playlist_is_followed_over_a_missing_segment_a_stall_and_a_server_that_is_gone() {
    let stage = stage().start().await;
    let mut server = HlsServer::start(stage.dir(), "site").await;
    server.make_film().await;
    server.go_live();
    let input = json!({"url": server.url("live.m3u8"), "store": true, "window": {"size_s": 1}});
    let id = submit(&stage, input).await;
    // Nobody listens to a playlist that is not there yet: `not_found` until the first segment is.
    let task = stage.http.until(&id, |task| scenes(task) >= 3).await;

    // Some of the next segments are refused for a while, never three in a row: the connection stays.
    let newest = newest_segment(&server);
    for ahead in [3, 5] {
        server.refuse(&format!("live{}.ts", newest + ahead), Some(404));
    }
    live_again(&stage, &id, scenes(&task) + 9).await;

    server.freeze();
    println!("a stall was shown after {:?}", down(&stage, &id, "timeout").await);
    server.thaw();
    println!(
        "it was live again after {:?}",
        live_again(&stage, &id, scenes(&task) + 12).await
    );

    server.kill().await;
    println!(
        "a server that is gone was shown after {:?}",
        down(&stage, &id, "refused").await
    );
    server.restart().await;
    println!(
        "it was live again after {:?}",
        live_again(&stage, &id, scenes(&task) + 15).await
    );

    // The packager starts anew, and counts from 0.
    server.go_live();
    live_again(&stage, &id, scenes(&task) + 20).await;
    let input = json!({"url": server.url("live.m3u8"), "duration": 3, "window": {"size_s": 1}});
    let other = submit(&stage, input).await;
    let task = stage.http.until_ended(&other).await;
    assert_eq!(task["result"]["ended_by"], "duration", "{task}");
    cancel(&stage, &id).await;

    let found = stage.http.get(&recordings(&id)).await.body;
    let gaps = list(&found, "gaps");
    let of_source = gaps.iter().filter(|gap| gap["cause"] == "source").count();
    assert!(
        of_source >= 4 && of_source == gaps.len(),
        "two segments, a stall, a server: {found}"
    );
    let missing = gaps.iter().filter(|gap| (length(gap) - 1.0).abs() < 0.4).count();
    assert!(missing >= 2, "a segment is a second: {found}");
}

/// Number of the newest segment in the live playlist.
fn newest_segment(server: &HlsServer) -> u64 {
    let named = server.requests().into_iter().filter_map(|(path, _)| {
        let number = path.strip_prefix("live")?.strip_suffix(".ts")?;
        number.parse().ok()
    });
    named.max().expect("segments were read")
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_tried_and_a_login_is_told_to_its_own_server_alone() {
    let stage = stage().env("SECRETS_KEYS", KEY).start().await;
    let server = HlsServer::start(stage.dir(), "site").await;
    let elsewhere = HlsServer::start(stage.dir(), "elsewhere").await;
    server.make_film().await;
    elsewhere.make_film().await;
    elsewhere.make_changing_film().await;
    let sealed = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://key\"\n#EXTINF:2,\na.ts\n";
    server.write("sealed.m3u8", sealed);
    let other = elsewhere.url("large");
    let mixed = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}0.ts\n#EXTINF:1,\n{other}1.ts\n#EXTINF:1,\n{other}2.ts\n#EXT-X-ENDLIST\n"
    );
    server.write("mixed.m3u8", &mixed);
    let entries = ["a", "b", "c"].map(|name| format!("#EXTINF:1,\nhttp://169.254.169.254/{name}.ts\n"));
    let inside = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{}#EXT-X-ENDLIST\n", entries.concat());
    server.write("inside.m3u8", &inside);

    let tried = async |body: Value| {
        let answer = stage.http.post("/api/v1/streams/test", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert!(
            !answer.body.to_string().contains(HlsServer::PASSWORD),
            "{}",
            answer.body
        );
        answer.body
    };
    let (user, password) = (HlsServer::USER, HlsServer::PASSWORD);
    let found = tried(json!({"url": server.guarded("mixed.m3u8"), "username": user, "password": password})).await;
    assert_eq!(
        (&found["ok"], &found["codec"]),
        (&json!(true), &json!("h264")),
        "{found}"
    );
    assert_eq!(
        (&found["width"], &found["height"]),
        (&json!(320), &json!(240)),
        "{found}"
    );
    assert!(number(&found["fps"]) > 14.0 && number(&found["fps"]) < 16.0, "{found}");
    let told =
        |requests: Vec<(String, Option<String>)>| requests.into_iter().filter(|(_, login)| login.is_some()).count();
    assert!(told(server.requests()) >= 1);
    assert!(told(elsewhere.requests()) == 0 && !elsewhere.requests().is_empty());

    for (url, cause, said) in [
        (server.guarded("mixed.m3u8"), "auth", "401"),
        (server.url("sealed.m3u8"), "codec", "SAMPLE-AES"),
        (server.url("nothing.m3u8"), "not_found", "404"),
        (server.url("film.mp4"), "network", "no HLS playlist"),
        (server.url("inside.m3u8"), "network", "metadata"),
    ] {
        let found = tried(json!({"url": url})).await;
        assert_eq!(
            (&found["ok"], &found["cause"]),
            (&json!(false), &json!(cause)),
            "{found}"
        );
        assert!(
            found["detail"].as_str().is_some_and(|detail| detail.contains(said)),
            "{found}"
        );
    }
    for log in ["api.log", "worker-0.log"] {
        let log = std::fs::read_to_string(stage.dir().join(log)).expect("processes should have logs");
        assert!(!log.contains(password) && !log.contains("YWxpY2U6"), "{log}");
    }
}
