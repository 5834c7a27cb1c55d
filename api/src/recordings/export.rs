//! `GET /api/v1/streams/{id}/export`: one MP4 of a part of a recording. Nothing is made in advance: segments are handed out one
//! after the other behind their init segment, moved in time so that the file begins at 0. Until it is sent, retention leaves it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::artifacts::{ArtifactError, ArtifactId};
use zoetrope_shared::recordings::{Fragments, Pin, Recording, Segment, SegmentName, Stretch, Timeline, timescales};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{Problem, ProblemCode, ProblemField};

use super::grant::Allowed;
use super::media;
use super::range::{self, Range, seconds};
use crate::app::App;
use crate::http::filename;
use crate::http::problem::Refusal;
use crate::http::query;
use crate::limits::PLAYED_RECORDING;
use crate::tenant::Caller;

/// Ranges that are named where none can be exported as a whole.
const NAMED_RANGES: usize = 50;
/// A segment that can be decoded from its start is expected this long before the start that is asked for.
const LONGEST_SNAP: Duration = Duration::from_mins(2);
/// Looks for a beginning that retention does not take away at that moment.
const LOOKS: usize = 3;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export_recording))
}

/// One MP4 of a recording
///
/// From the key frame at or before `start` to the end of the segment at `end`, as it was recorded. A part with a break in it
/// is answered 409 with `errors` that name what can be exported.
#[utoipa::path(get, path = "/api/v1/streams/{id}/export", tag = "streams",
    params(
        ("id" = String, Path, description = "The stream"),
        ("start" = f64, Query, description = "Unix seconds"),
        ("end" = Option<f64>, Query, description = "Unix seconds, at most 24 h after `start`; left out: now"),
        ("grant" = Option<String>, Query, description = "Of a signed URL, instead of a key"),
    ),
    responses(
        (status = 200, description = "A fragmented MP4", content_type = "video/mp4", body = Vec<u8>),
        (status = 404, description = "No such recording, or nothing is recorded in that time", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The part has a break: `errors` name ranges without", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis or the store is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn export_recording(
    State(app): State<App>,
    Caller(tenant): Caller,
    allowed: Allowed,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let range = Range::asked(&uri, app.clock.now_ms(), PLAYED_RECORDING)?;
    let Some(range) = range else {
        // Whoever may not know of the recording is not told what is wrong with the question.
        range::known(&app, &tenant, &id).await?;
        return Err(Refusal::invalid(query::pointer("start"), "is missing: Unix seconds"));
    };
    let range = allowed.within(range);
    allowed.covers(range.start_ms, range.end_ms)?;
    let Begun {
        stretch,
        init,
        head,
        mut export,
    } = Begun::begin(app, tenant, &id, range).await?;
    let length = init.len() as u64 + stretch.bytes();
    let rest: Vec<Segment> = stretch.segments[1..].to_vec();
    if rest.is_empty() {
        export.over().await;
    }
    let rest = stream::try_unfold((export, rest.into_iter()), |(mut export, mut rest)| async move {
        let Some(segment) = rest.next() else { return Ok(None) };
        let bytes = export.segment(segment).await?;
        if rest.len() == 0 {
            export.over().await;
        }
        Ok::<_, ExportError>(Some((bytes, (export, rest))))
    });
    let body = Body::from_stream(stream::iter([Ok(init), Ok(head)]).chain(rest));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    let name = format!("{id}-{}.mp4", stretch.start_ms() / 1_000);
    let name = HeaderValue::try_from(filename::attachment(&name)).ok();
    headers.extend(name.map(|name| (header::CONTENT_DISPOSITION, name)));
    media::open_to_all(&allowed, headers);
    Ok(response)
}

/// An export of which the first segment is read: what is gone by then is an answer of its own.
struct Begun {
    stretch: Stretch,
    init: Bytes,
    head: Bytes,
    export: Export,
}

impl Begun {
    /// Pins what is asked for before it looks what that is. Retention may have been about to delete the first segment: then the next look
    /// finds it gone.
    async fn begin(app: App, tenant: Tenant, id: &str, range: Range) -> Result<Self, Refusal> {
        let missing = || Refusal::not_found("recording in that time");
        let recording = range::known(&app, &tenant, id).await?;
        let holder = ArtifactId::random().to_string();
        let from_ms = range.start_ms.saturating_sub(LONGEST_SNAP.as_millis() as u64);
        let pin = Pin::hold(&recording, holder, from_ms, &*app.clock).await?;
        let mut export = Export {
            pin: Some(pin),
            app: app.clone(),
            tenant: tenant.clone(),
            stream: id.to_owned(),
            timescales: BTreeMap::new(),
            begins_s: None,
            fragments: 0,
        };
        for _ in 0..LOOKS {
            let timeline = range::timeline(&app, &tenant, id, range).await?;
            let stretch = one_stretch(timeline.between(range.start_ms, range.end_ms))?;
            let first = *stretch.segments.first().ok_or_else(missing)?;
            let init = app.recordings.init(&tenant, id, first.init).await?;
            let init = init.ok_or_else(missing)?;
            let timescales = timescales(&init);
            export.timescales = timescales.map_err(|error| Refusal::internal("export a recording", &error))?;
            match export.segment(first).await {
                Err(ExportError::Gone(_)) => {}
                head => {
                    let head = head?;
                    return Ok(Self {
                        stretch,
                        init,
                        head,
                        export,
                    });
                }
            }
        }
        Err(missing())
    }
}

/// The one stretch that can be a file.
fn one_stretch(timeline: Timeline) -> Result<Stretch, Refusal> {
    let mut stretches = timeline.stretches;
    match stretches.len() {
        0 => Err(Refusal::not_found("recording in that time")),
        1 => Ok(stretches.remove(0)),
        count => {
            let detail =
                format!("that time is recorded in {count} ranges with breaks between them: export them one by one");
            let mut refusal = Refusal::new(ProblemCode::RecordingNotContinuous, detail);
            let named = stretches.iter().take(NAMED_RANGES);
            refusal.problem.errors = named
                .map(|stretch| ProblemField {
                    pointer: query::pointer("start"),
                    detail: format!(
                        "start={}&end={}",
                        seconds(stretch.start_ms()),
                        seconds(stretch.end_ms())
                    ),
                })
                .collect();
            Err(refusal)
        }
    }
}

/// An export under way.
struct Export {
    app: App,
    tenant: Tenant,
    stream: String,
    /// Keeps what is still to be read; lapses by itself where a client goes away.
    pin: Option<Pin>,
    /// Ticks a second of each track.
    timescales: BTreeMap<u32, u32>,
    /// The time that becomes 0; known from the first segment on. All tracks are moved by the same, or sound would not fit
    /// pictures any more.
    begins_s: Option<f64>,
    /// Fragments so far.
    fragments: u32,
}

/// A segment cannot be exported, although the index knows it.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("segment {0} is gone")]
    Gone(SegmentName),
    #[error("segment {0} does not read")]
    Damaged(SegmentName),
    #[error(transparent)]
    Store(#[from] ArtifactError),
}

impl Export {
    /// The bytes of the next segment, moved in time.
    async fn segment(&mut self, segment: Segment) -> Result<Bytes, ExportError> {
        let name = SegmentName(segment);
        self.renew().await;
        let bytes = self.app.recordings.read(&self.tenant, &self.stream, name).await?;
        let mut bytes = bytes.ok_or(ExportError::Gone(name))?.to_vec();
        let fragments = Fragments::of(&bytes).map_err(|_| ExportError::Damaged(name))?;
        let timescale = |track| f64::from(self.timescales.get(&track).copied().unwrap_or(1).max(1));
        let first = |track| {
            fragments
                .first_time(track)
                .map_or(f64::MAX, |ticks| ticks as f64 / timescale(track))
        };
        let first = fragments.tracks().into_iter().map(first).fold(f64::MAX, f64::min);
        let begins_s = *self.begins_s.get_or_insert(first);
        let earlier = |track| (begins_s * timescale(track)).round() as u64;
        fragments.shift(&mut bytes, earlier, &mut self.fragments);
        Ok(bytes.into())
    }

    fn recording(&self) -> Option<Recording<'_>> {
        Some(Recording {
            queue: self.app.link.queue().ok()?,
            store: &self.app.recordings,
            tenant: &self.tenant,
            stream: &self.stream,
        })
    }

    /// An index that is away for a while is no reason to stop: media are in the store.
    async fn renew(&mut self) {
        let Some(mut pin) = self.pin.take() else { return };
        if let Some(recording) = self.recording()
            && let Err(error) = pin.renew(&recording, &*self.app.clock).await
        {
            tracing::warn!("api.export.not_pinned: keep what is being exported: {error:#}");
        }
        self.pin = Some(pin);
    }

    /// All is read. Nobody asks for more once all bytes are sent, so this cannot wait until then.
    async fn over(&mut self) {
        let (Some(pin), Some(recording)) = (self.pin.take(), self.recording()) else {
            return;
        };
        if let Err(error) = pin.release(&recording).await {
            tracing::warn!("api.export.pinned: what was exported is kept for some minutes: {error:#}");
        }
    }
}

impl From<ExportError> for Refusal {
    fn from(error: ExportError) -> Self {
        match error {
            // Retention was faster.
            ExportError::Gone(_) => Self::not_found("recording in that time"),
            ExportError::Damaged(_) => Self::internal("export a recording", &error),
            ExportError::Store(error) => error.into(),
        }
    }
}
