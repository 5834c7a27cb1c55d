//! HLS, pulled: from a playlist's URL to compressed pictures, in real time (RFC 8216). Every piece is fetched through the policy
//! for users' URLs, segments are taken apart by media children, and whatever a server sends is bounded before it is kept.
//!
//! `playlist`, `follow` and `timeline` are its rules, without input and output: what a playlist says, what comes next, when it is
//! shown. `fetching`, `sealed` and `demuxed` make units of a segment; `reader` does that some seconds ahead of [`HlsPlaying`],
//! which gives out what `placed` makes of them when it is due.

pub mod demuxed;
mod fetching;
mod follow;
pub mod fuzz;
mod placed;
mod playlist;
mod reader;
mod sealed;
#[cfg(test)]
mod tests;
mod timeline;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::Instrument;
use url::Url;
use zoetrope_shared::netguard::{NetGuard, OriginLogin};
use zoetrope_shared::stream_source::Credentials;

use self::fetching::Fetcher;
use self::follow::Begin;
use self::placed::{Placed, Placer};
use self::reader::{Kept, MOST_AHEAD, Place, Read, Reader};
use super::cause::{Cause, SourceDown};
use super::rtsp::Item;
use crate::media_pool::MediaPool;
use crate::protocol_streams::Codec;
use crate::recording::sound::SoundTrack;

/// Longest wait for the playlists and the first pictures.
const OPEN_LIMIT: Duration = Duration::from_secs(15);
/// Segments without a picture before a source is taken to have none.
const MOST_WITHOUT_PICTURES: u32 = 3;
/// What is later than this is not made up for: from then on it is played in real time, later.
const MAX_LATE: Duration = Duration::from_secs(4);

/// Where to find the playlist.
#[derive(Debug, Clone)]
pub struct HlsSource {
    /// The URL, of a master playlist or of one of segments.
    url: Url,
    login: Option<OriginLogin>,
    /// Whether sound is asked for, too.
    pub sound: bool,
    /// What the connections before have read.
    place: Place,
}

/// What fetches pieces, and takes them apart.
#[derive(Debug, Clone)]
pub struct Means {
    /// Judges URLs and fetches what they lead to.
    pub guard: NetGuard,
    /// Takes segments apart.
    pub pool: MediaPool,
}

/// A connection that plays.
#[derive(Debug)]
pub struct HlsPlaying {
    segments: mpsc::Receiver<Read>,
    /// Reads ahead; ends with the connection.
    _reading: JoinSet<()>,
    placer: Placer,
    ready: VecDeque<Placed>,
    /// When the first picture was due.
    zero: Option<Instant>,
    /// Length of the longest segment so far.
    longest: Duration,
    /// How the newest picture is coded.
    pub codec: Codec,
    /// The sound that comes beside the pictures: AAC, if it was asked for and has been heard.
    pub track: Option<SoundTrack>,
}

impl HlsSource {
    /// A judged URL without credentials, and those.
    pub fn new(url: Url, credentials: Option<Credentials>) -> Self {
        let login = credentials.map(|Credentials { username, password }| OriginLogin::new(&url, username, password));
        Self {
            url,
            login,
            sound: false,
            place: Place::default(),
        }
    }

    /// Plays, once how the video is coded is known. A playlist that is over is begun at `elapsed`, one that grows where an earlier
    /// connection stopped or near its end.
    pub async fn play(&self, means: Means, elapsed: Duration) -> Result<HlsPlaying, SourceDown> {
        let (out, segments) = mpsc::channel(MOST_AHEAD);
        let reader = Reader {
            fetcher: Fetcher {
                guard: means.guard,
                login: self.login.clone(),
            },
            pool: means.pool,
            url: self.url.clone(),
            begin: Begin {
                elapsed,
                after: self.place.get(),
            },
            place: self.place.clone(),
            kept: Kept::default(),
        };
        let mut reading = JoinSet::new();
        reading.spawn(reader.run(out).in_current_span());
        let mut playing = HlsPlaying {
            segments,
            _reading: reading,
            placer: Placer::new(self.sound),
            ready: VecDeque::new(),
            zero: None,
            longest: Duration::ZERO,
            codec: Codec::H264,
            track: None,
        };
        let coded = timeout(OPEN_LIMIT, playing.until_coded()).await;
        coded.unwrap_or_else(|_| {
            let detail = format!("no segment came within {} s", OPEN_LIMIT.as_secs());
            Err(SourceDown::new(Cause::Timeout, detail))
        })?;
        Ok(playing)
    }
}

impl HlsPlaying {
    /// The next item, when it is due. Cancel safe.
    pub async fn next(&mut self) -> Result<Item, SourceDown> {
        loop {
            let Some(ticks) = self.ready.front().map(|placed| placed.ticks) else {
                self.receive().await;
                continue;
            };
            sleep_until(self.due(ticks)).await;
            if let Some(placed) = self.ready.pop_front() {
                self.codec = placed.codec.unwrap_or(self.codec);
                return placed.item;
            }
        }
    }

    /// Longest time without a picture that is nothing unusual: segments come as a whole, and late.
    pub fn usual_gap(&self) -> Duration {
        self.longest / 2
    }

    /// Until a picture, the end or a failure has come.
    async fn until_coded(&mut self) -> Result<(), SourceDown> {
        for _ in 0..MOST_WITHOUT_PICTURES {
            self.receive().await;
            if let Some(codec) = self.ready.iter().find_map(|placed| placed.codec) {
                self.codec = codec;
                self.take_track();
                return Ok(());
            }
            let Some(newest) = self.ready.back() else { continue };
            match &newest.item {
                Ok(Item::End) => return Ok(()),
                Ok(_) => {}
                Err(down) => return Err(down.clone()),
            }
        }
        let detail = "the playlist's segments have no video in H.264 or H.265";
        Err(SourceDown::new(Cause::Codec, detail))
    }

    /// The sound is known before the first picture where it is in the first segment.
    fn take_track(&mut self) {
        let is_track = |placed: &Placed| matches!(placed.item, Ok(Item::Track(_)));
        let at = self.ready.iter().position(is_track);
        if let Some(Ok(Item::Track(track))) = at.and_then(|at| self.ready.remove(at)).map(|placed| placed.item) {
            self.track = Some(track);
        }
    }

    /// Waits for what is read next. Cancel safe.
    async fn receive(&mut self) {
        let read = self.segments.recv().await;
        let read =
            read.unwrap_or_else(|| Read::Down(SourceDown::new(Cause::Network, "the source is not read any more")));
        if let Read::Segment { length, .. } = &read {
            self.longest = self.longest.max(*length);
        }
        self.ready.extend(self.placer.place(read));
    }

    fn due(&mut self, ticks: i64) -> Instant {
        let now = Instant::now();
        let since = Duration::from_micros(ticks.max(0).unsigned_abs().saturating_mul(100) / 9);
        let due = self.zero.and_then(|zero| zero.checked_add(since));
        match due.filter(|due| now.saturating_duration_since(*due) <= MAX_LATE) {
            Some(due) => due,
            None => {
                self.zero = now.checked_sub(since);
                now
            }
        }
    }
}
