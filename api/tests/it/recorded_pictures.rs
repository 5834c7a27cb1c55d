//! Pictures out of recordings: what is asked for is judged and looked up here, and a worker is waited for. The worker of these
//! tests has pictures of its own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::{Method, StatusCode};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{Attempt, Failure, Handler, Outcome, SystemClock};
use zoetrope_shared::artifacts::{Artifacts, NewArtifact};
use zoetrope_shared::recordings::{Gap, GapCause, HOUR_MS, InitName, Keep, Row, Segment};
use zoetrope_shared::tenant::Tenant;

use crate::auth_keys::Keys;
use crate::stage::{Answer, Stage, TENANT};
use crate::worker;

/// The first second that is recorded, and an hour later the first of what follows a gap.
const BEGAN_S: u64 = 1_795_165_200;
const AGAIN_S: u64 = BEGAN_S + 2 * HOUR_MS / 1_000;
/// Asked for it, the worker finds nothing any more.
const GONE_S: u64 = BEGAN_S + 1;
const KEY: (&str, &str) = ("MEDIA_SIGNING_KEY", "a long random key");

/// Answers a picture that names the time and the width that it was asked for.
struct Darkroom(Artifacts);

impl Handler for Darkroom {
    fn run(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        let artifacts = self.0.clone();
        async move {
            let input: Value = serde_json::from_str(attempt.input.get()).expect("the input is JSON");
            if input["at"] == json!(GONE_S as f64) {
                return Outcome::Failed(Failure::non_retryable("not_found", "it is gone"));
            }
            let new = NewArtifact {
                content_type: "image/jpeg".to_owned(),
                filename: None,
                ttl: Duration::from_secs(60),
            };
            let tenant = Tenant::parse(&attempt.tenant).expect("a tenant");
            let jpeg = format!("{} of {} as wide as {}", input["at"], input["stream"], input["width"]);
            let stored = artifacts.put(&tenant, new, jpeg.into()).await.expect("there is room");
            let output = json!({
                "artifact": stored.artifact, "taken_at": "2026-11-20T09:00:00.960Z", "width": 640, "height": 360,
            });
            Outcome::Succeeded(to_raw_value(&output).expect("JSON"))
        }
        .boxed()
    }
}

fn segment(start_s: u64, new_stretch: bool) -> Row {
    Row::Segment(Segment {
        start_ms: start_s * 1_000,
        duration_ms: 4_000,
        bytes: 10,
        epoch: 1,
        seq: 0,
        init: InitName::of(b"one"),
        new_stretch,
        starts_with_key: true,
    })
}

/// Eight seconds, a gap, and four seconds.
async fn record(stage: &Stage, tenant: &str) {
    let queue = stage.queue().await;
    let gap = Row::Gap(Gap {
        start_ms: (BEGAN_S + 8) * 1_000,
        duration_ms: ((AGAIN_S - BEGAN_S - 8) * 1_000) as u32,
        cause: GapCause::Stopped,
        epoch: 1,
        seq: 0,
    });
    let rows = [
        segment(BEGAN_S, true),
        segment(BEGAN_S + 4, false),
        gap,
        segment(AGAIN_S, true),
    ];
    for page in rows.chunk_by(|one, other| one.start_ms() / HOUR_MS == other.start_ms() / HOUR_MS) {
        let hour = page[0].start_ms() / HOUR_MS;
        let bytes: Vec<u8> = page.iter().flat_map(Row::encode).collect();
        let written = queue.rewrite_journal_page((tenant, "cam"), hour, b"", &bytes, 20).await;
        assert!(written.expect("Redis"));
    }
    let note = Keep::of(87_600.0, u64::MAX / 2).note();
    assert!(queue.restore_journal((tenant, "cam"), 1, &note).await.expect("Redis"));
}

async fn developer(stage: &Stage) -> JoinSet<()> {
    let store = format!("file://{}", stage.artifacts_folder().display());
    let artifacts = Artifacts::open(&store, Arc::new(SystemClock)).expect("the api's store");
    let served = ("darkroom", "io", "recording_snapshot");
    worker::run(
        stage.queue().await,
        served,
        Darkroom(artifacts),
        CancellationToken::new(),
    )
}

fn path(query: &str) -> String {
    format!("/api/v1/streams/cam/snapshot?{query}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_a_time_is_what_a_worker_makes_and_nothing_of_it_stays() {
    let stage = Stage::start().await;
    record(&stage, "default").await;
    let _worker = developer(&stage).await;
    let seen = stage.get(&path(&format!("at={}&width=320", BEGAN_S + 6))).await;
    assert_eq!(
        (seen.status, seen.header("content-type"), seen.header("frame-at")),
        (200, "image/jpeg", "2026-11-20T09:00:00.960Z"),
        "{seen:?}"
    );
    let said = String::from_utf8(seen.bytes.clone()).expect("a text");
    assert_eq!(said, format!("{}.0 of \"cam\" as wide as 320", BEGAN_S + 6));
    assert_eq!(
        seen.header("cache-control"),
        "private, max-age=3600, immutable",
        "it does not change any more"
    );
    let newest = stage.get(&path(&format!("at={}", AGAIN_S + 1))).await;
    assert_eq!(
        newest.header("cache-control"),
        "private, no-store",
        "what follows may belong to it"
    );
    assert_eq!(
        newest.bytes,
        format!("{}.0 of \"cam\" as wide as null", AGAIN_S + 1).as_bytes()
    );
    let tasks = stage.get("/api/v1/tasks").await.body;
    let priorities: Vec<&Value> = tasks["items"]
        .as_array()
        .expect("a page")
        .iter()
        .map(|task| &task["priority"])
        .collect();
    assert_eq!(priorities, [&json!("realtime"); 2]);
    while stage.stored_files() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_no_time_is_refused_by_name() {
    let stage = Stage::start().await;
    record(&stage, "default").await;
    for (query, pointer) in [
        ("at=yesterday", "?at"),
        ("at=-1", "?at"),
        ("at=1e300", "?at"),
        ("width=320", "?at"),
        ("at=5&width=15", "?width"),
        ("at=5&width=1921", "?width"),
    ] {
        let answer = stage.get(&path(query)).await;
        answer.is_refused(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", pointer, query);
    }
    let answer = stage.get(&path("at=5&start=4")).await;
    answer.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "unknown_field",
        "?start",
        "export takes it",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_recorded_the_nearest_times_are_named() {
    let stage = Stage::start().await;
    record(&stage, "default").await;
    let (end, last) = (BEGAN_S + 8, AGAIN_S + 4);
    for (at, said) in [
        (BEGAN_S - 1, format!("the first time after it that is, is {BEGAN_S}")),
        (end + 1, format!("the nearest times that are, are {end} and {AGAIN_S}")),
        (last + 1, format!("the last time before it that is, is {last}")),
    ] {
        let answer = stage.get(&path(&format!("at={at}"))).await;
        answer.is_refused(StatusCode::NOT_FOUND, "not_found", "", "nothing is recorded");
        assert!(answer.text("/detail").ends_with(&said), "{answer:?}");
    }
    let foreign = stage
        .request(Method::GET, &path(&format!("at={BEGAN_S}")))
        .header(TENANT, "other");
    let foreign = Answer::of(foreign).await;
    foreign.is_refused(StatusCode::NOT_FOUND, "not_found", "", "another tenant's recording");
    assert_eq!(foreign.text("/detail"), "no such recording");
    stage.nothing_is_left("a picture that is not there").await;

    let _worker = developer(&stage).await;
    let gone = stage.get(&path(&format!("at={GONE_S}"))).await;
    gone.is_refused(StatusCode::NOT_FOUND, "not_found", "", "the worker came too late");
    assert_eq!(gone.text("/detail"), "it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_worker_it_is_said_when_to_come_back_and_the_task_is_canceled() {
    let stage = Stage::start().await;
    record(&stage, "default").await;
    let answer = stage.get(&path(&format!("at={BEGAN_S}"))).await;
    answer.is_refused(StatusCode::SERVICE_UNAVAILABLE, "internal", "", "nobody answers");
    assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    loop {
        let tasks = stage.get("/api/v1/tasks?kind=recording_snapshot").await.body;
        let state = tasks["items"][0]["state"].as_str().expect("a task").to_owned();
        if ["canceled", "expired"].contains(&state.as_str()) {
            break;
        }
        assert_eq!(state, "queued", "{tasks}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_shows_its_own_time_to_any_page_and_never_what_goes_on_now() {
    let stage = Stage::start_with(&[KEY]).await;
    record(&stage, "default").await;
    let _worker = developer(&stage).await;
    let keys = Keys::first(&stage).await;
    let part = format!("/api/v1/streams/cam/recordings?start={BEGAN_S}&end={AGAIN_S}");
    let found = keys.get(&stage, &part).await;
    let signed = found.text("/ranges/0/snapshot");
    let (plain, grant) = signed.split_once("&grant=").expect("a signed URL");
    assert_eq!(plain, path(&format!("at={BEGAN_S}")));

    let elsewhere = async |query: &str| {
        let request = stage.request(Method::GET, &path(query));
        Answer::of(request.header("origin", "https://player.example.com")).await
    };
    let seen = elsewhere(&format!("at={}&width=64&grant={grant}", BEGAN_S + 5)).await;
    assert_eq!(
        (seen.status, seen.header("access-control-allow-origin")),
        (200, "*"),
        "{seen:?}"
    );
    let exposed = seen.header("access-control-expose-headers");
    assert!(exposed.contains("frame-at"), "{exposed}");

    let outside = elsewhere(&format!("at={}&grant={grant}", AGAIN_S + 1)).await;
    outside.is_refused(StatusCode::NOT_FOUND, "not_found", "", "recorded, and not in the grant");
    let within = keys.get(&stage, &path(&format!("at={}", AGAIN_S + 1))).await;
    assert_eq!(within.status, 200, "{within:?}");

    // What goes on now is no recording: the page's origin is judged as for everything else, and then the grant is.
    assert_eq!(elsewhere(&format!("grant={grant}")).await.status, 403);
    for query in [format!("grant={grant}"), format!("at=&grant={grant}")] {
        let live = stage.get(&path(&query)).await;
        live.is_refused(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", "?at", &query);
    }
    let forged = stage.get(&path(&format!("at={BEGAN_S}&grant={grant}0"))).await;
    assert_eq!(forged.refusal().0, 401);
    let nobody = stage.get(&path(&format!("at={BEGAN_S}"))).await;
    assert_eq!(nobody.refusal().0, 401);
}
