//! Reads a source ahead of whoever plays it: loads playlists, fetches what comes next, opens it, has it taken apart. A segment
//! that cannot be had is passed over; several in a row are the end of the connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use url::Url;
use zoetrope_shared::netguard::BytePart;

use super::demuxed::{Container, Unit, demux};
use super::fetching::{Fetcher, Loaded, joined};
use super::follow::{Begin, Follow, Next};
use super::playlist::{Key, Map, MediaPlaylist, Playlist, Segment, choose};
use super::sealed::{self, KEY_BYTES};
use crate::media_pool::{MediaError, MediaPool};
use crate::streams::cause::{Cause, SourceDown};

/// Segments in a row that cannot be had before the source is down.
const MOST_MISSING: u32 = 3;
/// A playlist that has not grown for so many target durations, and at least this long, does not grow any more.
const STALLED_TARGETS: u32 = 3;
const LEAST_STALL: Duration = Duration::from_secs(5);

/// What may wait to be played: this long, at least one segment, and at most so many.
const AHEAD: Duration = Duration::from_secs(6);
pub(super) const MOST_AHEAD: usize = 4;

/// What is read, in order.
#[derive(Debug)]
pub(super) enum Read {
    /// A segment.
    Segment {
        /// What is in it, in its order.
        units: Vec<Unit>,
        /// Whether its times begin anew.
        discontinuity: bool,
        /// Its length as the playlist has it.
        length: Duration,
    },
    /// A segment of this length that cannot be had.
    Missing(Duration),
    /// The source is over.
    End,
    /// The source is down.
    Down(SourceDown),
}

/// Number of the segment after the newest one that a source's connections have read. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Place(Arc<Mutex<Option<u64>>>);

impl Place {
    pub(super) fn get(&self) -> Option<u64> {
        *self.0.lock().expect("nothing that holds this lock panics")
    }

    fn set(&self, after: u64) {
        *self.0.lock().expect("nothing that holds this lock panics") = Some(after);
    }
}

/// Reads one connection.
pub(super) struct Reader {
    pub(super) fetcher: Fetcher,
    pub(super) pool: MediaPool,
    /// The URL of the source.
    pub(super) url: Url,
    pub(super) begin: Begin,
    pub(super) place: Place,
    /// The key and the initialization section that were used last, and where they came from.
    pub(super) kept: Kept,
}

/// What many segments have in common. Holds a key, so it is not to be shown.
#[derive(Default)]
pub(super) struct Kept {
    key: Option<(Url, [u8; KEY_BYTES])>,
    map: Option<(Url, Option<BytePart>, Bytes)>,
}

/// A playlist of segments.
struct List {
    media: MediaPlaylist,
    base: Url,
    at: Instant,
}

impl Reader {
    /// Reads until the source is over or down, or nobody plays it any more.
    pub(super) async fn run(mut self, out: mpsc::Sender<Read>) {
        let last = match self.read(&out).await {
            Ok(()) => Read::End,
            Err(down) => Read::Down(down),
        };
        // Whoever has left wants to know nothing.
        let _ = out.send(last).await;
    }

    async fn read(&mut self, out: &mpsc::Sender<Read>) -> Result<(), SourceDown> {
        let (url, mut list) = self.open().await?;
        let (mut follow, mut grown_at, mut missing) = (Follow::default(), Instant::now(), 0);
        follow.loaded(&list.media, self.begin);
        loop {
            // Room comes first: what is fetched has been asked for.
            let Ok(mut room) = out.reserve_many(room_for(&list.media)).await else {
                return Ok(());
            };
            let (number, segment) = loop {
                let target = Duration::from_secs(list.media.target_s);
                let is_old = !list.media.ended && list.at.elapsed() >= target;
                match follow.next(&list.media) {
                    Next::Segment(number, segment) if !is_old => break (number, segment),
                    Next::Segment(..) => {}
                    Next::Wait(pause) => sleep_until(list.at + pause).await,
                    Next::End => return Ok(()),
                    Next::Lost => {
                        let detail = "the playlist does not have the next segment any more, or counts anew";
                        return Err(SourceDown::new(Cause::Network, detail));
                    }
                }
                list = media(self.fetcher.playlist_again(&url).await?)?;
                if follow.loaded(&list.media, self.begin) {
                    grown_at = Instant::now();
                }
                check_growth(&list.media, grown_at.elapsed())?;
            };
            if let Some(method) = segment.sealed_otherwise() {
                return Err(not_taken(method));
            }
            let read = self.segment(&list.base, number, segment).await;
            let length = Duration::from_secs_f64(segment.seconds);
            let read = match read {
                Ok(Some(units)) => {
                    missing = 0;
                    let discontinuity = segment.discontinuity;
                    Read::Segment {
                        units,
                        discontinuity,
                        length,
                    }
                }
                Ok(None) => Read::Missing(length),
                Err(down) => {
                    missing += 1;
                    if missing >= MOST_MISSING {
                        self.place.set(number + 1);
                        return Err(down);
                    }
                    tracing::warn!(number, cause = %down.cause, "a segment is passed over: {}", down.detail);
                    Read::Missing(length)
                }
            };
            follow.done();
            self.place.set(number + 1);
            if let Some(room) = room.next() {
                room.send(read);
            }
        }
    }

    /// The playlist of segments that the source's URL leads to, and its own URL.
    async fn open(&self) -> Result<(Url, List), SourceDown> {
        let loaded = self.fetcher.playlist(&self.url, 1).await?;
        let Playlist::Master(variants) = &loaded.playlist else {
            return Ok((self.url.clone(), media(loaded)?));
        };
        let variant = choose(variants).ok_or_else(|| {
            let detail = "none of the playlist's variants has video in H.264 or H.265";
            SourceDown::new(Cause::Codec, detail)
        })?;
        let url = joined(&loaded.base, &variant.uri)?;
        let list = media(self.fetcher.playlist(&url, 1).await?)?;
        Ok((url, list))
    }

    /// A segment taken apart; nothing of one that the playlist itself says is not there.
    async fn segment(&mut self, base: &Url, number: u64, segment: &Segment) -> Result<Option<Vec<Unit>>, SourceDown> {
        if segment.is_gap {
            return Ok(None);
        }
        let about = |down: SourceDown| SourceDown::new(down.cause, format!("segment {number}: {}", down.detail));
        let key = segment.key.as_deref();
        let bytes = self.opened(base, (&segment.uri, segment.range, key), number).await;
        let bytes = bytes.map_err(about)?;
        let map = match &segment.map {
            Some(map) => Some(self.map(base, map, number).await.map_err(about)?),
            None => None,
        };
        let container = if map.is_some() { Container::Fmp4 } else { Container::Ts };
        let units = demux(&self.pool, container, map, bytes).await;
        units.map(Some).map_err(|error| about(broken(&error)))
    }

    /// The initialization section of a segment.
    async fn map(&mut self, base: &Url, map: &Map, number: u64) -> Result<Bytes, SourceDown> {
        let url = joined(base, &map.uri)?;
        if let Some((of, range, bytes)) = &self.kept.map
            && (of, range) == (&url, &map.range)
        {
            return Ok(bytes.clone());
        }
        let bytes = self
            .opened(base, (&map.uri, map.range, map.key.as_deref()), number)
            .await?;
        self.kept.map = Some((url, map.range, bytes.clone()));
        Ok(bytes)
    }

    /// A piece, fetched and opened.
    async fn opened(
        &mut self,
        base: &Url,
        (uri, range, key): (&str, Option<BytePart>, Option<&Key>),
        number: u64,
    ) -> Result<Bytes, SourceDown> {
        let (key, iv) = match key {
            None => return self.fetcher.segment(&joined(base, uri)?, range).await,
            Some(Key::Aes128 { uri, iv }) => (joined(base, uri)?, iv.unwrap_or_else(|| sealed::iv_of(number))),
            Some(Key::Other(method)) => return Err(not_taken(method)),
        };
        let key = self.key(key).await?;
        let bytes = self.fetcher.segment(&joined(base, uri)?, range).await?;
        let opened = sealed::open(bytes, key, iv).await;
        opened.ok_or_else(|| SourceDown::new(Cause::Codec, "its key does not open it"))
    }

    async fn key(&mut self, url: Url) -> Result<[u8; KEY_BYTES], SourceDown> {
        if let Some((of, key)) = &self.kept.key
            && *of == url
        {
            return Ok(*key);
        }
        let bytes = self.fetcher.key(&url).await;
        let bytes = bytes.map_err(|down| SourceDown::new(down.cause, format!("its key: {}", down.detail)))?;
        let key = <[u8; KEY_BYTES]>::try_from(&bytes[..])
            .map_err(|_| SourceDown::new(Cause::Codec, "its key is not one of 16 bytes"))?;
        self.kept.key = Some((url, key));
        Ok(key)
    }
}

fn media(loaded: Loaded) -> Result<List, SourceDown> {
    match loaded.playlist {
        Playlist::Media(media) => Ok(List {
            media,
            base: loaded.base,
            at: loaded.at,
        }),
        Playlist::Master(_) => {
            let detail = "the playlist lists variants where segments should be";
            Err(SourceDown::new(Cause::Network, detail))
        }
    }
}

/// How much room there has to be for one more segment.
fn room_for(media: &MediaPlaylist) -> usize {
    let ahead = AHEAD.as_secs() / media.target_s.max(1);
    let ahead = usize::try_from(ahead).unwrap_or(MOST_AHEAD).clamp(1, MOST_AHEAD);
    MOST_AHEAD - ahead + 1
}

fn check_growth(media: &MediaPlaylist, unchanged: Duration) -> Result<(), SourceDown> {
    let patience = Duration::from_secs(media.target_s) * STALLED_TARGETS;
    if media.ended || unchanged < patience.max(LEAST_STALL) {
        return Ok(());
    }
    let detail = format!("the playlist has not grown for {} s", unchanged.as_secs());
    Err(SourceDown::new(Cause::Timeout, detail))
}

fn not_taken(method: &str) -> SourceDown {
    let detail = format!("the segments are encrypted with {method}, which is not taken: only AES-128 without DRM is");
    SourceDown::new(Cause::Codec, detail)
}

/// Why a segment did not come apart.
fn broken(error: &MediaError) -> SourceDown {
    match error {
        MediaError::Refused { message, .. } => SourceDown::new(Cause::Codec, message.clone()),
        MediaError::Crashed(_) => SourceDown::new(Cause::Codec, error.to_string()),
        MediaError::Unavailable(_) => SourceDown::new(Cause::Network, error.to_string()),
    }
}
