//! Entity tags of tasks: they change when something changes that a client waits for, and are made without rendering.

use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;
use zoetrope_queue::Task;

use crate::submit::fingerprint::Fingerprint;

/// The tag of a task. Weak: its place in the queue may differ under the same tag, or every task that starts would wake
/// everybody who waits behind it.
pub(crate) fn of(task: &Task) -> String {
    let progress = task
        .progress
        .as_ref()
        .map(|progress| (progress.percent, &progress.message));
    let seen = format!(
        "{:?}",
        (
            task.state,
            task.reason,
            task.attempt,
            progress,
            task.cancel_requested,
            task.run_at_ms,
            task.started_at_ms,
            task.finished_at_ms
        )
    );
    let hash = Fingerprint::of("task")
        .bytes(task.id.as_str().as_bytes())
        .bytes(seen.as_bytes())
        .finish();
    format!("W/\"{}\"", &hash[..16])
}

/// Whether `If-None-Match` names this tag.
pub(crate) fn matches(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let given = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    given
        .flat_map(|list| list.split(','))
        .any(|one| one.trim() == "*" || opaque(one) == opaque(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_match_weakly_and_in_lists() {
        let headers =
            |text: &'static str| HeaderMap::from_iter([(IF_NONE_MATCH, text.parse().expect("a header value"))]);
        for text in ["W/\"a\"", "\"a\"", "\"b\", W/\"a\"", "*"] {
            assert!(matches(&headers(text), "W/\"a\""), "{text}");
        }
        for text in ["\"b\"", "a", ""] {
            assert!(!matches(&headers(text), "W/\"a\""), "{text}");
        }
    }
}
