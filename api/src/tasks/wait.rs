//! Long polls: `?wait=30s` or `Prefer: wait=30`, bounded in length and in number, woken when the process stops.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use tokio::sync::TryAcquireError;
use zoetrope_queue::{Task, TaskId};
use zoetrope_shared::tenant::Tenant;

use crate::app::App;
use crate::http::duration;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::limits::MAX_WAIT;

/// How long a client is ready to wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wait {
    /// At most `MAX_WAIT`.
    pub(crate) limit: Duration,
    /// Whether `Prefer` asked for it: then the answer says that it was heard.
    pub(crate) preferred: bool,
}

impl Wait {
    /// The parameter wins over the header. A preference that is not understood is ignored, as RFC 7240 wants.
    pub(crate) fn of(query: &Query, headers: &HeaderMap) -> Result<Self, Refusal> {
        if let Some(asked) = query.read("wait", duration::from_text)? {
            return Ok(Self {
                limit: asked.min(MAX_WAIT),
                preferred: false,
            });
        }
        let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let asked = preferences
            .flat_map(|text| text.split([',', ';']))
            .filter_map(|preference| preference.trim().strip_prefix("wait="))
            .find_map(|seconds| duration::from_text(seconds.trim_matches('"')).ok());
        Ok(asked.map_or_else(Self::default, |asked| Self {
            limit: asked.min(MAX_WAIT),
            preferred: true,
        }))
    }

    /// What `Preference-Applied` says, if it says anything.
    pub(crate) fn applied(self) -> Option<HeaderValue> {
        let text = self.preferred.then(|| format!("wait={}", self.limit.as_secs()))?;
        HeaderValue::from_str(&text).ok()
    }

    /// Reads the task once `done` says so, or when the time is over, or when this process stops.
    pub(crate) async fn task(
        self,
        app: &App,
        tenant: &Tenant,
        id: TaskId,
        done: impl Fn(&Task) -> bool,
    ) -> Result<Option<Task>, Refusal> {
        let queue = app.link.queue()?;
        if self.limit.is_zero() {
            return Ok(queue.get(tenant.as_str(), id).await?);
        }
        // With every place taken the task is read at once: its client polls, as it would without `wait`.
        let place = match app.long_polls.try_acquire() {
            Ok(place) => place,
            Err(TryAcquireError::Closed | TryAcquireError::NoPermits) => {
                return Ok(queue.get(tenant.as_str(), id).await?);
            }
        };
        app.metrics.long_polls.inc();
        let _counted = scopeguard(|| app.metrics.long_polls.dec());
        let waited = tokio::select! {
            biased;
            () = app.stopping.cancelled() => None,
            waited = app.link.watch()?.wait_until(tenant.as_str(), id, self.limit, done) => Some(waited?),
        };
        drop(place);
        match waited {
            Some(task) => Ok(task),
            None => Ok(queue.get(tenant.as_str(), id).await?),
        }
    }
}

/// Runs `last` when dropped, so that a client that goes away is counted as gone.
fn scopeguard<F: Fn()>(last: F) -> impl Drop {
    struct Guard<F: Fn()>(F);
    impl<F: Fn()> Drop for Guard<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    Guard(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(query: &str, prefer: Option<&'static str>) -> Result<Wait, Refusal> {
        let query = Query::of(&format!("/x?{query}").parse().expect("a URI"), &["wait"]).expect("a good query");
        let headers = prefer.map(|text| {
            (
                axum::http::HeaderName::from_static("prefer"),
                HeaderValue::from_static(text),
            )
        });
        Wait::of(&query, &headers.into_iter().collect())
    }

    fn seconds(seconds: u64, preferred: bool) -> Wait {
        Wait {
            limit: Duration::from_secs(seconds),
            preferred,
        }
    }

    #[test]
    fn a_wait_is_asked_for_by_parameter_or_preference_and_cut_to_a_minute() {
        let cases = [
            ("", None, Wait::default()),
            ("wait=30s", None, seconds(30, false)),
            ("wait=5", Some("wait=9"), seconds(5, false)),
            ("wait=1h", None, seconds(60, false)),
            ("", Some("wait=9"), seconds(9, true)),
            ("", Some("respond-async, wait=600"), seconds(60, true)),
            ("", Some("wait=soon"), Wait::default()),
        ];
        for (query, prefer, expected) in cases {
            assert_eq!(
                wait(query, prefer).expect("a good wait"),
                expected,
                "{query} {prefer:?}"
            );
        }
        assert!(wait("wait=soon", None).is_err());
    }
}
