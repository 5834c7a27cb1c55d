//! Pictures out of recordings: every picture of a film that numbers them, out of what the recorder's own muxer made of it, by a
//! real worker over a real Redis.

use std::collections::BTreeMap;

use bytes::Bytes;
use image::GrayImage;
use serde_json::json;
use serde_json::value::to_raw_value;
use zoetrope_queue::{NewTask, State, TaskId};
use zoetrope_shared::recordings::{HOUR_MS, Keep, Recordings, Row, Segment, SegmentName};
use zoetrope_shared::tasks::recording_snapshot::RecordingSnapshotOutput;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::parse_rfc3339_ms;
use zoetrope_worker::media_pool::{MediaError, MediaPool};
use zoetrope_worker::protocol::Request;
use zoetrope_worker::protocol_stills::{STILL, Still, StillInput};
use zoetrope_worker::protocol_streams::Codec;
use zoetrope_worker::recording::muxer::{Muxer, Picture, Piece};

use crate::films::{Films, Packet};
use crate::vocabulary::pool;
use crate::world::World;

/// When the first picture was shown, some seconds before an hour ends.
const BEGAN_MS: u64 = 500_000 * HOUR_MS - 6_000;
/// Pictures of a film.
const COUNT: u64 = 250;
/// Columns, each a bit of a picture's number, the lowest first.
const BITS: u32 = 8;
/// A size that is no picture of the recorder's.
const SMALL: u32 = 160;

/// 320 x 180, so many pictures a second, each with its number.
fn numbered(films: &Films, codec: Codec, fps: u64, encoder: &str) -> Vec<Packet> {
    let luma = "if(mod(floor(N/pow(2,floor(X/40))),2),220,36)";
    let source = format!(
        "-f lavfi -i color=gray:s=320x180:r={fps},format=yuv420p,geq=lum='{luma}':cb=128:cr=128 -frames:v {COUNT}"
    );
    let film = films.make(
        "numbered.mp4",
        &format!("{source} {encoder} -preset veryfast -pix_fmt yuv420p"),
    );
    films.packets(&film, codec)
}

fn number_of(picture: &GrayImage) -> u32 {
    let width = picture.width() / BITS;
    let bit = |place: u32| picture.get_pixel(place * width + width / 2, picture.height() / 2).0[0] > 128;
    (0..BITS).filter(|place| bit(*place)).map(|place| 1 << place).sum()
}

/// A stored recording: its segments, oldest first.
struct Recorded<'a> {
    world: &'a World,
    store: Recordings,
    stream: &'static str,
    segments: Vec<Segment>,
}

impl<'a> Recorded<'a> {
    /// Has the pictures muxed as they come and stores what comes of it.
    async fn of(world: &'a World, stream: &'static str, codec: Codec, packets: &[Packet]) -> Self {
        let mut recorded = Self {
            world,
            store: Recordings::beside(&world.artifacts),
            stream,
            segments: Vec::new(),
        };
        let (mut muxer, mut pieces) = (Muxer::default(), Vec::new());
        for packet in packets {
            let picture = Picture {
                data: packet.bytes.clone().into(),
                codec,
                is_key: packet.key,
                ticks: packet.t_ms as i64 * 90,
                wall_ms: BEGAN_MS + packet.t_ms,
            };
            muxer.push(&picture, &mut pieces).expect("FFmpeg's parameter sets read");
        }
        muxer.break_off(&mut pieces);
        recorded.store(pieces).await;
        recorded.index("default").await;
        recorded
    }

    async fn store(&mut self, pieces: Vec<Piece>) {
        let tenant = Tenant::default_tenant();
        let mut open = None;
        for piece in pieces {
            match piece {
                Piece::Begin {
                    start_ms,
                    init,
                    new_stretch,
                    starts_with_key,
                } => {
                    let init = Bytes::copy_from_slice(&init);
                    let segment = Segment {
                        start_ms,
                        duration_ms: 0,
                        bytes: 0,
                        epoch: 1,
                        seq: self.segments.len() as u32,
                        init: self
                            .store
                            .put_init(&tenant, self.stream, init)
                            .await
                            .expect("there is room"),
                        new_stretch,
                        starts_with_key,
                    };
                    let begun = self
                        .store
                        .begin(&tenant, self.stream, segment)
                        .await
                        .expect("there is room");
                    open = Some((segment, begun));
                }
                Piece::Part(part) => {
                    let (_, segment) = open.as_mut().expect("a segment is open");
                    segment.append(part.into()).await.expect("there is room");
                }
                Piece::End { duration_ms } => {
                    let (segment, written) = open.take().expect("a segment is open");
                    let segment = Segment {
                        duration_ms,
                        bytes: u32::try_from(written.bytes()).expect("a small film"),
                        ..segment
                    };
                    written.finish(SegmentName(segment)).await.expect("there is room");
                    self.segments.push(segment);
                }
            }
        }
    }

    async fn index(&self, tenant: &str) {
        let at = (tenant, self.stream);
        let mut pages: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for segment in &self.segments {
            let page = pages.entry(segment.start_ms / HOUR_MS).or_default();
            page.extend(Row::Segment(*segment).encode());
        }
        for (hour, rows) in pages {
            let written = self.world.queue.rewrite_journal_page(at, hour, b"", &rows, 1).await;
            assert!(written.expect("Redis answers"));
        }
        let note = Keep::of(87_600.0, u64::MAX / 2).note();
        let known = self.world.queue.restore_journal(at, 1, &note).await;
        assert!(known.expect("Redis answers"));
    }

    async fn ask(&self, tenant: &str, at_ms: u64) -> TaskId {
        let input = json!({"stream": self.stream, "at": at_ms as f64 / 1_000.0, "width": SMALL});
        let input = to_raw_value(&input).expect("a value is JSON");
        let task = NewTask::new(tenant, "recording_snapshot", input);
        match self.world.queue.enqueue(task).await.expect("Redis answers") {
            zoetrope_queue::Enqueued::Created(id) => id,
            other => panic!("a new task was expected, not {other:?}"),
        }
    }

    /// The number of the picture at a time, milliseconds after the first, and when it says that it was shown.
    async fn shown(&self, after_ms: u64) -> (u32, u64) {
        self.seen(self.ask("default", BEGAN_MS + after_ms).await, after_ms)
            .await
    }

    /// The same of a task that asks for it.
    async fn seen(&self, id: TaskId, after_ms: u64) -> (u32, u64) {
        let task = self.world.ended(id).await;
        let result = task
            .result
            .as_ref()
            .unwrap_or_else(|| panic!("{after_ms} ms: {task:?}"));
        let made: RecordingSnapshotOutput = serde_json::from_str(result.get()).expect("a result of this kind");
        let jpeg = self
            .world
            .artifacts
            .read(&Tenant::default_tenant(), &made.artifact, 1 << 20)
            .await;
        let jpeg = jpeg.expect("the store answers").expect("the picture is there");
        let picture = image::load_from_memory(&jpeg).expect("a sound JPEG").into_luma8();
        assert_eq!(
            (picture.dimensions(), made.width, made.height),
            ((SMALL, 90), SMALL, 90)
        );
        let taken_ms = parse_rfc3339_ms(&made.taken_at).expect("a time");
        (number_of(&picture), taken_ms - BEGAN_MS)
    }

    /// The code of the failure of asking for a time.
    async fn refused(&self, tenant: &str, at_ms: u64) -> String {
        let task = self.world.ended_of(tenant, self.ask(tenant, at_ms).await).await;
        assert_eq!(task.state, State::Failed, "{task:?}");
        task.error.expect("why").code
    }
}

/// Pictures that are worth a look: around the beginning and the end of each segment, and some in its middle.
fn places(recorded: &Recorded<'_>, fps: u64) -> Vec<u64> {
    let starts = recorded.segments.iter();
    let starts = starts.map(|segment| (segment.start_ms - BEGAN_MS) * fps / 1_000);
    let around = starts.flat_map(|start| (start.saturating_sub(3)..start + 2).chain([start + 7]));
    let mut places: Vec<u64> = around.chain([COUNT - 2, COUNT - 1]).collect();
    places.retain(|place| *place < COUNT);
    places.sort_unstable();
    places.dedup();
    places
}

const FORMS: [(&str, Codec, u64, &str); 5] = [
    ("plain", Codec::H264, 25, "-c:v libx264 -bf 0 -g 25"),
    (
        "b-frames",
        Codec::H264,
        25,
        "-c:v libx264 -bf 4 -b_strategy 0 -x264-params b-pyramid=normal:ref=4 -g 50",
    ),
    // 50 s with one key frame: what begins after 30 s is decoded from the segment before.
    (
        "rare-keys",
        Codec::H264,
        5,
        "-c:v libx264 -bf 2 -g 1000 -sc_threshold 0",
    ),
    (
        "hevc-b-frames",
        Codec::H265,
        25,
        "-c:v libx265 -x265-params log-level=error:bframes=4:b-adapt=0:b-pyramid=1:open-gop=0:keyint=50",
    ),
    // The last pictures before a key frame are stored behind it, and built on what is before it.
    (
        "hevc-open",
        Codec::H265,
        25,
        "-c:v libx265 -x265-params log-level=error:bframes=4:b-adapt=0:b-pyramid=1:open-gop=1:keyint=25:min-keyint=25",
    ),
];

#[tokio::test]
async fn the_picture_at_a_time_is_the_one_that_was_shown_then() {
    let (films, world) = (Films::new(), World::new().await);
    let _worker = world.start_worker(&[]);
    for (name, codec, fps, encoder) in FORMS {
        let packets = numbered(&films, codec, fps, encoder);
        assert_eq!(packets.len() as u64, COUNT, "{name}");
        let recorded = Recorded::of(&world, name, codec, &packets).await;
        let hours: Vec<u64> = recorded
            .segments
            .iter()
            .map(|segment| segment.start_ms / HOUR_MS)
            .collect();
        assert!(hours.first() < hours.last(), "{name} is in two hours: {hours:?}");
        let keyless = recorded
            .segments
            .iter()
            .filter(|segment| !segment.starts_with_key)
            .count();
        assert_eq!(keyless, usize::from(name == "rare-keys"), "{name}");
        let mut all = Vec::new();
        for place in places(&recorded, fps) {
            let first_ms = place * 1_000 / fps;
            let last_ms = (place + 1) * 1_000 / fps - 1;
            // How long the very last one lasts nobody knows.
            let asked = if place + 1 < COUNT {
                vec![first_ms, last_ms]
            } else {
                vec![first_ms]
            };
            for at_ms in asked {
                let id = recorded.ask("default", BEGAN_MS + at_ms).await;
                all.push((id, at_ms, (place as u32, first_ms)));
            }
        }
        for (id, at_ms, shown) in all {
            assert_eq!(recorded.seen(id, at_ms).await, shown, "{name}: {at_ms} ms");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_is_damaged_shows_the_picture_before() {
    let (films, world) = (Films::new(), World::new().await);
    let _worker = world.start_worker(&[]);
    let packets = numbered(&films, Codec::H264, 25, "-c:v libx264 -bf 0 -g 50");
    let recorded = Recorded::of(&world, "cam", Codec::H264, &packets).await;
    let tenant = Tenant::default_tenant();

    assert_eq!(recorded.refused("default", BEGAN_MS - 1).await, "not_found");
    assert_eq!(recorded.refused("default", BEGAN_MS + 10_001).await, "not_found");
    assert_eq!(recorded.refused("other", BEGAN_MS + 1_000).await, "not_found");
    // Another tenant's index with the same names leads to no media of this one.
    recorded.index("thief").await;
    assert_eq!(recorded.refused("thief", BEGAN_MS + 1_000).await, "not_found");

    // Half of the pictures of the first segment are overwritten: nothing of another segment is shown for them.
    let [first, second, ..] = recorded.segments[..] else {
        panic!("ten seconds are several segments: {:?}", recorded.segments);
    };
    let name = SegmentName(first);
    let whole = recorded
        .store
        .read(&tenant, "cam", name)
        .await
        .expect("the store answers");
    let mut damaged = whole.expect("it is there").to_vec();
    let half = damaged.len() / 2;
    damaged[half..].fill(0);
    let mut open = recorded
        .store
        .begin(&tenant, "cam", first)
        .await
        .expect("there is room");
    open.append(damaged.into()).await.expect("there is room");
    open.finish(name).await.expect("there is room");
    let end_ms = u64::from(first.duration_ms);
    let (number, shown_ms) = recorded.shown(end_ms - 1).await;
    assert!(
        shown_ms < end_ms && u64::from(number) == shown_ms * 25 / 1_000,
        "{number} at {shown_ms} ms"
    );
    assert_eq!(
        recorded.shown(end_ms).await.0,
        (end_ms * 25 / 1_000) as u32,
        "the next segment is well"
    );

    recorded
        .store
        .delete(&tenant, "cam", SegmentName(second))
        .await
        .expect("the store answers");
    assert_eq!(recorded.refused("default", second.start_ms).await, "not_found");
}

/// Has a child look for a picture in a body; the code of the refusal where there is none.
async fn still(pool: &MediaPool, body: &[u8], from_byte: u64, at_ms: u64) -> Result<Still, String> {
    let input = StillInput {
        from_byte,
        at_ms,
        max_side: SMALL,
        max_width: SMALL,
    };
    let request = Request {
        kind: STILL.to_owned(),
        input: to_raw_value(&input).expect("an input is JSON"),
    };
    match pool.run(&request, Bytes::copy_from_slice(body), |_, _| {}).await {
        Ok(answer) => Ok(serde_json::from_slice(&answer).expect("a child answers JSON")),
        Err(MediaError::Refused {
            code, retryable: false, ..
        }) => Err(code),
        Err(other) => panic!("{} bytes: {other}", body.len()),
    }
}

#[tokio::test]
async fn what_is_no_recording_is_refused_and_the_child_goes_on() {
    let (films, world, (pool, _)) = (Films::new(), World::new().await, pool());
    let packets = numbered(&films, Codec::H264, 25, "-c:v libx264 -bf 2 -g 50");
    let recorded = Recorded::of(&world, "cam", Codec::H264, &packets).await;
    let (tenant, first) = (Tenant::default_tenant(), recorded.segments[0]);
    let init = recorded.store.init(&tenant, "cam", first.init).await;
    let init = init.expect("the store answers").expect("it is there");
    let media = recorded.store.read(&tenant, "cam", SegmentName(first)).await;
    let media = media.expect("the store answers").expect("it is there");
    let whole = [&init[..], &media].concat();
    let from = init.len() as u64;
    let sound = Still {
        shown_ms: 1_000,
        width: SMALL,
        height: 90,
    };
    assert_eq!(still(&pool, &whole, from, 1_039).await, Ok(sound));

    let refused = |code: &str| Err::<Still, String>(code.to_owned());
    assert_eq!(still(&pool, &[], 0, 0).await, refused("input_invalid"));
    assert_eq!(still(&pool, b"no recording", 0, 0).await, refused("media_invalid"));
    assert_eq!(still(&pool, &init, from, 0).await, refused("media_invalid"));
    assert_eq!(still(&pool, &media, 0, 0).await, refused("media_invalid"));
    assert_eq!(
        still(&pool, &whole, whole.len() as u64, 0).await,
        refused("media_invalid"),
        "the segment begins where nothing is"
    );
    // Cut off anywhere, or with a byte changed: a picture, or none.
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let cut = still(&pool, &whole[..at], from, u64::MAX).await;
        let mut changed = whole.clone();
        changed[at] ^= 0xff;
        let changed = still(&pool, &changed, from, 1_039).await;
        for answer in [cut, changed] {
            let fits = answer
                .as_ref()
                .map_or_else(|code| code.ends_with("_invalid"), |still| still.width > 0);
            assert!(fits, "{at}: {answer:?}");
        }
    }
    assert_eq!(still(&pool, &whole, from, 1_039).await, Ok(sound));
}
