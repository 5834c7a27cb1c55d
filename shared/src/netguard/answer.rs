//! What an HTTP answer, or the lack of one, means.

use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::error::FetchError;

/// The longest wait that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How long the server asks us to wait: seconds, or a date that is read against the server's own `Date`, so that its
/// clock need not agree with ours. At most an hour.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = OffsetDateTime::parse(text, &Rfc2822).ok()?;
            let now = OffsetDateTime::parse(headers.get(DATE)?.to_str().ok()?, &Rfc2822).ok()?;
            Duration::try_from(until - now).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// A failed request without any of its words: the library's own message repeats the URL.
#[must_use]
pub fn broken(error: &reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::Timeout;
    }
    let sentence = match io_kind(error) {
        Some(ErrorKind::ConnectionRefused) => return FetchError::Refused,
        // What a handshake of TLS fails with.
        Some(ErrorKind::InvalidData) if error.is_connect() => return FetchError::Tls,
        Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => "the connection was reset",
        Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => "the host cannot be reached",
        _ if error.is_connect() => "the connection could not be opened",
        _ => "the connection broke, or the answer was not valid HTTP",
    };
    FetchError::Network(sentence.into())
}

fn io_kind(error: &reqwest::Error) -> Option<ErrorKind> {
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        source = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().expect("name"), value.parse().expect("value")))
            .collect()
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date_and_is_capped() {
        let date = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");
        let seconds = |headers| retry_after(&headers).map(|wait| wait.as_secs());
        assert_eq!(seconds(headers(&[("retry-after", "7")])), Some(7));
        assert_eq!(
            seconds(headers(&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT"), date])),
            Some(30)
        );
        assert_eq!(
            seconds(headers(&[("retry-after", "Wed, 21 Oct 2015 07:27:30 GMT"), date])),
            Some(0)
        );
        assert_eq!(seconds(headers(&[("retry-after", "18446744073709551615")])), Some(3600));
        assert_eq!(seconds(headers(&[("retry-after", "soon")])), None);
        assert_eq!(seconds(headers(&[])), None);
    }
}
