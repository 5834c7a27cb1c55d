//! RTSP: from a judged address to compressed pictures. Every wait has a limit, and every failure a cause.
//!
//! The library resolves names and connects by itself, so it is handed the judged address in the place of the host.
//! What it cannot be kept from: with `udp` the server names the address that packets come from, and the library greets
//! that address with two empty packets before it can be judged. A source that is not the server itself is refused then.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use retina::client::{
    Credentials as RetinaCredentials, Demuxed, Described, InitialTimestampPolicy, PlayOptions, Session, SessionGroup,
    SessionOptions, SetupOptions, TcpTransportOptions, Transport, UdpTransportOptions,
};
use retina::codec::{CodecItem, FrameFormat, ParametersRef};
use url::Url;
use zoetrope_shared::stream_source::Credentials;
use zoetrope_shared::tasks::stream_ingest::StreamTransport;

use super::cause::{self, Cause, SourceDown};
use crate::protocol_sources::Law;
use crate::protocol_streams::{Codec, MAX_PACKET_BYTES};
use crate::recording::aac::AacConfig;
use crate::recording::sound::{SoundCoding, SoundFrame, SoundTrack};

/// Longest wait for the connection and the description.
pub const DESCRIBE_LIMIT: Duration = Duration::from_secs(6);
/// Longest wait for each of the two answers after that.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(4);
/// Longest wait for the server to hear that we leave; it notices by itself if it does not.
const TEARDOWN_LIMIT: Duration = Duration::from_secs(1);
/// What servers read in their logs.
const USER_AGENT: &str = concat!("Zoetrope/", env!("CARGO_PKG_VERSION"));
/// Unix epoch in seconds of NTP.
const NTP_1970: f64 = 2_208_988_800.0;

/// Where to connect, and as whom.
#[derive(Debug, Clone)]
pub struct RtspSource {
    /// The URL without credentials.
    pub url: Url,
    /// Who we are.
    pub credentials: Option<Credentials>,
    /// How packets travel.
    pub transport: StreamTransport,
    /// Whether sound is asked for, too.
    pub sound: bool,
}

/// A connection that plays.
pub struct RtspPlaying {
    demuxed: Demuxed,
    sessions: Arc<SessionGroup>,
    video: usize,
    sound: Option<usize>,
    /// How pictures are coded.
    pub codec: Codec,
    /// The sound that comes beside them: AAC or G.711, if it was asked for and is there.
    pub track: Option<SoundTrack>,
    /// Width and height, pixels, as the newest parameters say them; unknown as long as none have come.
    pub size: Option<(u32, u32)>,
    /// Whether packets come over the connection itself.
    pub over_tcp: bool,
}

/// What a connection gives.
#[derive(Debug)]
pub enum Item {
    /// A compressed picture.
    Picture {
        /// Annex B, parameter sets before a key frame.
        data: Bytes,
        /// Whether decoding can start here.
        is_key: bool,
        /// Media time, seconds from the start of the connection.
        media_s: f64,
        /// Packets of the network that are missing before it.
        lost: u16,
    },
    /// The sound that comes from here on, where that was not known when the connection began to play.
    Track(SoundTrack),
    /// A frame of sound.
    Sound(SoundFrame),
    /// A piece of the stream that cannot be had: what comes next does not continue what came before.
    Gap,
    /// The source is over, and was not cut off.
    End,
    /// The sender's own clock.
    Report {
        /// Media time, seconds from the start of the connection.
        media_s: f64,
        /// The sender's wall clock at that time, Unix seconds.
        sender_s: f64,
    },
}

impl RtspSource {
    /// Connects to this address and plays the first video track.
    pub async fn play(&self, address: SocketAddr) -> Result<RtspPlaying, SourceDown> {
        let sessions = Arc::new(SessionGroup::default());
        let options = SessionOptions::default()
            .creds(self.credentials.as_ref().map(|credentials| RetinaCredentials {
                username: credentials.username.clone(),
                password: credentials.password.clone(),
            }))
            .user_agent(USER_AGENT.to_owned())
            .session_group(Arc::clone(&sessions));
        let url = self.url_at(address)?;
        let mut session = within(DESCRIBE_LIMIT, "describe", Session::describe(url, options)).await?;
        let Video { index, codec, size } = first_video(&session)?;
        let transport = match self.transport {
            StreamTransport::Tcp => Transport::Tcp(TcpTransportOptions::default()),
            StreamTransport::Udp => Transport::Udp(UdpTransportOptions::default()),
        };
        let (sound, track) = self.sound.then(|| first_sound(&session)).flatten().unzip();
        // Pictures as decoders take them, sound as files do.
        let wanted = [(Some(index), FrameFormat::SIMPLE), (sound, FrameFormat::MP4)];
        for (index, format) in wanted.into_iter().filter_map(|(index, format)| Some((index?, format))) {
            let setup = SetupOptions::default()
                .transport(transport.clone())
                .frame_format(format);
            within(ANSWER_LIMIT, "set up", session.setup(index, setup)).await?;
            if self.transport == StreamTransport::Udp {
                check_peer(&session, index, address.ip())?;
            }
        }
        // Servers that do not say where tracks begin are believed to begin them together.
        let options = PlayOptions::default().initial_timestamp(InitialTimestampPolicy::Permissive);
        let playing = within(ANSWER_LIMIT, "play", session.play(options)).await?;
        let demuxed = playing.demuxed().map_err(|error| down("demux", &error))?;
        Ok(RtspPlaying {
            demuxed,
            sessions,
            video: index,
            sound,
            codec,
            track,
            size,
            over_tcp: self.transport == StreamTransport::Tcp,
        })
    }

    /// The URL with the judged address in the place of its host.
    fn url_at(&self, address: SocketAddr) -> Result<Url, SourceDown> {
        let mut url = self.url.clone();
        let replaced = url
            .set_ip_host(address.ip())
            .and_then(|()| url.set_port(Some(address.port())));
        replaced.map_err(|()| SourceDown::new(Cause::Network, "the URL takes no address"))?;
        Ok(url)
    }
}

impl RtspPlaying {
    /// The next item; pieces of other tracks are passed over. Cancel safe.
    pub async fn next(&mut self) -> Result<Item, SourceDown> {
        loop {
            let item = self.demuxed.next().await;
            let item = item.ok_or_else(|| SourceDown::new(Cause::Network, "the server ended the stream"))?;
            match item.map_err(|error| down("read", &error))? {
                CodecItem::VideoFrame(frame) if frame.stream_id() == self.video => {
                    let (told_key, lost) = (frame.is_random_access_point(), frame.loss());
                    if frame.has_new_parameters() {
                        self.size = size_of(&self.demuxed.streams()[self.video]);
                    }
                    let media_s = frame.timestamp().elapsed_secs();
                    let mut data = frame.into_data();
                    // The library counts only IDR pictures of H.265, and puts parameter sets before those alone;
                    // encoders repeat key frames as CRA pictures, where decoding can start as well.
                    let untold = !told_key && self.codec == Codec::H265 && is_h265_key(&data);
                    if untold {
                        data.splice(..0, self.parameter_sets());
                    }
                    let is_key = told_key || untold;
                    if data.len() > MAX_PACKET_BYTES {
                        return Err(SourceDown::new(Cause::Codec, "a picture is larger than any we take"));
                    }
                    return Ok(Item::Picture {
                        data: data.into(),
                        is_key,
                        media_s,
                        lost,
                    });
                }
                CodecItem::AudioFrame(frame) if Some(frame.stream_id()) == self.sound => {
                    return Ok(Item::Sound(SoundFrame {
                        data: frame.data().to_vec(),
                        ticks: frame.timestamp().elapsed(),
                        duration: frame.frame_length().get(),
                    }));
                }
                CodecItem::Rtcp(compound) if compound.stream_id() == self.video => {
                    let report = compound
                        .pkts()
                        .next()
                        .and_then(|packet| packet.as_sender_report().ok().flatten());
                    if let (Some(media), Some(report)) = (compound.rtp_timestamp(), report) {
                        let sender_s = report.ntp_timestamp().0 as f64 / 4_294_967_296.0 - NTP_1970;
                        return Ok(Item::Report {
                            media_s: media.elapsed_secs(),
                            sender_s,
                        });
                    }
                }
                _ => {}
            }
        }
    }

    /// What a decoder has to know before the first picture, Annex B.
    fn parameter_sets(&self) -> Vec<u8> {
        match self.demuxed.streams()[self.video].parameters() {
            Some(ParametersRef::Video(video)) => video.extra_data().to_vec(),
            _ => Vec::new(),
        }
    }

    /// Says goodbye, so that the server sends no more datagrams.
    pub async fn leave(self) {
        drop(self.demuxed);
        // A server that does not hear it stops by itself when the session expires.
        let _ = tokio::time::timeout(TEARDOWN_LIMIT, self.sessions.await_teardown()).await;
    }
}

/// Whether the first slice of an Annex B picture is of an intra random access point: unit types 16 to 23 of ITU-T H.265,
/// table 7-1.
fn is_h265_key(picture: &[u8]) -> bool {
    let units = picture.windows(4).filter(|bytes| bytes[..3] == [0, 0, 1]);
    let mut kinds = units.map(|bytes| (bytes[3] >> 1) & 0x3f);
    kinds
        .find(|kind| *kind < 32)
        .is_some_and(|kind| (16..=23).contains(&kind))
}

/// The track that is played.
struct Video {
    index: usize,
    codec: Codec,
    size: Option<(u32, u32)>,
}

fn first_video(session: &Session<Described>) -> Result<Video, SourceDown> {
    let mut others = Vec::new();
    let tracks = session.streams().iter().enumerate();
    for (index, stream) in tracks.filter(|(_, stream)| stream.media() == "video") {
        let codec = match stream.encoding_name() {
            "h264" => Codec::H264,
            "h265" => Codec::H265,
            other => {
                others.push(other.chars().take(20).collect::<String>());
                continue;
            }
        };
        let size = size_of(stream);
        return Ok(Video { index, codec, size });
    }
    let detail = if others.is_empty() {
        "the stream has no video".to_owned()
    } else {
        format!("the stream's video is {}, not H.264 or H.265", others.join(", "))
    };
    Err(SourceDown::new(Cause::Codec, detail))
}

/// Width and height, pixels.
fn size_of(stream: &retina::client::Stream) -> Option<(u32, u32)> {
    match stream.parameters() {
        Some(ParametersRef::Video(video)) => Some(video.pixel_dimensions()),
        _ => None,
    }
}

/// The first track of AAC, as far as a file can hold it, or of G.711.
fn first_sound(session: &Session<Described>) -> Option<(usize, SoundTrack)> {
    let tracks = session.streams().iter().enumerate();
    tracks
        .filter(|(_, stream)| stream.media() == "audio")
        .find_map(|(index, stream)| {
            let Some(ParametersRef::Audio(audio)) = stream.parameters() else {
                return None;
            };
            let law = match stream.encoding_name() {
                "pcmu" => Some(Law::Mu),
                "pcma" => Some(Law::A),
                _ => None,
            };
            let track = match law {
                // What comes is made AAC before it is recorded.
                Some(law) if audio.channels().get() == 1 => SoundTrack {
                    coding: SoundCoding::G711(law),
                    ..AacConfig::mono(audio.clock_rate())?.track()
                },
                Some(_) => return None,
                None => SoundTrack {
                    rate: audio.clock_rate(),
                    entry: audio.mp4_sample_entry().build().ok()?.into(),
                    coding: SoundCoding::Aac,
                },
            };
            Some((index, track))
        })
}

/// Datagrams have to come from the server that we judged. The library tells their source in text only.
fn check_peer(session: &Session<Described>, video: usize, judged: IpAddr) -> Result<(), SourceDown> {
    let shown = session.streams()[video]
        .ctx()
        .map(ToString::to_string)
        .unwrap_or_default();
    if peer_of(&shown) == Some(judged) {
        Ok(())
    } else {
        Err(SourceDown::new(
            Cause::Network,
            "the server names another address as the source of its packets",
        ))
    }
}

/// The peer in `<own>:<ports>(me) -> <peer>:<ports>`.
fn peer_of(shown: &str) -> Option<IpAddr> {
    let (peer, _ports) = shown.split_once("-> ")?.1.rsplit_once(':')?;
    peer.trim_matches(['[', ']'])
        .parse::<IpAddr>()
        .ok()
        .map(|ip| ip.to_canonical())
}

async fn within<T>(
    limit: Duration,
    doing: &str,
    work: impl Future<Output = Result<T, retina::Error>>,
) -> Result<T, SourceDown> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(|error| down(doing, &error)),
        Err(_) => Err(SourceDown::new(
            Cause::Timeout,
            format!("{doing}: no answer within {} s", limit.as_secs()),
        )),
    }
}

/// The library's errors go on for lines about connections and packets; the first says what happened.
fn down(doing: &str, error: &retina::Error) -> SourceDown {
    let text = error.to_string();
    let cause = error
        .status_code()
        .map_or_else(|| cause::of_text(&text), cause::of_status);
    let first: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
    SourceDown::new(cause, format!("{doing}: {first}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x265enc` repeats CRA pictures: who joined after the first IDR never saw a key frame.
    #[test]
    fn a_clean_random_access_picture_is_a_key_frame_of_h265() {
        let picture = |kind: u8| [&[0, 0, 0, 1, 39 << 1, 1, 5, 0, 0, 0, 1][..], &[kind << 1, 1, 0x80]].concat();
        assert!([16, 19, 20, 21].into_iter().all(|kind| is_h265_key(&picture(kind))));
        assert!([0, 1, 8, 9].into_iter().all(|kind| !is_h265_key(&picture(kind))));
        assert!(!is_h265_key(&[]));
    }

    #[test]
    fn the_peer_is_read_from_what_the_library_shows() {
        let v4 = "127.0.0.1:5000-5001(me) -> 10.0.0.5:6000-6001";
        assert_eq!(peer_of(v4), "10.0.0.5".parse().ok());
        let v6 = "::1:5000-5001(me) -> fe80::1:6000-6001";
        assert_eq!(peer_of(v6), "fe80::1".parse().ok());
        assert_eq!(peer_of("TCP, interleaved channel ids 0-1"), None);
    }

    #[test]
    fn the_judged_address_stands_in_the_place_of_the_host() {
        let source = RtspSource {
            url: "rtsp://camera.example.com/live?x=1".parse().expect("a URL"),
            credentials: None,
            transport: StreamTransport::Tcp,
            sound: false,
        };
        let at = |address: &str| source.url_at(address.parse().expect("an address")).map(String::from);
        assert_eq!(at("192.0.2.1:554").as_deref(), Ok("rtsp://192.0.2.1:554/live?x=1"));
        assert_eq!(
            at("[2001:db8::1]:8554").as_deref(),
            Ok("rtsp://[2001:db8::1]:8554/live?x=1")
        );
    }
}
