//! Signed URLs: a grant lets whoever has it read the media of one recording, from a time to a time, until it expires. It is
//! what players carry, which can show no API key.
//!
//! `<tenant>.<from>.<to>.<expires>.<HMAC-SHA-256 of these and the stream>`; times are Unix milliseconds, of which `expires` is
//! the server's clock and the others the recording's.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, Uri};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use url::form_urlencoded;
use zoetrope_shared::config::Secret;
use zoetrope_shared::keys::hex;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::ProblemCode;

use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::Refusal;
use crate::recordings::range::Range;

/// The parameter that carries a grant.
pub(crate) const PARAMETER: &str = "grant";
/// What makes our HMACs different from those of any other use of the key.
const PURPOSE: &str = "zoetrope recording v1";
/// Path of the recordings, and what of them grants are for.
const PREFIX: &str = "/api/v1/streams/";
const GRANTED: [&str; 4] = ["playlist.m3u8", "segments", "init", "export"];
/// Pictures are recorded ones at a time; without it, what is going on now.
const PICTURES: &str = "snapshot";
const TIME: &str = "at";

/// What a grant allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) tenant: Tenant,
    pub(crate) range: Range,
    /// Unix milliseconds.
    pub(crate) expires_ms: u64,
}

/// What the request at hand may read: everything of its tenant with a key, a part with a grant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowed(pub(crate) Option<Grant>);

/// The key that signs grants.
#[derive(Debug, Clone)]
pub(crate) struct GrantKey(Secret);

impl GrantKey {
    /// With the setting `MEDIA_SIGNING_KEY`.
    pub(crate) fn of(key: &Secret) -> Self {
        Self(key.clone())
    }

    /// The query of URLs that carry this grant, with its question mark.
    pub(crate) fn query(&self, grant: &Grant, stream: &str) -> String {
        let words = grant.words();
        let mac = hex(&self.mac(&words, stream).finalize().into_bytes());
        format!("?{PARAMETER}={words}.{mac}")
    }

    /// The grant in a text, if it is one of ours for this stream and has not expired.
    fn verify(&self, text: &str, stream: &str, now_ms: u64) -> Option<Grant> {
        let (words, mac) = text.rsplit_once('.')?;
        self.mac(words, stream).verify_slice(&unhex(mac)?).ok()?;
        Grant::read(words).filter(|grant| grant.expires_ms > now_ms)
    }

    fn mac(&self, words: &str, stream: &str) -> Hmac<Sha256> {
        let key = self.0.expose().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(format!("{PURPOSE}\n{stream}\n{words}").as_bytes());
        mac
    }
}

impl Grant {
    /// Neither a tenant's name nor a number has a dot.
    fn words(&self) -> String {
        let Range { start_ms, end_ms } = self.range;
        format!("{}.{start_ms}.{end_ms}.{}", self.tenant, self.expires_ms)
    }

    fn read(words: &str) -> Option<Self> {
        let mut parts = words.split('.');
        Some(Self {
            tenant: Tenant::parse(parts.next()?).ok()?,
            range: Range {
                start_ms: parts.next()?.parse().ok()?,
                end_ms: parts.next()?.parse().ok()?,
            },
            expires_ms: parts.next()?.parse().ok()?,
        })
    }
}

impl Allowed {
    /// Refuses what is not within the grant, as if it were not there.
    pub(crate) fn covers(&self, start_ms: u64, end_ms: u64) -> Result<(), Refusal> {
        let within = |grant: &Grant| end_ms > grant.range.start_ms && start_ms < grant.range.end_ms;
        match &self.0 {
            Some(grant) if !within(grant) => Err(Refusal::not_found("recording in the time of this URL's grant")),
            _ => Ok(()),
        }
    }

    /// The same part of the recording that may be read of what is asked for.
    pub(crate) fn within(&self, range: Range) -> Range {
        self.0.as_ref().map_or(range, |grant| Range {
            start_ms: range.start_ms.max(grant.range.start_ms),
            end_ms: range.end_ms.min(grant.range.end_ms),
        })
    }
}

impl FromRequestParts<App> for Allowed {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Who shows the grant of this address, if it has one; what else is shown does not matter then.
pub(crate) fn shown(app: &App, uri: &Uri) -> Option<Result<(Identity, Allowed), Refusal>> {
    let grant = grant_in(uri)?;
    let stream = uri.path().strip_prefix(PREFIX).and_then(|rest| rest.split('/').next());
    let key = app.grant_key.as_ref();
    let known = key
        .zip(stream)
        .and_then(|(key, stream)| key.verify(&grant, stream, app.clock.now_ms()));
    let known = known.map(|grant| {
        let identity = Identity {
            tenant: grant.tenant.clone(),
            scopes: Vec::new(),
            key: None,
        };
        (identity, Allowed(Some(grant)))
    });
    Some(known.ok_or_else(|| {
        Refusal::new(
            ProblemCode::Unauthenticated,
            "this URL's grant is not valid, or has expired: ask for a new one",
        )
    }))
}

/// Whether a request is for media and carries a grant: then any web page may read what it leads to.
pub(crate) fn is_granted(method: &Method, uri: &Uri) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let what = uri.path().strip_prefix(PREFIX).and_then(|rest| rest.split('/').nth(1));
    let has_time = || value_in(uri, TIME).is_some_and(|time| !time.is_empty());
    let is_media = |what| GRANTED.contains(&what) || (what == PICTURES && has_time());
    reads && what.is_some_and(is_media) && grant_in(uri).is_some()
}

fn grant_in(uri: &Uri) -> Option<String> {
    value_in(uri, PARAMETER)
}

fn value_in(uri: &Uri, parameter: &str) -> Option<String> {
    let mut parameters = form_urlencoded::parse(uri.query()?.as_bytes());
    parameters
        .find(|(name, _)| name == parameter)
        .map(|(_, value)| value.into_owned())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if !text.len().is_multiple_of(2) || !text.as_bytes().iter().all(digits) {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            tenant: Tenant::parse("acme").expect("a name"),
            range: Range {
                start_ms: 1_000,
                end_ms: 9_000,
            },
            expires_ms: 50_000,
        }
    }

    fn text(key: &GrantKey) -> String {
        let query = key.query(&grant(), "cam");
        query.strip_prefix("?grant=").expect("a query").to_owned()
    }

    #[test]
    fn a_grant_is_known_until_it_expires_and_for_its_stream_alone() {
        let key = GrantKey::of(&Secret::new("a long random key".to_owned()));
        let text = text(&key);
        assert_eq!(key.verify(&text, "cam", 49_999), Some(grant()));
        assert_eq!(key.verify(&text, "cam", 50_000), None);
        assert_eq!(key.verify(&text, "other", 0), None);
        let other = GrantKey::of(&Secret::new("another key".to_owned()));
        assert_eq!(other.verify(&text, "cam", 0), None);
    }

    #[test]
    fn no_part_of_a_grant_can_be_changed() {
        let key = GrantKey::of(&Secret::new("a long random key".to_owned()));
        let text = text(&key);
        for at in 0..text.len() {
            for byte in ["0", "a", ".", "9"] {
                let mut forged = text.clone();
                forged.replace_range(at..=at, byte);
                assert!(forged == text || key.verify(&forged, "cam", 0).is_none(), "{forged}");
            }
        }
        for forged in ["", ".", "acme.1000.9000.50000", "acme.1000.9000.50000."] {
            assert_eq!(key.verify(forged, "cam", 0), None, "{forged}");
        }
    }

    #[test]
    fn only_reading_media_is_granted() {
        let granted = |method, path: &str| is_granted(&method, &path.parse().expect("a URI"));
        assert!(granted(Method::GET, "/api/v1/streams/cam/playlist.m3u8?grant=g"));
        assert!(granted(Method::HEAD, "/api/v1/streams/cam/segments/x.m4s?grant=g"));
        assert!(!granted(Method::GET, "/api/v1/streams/cam/playlist.m3u8?start=1"));
        assert!(granted(Method::GET, "/api/v1/streams/cam/snapshot?at=5&grant=g"));
        assert!(!granted(Method::GET, "/api/v1/streams/cam/snapshot?grant=g"));
        assert!(!granted(Method::POST, "/api/v1/streams/cam/export?grant=g"));
        assert!(!granted(Method::GET, "/api/v1/streams/cam/recordings?grant=g"));
        assert!(!granted(Method::GET, "/api/v1/tasks/playlist.m3u8?grant=g"));
    }

    #[test]
    fn a_grant_covers_what_overlaps_its_time() {
        let allowed = Allowed(Some(grant()));
        assert!(allowed.covers(500, 1_001).is_ok());
        assert!(allowed.covers(500, 1_000).is_err());
        assert!(allowed.covers(9_000, 9_500).is_err());
        assert!(Allowed(None).covers(0, 1).is_ok());
    }
}
