//! Why a source is down: a closed list, the same words in progress, counts and logs.

use zoetrope_shared::netguard::FetchError;
use zoetrope_shared::tasks::stream_ingest::StreamReconnects;
use zoetrope_shared::wire::StreamCause;

/// Why a source is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The credentials were refused, or are needed and not there.
    Auth,
    /// The server knows no such path.
    NotFound,
    /// Nobody listens.
    Refused,
    /// No answer, or no more pictures.
    Timeout,
    /// TLS failed.
    Tls,
    /// No codec that we take, or nothing that decodes.
    Codec,
    /// Any other failure, the end of the connection included.
    Network,
}

impl Cause {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Codec => "codec",
            Self::Network => "network",
        }
    }

    /// Whether trying again soon is pointless: a person has to change something first.
    pub const fn is_slow(self) -> bool {
        matches!(self, Self::Auth | Self::Codec)
    }

    /// The cause that a server's status names.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 | 407 => Self::Auth,
            404 | 410 => Self::NotFound,
            406 | 415 | 451 | 461 => Self::Codec,
            408 | 504 => Self::Timeout,
            _ => Self::Network,
        }
    }

    /// The cause that the text of a connection's error names. Its own library tells it in no other way; the words are
    /// the operating system's, from the same table as this process' own.
    pub fn of_text(text: &str) -> Self {
        let says = |errno: rustix::io::Errno| text.contains(&std::io::Error::from(errno).to_string());
        if says(rustix::io::Errno::CONNREFUSED) {
            Self::Refused
        } else if says(rustix::io::Errno::TIMEDOUT) || text == "Timeout" {
            Self::Timeout
        } else {
            Self::Network
        }
    }

    /// Counts one connection that ended for this cause.
    pub fn count(self, counts: &mut StreamReconnects) {
        let count = match self {
            Self::Auth => &mut counts.auth,
            Self::NotFound => &mut counts.not_found,
            Self::Refused => &mut counts.refused,
            Self::Timeout => &mut counts.timeout,
            Self::Tls => &mut counts.tls,
            Self::Codec => &mut counts.codec,
            Self::Network => &mut counts.network,
        };
        *count += 1;
    }
}

impl From<Cause> for StreamCause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Auth => Self::Auth,
            Cause::NotFound => Self::NotFound,
            Cause::Refused => Self::Refused,
            Cause::Timeout => Self::Timeout,
            Cause::Tls => Self::Tls,
            Cause::Codec => Self::Codec,
            Cause::Network => Self::Network,
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
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
            FetchError::Timeout => Cause::Timeout,
            _ => Cause::Network,
        };
        Self::new(cause, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(Cause::of_status(status), cause, "{status}");
        }
        let refused = "Unable to connect to RTSP server: Connection refused (os error 111)";
        assert_eq!(Cause::of_text(refused), Cause::Refused);
        assert_eq!(Cause::of_text("Connection timed out (os error 110)"), Cause::Timeout);
        assert_eq!(Cause::of_text("unexpected EOF"), Cause::Network);
    }

    #[test]
    fn each_cause_has_a_count_of_its_own() {
        let all = [
            Cause::Auth,
            Cause::NotFound,
            Cause::Refused,
            Cause::Timeout,
            Cause::Tls,
            Cause::Codec,
            Cause::Network,
        ];
        let mut counts = StreamReconnects::default();
        for cause in all {
            cause.count(&mut counts);
        }
        let counted = serde_json::to_value(counts).expect("counts are JSON");
        for cause in all {
            assert_eq!(counted[cause.as_str()], 1, "{cause}");
            assert_eq!(StreamCause::from(cause).as_str(), cause.as_str());
        }
    }
}
