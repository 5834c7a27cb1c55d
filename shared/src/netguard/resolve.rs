//! From a checked URL to the addresses that may be connected to: all of the answers, or none.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::BoxFuture;
use url::Host;

use super::NetGuardConfig;
use super::error::{FetchError, UrlForbidden};
use super::url::CheckedUrl;

/// How long a name may take to resolve.
pub(super) const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How many of a name's addresses are tried.
const MAX_ADDRESSES: usize = 8;

/// Where addresses of names come from.
pub trait Resolve: Send + Sync {
    /// All addresses of `host`, with `port` filled in.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// The system's resolver (`getaddrinfo`): hosts file, DNS, and what else is configured.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

pub(super) async fn resolve(
    config: &NetGuardConfig,
    resolver: &dyn Resolve,
    url: &CheckedUrl,
) -> Result<Vec<SocketAddr>, FetchError> {
    let answers = match url.host() {
        Host::Ipv4(v4) => vec![SocketAddr::new(IpAddr::V4(*v4), url.port())],
        Host::Ipv6(v6) => vec![SocketAddr::new(IpAddr::V6(*v6), url.port())],
        Host::Domain(name) => look_up(resolver, name, url.port()).await?,
    };
    judge(config, &answers, url.port_listed).map_err(|forbidden| {
        tracing::debug!(%url, ?answers, "refuse addresses of a user's URL");
        FetchError::Forbidden(forbidden)
    })
}

async fn look_up(resolver: &dyn Resolve, name: &str, port: u16) -> Result<Vec<SocketAddr>, FetchError> {
    let answers = tokio::time::timeout(RESOLVE_TIMEOUT, resolver.resolve(name, port)).await;
    match answers {
        Err(_) => Err(FetchError::Network("the name took too long to resolve".into())),
        Ok(Err(_)) => Err(FetchError::Network("the name does not resolve".into())),
        Ok(Ok(answers)) if answers.is_empty() => Err(FetchError::Network("the name has no address".into())),
        // The port is ours to say, not the resolver's: it was judged with the URL.
        Ok(Ok(answers)) => Ok(answers.into_iter().map(|answer| with_port(answer, port)).collect()),
    }
}

/// One forbidden answer refuses the name: who mixes public and private addresses is probing, or rebinding.
fn judge(config: &NetGuardConfig, answers: &[SocketAddr], port_listed: bool) -> Result<Vec<SocketAddr>, UrlForbidden> {
    for answer in answers {
        config.permit(answer.ip(), port_listed)?;
    }
    Ok(answers
        .iter()
        .take(MAX_ADDRESSES)
        .map(|answer| canonical(*answer))
        .collect())
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// A mapped address becomes the IPv4 address it was judged as; the scope of a link-local address stays.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::new(IpAddr::V4(v4), address.port()),
        IpAddr::V6(_) => address,
    }
}
