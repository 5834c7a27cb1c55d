//! The id of a request: the client's `X-Request-Id` if it is harmless, a random one otherwise. It is in the answer,
//! in every problem and in the log, so that a client's report leads to the log line.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// Header of requests and answers.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const MAX_CHARS: usize = 64;

/// The id of the request at hand.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

impl RequestId {
    /// Takes the client's or makes one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers
            .get(HEADER)
            .and_then(|value| value.to_str().ok())
            .filter(|text| is_harmless(text));
        Self(given.map_or_else(random, ToOwned::to_owned))
    }

    /// As a header value.
    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("harmless text should be a header value")
    }
}

/// 64 random bits: enough to tell requests apart in a log.
fn random() -> String {
    let bits = getrandom::u64().expect("the system's random source should work");
    format!("{bits:016x}")
}

fn is_harmless(text: &str) -> bool {
    (1..=MAX_CHARS).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &'static str) -> String {
        RequestId::of(&HeaderMap::from_iter([(HEADER, HeaderValue::from_static(given))])).0
    }

    #[test]
    fn a_harmless_id_is_kept_and_any_other_is_replaced() {
        assert_eq!(of("req-1.a:b_C"), "req-1.a:b_C");
        for given in ["", "a b", "{\"level\":\"error\"}", "x".repeat(65).leak()] {
            assert_eq!(of(given).len(), 16, "{given}");
        }
        assert_ne!(RequestId::of(&HeaderMap::new()).0, RequestId::of(&HeaderMap::new()).0);
    }
}
