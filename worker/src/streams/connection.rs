//! The protocols that live streams come by, as one.

use std::net::SocketAddr;

use url::Url;
use zoetrope_shared::stream_source::Credentials;
use zoetrope_shared::tasks::stream_ingest::StreamTransport;

use super::cause::SourceDown;
use super::rtmp::{RtmpPlaying, RtmpSource};
use super::rtsp::{Item, RtspPlaying, RtspSource};
use crate::protocol_streams::Codec;
use crate::recording::sound::SoundTrack;

/// Where to connect, and how.
#[derive(Debug, Clone)]
pub enum Protocol {
    /// RTSP.
    Rtsp(RtspSource),
    /// RTMP.
    Rtmp(RtmpSource),
}

/// A connection that plays.
pub enum Playing {
    /// Over RTSP.
    Rtsp(Box<RtspPlaying>),
    /// Over RTMP.
    Rtmp(Box<RtmpPlaying>),
}

impl Protocol {
    /// What a judged URL's scheme names.
    pub fn of(url: Url, credentials: Option<Credentials>, transport: StreamTransport) -> Self {
        if url.scheme() == "rtmp" {
            return Self::Rtmp(RtmpSource { url, sound: false });
        }
        Self::Rtsp(RtspSource {
            url,
            credentials,
            transport,
            sound: false,
        })
    }

    /// Connects to this address and plays the first video.
    pub async fn play(&self, address: SocketAddr) -> Result<Playing, SourceDown> {
        Ok(match self {
            Self::Rtsp(source) => Playing::Rtsp(Box::new(source.play(address).await?)),
            Self::Rtmp(source) => Playing::Rtmp(Box::new(source.play(address).await?)),
        })
    }
}

impl Playing {
    /// How pictures are coded.
    pub fn codec(&self) -> Codec {
        match self {
            Self::Rtsp(playing) => playing.codec,
            Self::Rtmp(playing) => playing.codec(),
        }
    }

    /// Width and height, pixels, where the source says them.
    pub fn size(&self) -> Option<(u32, u32)> {
        match self {
            Self::Rtsp(playing) => playing.size,
            Self::Rtmp(playing) => playing.size,
        }
    }

    /// Whether what is not read yet waits, however much it is: over TCP.
    pub fn waits_for_us(&self) -> bool {
        match self {
            Self::Rtsp(playing) => playing.over_tcp,
            Self::Rtmp(_) => true,
        }
    }

    /// The sound that comes beside the pictures, where it was asked for and is there. A connection that learns of it later says
    /// so with an [`Item::Track`].
    pub fn track(&self) -> Option<SoundTrack> {
        match self {
            Self::Rtsp(playing) => playing.track.clone(),
            Self::Rtmp(playing) => playing.track.clone(),
        }
    }

    /// The next item. Cancel safe.
    pub async fn next(&mut self) -> Result<Item, SourceDown> {
        match self {
            Self::Rtsp(playing) => playing.next().await,
            Self::Rtmp(playing) => playing.next().await,
        }
    }

    /// Says goodbye.
    pub async fn leave(self) {
        match self {
            Self::Rtsp(playing) => playing.leave().await,
            // Its end is the connection's.
            Self::Rtmp(playing) => drop(playing),
        }
    }
}
