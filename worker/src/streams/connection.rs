//! The protocols that live streams come by, as one.

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;
use zoetrope_shared::stream_source::Credentials;
use zoetrope_shared::tasks::stream_ingest::StreamTransport;

use super::cause::SourceDown;
use super::hls::{HlsPlaying, HlsSource, Means};
use super::rtmp::{RtmpPlaying, RtmpSource};
use super::rtsp::{Item, RtspPlaying, RtspSource};
use super::status::Video;
use crate::protocol_streams::Codec;
use crate::recording::sound::SoundTrack;

/// Where to connect, and how.
#[derive(Debug, Clone)]
pub enum Protocol {
    /// RTSP.
    Rtsp(RtspSource),
    /// RTMP.
    Rtmp(RtmpSource),
    /// HLS.
    Hls(HlsSource),
}

/// A connection that plays.
pub enum Playing {
    /// Over RTSP.
    Rtsp(Box<RtspPlaying>),
    /// Over RTMP.
    Rtmp(Box<RtmpPlaying>),
    /// Piece by piece, over HTTP.
    Hls(Box<HlsPlaying>),
}

impl Protocol {
    /// What a judged URL's scheme names.
    pub fn of(url: Url, credentials: Option<Credentials>, transport: StreamTransport) -> Self {
        match url.scheme() {
            "rtmp" => Self::Rtmp(RtmpSource { url, sound: false }),
            "http" | "https" => Self::Hls(HlsSource::new(url, credentials)),
            _ => Self::Rtsp(RtspSource {
                url,
                credentials,
                transport,
                sound: false,
            }),
        }
    }

    /// Connects to this address and plays the first video. HLS has its pieces in many places, each of which is judged by `means`;
    /// of a source that has an end, it plays what comes `elapsed` after the beginning.
    pub async fn play(&self, address: SocketAddr, means: Means, elapsed: Duration) -> Result<Playing, SourceDown> {
        Ok(match self {
            Self::Rtsp(source) => Playing::Rtsp(Box::new(source.play(address).await?)),
            Self::Rtmp(source) => Playing::Rtmp(Box::new(source.play(address).await?)),
            Self::Hls(source) => Playing::Hls(Box::new(source.play(means, elapsed).await?)),
        })
    }
}

impl Playing {
    /// How pictures are coded.
    pub fn codec(&self) -> Codec {
        match self {
            Self::Rtsp(playing) => playing.codec,
            Self::Rtmp(playing) => playing.codec(),
            Self::Hls(playing) => playing.codec,
        }
    }

    /// Width and height, pixels, where the source says them.
    pub fn size(&self) -> Option<(u32, u32)> {
        match self {
            Self::Rtsp(playing) => playing.size,
            Self::Rtmp(playing) => playing.size,
            Self::Hls(_) => None,
        }
    }

    /// What it says of its pictures.
    pub fn video(&self) -> Video {
        Video {
            codec: self.codec(),
            size: self.size(),
        }
    }

    /// Whether what is not read yet waits, however much it is: over TCP.
    pub fn waits_for_us(&self) -> bool {
        match self {
            Self::Rtsp(playing) => playing.over_tcp,
            Self::Rtmp(_) | Self::Hls(_) => true,
        }
    }

    /// Longest time without a picture that is nothing unusual, as far as the source says it.
    pub fn usual_gap(&self) -> Duration {
        match self {
            Self::Rtsp(_) | Self::Rtmp(_) => Duration::ZERO,
            Self::Hls(playing) => playing.usual_gap(),
        }
    }

    /// The sound that comes beside the pictures, where it was asked for and is there. A connection that learns of it later says
    /// so with an [`Item::Track`].
    pub fn track(&self) -> Option<SoundTrack> {
        match self {
            Self::Rtsp(playing) => playing.track.clone(),
            Self::Rtmp(playing) => playing.track.clone(),
            Self::Hls(playing) => playing.track.clone(),
        }
    }

    /// The next item. Cancel safe.
    pub async fn next(&mut self) -> Result<Item, SourceDown> {
        match self {
            Self::Rtsp(playing) => playing.next().await,
            Self::Rtmp(playing) => playing.next().await,
            Self::Hls(playing) => playing.next().await,
        }
    }

    /// Says goodbye.
    pub async fn leave(self) {
        match self {
            Self::Rtsp(playing) => playing.leave().await,
            // Its end is the connection's.
            Self::Rtmp(playing) => drop(playing),
            Self::Hls(playing) => drop(playing),
        }
    }
}
