//! What an HLS source is made of, fetched through the policy for users' URLs: each piece and each redirect is judged anew, and
//! bounded in bytes and time. Credentials go to the origin that they were given for.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;
use url::Url;
use zoetrope_shared::netguard::{Asked, BytePart, FetchError, FetchLimits, NetGuard, OriginLogin};

use super::playlist::{self, MAX_BYTES, Playlist};
use crate::protocol_sources::MAX_DEMUX_BYTES;
use crate::streams::cause::{Cause, SourceDown};

/// Longest wait for a playlist or a key, and for a segment.
const SMALL_LIMIT: Duration = Duration::from_secs(10);
const SEGMENT_LIMIT: Duration = Duration::from_secs(30);
/// Most bytes of what holds a key.
const KEY_LIMIT: u64 = 1_024;
/// How often what may be there later is asked for, and the pause after the first time; it doubles.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Playlists that are larger are read off the threads that wait for sockets.
const AT_ONCE: usize = 32 * 1_024;
/// What no HLS playlist lacks.
const MARK: &[u8] = b"#EXTM3U";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Fetches the pieces of one source.
#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    pub(super) guard: NetGuard,
    pub(super) login: Option<OriginLogin>,
}

/// A playlist as it was loaded.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) playlist: Playlist,
    /// Where it lies after redirects: what it names lies from there.
    pub(super) base: Url,
    /// When that was.
    pub(super) at: Instant,
}

impl Fetcher {
    /// Loads a playlist, with so many tries.
    pub(super) async fn playlist(&self, url: &Url, tries: u32) -> Result<Loaded, SourceDown> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.playlist_once(url).await {
                Err(Unloaded::Fetch(error)) if tried < tries && may_come(&error) => pause(tried).await,
                loaded => return loaded.map_err(|error| error.down()),
            }
        }
    }

    /// Loads a playlist that is there already, or for a moment not.
    pub(super) async fn playlist_again(&self, url: &Url) -> Result<Loaded, SourceDown> {
        self.playlist(url, TRIES).await
    }

    /// A segment, or what stands before it.
    pub(super) async fn segment(&self, url: &Url, part: Option<BytePart>) -> Result<Bytes, SourceDown> {
        self.bytes(url, part, MAX_DEMUX_BYTES as u64, SEGMENT_LIMIT).await
    }

    /// What should be a key.
    pub(super) async fn key(&self, url: &Url) -> Result<Bytes, SourceDown> {
        self.bytes(url, None, KEY_LIMIT, SMALL_LIMIT).await
    }

    async fn bytes(
        &self,
        url: &Url,
        part: Option<BytePart>,
        max_bytes: u64,
        timeout: Duration,
    ) -> Result<Bytes, SourceDown> {
        let limits = limits(max_bytes, timeout);
        let mut tried = 0;
        loop {
            tried += 1;
            match self.guard.fetch_asked(url.as_str(), self.asked(part), limits).await {
                Ok(fetched) => return Ok(fetched.bytes),
                Err(error) if tried < TRIES && may_come(&error) => pause(tried).await,
                Err(error) => return Err(SourceDown::from(&error)),
            }
        }
    }

    async fn playlist_once(&self, url: &Url) -> Result<Loaded, Unloaded> {
        let limits = limits(MAX_BYTES, SMALL_LIMIT);
        let mut download = self.guard.open_asked(url.as_str(), self.asked(None), limits).await?;
        let mut bytes = BytesMut::new();
        while let Some(piece) = download.next().await? {
            bytes.extend_from_slice(&piece);
            // A film that somebody took for a playlist is not fetched to its end.
            if !is_marked(&bytes) {
                return Err(Unloaded::Other(playlist::NO_PLAYLIST));
            }
        }
        let base = download.final_url.url().clone();
        let playlist = read(bytes.freeze()).await.map_err(Unloaded::Other)?;
        Ok(Loaded {
            playlist,
            base,
            at: Instant::now(),
        })
    }

    fn asked(&self, part: Option<BytePart>) -> Asked<'_> {
        Asked {
            part,
            login: self.login.as_ref(),
        }
    }
}

/// Where a playlist that lies at `base` leads with this.
pub(super) fn joined(base: &Url, uri: &str) -> Result<Url, SourceDown> {
    let mut url = base
        .join(uri)
        .map_err(|_| SourceDown::new(Cause::Network, "the playlist names what is no URL"))?;
    url.set_fragment(None);
    Ok(url)
}

/// Why there is no playlist.
#[derive(Debug)]
enum Unloaded {
    Fetch(FetchError),
    Other(&'static str),
}

impl From<FetchError> for Unloaded {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

impl Unloaded {
    fn down(&self) -> SourceDown {
        match self {
            Self::Fetch(error) => {
                let down = SourceDown::from(error);
                SourceDown::new(down.cause, format!("the playlist: {}", down.detail))
            }
            Self::Other(detail) => SourceDown::new(Cause::Network, *detail),
        }
    }
}

async fn read(bytes: Bytes) -> Result<Playlist, &'static str> {
    if bytes.len() <= AT_ONCE {
        return playlist::read(&bytes);
    }
    let read = tokio::task::spawn_blocking(move || playlist::read(&bytes)).await;
    read.unwrap_or(Err("the playlist could not be read"))
}

/// Whether the beginning, as far as it is there, is a playlist's.
fn is_marked(bytes: &[u8]) -> bool {
    let begins = |mark: &[u8]| bytes.iter().zip(mark).all(|(byte, expected)| byte == expected);
    begins(MARK) || begins(&[BYTE_ORDER_MARK, MARK].concat())
}

/// Whether it may be there when it is asked for again: servers name segments before they have them.
fn may_come(error: &FetchError) -> bool {
    error.is_retryable() || matches!(error, FetchError::Http { status: 404, .. })
}

async fn pause(tried: u32) {
    tokio::time::sleep(FIRST_PAUSE * tried).await;
}

fn limits(max_bytes: u64, timeout: Duration) -> FetchLimits {
    FetchLimits {
        max_bytes,
        timeout,
        ..FetchLimits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn playlists_are_known_by_their_first_bytes_however_few_have_come() {
        for begin in [
            &b""[..],
            b"#EXT",
            b"#EXTM3U\r\n#EXT-X",
            b"\xef\xbb",
            b"\xef\xbb\xbf#EXTM3U\n",
        ] {
            assert!(is_marked(begin), "{begin:x?}");
        }
        for begin in [&b"<html>"[..], b"#EXT-X", b"\0\0\0\x20ftyp", b"\xef\xbb\xbfEXT"] {
            assert!(!is_marked(begin), "{begin:x?}");
        }
    }

    #[test]
    fn what_a_playlist_names_lies_from_where_it_was_found() {
        let base: Url = "https://cdn.example.com/live/a/index.m3u8?token=1"
            .parse()
            .expect("a URL");
        let at = |uri: &str| joined(&base, uri).map(String::from);
        assert_eq!(
            at("1.ts?x=2#y").as_deref(),
            Ok("https://cdn.example.com/live/a/1.ts?x=2")
        );
        assert_eq!(at("/b.ts").as_deref(), Ok("https://cdn.example.com/b.ts"));
        assert_eq!(
            at("//other.example.com/c").as_deref(),
            Ok("https://other.example.com/c")
        );
        assert!(at("https://").is_err());
    }
}
