//! Errors of the api: RFC 9457 problems with a closed list of codes. A task's own failure is no problem, but `error`
//! in the task.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema::{FieldCode, FieldError};

/// An error of the api (`application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// URI of the sort of problem, one per code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The sort of problem in a few words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// This problem in one sentence.
    pub detail: String,
    /// Path of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Stable word to branch on.
    pub code: ProblemCode,
    /// Id of the request, also in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What is wrong, field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemField>,
}

impl Problem {
    /// A problem of this code.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:zoetrope:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            instance: None,
            code,
            request_id: None,
            retryable: code.is_retryable(),
            errors: Vec::new(),
        }
    }

    /// The problem of a refused input. `at` is the JSON pointer of the input in the request, such as `/input`.
    pub fn of_fields(errors: &[FieldError], at: &str) -> Self {
        let code = errors
            .first()
            .map_or(ProblemCode::InvalidInput, |error| error.code.into());
        let detail = match errors {
            [] => "the input is invalid".to_owned(),
            [only] => sentence(only),
            [first, rest @ ..] => format!("{}, and {} more", sentence(first), rest.len()),
        };
        let fields = errors.iter().map(|error| ProblemField {
            pointer: format!("{at}{}", error.pointer),
            detail: error.detail.clone(),
        });
        Self {
            errors: fields.collect(),
            ..Self::new(code, detail)
        }
    }
}

fn sentence(error: &FieldError) -> String {
    match error.pointer.as_str() {
        "" => format!("the input {}", error.detail),
        pointer => format!("{pointer}: {}", error.detail),
    }
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemField {
    /// JSON pointer within the request.
    pub pointer: String,
    /// What is wrong and what is allowed.
    pub detail: String,
}

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal, $retryable:literal, $title:literal;)*) => {
        /// What went wrong: a closed list.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ProblemCode {
            $($(#[$doc])* $name,)*
        }

        impl ProblemCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The HTTP status it comes with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Whether the same request may succeed later.
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)* }
            }

            /// In a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

problem_codes! {
    /// The body is not JSON, or not what its content type says.
    MalformedJson = "malformed_json", 400, false, "Malformed JSON";
    /// A field is missing, of the wrong type or out of range.
    InvalidInput = "invalid_input", 422, false, "Invalid input";
    /// A field that does not exist.
    UnknownField = "unknown_field", 422, false, "Unknown field";
    /// No such task kind.
    UnknownKind = "unknown_kind", 404, false, "Unknown task kind";
    /// The kind needs media and got none.
    MediaMissing = "media_missing", 422, false, "Media missing";
    /// The media is empty, damaged or not of an accepted type.
    MediaInvalid = "media_invalid", 422, false, "Media invalid";
    /// The media has too many bytes or pixels.
    MediaTooLarge = "media_too_large", 413, false, "Media too large";
    /// The URL is one that is never opened.
    UrlForbidden = "url_forbidden", 422, false, "URL forbidden";
    /// The body has too many bytes.
    BodyTooLarge = "body_too_large", 413, false, "Body too large";
    /// The content type is not one that this route takes.
    UnsupportedMediaType = "unsupported_media_type", 415, false, "Unsupported media type";
    /// No or wrong credentials.
    Unauthenticated = "unauthenticated", 401, false, "Unauthenticated";
    /// The credentials do not allow this.
    Forbidden = "forbidden", 403, false, "Forbidden";
    /// Nothing of this tenant is there.
    NotFound = "not_found", 404, false, "Not found";
    /// The task has ended.
    AlreadyFinished = "already_finished", 409, false, "Already finished";
    /// The stream is started, and this takes one that is stopped.
    StreamStarted = "stream_started", 409, false, "Stream started";
    /// The stream is stopped, and this takes one that is started.
    StreamStopped = "stream_stopped", 409, false, "Stream stopped";
    /// The tenant has as many streams as it may.
    StreamLimitReached = "stream_limit_reached", 409, false, "Stream limit reached";
    /// The part of the recording has a break in it.
    RecordingNotContinuous = "recording_not_continuous", 409, false, "Recording not continuous";
    /// The idempotency key was used for another request.
    IdempotencyConflict = "idempotency_conflict", 422, false, "Idempotency conflict";
    /// The request with this idempotency key has not been answered yet.
    IdempotencyInFlight = "idempotency_in_flight", 409, true, "Idempotent request in flight";
    /// Too many requests.
    RateLimited = "rate_limited", 429, true, "Rate limited";
    /// The queue takes no more tasks for now.
    QueueFull = "queue_full", 503, true, "Queue full";
    /// Redis does not answer.
    RedisUnavailable = "redis_unavailable", 503, true, "Redis unavailable";
    /// Sealing of credentials is not set up.
    SecretsNotConfigured = "secrets_not_configured", 503, false, "Secrets not configured";
    /// The provider is not set up.
    ProviderNotConfigured = "provider_not_configured", 501, false, "Provider not configured";
    /// The key's spend cap is reached.
    SpendCapReached = "spend_cap_reached", 402, false, "Spend cap reached";
    /// A fault of ours.
    Internal = "internal", 500, true, "Internal error";
}

impl From<FieldCode> for ProblemCode {
    fn from(code: FieldCode) -> Self {
        match code {
            FieldCode::Invalid => Self::InvalidInput,
            FieldCode::Unknown => Self::UnknownField,
            FieldCode::MediaMissing => Self::MediaMissing,
            FieldCode::MediaInvalid => Self::MediaInvalid,
            FieldCode::UrlForbidden => Self::UrlForbidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_its_word_on_the_wire() {
        for code in ProblemCode::ALL {
            assert_eq!(serde_json::to_value(code).expect("codes are JSON"), code.as_str());
        }
    }

    #[test]
    fn a_refused_input_says_its_first_mistake_and_lists_all() {
        let error = |pointer: &str, code| FieldError {
            pointer: pointer.to_owned(),
            detail: "is odd".to_owned(),
            code,
        };
        let problem = Problem::of_fields(
            &[error("/a", FieldCode::Unknown), error("/b", FieldCode::Invalid)],
            "/input",
        );
        assert_eq!((problem.code, problem.status), (ProblemCode::UnknownField, 422));
        assert_eq!(problem.detail, "/a: is odd, and 1 more");
        assert_eq!(problem.errors[1].pointer, "/input/b");
    }
}
