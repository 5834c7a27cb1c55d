//! Refusals: every answer of 400 and above is one of these, rendered as RFC 9457 problem+json by `answer`.
//! Causes are logged here and never sent.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use zoetrope_queue::QueueError;
use zoetrope_shared::artifacts::ArtifactError;
use zoetrope_shared::recordings::RecordingError;
use zoetrope_shared::tasks::FieldError;
use zoetrope_shared::wire::{Problem, ProblemCode, ProblemField};

/// Pause suggested when Redis or the artifact store is away.
const OUTAGE: Duration = Duration::from_secs(2);
/// Pause suggested when something is full: it drains more slowly than an outage ends.
const FULL: Duration = Duration::from_secs(10);

/// Why a request was not done: the problem as it is sent (`answer` adds path and request id), and when to come back.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .problem.detail)]
pub(crate) struct Refusal {
    /// Boxed: a refusal is the error of nearly every function here, and most of them succeed.
    pub(crate) problem: Box<Problem>,
    pub(crate) retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with the status that belongs to the code.
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            problem: Box::new(Problem::new(code, detail)),
            retry_after: None,
        }
    }

    /// The body is not JSON.
    pub(crate) fn malformed_json(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::MalformedJson, detail)
    }

    /// The request itself is broken, before its content matters.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InvalidInput, detail).with_status(StatusCode::BAD_REQUEST, "Bad request", false)
    }

    /// One field is wrong.
    pub(crate) fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::from(Mistake::invalid(pointer, detail))
    }

    /// Nothing of that id for this tenant: whether another tenant has it is not told.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(ProblemCode::NotFound, format!("no such {what}"))
    }

    /// The caller may not.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Forbidden, detail)
    }

    /// A body over its limit.
    pub(crate) fn body_too_large(limit: u64) -> Self {
        Self::new(
            ProblemCode::BodyTooLarge,
            format!("the body is larger than {limit} bytes"),
        )
    }

    /// A body that came too slowly.
    pub(crate) fn slow_body() -> Self {
        let refusal = Self::new(ProblemCode::InvalidInput, "the body did not arrive in time");
        refusal.with_status(StatusCode::REQUEST_TIMEOUT, "Request timeout", true)
    }

    /// A body of a type that the route does not take.
    pub(crate) fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::UnsupportedMediaType, detail)
    }

    /// Too much at once, by nobody's fault.
    pub(crate) fn overloaded(detail: impl Into<String>) -> Self {
        let refusal =
            Self::new(ProblemCode::Internal, detail).with_status(StatusCode::SERVICE_UNAVAILABLE, "Overloaded", true);
        refusal.come_back_in(OUTAGE)
    }

    /// Redis does not answer.
    pub(crate) fn redis_unavailable() -> Self {
        let detail = "the queue's Redis does not answer: send the request again later";
        Self::new(ProblemCode::RedisUnavailable, detail).come_back_in(OUTAGE)
    }

    /// The refusal of an error that several requests share.
    pub(crate) fn shared(error: &QueueError) -> Self {
        match error {
            QueueError::Unavailable(_) | QueueError::Unsuitable(_) => Self::redis_unavailable(),
            other => Self::internal("ask the queue about itself", other),
        }
    }

    /// Our fault; what happened goes to the log only.
    pub(crate) fn internal(doing: &str, cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "api.request.failed: cannot {doing}");
        Self::new(
            ProblemCode::Internal,
            "something went wrong here; the request id leads to the cause in the log",
        )
    }

    /// With another status than the code's own.
    pub(crate) fn with_status(mut self, status: StatusCode, title: &str, retryable: bool) -> Self {
        self.problem.status = status.as_u16();
        self.problem.title = title.to_owned();
        self.problem.retryable = retryable;
        self
    }

    fn come_back_in(self, pause: Duration) -> Self {
        Self {
            retry_after: Some(pause),
            ..self
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if let Some(pause) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(pause.as_secs().max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<QueueError> for Refusal {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Unavailable(cause) | QueueError::Unsuitable(cause) => {
                tracing::warn!(%cause, "api.redis.unavailable: cannot reach the queue");
                Self::redis_unavailable()
            }
            QueueError::Full(cause) => {
                tracing::warn!(%cause, "api.redis.full: cannot enqueue");
                Self::new(
                    ProblemCode::QueueFull,
                    "the queue is full: send the request again later",
                )
                .come_back_in(FULL)
            }
            QueueError::Draining => Self::new(
                ProblemCode::QueueFull,
                "this kind is being drained and takes no new tasks",
            )
            .come_back_in(FULL),
            QueueError::Backlog => Self::new(
                ProblemCode::QueueFull,
                "this tenant has as many tasks in the queue, or as many bytes of them, as it may: send the request again later",
            )
            .come_back_in(FULL),
            QueueError::Invalid { field, detail } => Self::invalid(format!("/{field}"), detail),
            other => Self::internal("use the queue", &other),
        }
    }
}

impl From<RecordingError> for Refusal {
    fn from(error: RecordingError) -> Self {
        match error {
            RecordingError::Queue(error) => error.into(),
            RecordingError::Store(error) => error.into(),
        }
    }
}

impl From<ArtifactError> for Refusal {
    fn from(error: ArtifactError) -> Self {
        match error {
            ArtifactError::NotFound => Self::not_found("artifact"),
            ArtifactError::TooLarge { max_bytes } => Self::body_too_large(max_bytes),
            ArtifactError::StorageFull => {
                tracing::error!("api.artifacts.full: cannot store, no space is left");
                Self::overloaded("no space is left for artifacts").come_back_in(FULL)
            }
            other => {
                tracing::error!(error = %other, "api.artifacts.unavailable: cannot use the artifact store");
                Self::overloaded("the artifact store does not answer: send the request again later")
            }
        }
    }
}

/// One thing that is wrong with a request's content.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mistake {
    pub(crate) pointer: String,
    pub(crate) detail: String,
    pub(crate) code: ProblemCode,
}

impl Mistake {
    /// A value that does not fit.
    pub(crate) fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InvalidInput, pointer, detail)
    }

    /// A mistake of another sort.
    pub(crate) fn new(code: ProblemCode, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
            code,
        }
    }
}

impl From<Mistake> for Refusal {
    fn from(mistake: Mistake) -> Self {
        let mut mistakes = Mistakes::at("");
        mistakes.push(mistake);
        Self::from(mistakes)
    }
}

impl From<FieldError> for Mistake {
    fn from(error: FieldError) -> Self {
        let code = ProblemCode::from(error.code);
        Self::new(code, error.pointer, error.detail)
    }
}

/// Mistakes collected while a request is read, so that a client hears of all of them at once.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    prefix: String,
    list: Vec<Mistake>,
}

/// Mistakes told to a client; a body of 32 MiB can hold a million.
const MAX_TOLD: usize = 50;

impl Mistakes {
    /// Pointers of what is pushed are inside the value at `prefix`.
    pub(crate) fn at(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            list: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, mistake: Mistake) {
        if self.list.len() < MAX_TOLD {
            let pointer = format!("{}{}", self.prefix, mistake.pointer);
            self.list.push(Mistake { pointer, ..mistake });
        }
    }

    /// A field that does not exist.
    pub(crate) fn unknown(&mut self, name: &str, detail: impl Into<String>) {
        self.push(Mistake::new(
            ProblemCode::UnknownField,
            format!("/{}", escape(name)),
            detail,
        ));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds what another collection holds, pointers as they are.
    pub(crate) fn absorb(&mut self, other: Self) {
        let room = MAX_TOLD.saturating_sub(self.list.len());
        self.list.extend(other.list.into_iter().take(room));
    }

    /// The refusal, if anything was pushed; nothing is left then.
    pub(crate) fn check(&mut self) -> Result<(), Refusal> {
        let list = std::mem::take(&mut self.list);
        Self {
            prefix: self.prefix.clone(),
            list,
        }
        .into_result()
    }

    /// An error if anything was pushed.
    pub(crate) fn into_result(self) -> Result<(), Refusal> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(Refusal::from(self))
        }
    }

    #[cfg(test)]
    pub(crate) fn pointers(&self) -> Vec<String> {
        self.list.iter().map(|mistake| mistake.pointer.clone()).collect()
    }
}

impl From<Mistakes> for Refusal {
    fn from(mistakes: Mistakes) -> Self {
        let first = mistakes.list.first();
        let code = first.map_or(ProblemCode::InvalidInput, |mistake| mistake.code);
        let more = match mistakes.list.len() {
            0 | 1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let detail = first.map_or_else(String::new, |mistake| match mistake.pointer.as_str() {
            "" => format!("{}{more}", mistake.detail),
            pointer => format!("{pointer}: {}{more}", mistake.detail),
        });
        let errors = mistakes.list.into_iter().map(|mistake| ProblemField {
            pointer: mistake.pointer,
            detail: mistake.detail,
        });
        let mut refusal = Self::new(code, detail);
        refusal.problem.errors = errors.collect();
        refusal
    }
}

/// A key as a part of a JSON pointer, cut: keys may have megabytes.
pub(crate) fn escape(key: &str) -> String {
    let short: String = key.chars().take(100).collect();
    short.replace('~', "~0").replace('/', "~1")
}
