//! A picture out of a recording: the segments that show a moment are read and handed to a media child, which decodes them.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use zoetrope_queue::{Failure, QueueError};
use zoetrope_shared::artifacts::ArtifactError;
use zoetrope_shared::recordings::{Moment, Recording, RecordingError, SegmentName, Timeline};
use zoetrope_shared::tasks::recording_snapshot::{MAX_SIDE, RecordingSnapshotInput};
use zoetrope_shared::tenant::Tenant;

use crate::media_pool::{Listener, MediaError};
use crate::protocol_stills::{MAX_STILL_BYTES, STILL, Still, StillInput};
use crate::services::Services;
use crate::streams::groups;

/// Looks for segments that retention does not take away at that moment.
const LOOKS: usize = 3;
/// What a JPEG begins with.
const JPEG: [u8; 3] = [0xff, 0xd8, 0xff];
/// Largest picture, bytes: noise of its largest size has a tenth of that. A child that sends more is not itself.
const MAX_JPEG_BYTES: usize = 32 * 1024 * 1024;

/// A picture of a recording.
#[derive(Debug)]
pub struct Picture {
    /// It.
    pub jpeg: Bytes,
    /// When it is shown first, Unix milliseconds.
    pub shown_ms: u64,
    /// Width and height, pixels.
    pub size: (u32, u32),
}

/// What is read for a moment.
struct Reel {
    /// Init segment and segments, one after the other.
    body: Bytes,
    /// Where the moment's segment begins in it.
    from_byte: u64,
}

/// The last picture of a recording that is shown at or before a time.
///
/// # Errors
/// `not_found` where nothing was recorded then, it is gone, or nothing of it decodes; retryable ones where Redis, the store or the
/// children do not answer.
pub async fn of(services: &Services, tenant: &Tenant, input: &RecordingSnapshotInput) -> Result<Picture, Failure> {
    // Before anything is read: what waits holds no segments.
    let slot = services.still_slots.acquire().await;
    let _slot = slot.map_err(|_| Failure::retryable("media_unavailable", "the worker is stopping"))?;
    let queue = services.queue.get();
    let recording = Recording {
        queue: queue.ok_or_else(|| Failure::retryable("redis_unavailable", "the queue is not connected"))?,
        store: &services.recordings,
        tenant,
        stream: &input.stream,
    };
    for _ in 0..LOOKS {
        let rows = recording.rows_around(input.at_ms()).await.map_err(unreadable)?;
        let moment = Timeline::of(&rows).moment(input.at_ms());
        let moment = moment.map_err(|_| missing("nothing is recorded at that time"))?;
        if let Some(reel) = read(&recording, &moment).await? {
            return picture(services, input, &moment, reel).await;
        }
    }
    Err(missing("what was recorded at that time is gone"))
}

/// `None`: something of it is gone, perhaps with a row of the index.
async fn read(recording: &Recording<'_>, moment: &Moment) -> Result<Option<Reel>, Failure> {
    let Recording {
        store, tenant, stream, ..
    } = *recording;
    let bytes = |segments: &[zoetrope_shared::recordings::Segment]| -> usize {
        segments.iter().map(|segment| segment.bytes as usize).sum()
    };
    let init = store.init(tenant, stream, moment.segments[0].init).await;
    let Some(init) = init.map_err(|error| unreadable(error.into()))? else {
        return Ok(None);
    };
    let mut segments = &moment.segments[..];
    if init.len() + bytes(segments) > MAX_STILL_BYTES {
        // The one after the moment may hold some of it, and need not.
        segments = &segments[..=moment.within];
    }
    if init.len() + bytes(segments) > MAX_STILL_BYTES {
        let most = MAX_STILL_BYTES / (1024 * 1024);
        return Err(missing(format!(
            "more than {most} MiB are recorded from the key frame before that time on"
        )));
    }
    let from_byte = (init.len() + bytes(&segments[..moment.within])) as u64;
    let mut parts = vec![init];
    for segment in segments {
        let part = store.read(tenant, stream, SegmentName(*segment)).await;
        match part.map_err(|error| unreadable(error.into()))? {
            Some(part) => parts.push(part),
            None => return Ok(None),
        }
    }
    // Some are so large that copying them takes milliseconds.
    let joined = tokio::task::spawn_blocking(move || parts.concat()).await;
    let joined = joined
        .map_err(|error| Failure::retryable("media_unavailable", format!("segments were not joined: {error}")))?;
    Ok(Some(Reel {
        body: joined.into(),
        from_byte,
    }))
}

async fn picture(
    services: &Services,
    input: &RecordingSnapshotInput,
    moment: &Moment,
    reel: Reel,
) -> Result<Picture, Failure> {
    let start_ms = moment.segments[moment.within].start_ms;
    let asked = StillInput {
        from_byte: reel.from_byte,
        at_ms: input.at_ms().saturating_sub(start_ms),
        max_side: MAX_SIDE,
        max_width: input.width.unwrap_or(MAX_SIDE),
    };
    let request = groups::request(STILL, &asked)?;
    let mut shot = Shot::default();
    let answer = services.stills.run_heard(&request, reel.body, &mut shot).await;
    let still: Still = groups::parse(&answer.map_err(undecodable)?)?;
    let jpeg = shot.jpeg.filter(|jpeg| jpeg.starts_with(&JPEG));
    Ok(Picture {
        jpeg: jpeg.ok_or_else(|| MediaError::Crashed("answered no picture".to_owned()))?,
        shown_ms: start_ms.saturating_add_signed(still.shown_ms),
        size: (still.width, still.height),
    })
}

/// The picture of an answer.
#[derive(Debug, Default)]
struct Shot {
    jpeg: Option<Bytes>,
}

impl Listener for Shot {
    fn progress(&mut self, _: u8, _: &str) {}

    fn picture(&mut self, _: String, bytes: Vec<u8>) -> BoxFuture<'_, ()> {
        self.jpeg = Some(bytes.into()).filter(|jpeg: &Bytes| jpeg.len() <= MAX_JPEG_BYTES);
        Box::pin(std::future::ready(()))
    }
}

fn missing(message: impl Into<String>) -> Failure {
    Failure::non_retryable("not_found", message)
}

fn unreadable(error: RecordingError) -> Failure {
    match error {
        RecordingError::Queue(error @ (QueueError::Unavailable(_) | QueueError::Unsuitable(_))) => {
            Failure::retryable("redis_unavailable", error.to_string())
        }
        RecordingError::Queue(error) => Failure::non_retryable("recording_unreadable", error.to_string()),
        RecordingError::Store(ArtifactError::NotFound) => missing("what was recorded at that time is gone"),
        RecordingError::Store(error) => Failure::retryable("artifacts_unavailable", error.to_string()),
    }
}

/// What a camera sent and does not decode is not there for anybody who wants to see it.
fn undecodable(error: MediaError) -> Failure {
    match error {
        MediaError::Refused {
            code,
            message,
            retryable: false,
        } if code == "media_invalid" => missing(format!("what was recorded at that time cannot be shown: {message}")),
        other => other.into(),
    }
}
