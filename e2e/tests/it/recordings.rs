//! Recordings of live streams from a foreign RTSP server: listed, played and exported, whatever became of their workers.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::{Value, json};
use zoetrope_e2e::{Http, RtspServer, Stage, StageBuilder};
use zoetrope_queue::{ConnectOptions, Queue, SystemClock};
use zoetrope_shared::artifacts::Artifacts;
use zoetrope_shared::recordings::{Recording, Recordings, Row, SegmentName};
use zoetrope_shared::tenant::Tenant;

use crate::streams::scenes;

/// However full the disk of the tests is.
pub(crate) fn stage() -> StageBuilder {
    crate::streams::stage().env("RECORDING_MAX_DISK_PERCENT", "101")
}

pub(crate) fn recordings(id: &str) -> String {
    format!("/api/v1/streams/{id}/recordings")
}

pub(crate) fn list<'a>(body: &'a Value, name: &str) -> &'a [Value] {
    body[name].as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} should be a number"))
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} should be a text"))
}

/// What FFmpeg has to say about something that it decodes to its end.
fn complaints(input: &str) -> Output {
    let arguments = ["-nostdin", "-v", "error", "-i", input, "-f", "null", "-"];
    Command::new("ffmpeg")
        .args(arguments)
        .output()
        .expect("`make setup` installs ffmpeg")
}

pub(crate) fn decodes(input: &str) {
    let output = complaints(input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{input}: {said}");
}

/// Show times of a file's pictures, seconds.
pub(crate) fn pictures(file: &Path) -> Vec<f64> {
    let arguments = [
        "-v",
        "error",
        "-select_streams",
        "v",
        "-show_entries",
        "frame=pts_time",
        "-of",
        "csv=p=0",
    ];
    let output = Command::new("ffprobe")
        .args(arguments)
        .arg(file)
        .output()
        .expect("`make setup` installs ffprobe");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).expect("it writes text");
    // Words beside a picture make an empty line.
    let times = listed
        .lines()
        .map(|line| line.trim_end_matches(','))
        .filter(|line| !line.is_empty());
    times.map(|time| time.parse().expect("ffprobe lists numbers")).collect()
}

/// How long the sound of a file lasts, seconds.
pub(crate) fn heard(file: &Path) -> f64 {
    let arguments = [
        "-v",
        "error",
        "-select_streams",
        "a",
        "-show_entries",
        "packet=duration_time",
        "-of",
        "csv=p=0",
    ];
    let output = Command::new("ffprobe")
        .args(arguments)
        .arg(file)
        .output()
        .expect("`make setup` installs ffprobe");
    let listed = String::from_utf8(output.stdout).expect("it writes text");
    let each = listed
        .lines()
        .filter_map(|line| line.trim_end_matches(',').parse::<f64>().ok());
    each.sum()
}

/// Exports a range and looks at every picture in it. Answers how many there are.
pub(crate) async fn check_export(http: &Http, range: &Value, folder: &Path) -> usize {
    let (status, headers, bytes) = http.bytes(text(&range["export"]), &[]).await;
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&bytes));
    assert_eq!(headers["content-length"], bytes.len().to_string());
    let file = folder.join("export.mp4");
    std::fs::write(&file, bytes).expect("there is room for a file");
    decodes(&file.display().to_string());
    let times = pictures(&file);
    let seconds = number(&range["end"]) - number(&range["start"]);
    assert!(times.first().is_some_and(|first| *first < 0.1), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    let last = times.last().expect("there are pictures");
    assert!((last - seconds).abs() < 0.5, "{last} of {seconds} s: {range}");
    times.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_stream_is_listed_played_and_exported() {
    let server = RtspServer::start(&[]).await;
    let stage = stage().env("MEDIA_SIGNING_KEY", "a long random key").start().await;
    for path in ["/h264", "/h265", "/h264aac"] {
        let input = json!({"url": server.url(path), "store": true, "duration": 13});
        let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
        let task = stage.http.until_ended(&id).await;
        assert_eq!(task["state"], "succeeded", "{task}");
        assert_eq!(task["result"]["counts"]["drops"]["recorder_behind"], 0, "{task}");

        let found = stage.http.get(&recordings(&id)).await.body;
        assert_eq!(
            (list(&found, "ranges").len(), list(&found, "gaps").len()),
            (1, 0),
            "{path}: {found}"
        );
        let range = &list(&found, "ranges")[0];
        assert_eq!(range["bytes"], found["bytes"], "{found}");
        let count = check_export(&stage.http, range, stage.dir()).await;
        println!("{path}: {count} pictures in {} bytes", found["bytes"]);
        let seconds = heard(&stage.dir().join("export.mp4"));
        let expected = if path == "/h264aac" {
            number(&range["end"]) - number(&range["start"])
        } else {
            0.0
        };
        assert!(
            (seconds - expected).abs() < 1.0,
            "{path}: {seconds} of {expected} s of sound"
        );
        assert!(count >= 60, "{path}: {count} pictures in 13 s");

        // FFmpeg is a player that shows no key and knows no header of ours.
        decodes(&format!("{}{}", stage.http.base(), text(&found["playlist"])));
        check_playlist(&stage.http, &id, range).await;
    }
}

/// From its middle on the recording plays from a key frame on, and its segments are handed out in parts, to any page.
async fn check_playlist(http: &Http, id: &str, range: &Value) {
    let middle = f64::midpoint(number(&range["start"]), number(&range["end"]));
    let end = number(&range["end"]);
    let folder = format!("/api/v1/streams/{id}");
    let playlist = http
        .text(&format!("{folder}/playlist.m3u8?start={middle}&end={end}"))
        .await;
    assert!(
        playlist.starts_with("#EXTM3U\n") && playlist.ends_with("#EXT-X-ENDLIST\n"),
        "{playlist}"
    );
    let segment = playlist
        .lines()
        .find(|line| line.starts_with("segments/"))
        .expect("a segment");
    let start = segment["segments/".len()..]
        .split('-')
        .next()
        .and_then(|start| start.parse::<f64>().ok());
    assert!(
        start.is_some_and(|start| start <= middle * 1_000.0),
        "{segment} covers {middle}"
    );
    let headers = [("range", "bytes=4-7"), ("origin", "https://player.example.com")];
    let (status, headers, bytes) = http.bytes(&format!("{folder}/{segment}"), &headers).await;
    assert_eq!((status, &bytes[..]), (StatusCode::PARTIAL_CONTENT, &b"moof"[..]));
    assert_eq!(headers["access-control-allow-origin"], "*");

    for (query, status, code) in [
        ("start=5&end=4", StatusCode::UNPROCESSABLE_ENTITY, "invalid_input"),
        ("start=0&end=86401", StatusCode::UNPROCESSABLE_ENTITY, "invalid_input"),
        ("start=5&end=6", StatusCode::NOT_FOUND, "not_found"),
        (
            "start=5&end=6&grant=forged",
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
        ),
    ] {
        for what in ["playlist.m3u8", "export"] {
            let answer = http.get(&format!("{folder}/{what}?{query}")).await;
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (status, &json!(code)),
                "{what}?{query}"
            );
        }
    }
    for name in [
        "x.m4s",
        "..%2F..%2Fsecrets.key",
        "1700000000000-000001-00000000-4004-10-0badcafe-n.m4s",
    ] {
        let answer = http.get(&format!("{folder}/segments/{name}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_worker_was_killed_what_it_wrote_plays_and_the_gap_says_so() {
    let server = RtspServer::start(&[]).await;
    let mut stage = stage().env("LEASE_SECONDS", "3").start().await;
    let input = json!({"url": server.url("/h264"), "store": true});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    let before = stage
        .http
        .until_body(&recordings(&id), |found| !list(found, "ranges").is_empty())
        .await;
    let known = number(&list(&before, "ranges")[0]["end"]);
    // Two parts of the next segment, which is in no index, are on the disk by now.
    let task = stage.http.get(&format!("/api/v1/tasks/{id}")).await.body;
    until_parts(&stage, 2).await;
    stage.workers[0].kill().await;
    stage.workers[0].restart();
    let found = stage
        .http
        .until_body(&recordings(&id), |found| list(found, "ranges").len() == 2)
        .await;
    stage.http.delete(&format!("/api/v1/tasks/{id}")).await;
    assert_eq!(stage.http.until_ended(&id).await["state"], "canceled", "{task}");

    let gaps = list(&found, "gaps");
    assert_eq!((gaps.len(), &gaps[0]["cause"]), (1, &json!("worker")), "{found}");
    let [first, second] = list(&found, "ranges") else {
        panic!("two ranges: {found}")
    };
    assert!(
        number(&first["end"]) > known + 0.9,
        "the unfinished segment was adopted: {before} {found}"
    );
    assert_eq!(
        (&gaps[0]["start"], &gaps[0]["end"]),
        (&first["end"], &second["start"]),
        "{found}"
    );
    println!(
        "the gap is {:.3} s long",
        number(&gaps[0]["end"]) - number(&gaps[0]["start"])
    );

    let whole = stage.http.get(&recordings(&id)).await.body;
    for range in list(&whole, "ranges") {
        check_export(&stage.http, range, stage.dir()).await;
    }
    assert!(leftovers(&stage).is_empty(), "{:?}", leftovers(&stage));
    check_break(&stage.http, &id, &whole).await;
}

/// A part with a break in it is no file, but it plays.
async fn check_break(http: &Http, id: &str, found: &Value) {
    assert!(list(found, "ranges").len() >= 2, "two ranges: {found}");
    let (part, refused) = refused_whole(http, id, found).await;
    let named = text(&refused["errors"][0]["detail"]);
    let (status, ..) = http.bytes(&format!("/api/v1/streams/{id}/export?{named}"), &[]).await;
    assert_eq!(status, StatusCode::OK, "{named}");
    let playlist = format!("/api/v1/streams/{id}/playlist.m3u8?{part}");
    assert_eq!(http.text(&playlist).await.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
    decodes(&format!("{}{playlist}", http.base()));
}

/// All of a recording with breaks in it, as a query has it, and why it is no file.
pub(crate) async fn refused_whole(http: &Http, id: &str, found: &Value) -> (String, Value) {
    let ranges = list(found, "ranges");
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
        panic!("{found}")
    };
    let part = format!("start={}&end={}", number(&first["start"]), number(&last["end"]));
    let answer = http.get(&format!("/api/v1/streams/{id}/export?{part}")).await;
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (StatusCode::CONFLICT, &json!("recording_not_continuous")),
        "{}",
        answer.body
    );
    (part, answer.body)
}

/// Where a stage keeps its media.
pub(crate) fn store(stage: &Stage) -> Recordings {
    let url = format!("file://{}", stage.dir().join("data/artifacts").display());
    let artifacts = Artifacts::open(&url, Arc::new(SystemClock));
    Recordings::beside(&artifacts.expect("the folder should be there"))
}

/// Files of recordings.
fn files(stage: &Stage) -> Vec<(String, u64)> {
    let mut folders = vec![stage.dir().join("data/artifacts/recordings")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => files.push((entry.file_name().to_string_lossy().into_owned(), metadata.len())),
                Err(_) => {}
            }
        }
    }
    files
}

fn leftovers(stage: &Stage) -> Vec<String> {
    let unfinished = files(stage).into_iter().filter(|(name, _)| name.ends_with(".part"));
    unfinished.map(|(name, _)| name).collect()
}

/// Waits until the segment at hand has some parts: its file grows with each.
async fn until_parts(stage: &Stage, wanted: usize) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    let (mut name, mut sizes) = (String::new(), std::collections::BTreeSet::new());
    while sizes.len() < wanted {
        ticks.tick().await;
        let open = files(stage)
            .into_iter()
            .find(|(name, size)| name.ends_with(".part") && *size > 0);
        let Some((open, size)) = open else { continue };
        if open != name {
            sizes.clear();
            name = open;
        }
        sizes.insert(size);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_given_up_writes_nothing_when_it_wakes() {
    let server = RtspServer::start(&[]).await;
    let mut stage = stage().env("LEASE_SECONDS", "3").start().await;
    let queue = Queue::connect(ConnectOptions::new(stage.redis.url()))
        .await
        .expect("Redis should answer");
    let input = json!({"url": server.url("/h264"), "store": true});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    stage
        .http
        .until_body(&recordings(&id), |found| !list(found, "ranges").is_empty())
        .await;
    stage.workers[0].signal(rustix::process::Signal::STOP);
    stage.add_worker();
    stage
        .http
        .until_body(&recordings(&id), |found| list(found, "ranges").len() == 2)
        .await;
    stage.workers[0].signal(rustix::process::Signal::CONT);
    let task = stage.http.get(&format!("/api/v1/tasks/{id}")).await.body;
    // Long enough for whatever the first one still had in hand, which is less than a segment.
    stage.http.until(&id, |now| scenes(now) > scenes(&task) + 1).await;
    stage.http.delete(&format!("/api/v1/tasks/{id}")).await;
    stage.http.until_ended(&id).await;

    let tenant = Tenant::default_tenant();
    let recording = Recording {
        queue: &queue,
        store: &store(&stage),
        tenant: &tenant,
        stream: &id,
    };
    let rows = recording.rows(0, u64::MAX / 2).await.expect("Redis should answer");
    let epochs: Vec<u32> = rows
        .iter()
        .map(|row| match row {
            Row::Segment(segment) => segment.epoch,
            Row::Gap(gap) => gap.epoch,
        })
        .collect();
    assert!(epochs.is_sorted() && epochs.last() > epochs.first(), "{rows:?}");
    assert!(
        rows.windows(2).all(|pair| pair[0].end_ms() <= pair[1].start_ms()),
        "{rows:?}"
    );
    let stored: Vec<String> = files(&stage).into_iter().map(|(name, _)| name).collect();
    for row in rows {
        if let Row::Segment(segment) = row {
            let name = SegmentName(segment).to_string();
            assert!(stored.contains(&name), "{name} is there: {stored:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_bounded_recording_the_oldest_goes() {
    const MOST: u64 = 200_000;
    let server = RtspServer::start(&["--size", "1280x720"]).await;
    let stage = stage().start().await;
    let input = json!({"url": server.url("/h264"), "store": true, "retention": {"max_bytes": MOST}});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    let start = |found: &Value| list(found, "ranges").first().map(|range| number(&range["start"]));
    let first = stage
        .http
        .until_body(&recordings(&id), |found| start(found).is_some())
        .await;
    let later = |found: &Value| start(found) > start(&first);
    stage.http.until_body(&recordings(&id), later).await;
    stage.http.delete(&format!("/api/v1/tasks/{id}")).await;
    stage.http.until_ended(&id).await;
    let found = stage.http.get(&recordings(&id)).await.body;
    let stored: u64 = files(&stage)
        .iter()
        .filter(|(name, _)| name.ends_with(".m4s"))
        .map(|(_, size)| size)
        .sum();
    assert_eq!(found["bytes"], stored, "{found}");
    let segments = files(&stage).iter().filter(|(name, _)| name.ends_with(".m4s")).count();
    assert!(stored <= MOST || segments == 1, "{stored} bytes in {segments} segments");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_no_recording_starts_and_the_task_says_why() {
    let server = RtspServer::start(&[]).await;
    let stage = stage().env("RECORDING_MAX_DISK_PERCENT", "1").start().await;
    let input = json!({"url": server.url("/h264"), "store": true});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    let task = stage.http.until_ended(&id).await;
    assert_eq!(
        (&task["state"], &task["error"]["code"]),
        (&json!("failed"), &json!("storage_full")),
        "{task}"
    );
    assert_eq!(stage.http.get(&recordings(&id)).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_its_tenants_alone_and_a_signed_url_is_for_nothing_else() {
    let server = RtspServer::start(&[]).await;
    let stage = stage().env("MEDIA_SIGNING_KEY", "a long random key").start().await;
    let key = |tenant: &str, scopes: Value| json!({"name": tenant, "tenant": tenant, "scopes": scopes});
    let mut ours = stage.http.clone();
    let mut theirs = stage.http.clone();
    let admin = ours
        .post("/api/v1/keys", &key("default", json!(["admin:*"])))
        .await
        .body;
    let admin = stage.http.with_key(text(&admin["key"]));
    for (http, tenant) in [(&mut ours, "default"), (&mut theirs, "other")] {
        let scopes = json!(["streams:*", "tasks:read", "tasks:write"]);
        let made = admin.post("/api/v1/keys", &key(tenant, scopes)).await.body;
        *http = stage.http.with_key(text(&made["key"]));
    }
    let input = json!({"url": server.url("/h264"), "store": true, "duration": 6});
    let id = ours.submit("stream_ingest", &json!({"input": input})).await;
    ours.until_ended(&id).await;
    let found = ours.get(&recordings(&id)).await.body;
    let range = &list(&found, "ranges")[0];
    assert_eq!(theirs.get(&recordings(&id)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stage.http.get(&recordings(&id)).await.status, StatusCode::UNAUTHORIZED);
    let plain = format!("start={}&end={}", number(&range["start"]), number(&range["end"]));
    for what in ["playlist.m3u8", "export"] {
        let path = format!("/api/v1/streams/{id}/{what}?{plain}");
        assert_eq!(theirs.get(&path).await.status, StatusCode::NOT_FOUND, "{what}");
        assert_eq!(stage.http.get(&path).await.status, StatusCode::UNAUTHORIZED, "{what}");
        assert_eq!(ours.bytes(&path, &[]).await.0, StatusCode::OK, "{what}");
    }
    // Whoever has the URL needs no key, and gets no further than it says.
    let signed = text(&range["playlist"]);
    decodes(&format!("{}{signed}", stage.http.base()));
    let grant = signed.split_once("grant=").expect("it is signed").1;
    for path in [
        format!("/api/v1/streams/another/playlist.m3u8?{plain}&grant={grant}"),
        format!("{}?grant={grant}", recordings(&id)),
        format!("/api/v1/tasks/{id}?grant={grant}"),
    ] {
        assert!(!stage.http.get(&path).await.status.is_success(), "{path}");
    }
    let early = format!("/api/v1/streams/{id}/playlist.m3u8?start=5&end=10&grant={grant}");
    assert_eq!(stage.http.get(&early).await.status, StatusCode::NOT_FOUND);
}
