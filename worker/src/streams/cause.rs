//! Why a source is down, as far as servers, the operating system and the libraries between tell it. The causes are a closed
//! list, the same words in progress, counts and logs.

use zoetrope_shared::netguard::FetchError;
pub use zoetrope_shared::wire::StreamCause as Cause;

/// The cause that a server's status names, of HTTP as of RTSP.
pub const fn of_status(status: u16) -> Cause {
    match status {
        401 | 403 | 407 => Cause::Auth,
        404 | 410 => Cause::NotFound,
        406 | 415 | 451 | 461 => Cause::Codec,
        408 | 504 => Cause::Timeout,
        _ => Cause::Network,
    }
}

/// The cause that the text of a connection's error names. Its own library tells it in no other way; the words are
/// the operating system's, from the same table as this process' own.
pub fn of_text(text: &str) -> Cause {
    let says = |errno: rustix::io::Errno| text.contains(&std::io::Error::from(errno).to_string());
    if says(rustix::io::Errno::CONNREFUSED) {
        Cause::Refused
    } else if says(rustix::io::Errno::TIMEDOUT) || text == "Timeout" {
        Cause::Timeout
    } else {
        Cause::Network
    }
}

/// Why a connection ended: the cause for machines, a sentence without secrets for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}: {detail}")]
pub struct SourceDown {
    /// What is counted and shown.
    pub cause: Cause,
    /// What happened, for the log.
    pub detail: String,
}

impl SourceDown {
    /// A connection that ended for this cause.
    pub fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
        }
    }
}

impl From<&FetchError> for SourceDown {
    fn from(error: &FetchError) -> Self {
        let cause = match error {
            FetchError::Http { status, .. } => of_status(*status),
            FetchError::Timeout | FetchError::TooSlow => Cause::Timeout,
            FetchError::Refused => Cause::Refused,
            FetchError::Tls => Cause::Tls,
            _ => Cause::Network,
        };
        Self::new(cause, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fetch_fails_with_names_its_cause() {
        let status = |status| FetchError::Http {
            status,
            retry_after: None,
        };
        let table = [
            (status(401), Cause::Auth),
            (status(404), Cause::NotFound),
            (status(500), Cause::Network),
            (FetchError::TooSlow, Cause::Timeout),
            (FetchError::Refused, Cause::Refused),
            (FetchError::Tls, Cause::Tls),
            (FetchError::TooManyRedirects, Cause::Network),
        ];
        for (error, cause) in table {
            assert_eq!(SourceDown::from(&error).cause, cause, "{error}");
        }
    }

    #[test]
    fn statuses_and_words_of_the_system_name_their_cause() {
        let table = [
            (401, Cause::Auth),
            (403, Cause::Auth),
            (404, Cause::NotFound),
            (461, Cause::Codec),
            (503, Cause::Network),
        ];
        for (status, cause) in table {
            assert_eq!(of_status(status), cause, "{status}");
        }
        let refused = "Unable to connect to RTSP server: Connection refused (os error 111)";
        assert_eq!(of_text(refused), Cause::Refused);
        assert_eq!(of_text("Connection timed out (os error 110)"), Cause::Timeout);
        assert_eq!(of_text("unexpected EOF"), Cause::Network);
    }
}
