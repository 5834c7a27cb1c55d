//! Reading a user's media over HTTP: pinned connections, own redirects, and a cap on everything.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use reqwest::{Client, Response};
use tokio::time::Instant;
use url::Host;

use super::answer::{broken, retry_after};
use super::asked::{Asked, Cut};
use super::error::FetchError;
use super::pace::{MinRate, Pace};
use super::url::{CheckedUrl, Purpose, check_characters};
use super::{NetGuard, UrlForbidden};

/// How many redirects are followed.
pub const MAX_REDIRECTS: usize = 3;
/// How long a connection may take to open, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may be silent before its headers are complete.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// The default total time of a fetch.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(120);
/// The default cap on the bytes of a fetch.
pub const FETCH_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// The longest content type that is passed on.
const MAX_CONTENT_TYPE: usize = 200;
/// Memory reserved at once on a server's word about its length.
const MAX_RESERVE: u64 = 1024 * 1024;

/// Caps of one fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// The most bytes the body may have.
    pub max_bytes: u64,
    /// The most time everything may take: names, connections, redirects and the body.
    pub timeout: Duration,
    /// The least that must arrive while we wait.
    pub min_rate: MinRate,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            max_bytes: FETCH_MAX_BYTES,
            timeout: FETCH_TIMEOUT,
            min_rate: MinRate::default(),
        }
    }
}

/// What a fetch brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The body.
    pub bytes: Bytes,
    /// The type that the server claims; never trusted, the bytes decide.
    pub content_type: Option<String>,
    /// What answered, after redirects.
    pub final_url: CheckedUrl,
}

/// A body being read. Dropping it closes the connection.
#[derive(Debug)]
pub struct Download {
    response: Response,
    deadline: Instant,
    pace: Pace,
    cut: Cut,
    received: u64,
    max_bytes: u64,
    /// The type that the server claims.
    pub content_type: Option<String>,
    /// What answered, after redirects.
    pub final_url: CheckedUrl,
}

impl Download {
    /// The next piece of the body, or `None` at its end.
    ///
    /// # Errors
    /// [`FetchError::TooLarge`], [`FetchError::TooSlow`], [`FetchError::Timeout`] or [`FetchError::Network`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            if self.cut.is_done() {
                return Ok(None);
            }
            let asked_at = Instant::now();
            if asked_at >= self.deadline {
                return Err(FetchError::Timeout);
            }
            let until = self.deadline.min(asked_at + self.pace.patience());
            let answer = tokio::time::timeout_at(until, self.response.chunk()).await;
            let waited = asked_at.elapsed();
            match answer {
                Ok(Ok(None)) => return Ok(None),
                Ok(Ok(Some(chunk))) => {
                    self.count((chunk.len() as u64).min(self.cut.wanted()))?;
                    self.pace
                        .note(waited, chunk.len() as u64)
                        .map_err(|_| FetchError::TooSlow)?;
                    let chunk = self.cut.take(chunk);
                    if !chunk.is_empty() {
                        return Ok(Some(chunk));
                    }
                }
                Ok(Err(error)) => return Err(broken(&error)),
                Err(_) if Instant::now() >= self.deadline => return Err(FetchError::Timeout),
                Err(_) => self.pace.note(waited, 0).map_err(|_| FetchError::TooSlow)?,
            }
        }
    }

    fn count(&mut self, bytes: u64) -> Result<(), FetchError> {
        self.received += bytes;
        if self.received > self.max_bytes {
            Err(FetchError::TooLarge { limit: self.max_bytes })
        } else {
            Ok(())
        }
    }
}

pub(super) async fn fetch(
    guard: &NetGuard,
    url: &str,
    asked: Asked<'_>,
    limits: FetchLimits,
) -> Result<Fetched, FetchError> {
    let mut download = open(guard, url, asked, limits).await?;
    let expected = download.response.content_length().unwrap_or(0).min(MAX_RESERVE);
    let mut bytes = BytesMut::with_capacity(usize::try_from(expected).unwrap_or(0));
    while let Some(chunk) = download.next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(Fetched {
        bytes: bytes.freeze(),
        content_type: download.content_type,
        final_url: download.final_url,
    })
}

pub(super) async fn open(
    guard: &NetGuard,
    url: &str,
    asked: Asked<'_>,
    limits: FetchLimits,
) -> Result<Download, FetchError> {
    let url = guard.check_url(url, Purpose::Media)?;
    let deadline = Instant::now() + limits.timeout;
    let answer = tokio::time::timeout_at(deadline, follow(guard, url, asked)).await;
    let (url, response) = answer.map_err(|_| FetchError::Timeout)??;
    accept(url, response, asked, deadline, limits)
}

/// Sends the request and follows redirects, each one judged like the first URL.
async fn follow(guard: &NetGuard, mut url: CheckedUrl, asked: Asked<'_>) -> Result<(CheckedUrl, Response), FetchError> {
    for _ in 0..=MAX_REDIRECTS {
        let response = get(guard, &url, asked).await?;
        match redirect_target(&url, &response)? {
            None => return Ok((url, response)),
            Some(target) => url = guard.check_url(&target, Purpose::Media)?,
        }
    }
    Err(FetchError::TooManyRedirects)
}

async fn get(guard: &NetGuard, url: &CheckedUrl, asked: Asked<'_>) -> Result<Response, FetchError> {
    let addresses = guard.resolve(url).await?;
    let client = pinned_client(url, &addresses).await?;
    let request = client.get(url.url().clone()).header(ACCEPT_ENCODING, "identity");
    let response = asked.say(url.url(), request).send().await;
    let response = response.map_err(|error| broken(&error))?;
    // The pin should make this impossible; it is the last line if a client library ever changes its mind.
    let peer = response.remote_addr().map(|peer| (peer.ip(), peer.port()));
    let judged = addresses
        .iter()
        .any(|address| Some((address.ip(), address.port())) == peer);
    if judged {
        Ok(response)
    } else {
        Err(FetchError::Forbidden(UrlForbidden::Address))
    }
}

/// A client for one host. No proxy from the environment, no redirect, no name but the pinned one. Decompression is
/// switched off by word, because another crate could switch the library's features on for all of us.
pub(super) async fn pinned_client(url: &CheckedUrl, addresses: &[SocketAddr]) -> Result<Client, FetchError> {
    let mut client = Client::builder()
        .user_agent(concat!("zoetrope/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(HEADER_TIMEOUT)
        .pool_max_idle_per_host(0);
    if let Host::Domain(name) = url.host() {
        client = client.resolve_to_addrs(name, addresses);
    }
    // Reading the system's certificates takes milliseconds, too long for a thread that drives other tasks.
    let built = tokio::task::spawn_blocking(move || client.build()).await;
    match built {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(_)) | Err(_) => Err(FetchError::Network(
            "no client could be made; are CA certificates installed?".into(),
        )),
    }
}

/// Where a redirect leads, or `None` for any other answer.
fn redirect_target(url: &CheckedUrl, response: &Response) -> Result<Option<String>, FetchError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else {
        return Ok(None);
    };
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| UrlForbidden::Malformed)?;
    // Before joining: the join would quietly turn a backslash into a slash.
    check_characters(location)?;
    let mut target = url.url().join(location).map_err(|_| UrlForbidden::Malformed)?;
    target.set_fragment(None);
    Ok(Some(target.into()))
}

fn accept(
    url: CheckedUrl,
    response: Response,
    asked: Asked<'_>,
    deadline: Instant,
    limits: FetchLimits,
) -> Result<Download, FetchError> {
    let status = response.status();
    if !status.is_success() {
        return Err(FetchError::Http {
            status: status.as_u16(),
            retry_after: retry_after(response.headers()),
        });
    }
    let encodings = response.headers().get_all(CONTENT_ENCODING);
    if encodings
        .iter()
        .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(FetchError::Encoded);
    }
    let cut = Cut::of(asked, &response)?;
    // Of a part that comes with all the rest, no more is read than has to be.
    let needed = asked
        .part
        .map_or(u64::MAX, |part| part.first.saturating_add(part.length));
    let sent = response.content_length().map(|length| length.min(needed));
    if sent.is_some_and(|length| length > limits.max_bytes) {
        return Err(FetchError::TooLarge {
            limit: limits.max_bytes,
        });
    }
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let content_type = content_type
        .filter(|value| value.len() <= MAX_CONTENT_TYPE)
        .map(str::to_owned);
    Ok(Download {
        response,
        deadline,
        pace: Pace::new(limits.min_rate),
        cut,
        received: 0,
        max_bytes: limits.max_bytes,
        content_type,
        final_url: url,
    })
}
