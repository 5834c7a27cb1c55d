//! One policy for every address that a user names: media, streams and webhooks.
//!
//! What belongs here: which URLs may be opened, and opening them so that what was judged is what is reached.
//! [`NetGuard::check_url`] judges the text alone, [`NetGuard::resolve`] judges every answer of the resolver, and
//! [`NetGuard::fetch`] connects to the judged addresses only, judging each redirect from the start again.
//!
//! What does not belong here: what the bytes mean (`media`), and where they are kept (`artifacts`).

mod address;
mod answer;
mod asked;
mod error;
mod fetch;
mod names;
mod operator;
mod pace;
mod resolve;
mod url;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use ::url::{Host, Url};
use ipnet::IpNet;

use crate::config::Settings;

pub use self::address::is_public;
pub use self::answer::{broken, retry_after};
pub use self::asked::{Asked, BytePart, OriginLogin};
pub use self::error::{FetchError, UrlForbidden};
pub use self::fetch::{
    CONNECT_TIMEOUT, Download, FETCH_MAX_BYTES, FETCH_TIMEOUT, FetchLimits, Fetched, HEADER_TIMEOUT, MAX_REDIRECTS,
};
pub use self::operator::operator_url;
pub use self::pace::MinRate;
pub use self::resolve::{Resolve, SystemResolver};
pub use self::url::{CheckedUrl, MAX_URL_CHARS, Purpose, redact};

/// Ports that a public `http` or `https` address may be reached on.
pub const HTTP_PORTS: [RangeInclusive<u16>; 3] = [80..=80, 443..=443, 8000..=8999];
/// Ports that a public `rtsp` or `rtmp` address may be reached on; streams over HTTP have [`HTTP_PORTS`].
pub const STREAM_PORTS: [RangeInclusive<u16>; 3] = [554..=554, 1935..=1935, 8000..=8999];

/// What an operator may change about the policy.
#[derive(Debug, Clone)]
pub struct NetGuardConfig {
    /// Ranges that users may reach although they are not public; they also skip the port list.
    pub allow_cidrs: Vec<IpNet>,
    /// Ranges that nobody may reach; they win over `allow_cidrs`.
    pub deny_cidrs: Vec<IpNet>,
    /// Ports for `http` and `https`.
    pub http_ports: Vec<RangeInclusive<u16>>,
    /// Ports for `rtsp` and `rtmp`.
    pub stream_ports: Vec<RangeInclusive<u16>>,
    /// Host names of this deployment itself: a webhook to them would make it call itself for ever.
    pub own_hosts: Vec<String>,
}

impl Default for NetGuardConfig {
    fn default() -> Self {
        Self {
            allow_cidrs: Vec::new(),
            deny_cidrs: Vec::new(),
            http_ports: HTTP_PORTS.to_vec(),
            stream_ports: STREAM_PORTS.to_vec(),
            own_hosts: Vec::new(),
        }
    }
}

/// The judge of user URLs. Cloning is cheap.
#[derive(Clone)]
pub struct NetGuard {
    config: Arc<NetGuardConfig>,
    resolver: Arc<dyn Resolve>,
}

impl NetGuard {
    /// A guard that resolves names as the system does.
    #[must_use]
    pub fn new(config: NetGuardConfig) -> Self {
        Self::with_resolver(config, Arc::new(SystemResolver))
    }

    /// A guard with another resolver; tests bring names and answers of their own.
    #[must_use]
    pub fn with_resolver(config: NetGuardConfig, resolver: Arc<dyn Resolve>) -> Self {
        Self {
            config: Arc::new(config),
            resolver,
        }
    }

    /// Judges the text of a URL, without any network: syntax, scheme, user name, port, host name or address.
    ///
    /// # Errors
    /// Says in one sentence, which never repeats the URL, why it is refused.
    pub fn check_url(&self, url: &str, purpose: Purpose) -> Result<CheckedUrl, UrlForbidden> {
        self::url::check(&self.config, url, purpose)
    }

    /// The addresses of a checked URL, each one judged. A single forbidden answer refuses all of them.
    ///
    /// # Errors
    /// [`FetchError::Forbidden`] for a forbidden answer, [`FetchError::Network`] when the name has none.
    pub async fn resolve(&self, url: &CheckedUrl) -> Result<Vec<SocketAddr>, FetchError> {
        resolve::resolve(&self.config, &*self.resolver, url).await
    }

    /// Reads a media URL into memory, within `limits`.
    ///
    /// # Errors
    /// See [`FetchError`]; [`FetchError::is_retryable`] tells whether another attempt may help.
    pub async fn fetch(&self, url: &str, limits: FetchLimits) -> Result<Fetched, FetchError> {
        self.fetch_asked(url, Asked::default(), limits).await
    }

    /// As [`NetGuard::fetch`], for a part of what the URL leads to, or as somebody.
    ///
    /// # Errors
    /// See [`FetchError`]; [`FetchError::TooLarge`] also where a server sends all instead of a part that lies far within.
    pub async fn fetch_asked(&self, url: &str, asked: Asked<'_>, limits: FetchLimits) -> Result<Fetched, FetchError> {
        fetch::fetch(self, url, asked, limits).await
    }

    /// Opens a media URL and follows its redirects; the body is then read piece by piece.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn open(&self, url: &str, limits: FetchLimits) -> Result<Download, FetchError> {
        self.open_asked(url, Asked::default(), limits).await
    }

    /// As [`NetGuard::open`], for a part of what the URL leads to, or as somebody.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn open_asked(&self, url: &str, asked: Asked<'_>, limits: FetchLimits) -> Result<Download, FetchError> {
        fetch::open(self, url, asked, limits).await
    }

    /// An HTTP client that reaches the judged addresses of `url` and nothing else, and follows no redirect.
    ///
    /// # Errors
    /// As [`NetGuard::resolve`].
    pub async fn pinned_client(&self, url: &CheckedUrl) -> Result<reqwest::Client, FetchError> {
        fetch::pinned_client(url, &self.resolve(url).await?).await
    }
}

impl fmt::Debug for NetGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetGuard")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl NetGuardConfig {
    /// The policy of a deployment: its opened ranges, and its own hosts as `PUBLIC_URL` and `ALLOWED_ORIGINS` name them.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let urls = settings.public_url.iter().chain(&settings.allowed_origins);
        // Not every origin is a URL: `*` is none.
        let hosts = urls.filter_map(|url| Some(Url::parse(url).ok()?.host()?.to_owned()));
        // On loopback, which is for development, receivers differ from us by their port only.
        let own = hosts.filter(|host| match host {
            Host::Domain(_) => true,
            Host::Ipv4(v4) => !v4.is_loopback(),
            Host::Ipv6(v6) => !v6.is_loopback(),
        });
        Self {
            allow_cidrs: settings.netguard_allow_cidrs.clone(),
            own_hosts: own.map(|host| host.to_string()).collect(),
            ..Self::default()
        }
    }

    /// Whether `ip` may be reached on a port that is on the list (`port_listed`) or not.
    fn permit(&self, ip: IpAddr, port_listed: bool) -> Result<(), UrlForbidden> {
        let faces = address::faces(ip);
        if faces.iter().any(|face| names::is_metadata_address(*face)) {
            return Err(UrlForbidden::Metadata);
        }
        if faces.iter().any(|face| contains(&self.deny_cidrs, *face)) {
            return Err(UrlForbidden::Address);
        }
        let ip = ip.to_canonical();
        if contains(&self.allow_cidrs, ip) {
            return Ok(());
        }
        if !is_public(ip) {
            return Err(UrlForbidden::Address);
        }
        if port_listed { Ok(()) } else { Err(UrlForbidden::Port) }
    }
}

fn contains(ranges: &[IpNet], ip: IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(&ip))
}
