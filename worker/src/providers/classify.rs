//! The one classifier: from status, headers and body of a failed answer to the class of its fault. The rules are a
//! table, since a status alone misleads: a key that is wrong is 400 here and 401 there, and 429 means four things.

use std::time::Duration;

use reqwest::header::HeaderMap;

use super::error_body::ErrorBody;
use super::fault::{Class, Fault};
use super::pause;

/// Words for used-up money or quota, whatever the status.
const QUOTA: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_error",
    "quota_exceeded",
    "insufficient_credits",
    "payment_required",
    "ASR_PAYMENT_REQUIRED",
];
/// Words for content that is declined, whatever the status.
const CONTENT: &[&str] = &[
    "image_content_policy_violation",
    "content_policy_violation",
    "content_filter",
    "moderation",
];
/// Words for a key that is wrong, although the status is another one.
const AUTH: &[&str] = &["API_KEY_INVALID", "FAILED_PRECONDITION", "detected_unusual_activity"];
/// Words for too many calls of one account at once.
const CONCURRENCY: &[&str] = &["concurrent_limit_exceeded", "too_many_concurrent_requests"];
/// Words for an overload that passes.
const OVERLOAD: &[&str] = &[
    "system_busy",
    "overloaded_error",
    "rate_limit_error",
    "api_error",
    "timeout_error",
];
/// Sentences of local servers that answer 500 to a request that is wrong.
const WRONG_AT_500: &[&str] = &[
    "image input is not supported",
    "requires --jinja",
    "too large to process",
];
/// Longest pause that is believed.
const MAX_PAUSE: Duration = Duration::from_secs(3_600);

/// The fault behind an answer that is no success. `secret` never stands in its message.
pub(super) fn classify(provider: &'static str, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
    let body = ErrorBody::read(body);
    let class = class_of(status, headers, &body);
    let said = match body.message.is_empty() {
        true => format!("answered {status}"),
        false => format!("answered {status}: {}", body.message),
    };
    Fault {
        status: Some(status),
        ..Fault::new(provider, class, said)
    }
}

/// The fault behind an error inside a stream that began well.
pub(super) fn classify_event(provider: &'static str, body: &ErrorBody) -> Fault {
    let status = body.code.parse().unwrap_or(500);
    let class = match class_of(status, &HeaderMap::new(), body) {
        // A status made up for want of one says nothing.
        Class::Refused => Class::Backoff,
        class => class,
    };
    Fault::new(provider, class, format!("failed while it answered: {}", body.message))
}

fn class_of(status: u16, headers: &HeaderMap, body: &ErrorBody) -> Class {
    if body.is_one_of(QUOTA) || body.message.starts_with("Your credit balance is too low") {
        return Class::Defer;
    }
    if body.is_one_of(CONTENT) || (body.code == "invalid_prompt" && body.message.contains("policy")) {
        return Class::Content;
    }
    if body.is_one_of(AUTH) {
        return Class::Auth;
    }
    if body.is_one_of(CONCURRENCY) {
        return Class::WaitSlot;
    }
    if status == 429 {
        return too_many(headers, body);
    }
    if body.is_one_of(OVERLOAD) && status != 400 {
        return paused(headers, body);
    }
    match status {
        401 | 403 => Class::Auth,
        402 | 423 => Class::Defer,
        400 | 404 | 405 | 410 | 413 | 414 | 415 | 422 | 501 => Class::Input,
        408 | 409 => paused(headers, body),
        500 if WRONG_AT_500.iter().any(|words| body.message.contains(words)) => Class::Input,
        500.. => paused(headers, body),
        _ => Class::Refused,
    }
}

fn too_many(headers: &HeaderMap, body: &ErrorBody) -> Class {
    let by_day = body.hints.iter().any(|hint| hint.contains("PerDay"));
    if by_day || body.message.contains("limit: 0") {
        return Class::Defer;
    }
    paused(headers, body)
}

/// The pause that was named, in the headers before the body; without one, our own.
fn paused(headers: &HeaderMap, body: &ErrorBody) -> Class {
    let named = pause::of_headers(headers)
        .or_else(|| pause::of_text(body.retry_delay.as_deref()?))
        .or_else(|| pause::of_sentence(&body.message));
    named.map_or(Class::Backoff, |pause| Class::RetryAfter(pause.min(MAX_PAUSE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Class {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect();
        classify("test", status, &headers, body.as_bytes()).class
    }

    const fn seconds(seconds: u64) -> Class {
        Class::RetryAfter(Duration::from_secs(seconds))
    }

    #[test]
    fn each_row_of_the_table_has_its_class() {
        let rows = [
            (
                429,
                r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota","message":"m"}}"#,
                Class::Defer,
            ),
            (
                429,
                r#"{"error":{"code":"rate_limit_exceeded","message":"Please try again in 2s. Visit"}}"#,
                seconds(2),
            ),
            (429, "", Class::Backoff),
            (401, r#"{"error":"Unauthorized"}"#, Class::Auth),
            (
                403,
                r#"{"error":{"code":403,"message":"m","metadata":{"reasons":["violence"]}}}"#,
                Class::Content,
            ),
            (
                400,
                r#"{"error":{"code":"content_filter","message":"m"}}"#,
                Class::Content,
            ),
            (
                400,
                r#"{"error":{"code":"invalid_image_format","message":"m"}}"#,
                Class::Input,
            ),
            (
                404,
                r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#,
                Class::Input,
            ),
            (
                529,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                Class::Backoff,
            ),
            (
                402,
                r#"{"type":"error","error":{"type":"billing_error","message":"m"}}"#,
                Class::Defer,
            ),
            (
                400,
                r#"{"error":{"type":"invalid_request_error","message":"Your credit balance is too low to"}}"#,
                Class::Defer,
            ),
            (
                400,
                r#"{"error":{"code":400,"details":[{"reason":"API_KEY_INVALID"}],"message":"m"}}"#,
                Class::Auth,
            ),
            (
                401,
                r#"{"detail":{"status":"quota_exceeded","message":"m"}}"#,
                Class::Defer,
            ),
            (
                429,
                r#"{"detail":{"code":"concurrent_limit_exceeded","message":"m"}}"#,
                Class::WaitSlot,
            ),
            (
                429,
                r#"{"detail":{"status":"system_busy","message":"m"}}"#,
                Class::Backoff,
            ),
            (
                422,
                r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
                Class::Input,
            ),
            (
                500,
                r#"{"error":{"code":500,"message":"image input is not supported - hint: mmproj"}}"#,
                Class::Input,
            ),
            (501, r#"{"error":{"code":501,"message":"m"}}"#, Class::Input),
            (502, "<html>Bad Gateway</html>", Class::Backoff),
            (423, r#"{"message":"usage paused"}"#, Class::Defer),
            (302, "", Class::Refused),
            (418, "", Class::Refused),
        ];
        for (status, body, expected) in rows {
            assert_eq!(class(status, &[], body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_daily_quota_is_not_waited_for_although_it_names_a_short_pause() {
        let body = |quota: &str| {
            format!(
                r#"{{"error":{{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m","details":[
                {{"violations":[{{"quotaId":"{quota}"}}]}},{{"retryDelay":"31s"}}]}}}}"#
            )
        };
        assert_eq!(class(429, &[], &body("GenerateRequestsPerDayPerProject")), Class::Defer);
        assert_eq!(
            class(429, &[], &body("GenerateRequestsPerMinutePerProject")),
            seconds(31)
        );
    }

    #[test]
    fn a_pause_in_the_headers_wins_and_an_absurd_one_is_capped() {
        assert_eq!(class(503, &[("retry-after", "1")], "{}"), seconds(1));
        assert_eq!(class(429, &[("retry-after", "99999999")], ""), seconds(3_600));
    }

    #[test]
    fn an_error_inside_a_stream_is_judged_by_its_words() {
        let event = |json: &str| classify_event("test", &ErrorBody::read(json.as_bytes())).class;
        assert_eq!(
            event(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#),
            Class::Backoff
        );
        assert_eq!(
            event(r#"{"error":{"message":"bad","type":"BadRequestError","code":400}}"#),
            Class::Input
        );
        assert_eq!(
            event(r#"{"error":{"message":"something","code":"odd"}}"#),
            Class::Backoff
        );
    }
}
