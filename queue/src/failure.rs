//! How an attempt ends, and what its failure says.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a handler answers. Being interrupted by a drain is none of success and failure and costs no attempt.
#[derive(Debug)]
pub enum Outcome {
    /// The result, JSON of at most `MAX_RESULT_BYTES`.
    Succeeded(Box<RawValue>),
    /// It failed; the class decides whether another attempt follows.
    Failed(Failure),
    /// Not now: run again after this pause. Costs no attempt.
    Snoozed(Duration),
    /// Given back unfinished, because `Attempt::stopped` said so. Costs no attempt.
    Released,
}

/// Whether another attempt can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// It may: network faults, crashes, timeouts.
    Retryable,
    /// It cannot: bad input, refused by policy.
    NonRetryable,
    /// It will after this pause; `None` if the other side did not say how long.
    RateLimited(Option<Duration>),
}

/// A failed attempt in a handler's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Failure {
    /// Stable `snake_case` word that clients branch on.
    pub code: String,
    /// One sentence for people; no secrets.
    pub message: String,
    /// Whether another attempt can help.
    pub class: ErrorClass,
    /// The provider that failed, if one did.
    pub provider: Option<String>,
}

impl Failure {
    /// Another attempt may help.
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            class: ErrorClass::Retryable,
            provider: None,
        }
    }

    /// No attempt can help.
    pub fn non_retryable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            class: ErrorClass::NonRetryable,
            provider: None,
        }
    }
}

/// The error of an ended task, as stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    /// Stable `snake_case` word that clients branch on.
    pub code: String,
    /// `retryable`, `non_retryable` or `rate_limited`.
    pub class: String,
    /// One sentence for people.
    pub message: String,
    /// Whether submitting the same task again may help.
    pub retryable: bool,
    /// The attempt that failed.
    pub attempt: u32,
    /// The provider that failed, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

impl TaskError {
    pub(crate) fn from_failure(failure: &Failure, attempt: u32) -> Self {
        let (class, retryable) = match failure.class {
            ErrorClass::Retryable => ("retryable", true),
            ErrorClass::NonRetryable => ("non_retryable", false),
            ErrorClass::RateLimited(_) => ("rate_limited", true),
        };
        Self {
            code: failure.code.clone(),
            class: class.to_owned(),
            message: failure.message.clone(),
            retryable,
            attempt,
            provider: failure.provider.clone(),
        }
    }
}
