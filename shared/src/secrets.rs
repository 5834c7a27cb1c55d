//! Sealing of credentials that have to be stored: XChaCha20-Poly1305 under keys that only our processes hold, so that
//! whoever reads Redis or its backups reads no password. Which values are sealed belongs to the kind that takes them.
//!
//! `SECRETS_KEYS` is `kid:base64,...`, each key of 32 bytes: the first seals, all of them open. A key is replaced by
//! putting a new one in front and dropping the old one once nothing sealed with it is left.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes of a nonce; long enough to be drawn at random.
const NONCE_BYTES: usize = 24;
/// Longest name of a key, characters.
const MAX_KID_CHARS: usize = 32;
/// The name of a key that [`generate`] makes.
const GENERATED_KID: &str = "k1";

/// The keys of an installation; may be none.
#[derive(Clone, Default)]
pub struct SecretKeys(Vec<(String, Key)>);

/// Why something was not sealed or opened. No sentence repeats any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// There is no key to seal with.
    #[error("SECRETS_KEYS is not set, so credentials cannot be stored")]
    NotConfigured,
    /// It was sealed with a key that is not there any more.
    #[error("the key that sealed the credentials is not in SECRETS_KEYS")]
    UnknownKey,
    /// It was changed, or sealed for something else.
    #[error("the sealed credentials do not open")]
    Damaged,
    /// The system gave no random bytes.
    #[error("the system's random generator failed")]
    NoRandom,
}

impl SecretKeys {
    /// Reads `kid:base64,...`.
    ///
    /// # Errors
    /// A sentence that names the place but repeats no key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys: Vec<(String, Key)> = Vec::new();
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        for (index, item) in items.enumerate() {
            let place = index + 1;
            let (kid, encoded) = item.split_once(':').filter(|(kid, _)| is_kid(kid)).ok_or_else(|| {
                format!("key {place} is not of the form name:base64, names are a-z, A-Z, 0-9, _ and -")
            })?;
            let bytes = BASE64.decode(encoded).ok();
            let bytes = bytes.and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
            let bytes = bytes.ok_or_else(|| format!("key {place} is not {KEY_BYTES} bytes in base64"))?;
            if keys.iter().any(|(known, _)| known == kid) {
                return Err(format!("key {place} has the name of another one"));
            }
            keys.push((kid.to_owned(), Key::from(bytes)));
        }
        Ok(Self(keys))
    }

    /// Whether there is a key to seal with.
    pub fn can_seal(&self) -> bool {
        !self.0.is_empty()
    }

    /// Seals with the first key. What is sealed opens only with the same `context`, which is not secret: it says what
    /// the value is for, so that it cannot be used for anything else.
    ///
    /// # Errors
    /// [`SecretsError::NotConfigured`] without keys.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<String, SecretsError> {
        let (kid, key) = self.0.first().ok_or(SecretsError::NotConfigured)?;
        let mut nonce = [0_u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SecretsError::NoRandom)?;
        let payload = Payload {
            msg: plain,
            aad: context.as_bytes(),
        };
        let sealed = XChaCha20Poly1305::new(key).encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| SecretsError::Damaged)?;
        Ok(format!("{kid}:{}", BASE64.encode([&nonce[..], &sealed].concat())))
    }

    /// Opens what [`Self::seal`] made for the same `context`, with any of the keys.
    ///
    /// # Errors
    /// [`SecretsError::UnknownKey`] or [`SecretsError::Damaged`].
    pub fn open(&self, context: &str, sealed: &str) -> Result<Vec<u8>, SecretsError> {
        let (kid, encoded) = sealed.split_once(':').ok_or(SecretsError::Damaged)?;
        let known = self.0.iter().find(|(known, _)| known == kid);
        let (_, key) = known.ok_or(SecretsError::UnknownKey)?;
        let bytes = BASE64.decode(encoded).map_err(|_| SecretsError::Damaged)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or(SecretsError::Damaged)?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).map_err(|_| SecretsError::Damaged)?;
        let payload = Payload {
            msg: sealed,
            aad: context.as_bytes(),
        };
        let opened = XChaCha20Poly1305::new(key).decrypt(&XNonce::from(nonce), payload);
        opened.map_err(|_| SecretsError::Damaged)
    }
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(kid, _)| kid)).finish()
    }
}

/// A new key as `SECRETS_KEYS` takes it.
///
/// # Errors
/// [`SecretsError::NoRandom`].
pub fn generate() -> Result<String, SecretsError> {
    let mut key = [0_u8; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|_| SecretsError::NoRandom)?;
    Ok(format!("{GENERATED_KID}:{}", BASE64.encode(key)))
}

fn is_kid(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=MAX_KID_CHARS).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kid: &str, byte: u8) -> String {
        format!("{kid}:{}", BASE64.encode([byte; KEY_BYTES]))
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_context_only() {
        let keys = SecretKeys::parse(&generate().unwrap()).unwrap();
        let sealed = keys.seal("camera", b"alice:secret").unwrap();
        assert!(!sealed.contains("secret"), "{sealed}");
        assert_eq!(keys.open("camera", &sealed).unwrap(), b"alice:secret");
        assert_eq!(keys.open("webhook", &sealed), Err(SecretsError::Damaged));
        assert_ne!(
            sealed,
            keys.seal("camera", b"alice:secret").unwrap(),
            "nonces should differ"
        );
    }

    #[test]
    fn the_first_key_seals_and_every_key_opens() {
        let (old, new) = (key("old", 1), key("new", 2));
        let sealed = SecretKeys::parse(&old).unwrap().seal("x", b"y").unwrap();
        let both = SecretKeys::parse(&format!("{new}, {old}")).unwrap();
        assert_eq!(both.open("x", &sealed).unwrap(), b"y");
        assert!(both.seal("x", b"y").unwrap().starts_with("new:"));
        let new_only = SecretKeys::parse(&new).unwrap();
        assert_eq!(new_only.open("x", &sealed), Err(SecretsError::UnknownKey));
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let keys = SecretKeys::parse(&key("a", 3)).unwrap();
        let sealed = keys.seal("x", b"y").unwrap();
        let (_, encoded) = sealed.split_once(':').unwrap();
        let mut bytes = BASE64.decode(encoded).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        for broken in [
            format!("a:{}", BASE64.encode(bytes)),
            "a:".to_owned(),
            "a:%".to_owned(),
            "a".to_owned(),
        ] {
            assert_eq!(keys.open("x", &broken), Err(SecretsError::Damaged), "{broken}");
        }
    }

    #[test]
    fn a_key_that_is_no_key_is_refused_without_being_repeated() {
        for text in [
            "a",
            "a:c2hvcnQ=",
            "a b:x",
            ":x",
            &format!("{},{}", key("a", 1), key("a", 2)),
        ] {
            let error = SecretKeys::parse(text).unwrap_err();
            assert!(error.contains("key") && !error.contains("c2hvcnQ"), "{error}");
        }
        assert_eq!(SecretKeys::default().seal("x", b"y"), Err(SecretsError::NotConfigured));
        assert!(!SecretKeys::parse("").unwrap().can_seal());
    }

    #[test]
    fn keys_are_not_shown() {
        let text = key("a", 65);
        let shown = format!("{:?}", SecretKeys::parse(&text).unwrap());
        assert_eq!(shown, "[\"a\"]");
    }
}
