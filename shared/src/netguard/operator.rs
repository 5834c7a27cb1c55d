//! Addresses that the operator names: a provider's server, which may well be on this machine or a private network.
//! They are not users' URLs, so private addresses are fine; what no setting opens stays closed all the same.

use ::url::{Host, Url};

use super::{UrlForbidden, names};

/// Judges the base URL of a server that the operator configured: `http` or `https`, no user name, no query, and no
/// metadata service.
///
/// # Errors
/// Says in one sentence, which never repeats the URL, why it is refused.
pub fn operator_url(text: &str) -> Result<Url, UrlForbidden> {
    let url = Url::parse(text.trim()).map_err(|_| UrlForbidden::Malformed)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlForbidden::Scheme {
            expected: "http or https",
        });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlForbidden::Userinfo);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(UrlForbidden::Malformed);
    }
    let is_metadata = match url.host() {
        Some(Host::Domain(name)) => names::is_metadata_name(name),
        Some(Host::Ipv4(v4)) => names::is_metadata_address(v4.into()),
        Some(Host::Ipv6(v6)) => names::is_metadata_address(v6.to_canonical()),
        None => return Err(UrlForbidden::Malformed),
    };
    if is_metadata {
        Err(UrlForbidden::Metadata)
    } else {
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operators_server_may_be_private_but_no_metadata_service() {
        for url in [
            "http://127.0.0.1:11434/v1",
            "https://api.openai.com/v1",
            "http://ollama:11434/v1",
            "http://[::1]/",
        ] {
            assert!(operator_url(url).is_ok(), "{url}");
        }
        for (url, expected) in [
            ("http://169.254.169.254/v1", UrlForbidden::Metadata),
            ("http://[::ffff:169.254.169.254]/v1", UrlForbidden::Metadata),
            ("http://metadata.google.internal/v1", UrlForbidden::Metadata),
            ("http://me:secret@host/v1", UrlForbidden::Userinfo),
            ("https://host/v1?key=secret", UrlForbidden::Malformed),
            ("host/v1", UrlForbidden::Malformed),
        ] {
            assert_eq!(operator_url(url), Err(expected), "{url}");
        }
        assert!(matches!(operator_url("file:///etc"), Err(UrlForbidden::Scheme { .. })));
    }
}
