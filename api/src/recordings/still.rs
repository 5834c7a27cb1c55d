//! `GET /api/v1/streams/{id}/snapshot?at=`: a picture out of a recording. Where there is one is looked up here; a worker
//! takes it out, for this process decodes nothing.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use zoetrope_queue::{NewTask, Priority};
use zoetrope_shared::recordings::{Moment, Timeline, Unrecorded};
use zoetrope_shared::tasks::recording_snapshot::{KIND, RecordingSnapshotInput, RecordingSnapshotOutput, WIDTHS};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::ProblemCode;

use super::grant::Allowed;
use super::media;
use super::range::{self, millis, seconds};
use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::{Query, pointer};
use crate::limits::{MAX_SNAPSHOT_BYTES, SNAPSHOT_TIMEOUT};
use crate::submit::intake;
use crate::tasks::ask;

/// When the picture was shown first, RFC 3339 with milliseconds.
pub(crate) const FRAME_AT: HeaderName = HeaderName::from_static("frame-at");

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Unix milliseconds.
    at_ms: u64,
    /// Pixels at most.
    width: Option<u32>,
}

impl Asked {
    /// `?at` and `?width` of a request; `None` without `at`.
    pub(crate) fn of(query: &Query) -> Result<Option<Self>, Refusal> {
        let width = query.read("width", |text| {
            let width = text.parse().ok().filter(|width| WIDTHS.contains(width));
            width.ok_or_else(|| format!("must be a whole number from {} to {}", WIDTHS.start(), WIDTHS.end()))
        })?;
        match query.read("at", millis)? {
            Some(at_ms) => Ok(Some(Self { at_ms, width })),
            None if width.is_some() => Err(Refusal::invalid(
                pointer("at"),
                "is missing: Unix seconds, beside `width`",
            )),
            None => Ok(None),
        }
    }
}

/// The answer to it.
pub(crate) async fn show(
    app: &App,
    tenant: &Tenant,
    allowed: &Allowed,
    id: &str,
    asked: Asked,
) -> Result<Response, Refusal> {
    allowed.covers(asked.at_ms, asked.at_ms + 1)?;
    let recording = range::known(app, tenant, id).await?;
    let rows = recording.rows_around(asked.at_ms).await?;
    let moment = Timeline::of(&rows).moment(asked.at_ms);
    let moment = moment.map_err(|nearest| unrecorded(allowed, nearest))?;
    if app.long_polls.available_permits() == 0 {
        return Err(Refusal::overloaded("too many requests wait"));
    }
    let task = task(app, tenant, id, asked).await?;
    let made: RecordingSnapshotOutput = ask::outcome(app, tenant, task, SNAPSHOT_TIMEOUT).await?;
    // Nobody else knows of it. It expires by itself where this is cut off.
    let mut held = app.held(tenant);
    held.add(&made.artifact);
    let jpeg = app.artifacts.read(tenant, &made.artifact, MAX_SNAPSHOT_BYTES).await?;
    let jpeg = jpeg.ok_or_else(|| Refusal::overloaded("the picture is gone already: send the request again"))?;
    let mut response = Body::from(jpeg).into_response();
    describe(response.headers_mut(), &moment, &made);
    media::open_to_all(allowed, response.headers_mut());
    Ok(response)
}

async fn task(app: &App, tenant: &Tenant, id: &str, asked: Asked) -> Result<NewTask, Refusal> {
    let input = RecordingSnapshotInput {
        stream: id.to_owned(),
        at: seconds(asked.at_ms),
        width: asked.width,
    };
    let submission = app.judge().object(&KIND, json!({"input": input}), "")?;
    let mut task = intake::settle(app, tenant, submission).await?.task;
    task.priority = Priority::Realtime;
    task.expires_in = Some(SNAPSHOT_TIMEOUT);
    // It is read once, now.
    task.result_ttl = SNAPSHOT_TIMEOUT;
    Ok(task)
}

fn describe(headers: &mut HeaderMap, moment: &Moment, made: &RecordingSnapshotOutput) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The end of what is recorded so far may be continued; everything before it stays as it is, and belongs to one tenant.
    let kept = match moment.is_settled {
        true => "private, max-age=3600, immutable",
        false => "private, no-store",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    let taken_at = HeaderValue::try_from(&made.taken_at).ok();
    headers.extend(taken_at.map(|at| (FRAME_AT, at)));
}

/// Names the nearest times that are recorded, as far as they may be read.
fn unrecorded(allowed: &Allowed, nearest: Unrecorded) -> Refusal {
    let readable = |ms: &u64| allowed.covers(*ms, ms + 1).is_ok();
    let before = nearest.before_ms.filter(readable).map(seconds);
    let after = nearest.after_ms.filter(readable).map(seconds);
    let nearest = match (before, after) {
        (Some(before), Some(after)) => format!(": the nearest times that are, are {before} and {after}"),
        (Some(before), None) => format!(": the last time before it that is, is {before}"),
        (None, Some(after)) => format!(": the first time after it that is, is {after}"),
        (None, None) => String::new(),
    };
    Refusal::new(
        ProblemCode::NotFound,
        format!("nothing is recorded at that time{nearest}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Option<(u64, Option<u32>)>, String> {
        let uri = format!("/x?{query}").parse().expect("a URI");
        let asked = Query::of(&uri, &["at", "width"]).and_then(|query| Asked::of(&query));
        let asked = asked.map_err(|refusal| refusal.problem.errors[0].pointer.clone())?;
        Ok(asked.map(|asked| (asked.at_ms, asked.width)))
    }

    #[test]
    fn a_time_is_seconds_and_a_width_belongs_to_it() {
        assert_eq!(asked("at=1767225600.5"), Ok(Some((1_767_225_600_500, None))));
        assert_eq!(asked("at=7&width=16"), Ok(Some((7_000, Some(16)))));
        assert_eq!((asked(""), asked("at=")), (Ok(None), Ok(None)));
        for (query, pointer) in [
            ("at=now", "?at"),
            ("at=-1", "?at"),
            ("at=NaN", "?at"),
            ("at=1e300", "?at"),
            ("at=1&at=2", "?at"),
            ("width=320", "?at"),
            ("at=1&width=15", "?width"),
            ("at=1&width=1921", "?width"),
            ("at=1&width=99999999999", "?width"),
            ("at=1&width=3.5", "?width"),
        ] {
            assert_eq!(asked(query), Err(pointer.to_owned()), "{query}");
        }
    }
}
