//! Where a live stream comes from, between the submit and the connection: the URL without credentials, and the
//! credentials sealed. Connecting belongs in the worker, judging addresses in [`crate::netguard`].

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::netguard::{CheckedUrl, Purpose};
use crate::schema::{FieldCode, FieldError};
use crate::secrets::{SecretKeys, SecretsError};
use crate::tasks::{Preparation, Unprepared};

/// The field of a stored input that holds sealed credentials. No input that a client sends may have it.
pub const SEALED_FIELD: &str = "sealed";

/// A user name and a password. Shown as stars.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password; may be empty.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

/// Prepares a checked input for storing: judges `url`, takes credentials out of it or of their fields, and seals them.
///
/// # Errors
/// A URL that may not be opened, credentials given twice, or no key to seal with.
pub fn prepare(input: &mut Map<String, Value>, with: &Preparation<'_>) -> Result<(), Unprepared> {
    let Some(Value::String(url)) = input.get("url") else {
        return Ok(());
    };
    let checked = with.netguard.check_url(url, Purpose::Stream);
    let checked = checked.map_err(|error| refused("/url", FieldCode::UrlForbidden, error.to_string()))?;
    let written = text_of(input.remove("username")).map(|username| Credentials {
        username,
        password: text_of(input.remove("password")).unwrap_or_default(),
    });
    let (url, within) = split(&checked).map_err(|detail| refused("/url", FieldCode::Invalid, detail.to_owned()))?;
    let credentials = match (within, written) {
        (Some(_), Some(_)) => {
            let detail = "the URL carries a user name already: send it once".to_owned();
            return Err(refused("/username", FieldCode::Invalid, detail));
        }
        (within, written) => within.or(written),
    };
    check_protocol(checked.url().scheme(), credentials.is_some(), input.get("transport"))?;
    if let Some(credentials) = credentials {
        let sealed = seal_credentials(with.secrets, &url, &credentials).map_err(Unprepared::Secrets)?;
        input.insert(SEALED_FIELD.to_owned(), Value::String(sealed));
    }
    input.insert("url".to_owned(), Value::String(url));
    Ok(())
}

/// What RTSP has and others have not.
fn check_protocol(scheme: &str, has_credentials: bool, transport: Option<&Value>) -> Result<(), Unprepared> {
    let (pointer, detail) = if scheme == "rtmp" && has_credentials {
        let detail = "no user name and password go with rtmp: a stream's key stands in its path or query";
        ("/url", detail.to_owned())
    } else if scheme != "rtsp" && transport.is_some_and(|transport| transport == "udp") {
        ("/transport", format!("{scheme} goes over tcp alone"))
    } else {
        return Ok(());
    };
    Err(refused(pointer, FieldCode::Invalid, detail))
}

/// Opens what [`prepare`] sealed for this URL.
///
/// # Errors
/// Keys that are gone, or a value that was changed.
pub fn open_credentials(keys: &SecretKeys, url: &str, sealed: &str) -> Result<Credentials, SecretsError> {
    let opened = keys.open(&context(url), sealed)?;
    serde_json::from_slice(&opened).map_err(|_| SecretsError::Damaged)
}

fn seal_credentials(keys: &SecretKeys, url: &str, credentials: &Credentials) -> Result<String, SecretsError> {
    let plain = serde_json::to_vec(credentials).map_err(|_| SecretsError::Damaged)?;
    keys.seal(&context(url), &plain)
}

/// Credentials are good for the URL that they were sent with and for no other.
fn context(url: &str) -> String {
    format!("stream_ingest\n{url}")
}

/// The URL without credentials, and the credentials that it carried.
fn split(checked: &CheckedUrl) -> Result<(String, Option<Credentials>), &'static str> {
    let mut url = checked.url().clone();
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded
            .map(String::from)
            .map_err(|_| "the URL's user name and password must be UTF-8")
    };
    let (username, password) = (decode(url.username())?, decode(url.password().unwrap_or_default())?);
    let cannot = |()| "the URL's user name and password cannot be taken out";
    url.set_password(None).map_err(cannot)?;
    url.set_username("").map_err(cannot)?;
    url.set_fragment(None);
    let carried = !username.is_empty() || !password.is_empty();
    Ok((url.to_string(), carried.then_some(Credentials { username, password })))
}

fn text_of(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn refused(pointer: &str, code: FieldCode, detail: String) -> Unprepared {
    Unprepared::Fields(vec![FieldError {
        pointer: pointer.to_owned(),
        detail,
        code,
    }])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::netguard::{NetGuard, NetGuardConfig};
    use crate::tasks::stream_ingest::StoredStreamIngest;

    fn keys() -> SecretKeys {
        SecretKeys::parse(&crate::secrets::generate().unwrap()).unwrap()
    }

    fn prepared(input: Value, secrets: &SecretKeys) -> Result<StoredStreamIngest, Unprepared> {
        let netguard = NetGuard::new(NetGuardConfig::default());
        let Value::Object(mut fields) = input else {
            panic!("an object")
        };
        prepare(
            &mut fields,
            &Preparation {
                netguard: &netguard,
                secrets,
            },
        )?;
        let stored = Value::Object(fields).to_string();
        assert!(!stored.contains("s3cret") && !stored.contains("alice"), "{stored}");
        Ok(StoredStreamIngest::parse(&stored).expect("what is stored should be readable"))
    }

    #[test]
    fn credentials_of_the_url_and_of_fields_are_sealed_and_open_again() {
        let keys = keys();
        let forms = [
            json!({"url": "rtsp://alice:s3cret%40@camera.example.com/a?b=c"}),
            json!({"url": "rtsp://camera.example.com/a?b=c", "username": "alice", "password": "s3cret@"}),
            json!({"url": "https://alice:s3cret%40@camera.example.com/a?b=c"}),
        ];
        for form in forms {
            let stored = prepared(form.clone(), &keys).unwrap();
            let url = stored.input.url.expect("the URL stays");
            let (_, rest) = url.split_once("://").expect("a scheme");
            assert_eq!(rest, "camera.example.com/a?b=c");
            let sealed = stored.sealed.expect("credentials should be sealed");
            let opened = open_credentials(&keys, &url, &sealed).unwrap();
            assert_eq!(
                (opened.username.as_str(), opened.password.as_str()),
                ("alice", "s3cret@"),
                "{form}"
            );
            assert_eq!(format!("{opened:?}"), "Credentials(***)");
            let elsewhere = open_credentials(&keys, "rtsp://evil.example.com/", &sealed);
            assert_eq!(elsewhere, Err(SecretsError::Damaged));
        }
    }

    #[test]
    fn without_credentials_no_key_is_needed() {
        let stored = prepared(json!({"url": "rtsp://camera.example.com/a"}), &SecretKeys::default()).unwrap();
        assert_eq!(stored.sealed, None);
        let refused = prepared(
            json!({"url": "rtsp://u:p@camera.example.com/a"}),
            &SecretKeys::default(),
        );
        assert!(
            matches!(refused, Err(Unprepared::Secrets(SecretsError::NotConfigured))),
            "{refused:?}"
        );
    }

    #[test]
    fn urls_that_are_never_opened_are_refused_without_being_repeated() {
        for url in [
            "rtsp://u:s3cret@127.0.0.1/a",
            "ftp://camera.example.com/a",
            "https://u:s3cret@127.0.0.1/a.m3u8",
            "rtsp://169.254.169.254/",
        ] {
            let refused = prepared(json!({"url": url}), &keys());
            let Err(Unprepared::Fields(errors)) = refused else {
                panic!("{url}: {refused:?}")
            };
            assert_eq!(
                (errors[0].pointer.as_str(), errors[0].code),
                ("/url", FieldCode::UrlForbidden)
            );
            assert!(!errors[0].detail.contains("s3cret"), "{errors:?}");
        }
    }

    #[test]
    fn rtmp_takes_neither_credentials_nor_datagrams_and_hls_no_datagrams() {
        let taken = prepared(json!({"url": "rtmp://camera.example.com/live/door?key=1"}), &keys()).unwrap();
        assert_eq!(
            taken.input.url.as_deref(),
            Some("rtmp://camera.example.com/live/door?key=1")
        );
        let refused = |input: Value| match prepared(input, &keys()) {
            Err(Unprepared::Fields(errors)) => errors[0].pointer.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            refused(json!({"url": "rtmp://u:p@camera.example.com/live/door"})),
            "/url"
        );
        for url in [
            "rtmp://camera.example.com/live/door",
            "https://camera.example.com/a.m3u8",
        ] {
            assert_eq!(refused(json!({"url": url, "transport": "udp"})), "/transport");
        }
    }

    #[test]
    fn credentials_are_given_once() {
        let twice = json!({"url": "rtsp://u:p@camera.example.com/a", "username": "bob"});
        assert!(matches!(prepared(twice, &keys()), Err(Unprepared::Fields(_))));
    }
}
