//! The part of a recording that a request asks for, and reading it.

use std::time::Duration;

use axum::http::Uri;
use zoetrope_shared::recordings::{Recording, Timeline};
use zoetrope_shared::tenant::Tenant;

use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::{self, Query};
use crate::recordings::grant;

/// Furthest time, seconds since 1970: the year 9999.
const LATEST_S: f64 = 253_402_300_799.0;

/// A part of a recording, Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start_ms: u64,
    pub(crate) end_ms: u64,
}

impl Range {
    /// `?start` and `?end` of a request; `None` without `start`. Without `end` it is now.
    pub(crate) fn asked(uri: &Uri, now_ms: u64, longest: Duration) -> Result<Option<Self>, Refusal> {
        let query = Query::of(uri, &["start", "end", grant::PARAMETER])?;
        let (start, end) = (query.read("start", millis)?, query.read("end", millis)?);
        let Some(start_ms) = start else {
            return match end {
                Some(_) => Err(Refusal::invalid(
                    query::pointer("start"),
                    "is missing: Unix seconds, beside `end`",
                )),
                None => Ok(None),
            };
        };
        let end_ms = end.unwrap_or(now_ms);
        if end_ms <= start_ms {
            return Err(Refusal::invalid(query::pointer("end"), "must be later than `start`"));
        }
        if u128::from(end_ms - start_ms) > longest.as_millis() {
            let hours = longest.as_secs() / 3_600;
            let detail = format!("must be at most {hours} h after `start`: ask for parts");
            return Err(Refusal::invalid(query::pointer("end"), detail));
        }
        Ok(Some(Self { start_ms, end_ms }))
    }
}

/// Unix seconds, with a fraction if need be.
pub(crate) fn millis(text: &str) -> Result<u64, String> {
    let seconds: Option<f64> = text.parse().ok();
    let seconds = seconds.filter(|seconds| (0.0..=LATEST_S).contains(seconds));
    let seconds = seconds.ok_or_else(|| "use Unix seconds, such as 1767225600 or 1767225600.5".to_owned())?;
    Ok((seconds * 1_000.0).round() as u64)
}

/// Seconds for people and players.
pub(crate) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// A recording; 404 if this tenant has no such.
pub(crate) async fn known<'a>(app: &'a App, tenant: &'a Tenant, stream: &'a str) -> Result<Recording<'a>, Refusal> {
    let recording = Recording {
        queue: app.link.queue()?,
        store: &app.recordings,
        tenant,
        stream,
    };
    match recording.exists().await? {
        true => Ok(recording),
        false => Err(Refusal::not_found("recording")),
    }
}

/// What is recorded around a time; 404 if this tenant has no such recording.
pub(crate) async fn timeline(app: &App, tenant: &Tenant, stream: &str, range: Range) -> Result<Timeline, Refusal> {
    let recording = known(app, tenant, stream).await?;
    let rows = recording.rows(range.start_ms, range.end_ms).await?;
    Ok(Timeline::of(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn asked(query: &str) -> Result<Option<Range>, String> {
        let uri: Uri = format!("/x?{query}").parse().expect("a URI");
        Range::asked(&uri, 1_000_000, HOUR).map_err(|refusal| refusal.problem.errors[0].pointer.clone())
    }

    #[test]
    fn a_range_is_seconds_and_ends_now_unless_it_is_told() {
        let range = |start_ms, end_ms| Ok(Some(Range { start_ms, end_ms }));
        assert_eq!(asked("start=10&end=20.5"), range(10_000, 20_500));
        assert_eq!(asked("start=10"), range(10_000, 1_000_000));
        assert_eq!(asked(""), Ok(None));
    }

    #[test]
    fn a_range_that_is_none_is_refused_by_name() {
        for (query, pointer) in [
            ("end=5", "?start"),
            ("start=-1", "?start"),
            ("start=NaN", "?start"),
            ("start=inf", "?start"),
            ("start=1e300", "?start"),
            ("start=yesterday", "?start"),
            ("start=20&end=20", "?end"),
            ("start=20&end=10", "?end"),
            ("start=0&end=3601", "?end"),
            ("start=2000", "?end"),
            ("begin=5", "?begin"),
        ] {
            assert_eq!(asked(query), Err(pointer.to_owned()), "{query}");
        }
    }
}
