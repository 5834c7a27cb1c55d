//! How a piece of work fails in a child that stays well.

use zoetrope_worker::protocol::Reply;

/// A failure with a code that clients branch on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    code: &'static str,
    message: String,
    retryable: bool,
}

impl Fault {
    /// The medium is not what it claims to be, is damaged, or is built to exhaust its reader.
    pub(crate) fn media_invalid(message: impl Into<String>) -> Self {
        Self {
            code: "media_invalid",
            message: message.into(),
            retryable: false,
        }
    }

    /// The input asks for what does not fit this medium.
    pub(crate) fn input_invalid(message: impl Into<String>) -> Self {
        Self {
            code: "input_invalid",
            message: message.into(),
            retryable: false,
        }
    }

    /// A language is asked for that is not installed.
    pub(crate) fn language_not_available(message: impl Into<String>) -> Self {
        Self {
            code: "language_not_available",
            message: message.into(),
            retryable: false,
        }
    }

    /// A program is needed that is not there.
    pub(crate) fn not_installed(message: impl Into<String>) -> Self {
        Self {
            code: "engine_not_installed",
            message: message.into(),
            retryable: false,
        }
    }

    /// A network of the operator's cannot be used.
    pub(crate) fn model_invalid(message: impl Into<String>) -> Self {
        Self {
            code: "model_invalid",
            message: message.into(),
            retryable: false,
        }
    }

    /// The engine failed for no reason that the medium explains.
    pub(crate) fn engine_failed(message: impl Into<String>) -> Self {
        Self {
            code: "engine_failed",
            message: message.into(),
            retryable: true,
        }
    }

    /// As the worker hears it.
    pub(crate) fn into_reply(self) -> Reply {
        Reply::Failed {
            code: self.code.to_owned(),
            message: self.message,
            retryable: self.retryable,
        }
    }
}
