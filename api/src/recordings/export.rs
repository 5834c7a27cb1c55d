//! `GET /api/v1/streams/{id}/export`: one MP4 of a part of a recording. Nothing is made in advance: segments are handed out one
//! after the other behind their init segment, moved in time so that the file begins at 0.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::artifacts::ArtifactError;
use zoetrope_shared::recordings::{Fragments, Recordings, Segment, SegmentName, Stretch, Timeline, timescales};
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
    let timeline = range::timeline(&app, &tenant, &id, range).await?;
    let stretch = one_stretch(timeline.between(range.start_ms, range.end_ms))?;
    let missing = || Refusal::not_found("recording in that time");
    let first = *stretch.segments.first().ok_or_else(missing)?;
    let init = app
        .recordings
        .init(&tenant, &id, first.init)
        .await?
        .ok_or_else(missing)?;
    let length = init.len() as u64 + stretch.bytes();
    let mut export = Export {
        store: app.recordings.clone(),
        tenant,
        stream: id.clone(),
        timescales: timescales(&init).map_err(|error| Refusal::internal("export a recording", &error))?,
        begins_s: None,
        fragments: 0,
    };
    // Read before the answer begins: what is gone by now is an answer of its own.
    let head = export.segment(first).await?;
    let rest: Vec<Segment> = stretch.segments[1..].to_vec();
    let rest = stream::try_unfold((export, rest.into_iter()), |(mut export, mut rest)| async move {
        let Some(segment) = rest.next() else { return Ok(None) };
        let bytes = export.segment(segment).await?;
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
    store: Recordings,
    tenant: Tenant,
    stream: String,
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
        let bytes = self.store.read(&self.tenant, &self.stream, name).await?;
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
