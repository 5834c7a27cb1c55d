//! How the command ends: exit codes, and errors that carry theirs.

use std::fmt::Display;
use std::process::ExitCode;

/// The documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// The task, or what was asked of it, failed.
    Failed = 1,
    /// The arguments or the input were refused.
    Usage = 2,
    /// No such task.
    NotFound = 3,
    /// The server wants other credentials.
    Auth = 4,
    /// Something that is needed cannot be reached or is not there.
    Unavailable = 5,
    /// `--timeout` passed first.
    Timeout = 124,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why the command did not do what was asked, in a sentence for people.
#[derive(Debug)]
pub(crate) struct CliError {
    /// Its exit code.
    pub(crate) exit: Exit,
    /// One sentence, possibly with a hint in further lines.
    pub(crate) message: String,
}

impl CliError {
    /// Arguments or input that cannot be used.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self {
            exit: Exit::Usage,
            message: message.to_string(),
        }
    }

    /// Something that is needed is not there.
    pub(crate) fn unavailable(message: impl Display) -> Self {
        Self {
            exit: Exit::Unavailable,
            message: message.to_string(),
        }
    }

    /// Anything else.
    pub(crate) fn failed(message: impl Display) -> Self {
        Self {
            exit: Exit::Failed,
            message: message.to_string(),
        }
    }
}
