//! The text of a URL: parsed once, judged without any network, and shown without its secrets.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use url::{Host, Url};

use super::NetGuardConfig;
use super::error::UrlForbidden;
use super::names::{is_local_name, is_metadata_name};

/// The longest URL taken, characters: URLs of buckets that are signed with a session's token come to some thousands.
pub const MAX_URL_CHARS: usize = 8_192;

/// A path segment longer than this is not shown: tokens live there (webhook receivers, signed media).
const MAX_SHOWN_SEGMENT: usize = 20;

/// What a URL is for; decides its schemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Media to download: `http` or `https`.
    Media,
    /// A live stream: `rtsp`, `rtmp`, or the `http` or `https` of an HLS playlist. It may carry a user name and a password,
    /// which are taken out before anything is opened.
    Stream,
    /// A receiver of our calls: `http` or `https`.
    Webhook,
}

impl Purpose {
    fn schemes(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Media | Self::Webhook => (&["http", "https"], "http or https"),
            Self::Stream => (&["rtsp", "rtmp", "http", "https"], "rtsp, rtmp, http or https"),
        }
    }
}

fn default_port(scheme: &str) -> u16 {
    match scheme {
        "rtsp" => 554,
        "rtmp" => 1935,
        "https" => 443,
        _ => 80,
    }
}

fn ports<'a>(scheme: &str, config: &'a NetGuardConfig) -> &'a [RangeInclusive<u16>] {
    match scheme {
        "rtsp" | "rtmp" => &config.stream_ports,
        _ => &config.http_ports,
    }
}

/// A URL that passed [`super::NetGuard::check_url`]. Its addresses are judged when it is resolved.
///
/// `Display` and `Debug` show it redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckedUrl {
    url: Url,
    host: Host<String>,
    port: u16,
    purpose: Purpose,
    pub(super) port_listed: bool,
}

impl CheckedUrl {
    /// The URL itself, credentials of a stream included.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host: a lower-case name, or an address.
    #[must_use]
    pub fn host(&self) -> &Host<String> {
        &self.host
    }

    /// The port, given or implied by the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it was checked for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The host, when it is an address rather than a name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Ipv4(v4) => Some(IpAddr::V4(*v4)),
            Host::Ipv6(v6) => Some(IpAddr::V6(*v6)),
            Host::Domain(_) => None,
        }
    }
}

impl fmt::Display for CheckedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.url))
    }
}

impl fmt::Debug for CheckedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckedUrl({self})")
    }
}

/// A URL for logs and answers: without user name, password, query, fragment, or path segments that look like secrets.
#[must_use]
pub fn redact(url: &Url) -> String {
    let scheme = url.scheme();
    let Some(host) = url.host_str() else {
        return format!("{scheme}:***");
    };
    let user = if url.username().is_empty() && url.password().is_none() {
        ""
    } else {
        "***@"
    };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path: Vec<&str> = url.path().split('/').map(shown_segment).collect();
    let query = if url.query().is_some() { "?***" } else { "" };
    format!("{scheme}://{user}{host}{port}{}{query}", path.join("/"))
}

/// Some recorders take `user=admin_password=...` as a path, so an equals sign hides the segment too.
fn shown_segment(segment: &str) -> &str {
    let secret = segment.len() > MAX_SHOWN_SEGMENT || segment.contains(['=', '%', '@']);
    if secret { "***" } else { segment }
}

pub(super) fn check(config: &NetGuardConfig, text: &str, purpose: Purpose) -> Result<CheckedUrl, UrlForbidden> {
    check_characters(text)?;
    let mut url = Url::parse(text).map_err(|_| UrlForbidden::Malformed)?;
    let (schemes, expected) = purpose.schemes();
    if !schemes.contains(&url.scheme()) {
        return Err(UrlForbidden::Scheme { expected });
    }
    let written = written_authority(text, url.scheme()).ok_or(UrlForbidden::Malformed)?;
    if purpose != Purpose::Stream && written.has_userinfo {
        return Err(UrlForbidden::Userinfo);
    }
    // Schemes other than http leave their hosts unparsed: 2130706433 would be a name. So every host goes through here.
    let host = url.host_str().and_then(|host| Host::parse(host).ok()).map(unmapped);
    let host = host.ok_or(UrlForbidden::Malformed)?;
    let port = url.port().unwrap_or_else(|| default_port(url.scheme()));
    let port_listed = ports(url.scheme(), config).iter().any(|range| range.contains(&port));
    if port == 0 {
        return Err(UrlForbidden::Port);
    }
    let host_text = host.to_string();
    if purpose == Purpose::Webhook && config.own_hosts.iter().any(|own| own.eq_ignore_ascii_case(&host_text)) {
        return Err(UrlForbidden::OwnHost);
    }
    match &host {
        Host::Ipv4(v4) => config.permit(IpAddr::V4(*v4), port_listed)?,
        Host::Ipv6(v6) => config.permit(IpAddr::V6(*v6), port_listed)?,
        Host::Domain(name) => check_name(config, name, port_listed)?,
    }
    // What another program might read differently is refused, even where our reading would be allowed.
    if !written.host.starts_with('[') && !written.host.eq_ignore_ascii_case(&host_text) {
        return Err(UrlForbidden::HostSpelling);
    }
    url.set_host(Some(&host_text)).map_err(|_| UrlForbidden::Malformed)?;
    Ok(CheckedUrl {
        url,
        host,
        port,
        purpose,
        port_listed,
    })
}

/// What no URL contains, in any part: the parsers that disagree, disagree about these.
pub(super) fn check_characters(text: &str) -> Result<(), UrlForbidden> {
    if text.chars().nth(MAX_URL_CHARS).is_some() {
        return Err(UrlForbidden::TooLong);
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(UrlForbidden::Whitespace);
    }
    if text.contains('\\') {
        return Err(UrlForbidden::Backslash);
    }
    Ok(())
}

/// An IPv4-mapped address is the IPv4 address that a socket would reach, so it is judged and reached as that.
fn unmapped(host: Host<String>) -> Host<String> {
    match host {
        Host::Ipv6(v6) => v6.to_ipv4_mapped().map_or(Host::Ipv6(v6), Host::Ipv4),
        Host::Domain(_) | Host::Ipv4(_) => host,
    }
}

fn check_name(config: &NetGuardConfig, name: &str, port_listed: bool) -> Result<(), UrlForbidden> {
    if is_metadata_name(name.trim_end_matches('.')) {
        return Err(UrlForbidden::Metadata);
    }
    if is_local_name(name) {
        return Err(UrlForbidden::LocalName);
    }
    // With opened ranges the name may lead into one, where any port goes: decided when it is resolved.
    if port_listed || !config.allow_cidrs.is_empty() {
        Ok(())
    } else {
        Err(UrlForbidden::Port)
    }
}

/// The authority as it stands in the text, to compare with what the parser made of it.
struct WrittenAuthority<'a> {
    host: &'a str,
    has_userinfo: bool,
}

fn written_authority<'a>(text: &'a str, scheme: &str) -> Option<WrittenAuthority<'a>> {
    let rest = text.get(scheme.len()..)?.strip_prefix("://")?;
    let authority = rest
        .split(['/', '?', '#'])
        .next()
        .filter(|authority| !authority.is_empty())?;
    let (has_userinfo, host_port) = match authority.rsplit_once('@') {
        Some((_, host_port)) => (true, host_port),
        None => (false, authority),
    };
    let host = host_port.rsplit_once(':').map_or(host_port, |(host, _)| host);
    Some(WrittenAuthority { host, has_userinfo })
}
