//! Why a URL was refused or could not be read. No sentence repeats any part of the URL: it may hold credentials.

use std::time::Duration;

/// Why a URL may not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlForbidden {
    /// Longer than [`super::MAX_URL_CHARS`].
    #[error("the URL is longer than {} characters", super::MAX_URL_CHARS)]
    TooLong,
    /// Whitespace or control characters anywhere.
    #[error("the URL contains whitespace or control characters")]
    Whitespace,
    /// A backslash: programs disagree about what it separates.
    #[error("the URL contains a backslash")]
    Backslash,
    /// Not `scheme://host...`.
    #[error("the URL is not valid: scheme://host/path is expected")]
    Malformed,
    /// A scheme that this field does not take.
    #[error("the URL's scheme must be {expected}")]
    Scheme {
        /// The schemes taken, as a phrase.
        expected: &'static str,
    },
    /// A user name or password in an `http` or `https` URL.
    #[error("the URL carries a user name or a password")]
    Userinfo,
    /// A port outside the list.
    #[error("the URL's port is not one of those allowed")]
    Port,
    /// A host that is not written the way it is understood: a number for an address, other alphabets, escapes.
    #[error("the URL's host is not in its plain form: use a.b.c.d, [IPv6], or a name in ASCII (xn--...)")]
    HostSpelling,
    /// A name that means something only on this machine or this network.
    #[error("the URL's host is a local name")]
    LocalName,
    /// A cloud's metadata service, by name or by address.
    #[error("the URL leads to a metadata service")]
    Metadata,
    /// An address that is not public, or that the operator has closed.
    #[error("the URL leads to an address that is not allowed")]
    Address,
    /// A webhook that would call this deployment itself.
    #[error("the URL leads back to this service")]
    OwnHost,
}

impl UrlForbidden {
    /// The code for problems and failures.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "url_forbidden"
    }
}

/// Why a URL could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Refused by policy, at the first address or at a redirect.
    #[error(transparent)]
    Forbidden(#[from] UrlForbidden),
    /// The server answered with a status other than success.
    #[error("the server answered with status {status}")]
    Http {
        /// The status.
        status: u16,
        /// How long the server asks us to wait.
        retry_after: Option<Duration>,
    },
    /// More bytes than asked for.
    #[error("the content is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The total time was used up.
    #[error("the server did not answer in time")]
    Timeout,
    /// The body arrived below the minimum rate.
    #[error("the server sends too slowly")]
    TooSlow,
    /// More redirects than allowed.
    #[error("the server redirects too often")]
    TooManyRedirects,
    /// A body in an encoding that was not asked for.
    #[error("the server compressed the content although it was asked not to")]
    Encoded,
    /// Nobody listens there.
    #[error("the network failed: the connection was refused")]
    Refused,
    /// TLS failed: most often a certificate that is expired, for another name, or signed by nobody that is known.
    #[error("the connection could not be secured; its certificate may not be accepted here")]
    Tls,
    /// The name does not resolve, or the connection failed.
    #[error("the network failed: {0}")]
    Network(String),
}

impl FetchError {
    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Http { status, .. } => matches!(status, 408 | 429 | 500..=599),
            Self::Timeout | Self::TooSlow | Self::Refused | Self::Tls | Self::Network(_) => true,
            Self::Forbidden(_) | Self::TooLarge { .. } | Self::TooManyRedirects | Self::Encoded => false,
        }
    }

    /// How long the server asked us to wait before another attempt.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The code for problems and failures.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forbidden(forbidden) => forbidden.code(),
            Self::TooLarge { .. } => "media_too_large",
            _ => "fetch_failed",
        }
    }
}
