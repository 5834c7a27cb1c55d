//! What becomes of recordings that are kept: their old hours are sealed, the oldest goes, not from under a reader, and an index
//! that is lost is made anew from the names of segments. Old recordings are a camera's segments, stored at other times.

use std::path::PathBuf;

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use zoetrope_e2e::{RtspServer, Stage};
use zoetrope_queue::{Clock, ConnectOptions, Queue, SystemClock};
use zoetrope_shared::recordings::{
    HOUR_MS, Keep, Recording, Recordings, Row, Segment, SegmentName, check, forget_if_empty, keep_tenant_within,
    keep_within, seal_old_hours,
};
use zoetrope_shared::tenant::Tenant;

use crate::cli::command;
use crate::recordings::{list, number, recordings, stage, store, text};

/// Later than every clock of today.
const LATER_MS: u64 = 100_000 * HOUR_MS;

/// A camera's init segment and its first segment.
async fn film() -> &'static (Bytes, Bytes) {
    static FILM: OnceCell<(Bytes, Bytes)> = OnceCell::const_new();
    FILM.get_or_init(async || {
        let server = RtspServer::start(&[]).await;
        let stage = stage().start().await;
        let input = json!({"url": server.url("/h264"), "store": true, "duration": 5});
        let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
        stage.http.until_ended(&id).await;
        let found = stage.http.get(&recordings(&id)).await.body;
        let playlist = stage.http.text(text(&found["playlist"])).await;
        let init = playlist.split('"').find(|word| word.starts_with("init/"));
        let segment = playlist.lines().find(|line| line.starts_with("segments/"));
        let [init, segment] = [init, segment].map(|name| {
            let name = name.unwrap_or_else(|| panic!("it plays: {playlist}"));
            format!("/api/v1/streams/{id}/{name}")
        });
        let (init, segment) = (
            stage.http.bytes(&init, &[]).await,
            stage.http.bytes(&segment, &[]).await,
        );
        (init.2.into(), segment.2.into())
    })
    .await
}

/// Everything that a test needs of a recording without a stream.
struct Kept {
    queue: Queue,
    store: Recordings,
    tenant: Tenant,
    stream: &'static str,
}

impl Kept {
    async fn of(stage: &Stage, stream: &'static str) -> Self {
        let queue = Queue::connect(ConnectOptions::new(stage.redis.url())).await;
        Self {
            queue: queue.expect("Redis should answer"),
            store: store(stage),
            tenant: Tenant::default_tenant(),
            stream,
        }
    }

    fn recording(&self) -> Recording<'_> {
        Recording {
            queue: &self.queue,
            store: &self.store,
            tenant: &self.tenant,
            stream: self.stream,
        }
    }

    fn at(&self) -> (&str, &str) {
        (self.tenant.as_str(), self.stream)
    }

    /// Stores two segments in each of these hours, each the camera's so many times over, with their rows.
    async fn record(&self, hours: std::ops::Range<u64>, times: usize) -> Vec<Segment> {
        let (init, media) = film().await;
        let media = Bytes::from(media.repeat(times));
        let init = self.store.put_init(&self.tenant, self.stream, init.clone()).await;
        let init = init.expect("there is room");
        let mut all: Vec<Segment> = Vec::new();
        for hour in hours {
            for part in 0..2 {
                let segment = Segment {
                    start_ms: hour * HOUR_MS + part * 4_000,
                    duration_ms: 4_000,
                    bytes: 0,
                    epoch: 3,
                    seq: u32::try_from(all.len()).expect("a small number"),
                    init,
                    new_stretch: part == 0,
                    starts_with_key: true,
                };
                let open = self.store.begin(&self.tenant, self.stream, segment).await;
                let mut open = open.expect("there is room");
                open.append(media.clone()).await.expect("there is room");
                let segment = Segment {
                    bytes: u32::try_from(open.bytes()).expect("a small film"),
                    ..segment
                };
                open.finish(SegmentName(segment)).await.expect("there is room");
                all.push(segment);
            }
        }
        for pair in all.chunks(2) {
            let rows: Vec<u8> = pair
                .iter()
                .flat_map(|segment| Row::Segment(*segment).encode())
                .collect();
            let weight = pair.iter().map(|segment| u64::from(segment.bytes)).sum();
            let page = pair[0].start_ms / HOUR_MS;
            let written = self
                .queue
                .rewrite_journal_page(self.at(), page, b"", &rows, weight)
                .await;
            assert!(written.expect("Redis should answer"));
        }
        let note = Keep::of(87_600.0, u64::MAX / 2).note();
        let known = self.queue.restore_journal(self.at(), 3, &note).await;
        assert!(known.expect("Redis should answer"));
        all
    }

    /// What of these is still stored.
    fn stored(&self, stage: &Stage, segments: &[Segment]) -> Vec<bool> {
        let there = |segment: &Segment| {
            let hour = format!("{:08}", segment.start_ms / HOUR_MS);
            let folder = folder(stage, self.stream).join(hour);
            folder.join(SegmentName(*segment).to_string()).exists()
        };
        segments.iter().map(there).collect()
    }
}

fn folder(stage: &Stage, stream: &str) -> PathBuf {
    stage.dir().join("data/artifacts/recordings/default").join(stream)
}

/// Everything that a reader is told of hours: what is recorded, a playlist of all, an export of each range.
async fn read(stage: &Stage, stream: &str, hours: std::ops::Range<u64>) -> (Value, String, Vec<Vec<u8>>) {
    let part = format!("start={}&end={}", hours.start * 3_600, hours.end * 3_600);
    let found = stage.http.get(&format!("{}?{part}", recordings(stream))).await.body;
    let playlist = format!("/api/v1/streams/{stream}/playlist.m3u8?{part}");
    let mut exports = Vec::new();
    for range in list(&found, "ranges") {
        let (status, _, bytes) = stage.http.bytes(text(&range["export"]), &[]).await;
        assert_eq!(status, StatusCode::OK, "{range}");
        exports.push(bytes);
    }
    (found, stage.http.text(&playlist).await, exports)
}

#[tokio::test(flavor = "multi_thread")]
async fn old_hours_are_sealed_and_read_and_deleted_like_others() {
    let stage = stage().workers(0).start().await;
    let kept = Kept::of(&stage, "old").await;
    let first = SystemClock.now_ms() / HOUR_MS - 30;
    let segments = kept.record(first..first + 10, 1).await;
    let before = read(&stage, "old", first..first + 10).await;
    assert_eq!(
        (before.2.len(), list(&before.0, "ranges").len()),
        (10, 10),
        "{}",
        before.0
    );

    let now_ms = (first + 30) * HOUR_MS;
    let recording = kept.recording();
    let sealed = seal_old_hours(&recording, now_ms).await.expect("both answer");
    assert_eq!(sealed, 5, "those that ended a day ago, but for the oldest");
    assert_eq!(seal_old_hours(&recording, now_ms).await.expect("both answer"), 0);
    let page = kept.queue.journal_page("default", "old", first + 3).await;
    assert_eq!(
        page.expect("Redis should answer").len(),
        32,
        "all rows of an hour take as much as one"
    );
    assert_eq!(read(&stage, "old", first..first + 10).await, before);
    let report = check(&kept.queue, &kept.store, Keep::NOTHING, now_ms, false).await;
    assert_eq!(report.expect("both answer").found, 0);

    // Up to the middle of an hour that is sealed.
    let keep = Keep {
        age_ms: now_ms - segments[6].end_ms(),
        bytes: u64::MAX,
    };
    let freed = keep_within(&recording, keep, now_ms).await.expect("both answer");
    let expected: u64 = segments[..7].iter().map(|segment| u64::from(segment.bytes)).sum();
    assert_eq!(freed, expected);
    let there = kept.stored(&stage, &segments);
    assert!(
        there[..7].iter().all(|there| !there) && there[7..].iter().all(|there| *there),
        "{there:?}"
    );
    let after = read(&stage, "old", first..first + 10).await.0;
    assert_eq!(list(&after, "ranges").len(), 7, "{after}");
    let bytes: u64 = segments[7..].iter().map(|segment| u64::from(segment.bytes)).sum();
    assert_eq!(after["bytes"], bytes);

    let freed = keep_within(&recording, Keep::NOTHING, u64::MAX)
        .await
        .expect("both answer");
    assert_eq!(freed, bytes);
    assert!(forget_if_empty(&recording).await.expect("both answer"));
    assert!(!folder(&stage, "old").exists(), "sealed hours go with the rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_tenant_that_has_too_much_the_oldest_hour_goes_whosever_it_is() {
    let stage = stage().workers(0).start().await;
    let (door, yard) = (Kept::of(&stage, "door").await, Kept::of(&stage, "yard").await);
    let at_door = door.record(1_000..1_003, 1).await;
    let in_yard = yard.record(1_001..1_003, 1).await;
    let elsewhere = Kept {
        tenant: Tenant::parse("other").expect("a tenant"),
        ..Kept::of(&stage, "door").await
    };
    elsewhere.record(1..3, 1).await;
    let each = u64::from(at_door[0].bytes);
    let within = async |cap: u64| {
        let kept = keep_tenant_within(&door.queue, &door.store, &door.tenant, cap, LATER_MS).await;
        kept.expect("both answer") / each
    };
    assert_eq!(within(each * 10).await, 0, "ten segments are allowed and there are ten");
    assert_eq!(within(each * 10 - 1).await, 1);
    assert_eq!(door.stored(&stage, &at_door), [false, true, true, true, true, true]);
    // The rest of that hour, and the first half of the next one of one of the two.
    assert_eq!(within(each * 8 - 1).await, 2);
    let left = [door.stored(&stage, &at_door), yard.stored(&stage, &in_yard)].concat();
    assert_eq!(left, [false, false, false, true, true, true, true, true, true, true]);
    let theirs = elsewhere
        .queue
        .journals_weight("other")
        .await
        .expect("Redis should answer");
    assert_eq!(theirs, each * 4, "another tenant has its own");
}

/// An answer of which nothing but the head is read.
async fn begun(url: &str) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build();
    let client = client.expect("a client should be buildable");
    let response = client.get(url).send().await.expect("the server should answer");
    assert_eq!(response.status(), StatusCode::OK);
    response
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_exported_stays_until_it_is_read() {
    let stage = stage().workers(0).start().await;
    let kept = Kept::of(&stage, "cam").await;
    // More than any socket takes while nobody reads.
    let times = (24 << 20) / film().await.1.len();
    let segments = kept.record(1_000..1_001, times).await;
    let total: u64 = segments.iter().map(|segment| u64::from(segment.bytes)).sum();
    let keep = Keep {
        age_ms: u64::MAX,
        bytes: total * 9 / 10,
    };
    let url = format!(
        "{}/api/v1/streams/cam/export?start=3600000&end=3600008",
        stage.http.base()
    );
    let response = begun(&url).await;
    let length = response.content_length();
    let recording = kept.recording();
    let freed = keep_within(&recording, keep, LATER_MS).await.expect("both answer");
    assert_eq!((freed, kept.stored(&stage, &segments)), (0, vec![true, true]));
    let mut read = 0;
    let mut body = response.bytes_stream();
    while let Some(piece) = body.next().await {
        read += piece.expect("nothing breaks off").len() as u64;
    }
    assert_eq!(Some(read), length);
    // Its end is told by nothing that a reader sees.
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(20));
    while keep_within(&recording, keep, LATER_MS).await.expect("both answer") == 0 {
        looks.tick().await;
    }
    assert_eq!(kept.stored(&stage, &segments), [false, true]);

    // Bounds are bounds, also for whoever reads all the time.
    let _response = begun(&url).await;
    let keep = Keep { bytes: 1, ..keep };
    let freed = keep_within(&recording, keep, LATER_MS).await.expect("both answer");
    assert_eq!(freed, u64::from(segments[1].bytes));
}

/// What the command prints about recordings, and its exit code.
async fn fsck(stage: &Stage, arguments: &[&str]) -> (Option<i32>, Value) {
    let arguments = [&["fsck", "--recordings", "--json"], arguments].concat();
    let mut command = command(stage, &arguments);
    let output = command.env("REDIS_URL", stage.redis.url()).output().await;
    let output = output.expect("zoetrope should run");
    let report = serde_json::from_slice(&output.stdout);
    (output.status.code(), report.expect("a report is JSON"))
}

fn faults(report: &Value) -> Vec<(&str, bool)> {
    let each = list(report, "findings").iter();
    each.map(|finding| (text(&finding["fault"]), finding["mended"] == true))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_lost_is_made_anew_from_what_is_stored() {
    let server = RtspServer::start(&[]).await;
    let mut stage = stage().env("LEASE_SECONDS", "3").start().await;
    let input = json!({"url": server.url("/h264"), "store": true});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    for ranges in 1..=2 {
        let enough = |found: &Value| list(found, "ranges").len() >= ranges;
        stage.http.until_body(&recordings(&id), enough).await;
        if ranges == 1 {
            stage.workers[0].kill().await;
            stage.workers[0].restart();
        }
    }
    stage.http.delete(&format!("/api/v1/tasks/{id}")).await;
    stage.http.until_ended(&id).await;
    assert_eq!(fsck(&stage, &[]).await.0, Some(0));
    let now = SystemClock.now_ms() / HOUR_MS;
    let before = read(&stage, &id, now - 1..now + 1).await;
    assert_eq!(list(&before.0, "gaps").len(), 1, "{}", before.0);

    let pages = stage.redis.keys(&format!("z:{{s00}}:j:default:{id}:*")).await;
    let head = format!("z:{{s00}}:jp:default:{id}");
    let mut words = vec!["DEL", "z:{s00}:jn", &head];
    words.extend(pages.iter().map(String::as_str));
    stage.redis.run(&words).await;
    assert_eq!(stage.http.get(&recordings(&id)).await.status, StatusCode::NOT_FOUND);
    let (code, report) = fsck(&stage, &[]).await;
    assert_eq!(
        (code, faults(&report)),
        (Some(1), vec![("index_gone", false)]),
        "{report}"
    );
    let (code, report) = fsck(&stage, &["--fix"]).await;
    assert_eq!(
        (code, faults(&report)),
        (Some(1), vec![("index_gone", true)]),
        "{report}"
    );
    assert_eq!(fsck(&stage, &[]).await.0, Some(0));
    assert_eq!(read(&stage, &id, now - 1..now + 1).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_one_side_knows_is_found_and_mended() {
    let stage = stage().workers(0).start().await;
    let kept = Kept::of(&stage, "cam").await;
    let segments = kept.record(1_000..1_004, 1).await;
    let before = read(&stage, "cam", 1_000..1_004).await;
    let rows = kept
        .queue
        .journal_page("default", "cam", 1_001)
        .await
        .expect("Redis should answer");
    let half = u64::from(segments[3].bytes);
    let cut = kept
        .queue
        .rewrite_journal_page(kept.at(), 1_001, &rows, &rows[32..], half)
        .await;
    assert!(cut.expect("Redis should answer"));
    let (code, report) = fsck(&stage, &["--fix"]).await;
    assert_eq!(
        (code, faults(&report)),
        (Some(1), vec![("segment_without_row", true)]),
        "{report}"
    );
    assert_eq!(
        report["findings"][0]["subject"],
        format!("default/cam/{}", SegmentName(segments[2]))
    );
    let after = read(&stage, "cam", 1_000..1_004).await;
    assert_eq!((&after.1, &after.2), (&before.1, &before.2));

    kept.store
        .delete(&kept.tenant, "cam", SegmentName(segments[5]))
        .await
        .expect("it is deleted");
    let (_, report) = fsck(&stage, &["--fix"]).await;
    assert_eq!(faults(&report), [("row_without_segment", true)], "{report}");
    let (found, playlist, _) = read(&stage, "cam", 1_000..1_004).await;
    let lost = list(&found, "gaps").iter().find(|gap| gap["cause"] == "lost");
    let start = lost.map(|gap| number(&gap["start"]) * 1_000.0);
    assert_eq!(start, Some(segments[5].start_ms as f64), "{found}");
    assert!(!playlist.contains(&SegmentName(segments[5]).to_string()), "{playlist}");

    // A worker that was given up has stored something of a time that another one has recorded.
    let late = Segment {
        start_ms: segments[0].start_ms + 2_000,
        epoch: 2,
        ..segments[0]
    };
    let mut open = kept
        .store
        .begin(&kept.tenant, "cam", late)
        .await
        .expect("there is room");
    open.append(film().await.1.clone()).await.expect("there is room");
    open.finish(SegmentName(late)).await.expect("there is room");
    let init = folder(&stage, "cam").join("init").join(format!("{}.mp4", late.init));
    std::fs::remove_file(init).expect("it is there");
    let (_, report) = fsck(&stage, &["--fix"]).await;
    assert_eq!(
        faults(&report),
        [("init_gone", false), ("segment_of_nobody", true)],
        "{report}"
    );
    assert_eq!(kept.stored(&stage, &[late, segments[0]]), [false, true]);
    assert_eq!(faults(&fsck(&stage, &[]).await.1), [("init_gone", false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_whose_rows_are_lost_is_made_anew() {
    let stage = stage().workers(0).start().await;
    let kept = Kept::of(&stage, "old").await;
    kept.record(1_000..1_003, 1).await;
    let before = read(&stage, "old", 1_000..1_003).await;
    assert_eq!(
        seal_old_hours(&kept.recording(), LATER_MS).await.expect("both answer"),
        2
    );
    std::fs::remove_dir_all(folder(&stage, "old").join("index")).expect("it is there");
    let report = check(&kept.queue, &kept.store, Keep::NOTHING, LATER_MS, true)
        .await
        .expect("both answer");
    assert!(report.found == report.mended && report.found >= 2, "{report:?}");
    assert_eq!(read(&stage, "old", 1_000..1_003).await, before);
}
