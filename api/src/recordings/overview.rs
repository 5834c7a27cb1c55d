//! `GET /api/v1/streams/{id}/recordings`: what is recorded, what is not and why, and where to play it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::recordings::{Gap, GapCause, Recording, Stretch};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::Problem;

use super::grant::Grant;
use super::range::{self, Range, seconds};
use crate::app::App;
use crate::http::problem::Refusal;
use crate::limits::{GRANT_TTL, LISTED_RECORDING, USUAL_LISTED_RECORDING};
use crate::tenant::Caller;

/// What is recorded of a stream in a time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordingView {
    /// Start of the time that was asked for, Unix seconds.
    start: f64,
    /// Its end.
    end: f64,
    /// Bytes of the whole recording.
    bytes: u64,
    /// What plays without a break, oldest first.
    ranges: Vec<RecordedRange>,
    /// What is missing, oldest first.
    gaps: Vec<RecordingGap>,
    /// HLS of the whole time, its breaks included; null if there is nothing. With `MEDIA_SIGNING_KEY` it carries a grant, as all URLs here, and plays
    /// without a key for an hour.
    playlist: Option<String>,
    /// HLS of what is going on now.
    live: String,
    /// A page that plays what is going on now.
    live_player: String,
}

/// Recorded without a break.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordedRange {
    /// Unix seconds.
    start: f64,
    /// Unix seconds.
    end: f64,
    /// Of its media.
    bytes: u64,
    /// HLS of it.
    playlist: String,
    /// A page that plays it; of at most 24 h.
    player: String,
    /// One MP4 of it; of at most 24 h.
    export: String,
    /// Its first picture; `at` may be any time of it.
    snapshot: String,
}

/// Not recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordingGap {
    /// Unix seconds.
    start: f64,
    /// Unix seconds.
    end: f64,
    /// Why.
    cause: GapCause,
}

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_recordings))
}

/// What is recorded of a stream
///
/// The id is that of the `stream_ingest` task that recorded it with `store`. Recordings outlive their tasks.
#[utoipa::path(get, path = "/api/v1/streams/{id}/recordings", tag = "streams",
    params(
        ("id" = String, Path, description = "The stream"),
        ("start" = Option<f64>, Query, description = "Unix seconds; left out: 24 h ago"),
        ("end" = Option<f64>, Query, description = "Unix seconds, at most 7 days after `start`; left out: now"),
    ),
    responses(
        (status = 200, description = "What is recorded and what is not", body = RecordingView),
        (status = 404, description = "No such recording", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_recordings(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<RecordingView>, Refusal> {
    let now_ms = app.clock.now_ms();
    let usual = Range {
        start_ms: now_ms.saturating_sub(USUAL_LISTED_RECORDING.as_millis() as u64),
        end_ms: now_ms,
    };
    let range = Range::asked(&uri, now_ms, LISTED_RECORDING)?.unwrap_or(usual);
    let timeline = range::timeline(&app, &tenant, &id, range).await?;
    // Until now is all that there is: pictures are placed by their source's clock, which may be ahead of ours.
    let until_ms = if range.end_ms < now_ms {
        range.end_ms
    } else {
        u64::MAX / 2
    };
    let timeline = timeline.between(range.start_ms, until_ms);
    let recording = Recording {
        queue: app.link.queue()?,
        store: &app.recordings,
        tenant: &tenant,
        stream: &id,
    };
    let bytes = recording.bytes().await?;
    let urls = Urls {
        app: &app,
        tenant: &tenant,
        stream: &id,
        now_ms,
    };
    let gap = |gap: &Gap| RecordingGap {
        start: seconds(gap.start_ms),
        end: seconds(gap.start_ms + u64::from(gap.duration_ms)),
        cause: gap.cause,
    };
    let found = timeline.stretches.first().zip(timeline.stretches.last());
    let whole = found.map(|(first, last)| Range {
        start_ms: first.start_ms(),
        end_ms: last.end_ms(),
    });
    Ok(Json(RecordingView {
        start: seconds(range.start_ms),
        end: seconds(range.end_ms),
        bytes,
        ranges: timeline.stretches.iter().map(|stretch| urls.range(stretch)).collect(),
        gaps: timeline.gaps.iter().map(gap).collect(),
        playlist: whole.map(|whole| urls.part("playlist.m3u8", whole)),
        live: urls.live("playlist.m3u8"),
        live_player: urls.live("player"),
    }))
}

/// Makes URLs, signed if there is a key.
struct Urls<'a> {
    app: &'a App,
    tenant: &'a Tenant,
    stream: &'a str,
    now_ms: u64,
}

impl Urls<'_> {
    fn range(&self, stretch: &Stretch) -> RecordedRange {
        let range = Range {
            start_ms: stretch.start_ms(),
            end_ms: stretch.end_ms(),
        };
        RecordedRange {
            start: seconds(range.start_ms),
            end: seconds(range.end_ms),
            bytes: stretch.bytes(),
            playlist: self.part("playlist.m3u8", range),
            player: self.part("player", range),
            export: self.part("export", range),
            snapshot: self.picture(range),
        }
    }

    fn part(&self, what: &str, range: Range) -> String {
        let (start, end) = (seconds(range.start_ms), seconds(range.end_ms));
        let grant = self.grant(range).replacen('?', "&", 1);
        format!("/api/v1/streams/{}/{what}?start={start}&end={end}{grant}", self.stream)
    }

    fn picture(&self, range: Range) -> String {
        let grant = self.grant(range).replacen('?', "&", 1);
        format!(
            "/api/v1/streams/{}/snapshot?at={}{grant}",
            self.stream,
            seconds(range.start_ms)
        )
    }

    fn live(&self, what: &str) -> String {
        let range = Range {
            start_ms: self.now_ms.saturating_sub(GRANT_TTL.as_millis() as u64),
            end_ms: self.now_ms + GRANT_TTL.as_millis() as u64,
        };
        format!("/api/v1/streams/{}/{what}{}", self.stream, self.grant(range))
    }

    fn grant(&self, range: Range) -> String {
        let grant = Grant {
            tenant: self.tenant.clone(),
            range,
            expires_ms: self.now_ms + GRANT_TTL.as_millis() as u64,
        };
        let key = self.app.grant_key.as_ref();
        key.map(|key| key.query(&grant, self.stream)).unwrap_or_default()
    }
}
