//! Who may talk to an api that asks for no key: the `Host` and `Origin` checks against DNS rebinding and foreign pages.
//!
//! A web page anywhere can make its visitor's browser send requests to 127.0.0.1 or into its network. It cannot forge
//! `Host` or `Origin`, so on a loopback address only loopback names are served, and on any address only our own pages
//! and `ALLOWED_ORIGINS` may send an `Origin`. A page whose own name was pointed at this server sends both as its own:
//! where no key is asked for, such names are not served either.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::problem::Refusal;
use crate::recordings::grant;
use zoetrope_shared::config::AuthMode;

/// Names by which this server may be called, beside those of `ALLOWED_ORIGINS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hosts {
    /// Those of this machine alone.
    Loopback,
    /// Addresses, and names that nobody else can register: `localhost`, and names without a dot, as containers have.
    Unregistrable,
    /// All: whoever comes needs a key.
    Any,
}

/// What is let in.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    hosts: Hosts,
    allowed_origins: Arc<[String]>,
}

impl Doors {
    /// `listens_on` is the setting `HOST`.
    pub(crate) fn new(listens_on: IpAddr, auth: AuthMode, allowed_origins: &[String]) -> Self {
        let allowed = allowed_origins
            .iter()
            .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase());
        Self {
            hosts: match auth {
                _ if listens_on.is_loopback() => Hosts::Loopback,
                AuthMode::None => Hosts::Unregistrable,
                AuthMode::On => Hosts::Any,
            },
            allowed_origins: allowed.collect(),
        }
    }

    /// Why a request with these headers stays outside.
    fn judge(&self, version: Version, authority: Option<&str>, headers: &HeaderMap) -> Result<(), Refusal> {
        let hosts: Vec<_> = headers.get_all(header::HOST).iter().collect();
        let named = match hosts.as_slice() {
            [] => authority,
            [host] => host.to_str().ok(),
            _ => return Err(Refusal::bad_request("more than one Host header")),
        };
        match named {
            None if version == Version::HTTP_10 && hosts.is_empty() => {}
            None => return Err(Refusal::bad_request("the Host header is missing or unreadable")),
            Some(host) if !self.host_fits(host) => {
                return Err(Refusal::forbidden(
                    "this Host is not served here: use localhost or an address, or add it to ALLOWED_ORIGINS",
                ));
            }
            Some(_) => {}
        }
        for origin in headers.get_all(header::ORIGIN) {
            let fits = origin.to_str().is_ok_and(|origin| self.origin_fits(origin, named));
            if !fits {
                return Err(Refusal::forbidden(
                    "this Origin may not call the api: add it to ALLOWED_ORIGINS",
                ));
            }
        }
        Ok(())
    }

    fn host_fits(&self, host: &str) -> bool {
        let name = without_port(host);
        let fits = match self.hosts {
            Hosts::Any => return true,
            Hosts::Loopback => is_loopback(name),
            Hosts::Unregistrable => is_loopback(name) || is_unregistrable(name),
        };
        fits || self.allowed_origins.iter().any(|origin| same_authority(origin, host))
    }

    fn origin_fits(&self, origin: &str, host: Option<&str>) -> bool {
        let origin = origin.trim_end_matches('/').to_ascii_lowercase();
        host.is_some_and(|host| same_authority(&origin, host)) || self.allowed_origins.contains(&origin)
    }
}

/// Lets a request in or answers 403.
pub(crate) async fn check(State(doors): State<Doors>, request: Request, next: Next) -> Response {
    let authority = request.uri().authority().map(ToString::to_string);
    let mut headers = request.headers().clone();
    if grant::is_granted(request.method(), request.uri()) {
        // A signed URL is a secret of its own: players on any page may use it, and the browser adds nothing to it.
        headers.remove(header::ORIGIN);
    }
    match doors.judge(request.version(), authority.as_deref(), &headers) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Whether a host name or address is this machine and nothing else.
fn is_loopback(host: &str) -> bool {
    let bare = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .trim_end_matches('.')
        .to_ascii_lowercase();
    match bare.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => bare == "localhost" || bare.ends_with(".localhost"),
    }
}

/// An address, or one label: the names of the public DNS have at least two.
fn is_unregistrable(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_label = || {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !bare.is_empty() && bare.bytes().all(letters)
    };
    bare.parse::<IpAddr>().is_ok() || is_label()
}

fn same_authority(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let bare = |authority: &str| authority.to_ascii_lowercase().trim_end_matches(default_port).to_owned();
    bare(authority) == bare(host)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a header value"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("a header value"));
        }
        headers
    }

    fn lets_in(doors: &Doors, host: &str, origin: Option<&str>) -> bool {
        doors.judge(Version::HTTP_11, None, &headers(host, origin)).is_ok()
    }

    #[test]
    fn on_loopback_only_loopback_names_are_served() {
        let doors = Doors::new(LOCAL, AuthMode::On, &[]);
        for host in [
            "localhost",
            "localhost:8000",
            "127.0.0.1:8000",
            "127.9.9.9",
            "[::1]:8000",
            "LOCALHOST:1",
            "a.localhost",
        ] {
            assert!(lets_in(&doors, host, None), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8000",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "0.0.0.0",
            "10.0.0.1",
            "",
        ] {
            assert!(!lets_in(&doors, host, None), "{host}");
        }
    }

    #[test]
    fn elsewhere_any_host_is_served_because_keys_are_asked_for() {
        assert!(lets_in(&Doors::new(ANY, AuthMode::On, &[]), "zoetrope.example", None));
    }

    #[test]
    fn without_keys_no_name_is_served_that_somebody_could_point_here() {
        let doors = Doors::new(ANY, AuthMode::None, &["https://dash.example.com".to_owned()]);
        for host in [
            "127.0.0.1:8000",
            "192.168.1.5:8000",
            "[fe80::1]:8000",
            "localhost:8000",
            "api:8000",
            "zoetrope-api_1",
            "dash.example.com",
        ] {
            assert!(lets_in(&doors, host, None), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8000",
            "127.0.0.1.nip.io:8000",
            "api.",
            "com.:8000",
            "",
            "a b",
        ] {
            assert!(!lets_in(&doors, host, None), "{host}");
            assert!(!lets_in(&doors, host, Some(&format!("http://{host}"))), "{host}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_kept_out() {
        let doors = Doors::new(LOCAL, AuthMode::On, &["https://dash.example.com/".to_owned()]);
        for origin in [
            "http://localhost:8000",
            "https://dash.example.com",
            "https://DASH.example.com",
        ] {
            assert!(lets_in(&doors, "localhost:8000", Some(origin)), "{origin}");
        }
        for origin in [
            "null",
            "http://localhost:3000",
            "https://evil",
            "https://dash.example.com.evil",
            "http://dash.example.com",
            "",
        ] {
            assert!(!lets_in(&doors, "localhost:8000", Some(origin)), "{origin}");
        }
        assert!(
            lets_in(&doors, "dash.example.com", None),
            "a proxy in front may keep its own name"
        );
        assert!(lets_in(
            &Doors::new(ANY, AuthMode::On, &[]),
            "a.example",
            Some("http://a.example:80")
        ));
    }

    #[test]
    fn a_request_names_one_host() {
        let doors = Doors::new(LOCAL, AuthMode::On, &[]);
        let mut two = headers("localhost", None);
        two.append(header::HOST, "evil.example".parse().expect("a header value"));
        assert!(doors.judge(Version::HTTP_11, None, &two).is_err());
        assert!(doors.judge(Version::HTTP_11, None, &HeaderMap::new()).is_err());
        assert!(doors.judge(Version::HTTP_10, None, &HeaderMap::new()).is_ok());
    }
}
