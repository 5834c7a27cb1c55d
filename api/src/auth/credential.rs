//! API keys as text, `zt_<id>_<secret>`: how they are made, how they are found in a request, how they are compared.

use std::fmt;

use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq;
use zoetrope_shared::keys::{hex, sha256_hex};

/// The other header that may carry a key.
const API_KEY: &str = "x-api-key";
const PREFIX: &str = "zt_";
const ID_BYTES: usize = 8;
/// 256 bits: nobody guesses it, so that a fast hash keeps it well enough.
const SECRET_BYTES: usize = 32;

/// An API key with its secret. It never shows the secret but by [`Credential::reveal`].
#[derive(Clone)]
pub(crate) struct Credential {
    pub(crate) id: String,
    secret: String,
}

impl Credential {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self {
            id: random_hex::<ID_BYTES>(),
            secret: random_hex::<SECRET_BYTES>(),
        }
    }

    /// Reads the text of a key.
    fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let plain = |part: &str, bytes: usize| {
            part.len() == bytes * 2 && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        (plain(id, ID_BYTES) && plain(secret, SECRET_BYTES)).then(|| Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
        })
    }

    /// The whole key, for the one who asked for it.
    pub(crate) fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, self.secret)
    }

    /// What is kept of the secret.
    pub(crate) fn hash(&self) -> String {
        sha256_hex(&self.secret)
    }

    /// Whether what is kept is of this secret. Takes equally long for every wrong secret.
    pub(crate) fn fits(&self, hash: &str) -> bool {
        self.hash().as_bytes().ct_eq(hash.as_bytes()).into()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_***", self.id)
    }
}

/// What a request shows.
#[derive(Debug)]
pub(crate) enum Shown {
    /// Nothing.
    Nothing,
    /// One key that looks like one.
    Key(Credential),
    /// Something else; the sentence says what is wrong with it.
    Wrong(&'static str),
}

/// The credentials of a request.
pub(crate) fn shown_in(headers: &HeaderMap) -> Shown {
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(|value| (value, true));
    let bare = headers.get_all(API_KEY).iter().map(|value| (value, false));
    let mut all = bearers.chain(bare);
    let (value, is_bearer) = match (all.next(), all.next()) {
        (None, _) => return Shown::Nothing,
        (Some(_), Some(_)) => return Shown::Wrong("more than one credential: send one of Authorization and X-API-Key"),
        (Some(only), None) => only,
    };
    let text = value.to_str().unwrap_or_default().trim();
    let key = if is_bearer {
        let scheme = text.split_at_checked("bearer ".len());
        match scheme.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer ")) {
            Some((_, key)) => key.trim(),
            None => return Shown::Wrong("send Authorization: Bearer and an API key"),
        }
    } else {
        text
    };
    match Credential::parse(key) {
        Some(credential) => Shown::Key(credential),
        None => Shown::Wrong("this is no API key: they look like zt_<id>_<secret>"),
    }
}

/// Random bytes as hexadecimal digits.
pub(crate) fn random_hex<const BYTES: usize>() -> String {
    let mut bytes = [0_u8; BYTES];
    getrandom::fill(&mut bytes).expect("the system's random source should work");
    hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pairs: &[(&'static str, &str)]) -> Shown {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a header value"));
        }
        shown_in(&headers)
    }

    #[test]
    fn a_key_is_read_from_either_header() {
        let key = Credential::random();
        let text = key.reveal();
        for given in [
            ("authorization", format!("Bearer {text}")),
            ("authorization", format!("bearer  {text} ")),
            ("x-api-key", text),
        ] {
            let Shown::Key(read) = shown(&[(given.0, &given.1)]) else {
                panic!("no key in {}", given.0);
            };
            assert!(read.id == key.id && read.fits(&key.hash()));
        }
        assert!(matches!(shown(&[]), Shown::Nothing));
    }

    #[test]
    fn two_empty_and_malformed_credentials_are_wrong() {
        let text = Credential::random().reveal();
        let bearer = format!("Bearer {text}");
        let upper = text.to_uppercase();
        let twice = [("authorization", bearer.as_str()), ("x-api-key", text.as_str())];
        assert!(matches!(shown(&twice), Shown::Wrong(_)));
        let twice = [("authorization", bearer.as_str()), ("authorization", bearer.as_str())];
        assert!(matches!(shown(&twice), Shown::Wrong(_)));
        let long = "x".repeat(1_000_000);
        for given in [
            "",
            "Bearer",
            "Bearer ",
            "Basic eDp5",
            &text,
            &bearer[..20],
            "Bearer zt__",
            &long,
            "Bearér x",
        ] {
            assert!(
                matches!(shown(&[("authorization", given)]), Shown::Wrong(_)),
                "{given:.40}"
            );
        }
        for given in ["", "zt_", &text[..text.len() - 1], &upper, &bearer] {
            assert!(matches!(shown(&[("x-api-key", given)]), Shown::Wrong(_)), "{given:.40}");
        }
    }

    #[test]
    fn a_secret_shows_itself_only_when_asked() {
        let key = Credential::random();
        assert!(!format!("{key:?}").contains(&key.secret) && key.reveal().contains(&key.secret));
        assert!(!key.fits(&Credential::random().hash()));
    }
}
