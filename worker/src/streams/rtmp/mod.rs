//! RTMP, from a judged address to compressed pictures (Adobe, "RTMP Specification 1.0"): the part of it that plays. Every
//! wait has a limit, every failure a cause, and whatever a server sends is bounded before it is kept.
//!
//! The library that there is for this reads nested values without a bound on the stack of the worker, so the protocol is our
//! own: `chunks` and `amf0` are its format, `words` what servers say in it, `flv` and `flv_sound` the media.

mod amf0;
mod chunks;
mod flv;
mod flv_sound;
pub mod fuzz;
mod words;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use self::amf0::Value;
use self::chunks::{ChunkReader, Message, kind};
use self::flv::{Tag, VideoReader};
use self::flv_sound::{Heard, SoundReader};
use self::words::{Word, ended_by, word_of};
use super::cause::{self, Cause, SourceDown};
use super::rtsp::{ANSWER_LIMIT, DESCRIBE_LIMIT, Item};
use crate::protocol_streams::{Codec, MAX_PACKET_BYTES};
use crate::recording::sound::SoundTrack;

/// Bytes of either side's part of the handshake.
const HANDSHAKE: usize = 1_536;
/// The version that everybody speaks.
const VERSION: u8 = 3;
/// What servers read in their logs.
const PLAYER: &str = concat!("Zoetrope/", env!("CARGO_PKG_VERSION"));
/// Our chunk streams for control and for commands.
const CONTROL: u8 = 2;
const COMMANDS: u8 = 3;
/// Numbers of our requests; answers carry them.
const CONNECT: f64 = 1.0;
const CREATE_STREAM: f64 = 2.0;
/// Live if there is such a stream, else recorded.
const LIVE_OR_RECORDED: f64 = -2.0;
/// What the server may send ahead, ms.
const BUFFER_MS: u32 = 1_000;
/// Longest wait, once how the video is coded is known, for a word about the sound or a picture.
const SOUND_PATIENCE: Duration = Duration::from_secs(1);
/// Events of user control.
const EVENT_END: u16 = 1;
const EVENT_BUFFER: u16 = 3;
const EVENT_PING: u16 = 6;
const EVENT_PONG: u16 = 7;

/// Where to connect: `rtmp://host[:port]/app[/instance]/name[?query]`.
#[derive(Debug, Clone)]
pub struct RtmpSource {
    /// The URL.
    pub url: Url,
    /// Whether sound is asked for, too.
    pub sound: bool,
}

/// A connection that plays.
#[derive(Debug)]
pub struct RtmpPlaying {
    socket: TcpStream,
    received: BytesMut,
    /// What is not sent yet: a reader that is dropped in the midst of it loses nothing.
    to_send: BytesMut,
    chunks: ChunkReader,
    video: VideoReader,
    /// Where sound was asked for.
    sound: Option<SoundReader>,
    /// Pictures and sound of messages that were read together.
    ready: VecDeque<Item>,
    /// The server wants to hear of every so many bytes; those since it last did, and all.
    window: u64,
    unconfirmed: u64,
    total: u64,
    clock: MediaClock,
    /// The sound that comes beside the pictures: AAC, if it was asked for and has been heard of.
    pub track: Option<SoundTrack>,
    /// Width and height, pixels, where the server's description says them.
    pub size: Option<(u32, u32)>,
}

impl RtmpSource {
    /// Connects to this address and plays, until how the video is coded is known.
    pub async fn play(&self, address: SocketAddr) -> Result<RtmpPlaying, SourceDown> {
        let socket = within(DESCRIBE_LIMIT, "connect", TcpStream::connect(address)).await?;
        // Commands are small, and waited for.
        let _ = socket.set_nodelay(true);
        let mut playing = RtmpPlaying::new(socket, self.sound);
        limited(ANSWER_LIMIT, "the handshake", playing.shake_hands()).await?;
        limited(DESCRIBE_LIMIT, "connect and play", self.request(&mut playing)).await?;
        limited(DESCRIBE_LIMIT, "the first picture", playing.until_coded()).await?;
        if self.sound {
            // Servers say both at once; what is said later is an item of its own.
            timeout(SOUND_PATIENCE, playing.until_heard()).await.unwrap_or(Ok(()))?;
        }
        Ok(playing)
    }

    async fn request(&self, playing: &mut RtmpPlaying) -> Result<(), SourceDown> {
        let (app, name) = self.app_and_name()?;
        playing.command(
            0,
            &[
                text("connect"),
                Value::Number(CONNECT),
                Value::Object(vec![
                    ("app".to_owned(), text(&app)),
                    ("flashVer".to_owned(), text(PLAYER)),
                    ("tcUrl".to_owned(), text(&self.app_url(&app))),
                    ("fpad".to_owned(), Value::Boolean(false)),
                    // Every codec that there is a bit for; what is not taken is named when it comes.
                    ("audioCodecs".to_owned(), Value::Number(4_095.0)),
                    ("videoCodecs".to_owned(), Value::Number(255.0)),
                    ("videoFunction".to_owned(), Value::Number(1.0)),
                    ("fourCcList".to_owned(), Value::Array(vec![text("avc1"), text("hvc1")])),
                ]),
            ],
        );
        playing.until_done(CONNECT).await?;
        playing.command(0, &[text("createStream"), Value::Number(CREATE_STREAM), Value::Null]);
        let stream = playing.until_done(CREATE_STREAM).await?.unwrap_or(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small number of the server's"
        )]
        let stream = stream as u32;
        let play = [
            text("play"),
            Value::Number(0.0),
            Value::Null,
            text(&name),
            Value::Number(LIVE_OR_RECORDED),
        ];
        playing.command(stream, &play);
        playing.control(EVENT_BUFFER, &[stream, BUFFER_MS]);
        playing.flush().await
    }

    /// The application, and the name of the stream in it with its query.
    fn app_and_name(&self) -> Result<(String, String), SourceDown> {
        let path = self.url.path().trim_start_matches('/');
        let Some((app, name)) = path
            .rsplit_once('/')
            .filter(|(app, name)| !app.is_empty() && !name.is_empty())
        else {
            let detail = "an RTMP URL names an application and a stream: rtmp://host/app/stream";
            return Err(SourceDown::new(Cause::NotFound, detail));
        };
        let name = self
            .url
            .query()
            .map_or_else(|| name.to_owned(), |query| format!("{name}?{query}"));
        Ok((app.to_owned(), name))
    }

    fn app_url(&self, app: &str) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("rtmp://{}{port}/{app}", self.url.host_str().unwrap_or_default())
    }
}

impl RtmpPlaying {
    fn new(socket: TcpStream, sound: bool) -> Self {
        Self {
            socket,
            received: BytesMut::new(),
            to_send: BytesMut::new(),
            chunks: ChunkReader::new(),
            video: VideoReader::default(),
            sound: sound.then(SoundReader::default),
            ready: VecDeque::new(),
            window: 0,
            unconfirmed: 0,
            total: 0,
            clock: MediaClock::default(),
            track: None,
            size: None,
        }
    }

    /// How pictures are coded.
    pub fn codec(&self) -> Codec {
        self.video.codec().unwrap_or(Codec::H264)
    }

    /// The next item. Cancel safe.
    pub async fn next(&mut self) -> Result<Item, SourceDown> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(item);
            }
            let message = self.message().await?;
            self.heed(&message)?;
        }
    }

    /// Without encryption or a proof of who we are: what every server takes from a player.
    async fn shake_hands(&mut self) -> Result<(), SourceDown> {
        let mut ours = vec![0; 1 + HANDSHAKE];
        ours[0] = VERSION;
        getrandom::fill(&mut ours[9..]).map_err(|error| SourceDown::new(Cause::Network, error.to_string()))?;
        self.to_send.extend_from_slice(&ours);
        self.receive(1 + HANDSHAKE).await?;
        if self.received[0] != VERSION {
            return Err(SourceDown::new(Cause::Network, "the server does not speak RTMP"));
        }
        self.received.advance(1);
        let theirs = self.received.split_to(HANDSHAKE);
        self.to_send.extend_from_slice(&theirs);
        self.receive(HANDSHAKE).await?;
        self.received.advance(HANDSHAKE);
        Ok(())
    }

    /// Reads on until so many bytes are there.
    async fn receive(&mut self, bytes: usize) -> Result<(), SourceDown> {
        while self.received.len() < bytes {
            self.read_more().await?;
        }
        Ok(())
    }

    /// Sends what is to be sent, then reads what has come. Cancel safe.
    async fn read_more(&mut self) -> Result<(), SourceDown> {
        self.confirm();
        self.flush().await?;
        let read = self
            .socket
            .read_buf(&mut self.received)
            .await
            .map_err(|error| broken(&error))?;
        if read == 0 {
            return Err(SourceDown::new(Cause::Network, "the server ended the stream"));
        }
        self.unconfirmed += read as u64;
        self.total += read as u64;
        Ok(())
    }

    /// Tells how much has come, where the server wants to hear of it.
    fn confirm(&mut self) {
        if self.window > 0 && self.unconfirmed >= self.window {
            self.unconfirmed = 0;
            // The number turns over after 4 GiB.
            let total = (self.total & u64::from(u32::MAX)) as u32;
            chunks::write(
                &mut self.to_send,
                CONTROL,
                kind::ACKNOWLEDGEMENT,
                0,
                &total.to_be_bytes(),
            );
        }
    }

    async fn flush(&mut self) -> Result<(), SourceDown> {
        while !self.to_send.is_empty() {
            let written = self.socket.write_buf(&mut self.to_send).await;
            if written.map_err(|error| broken(&error))? == 0 {
                return Err(SourceDown::new(Cause::Network, "the server takes nothing any more"));
            }
        }
        Ok(())
    }

    /// The next whole message. Cancel safe.
    async fn message(&mut self) -> Result<Message, SourceDown> {
        loop {
            let next = self.chunks.next(&mut self.received);
            match next.map_err(|detail| SourceDown::new(Cause::Network, detail))? {
                Some(message) => return Ok(message),
                None => self.read_more().await?,
            }
        }
    }

    fn command(&mut self, stream: u32, values: &[Value]) {
        let mut body = Vec::new();
        values.iter().for_each(|value| amf0::write(&mut body, value));
        chunks::write(&mut self.to_send, COMMANDS, kind::COMMAND, stream, &body);
    }

    fn control(&mut self, event: u16, numbers: &[u32]) {
        let mut body = event.to_be_bytes().to_vec();
        body.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        chunks::write(&mut self.to_send, CONTROL, kind::USER_CONTROL, 0, &body);
    }

    /// Until a request of ours is fulfilled; its result, if that is a number.
    async fn until_done(&mut self, request: f64) -> Result<Option<f64>, SourceDown> {
        loop {
            let message = self.message().await?;
            match word_of(&message) {
                #[expect(clippy::float_cmp, reason = "our own number comes back as it was")]
                Some(Word::Done(number, result)) if number == request => return Ok(result),
                _ => self.heed(&message)?,
            }
        }
    }

    async fn until_coded(&mut self) -> Result<(), SourceDown> {
        while self.video.codec().is_none() {
            let message = self.message().await?;
            self.heed(&message)?;
        }
        Ok(())
    }

    /// Until the sound is known, or a picture shows that it was not said beforehand.
    async fn until_heard(&mut self) -> Result<(), SourceDown> {
        while self.track.is_none() && self.ready.is_empty() {
            let message = self.message().await?;
            self.heed(&message)?;
        }
        Ok(())
    }

    /// Does what a message asks for; pictures become ready.
    fn heed(&mut self, message: &Message) -> Result<(), SourceDown> {
        let number = |at: usize| {
            let bytes = message.body.get(at..at + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().ok()?))
        };
        match message.kind {
            kind::VIDEO => return self.take_video(message.time, &message.body),
            kind::AUDIO => self.take_sound(message.time, &message.body),
            kind::AGGREGATE => return self.take_aggregate(message),
            kind::WINDOW_SIZE => self.window = u64::from(number(0).unwrap_or_default()),
            kind::USER_CONTROL => match (
                message.body.first_chunk().map(|event| u16::from_be_bytes(*event)),
                number(2),
            ) {
                (Some(EVENT_PING), Some(time)) => self.control(EVENT_PONG, &[time]),
                (Some(EVENT_END), _) => return Err(SourceDown::new(Cause::Network, "the server ended the stream")),
                _ => {}
            },
            kind::DATA => self.read_description(&message.body),
            kind::COMMAND | kind::COMMAND_AMF3 => {
                if let Some(Word::Status(code, detail)) = word_of(message) {
                    return ended_by(&code, &detail).map_or(Ok(()), Err);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn take_video(&mut self, time: u32, tag: &[u8]) -> Result<(), SourceDown> {
        // What played until now and cannot be read any more is damaged; a codec that is not taken shows at the beginning.
        let played = self.clock.last.is_some();
        let cause = if played { Cause::Network } else { Cause::Codec };
        let read = self.video.read(tag).map_err(|detail| SourceDown::new(cause, detail))?;
        if read == Tag::Parameters {
            self.size = self.video.size().or(self.size);
        }
        let Tag::Picture {
            data,
            is_key,
            offset_ms,
        } = read
        else {
            return Ok(());
        };
        if data.len() > MAX_PACKET_BYTES {
            return Err(SourceDown::new(Cause::Codec, "a picture is larger than any we take"));
        }
        self.ready.push_back(Item::Picture {
            data: data.into(),
            is_key,
            media_s: self.clock.seconds(time, offset_ms),
            lost: 0,
        });
        Ok(())
    }

    fn take_sound(&mut self, time: u32, tag: &[u8]) {
        let Some(sound) = &mut self.sound else { return };
        match sound.read(tag, self.clock.since_ms(time)) {
            Heard::Nothing => {}
            Heard::Frame(frame) => self.ready.push_back(Item::Sound(frame)),
            // Before the first picture it is told by `track`.
            Heard::Track(track) => {
                if self.clock.last.is_some() && self.track.as_ref() != Some(&track) {
                    self.ready.push_back(Item::Track(track.clone()));
                }
                self.track = Some(track);
            }
        }
    }

    /// Several FLV tags in one message, each with its kind, length, time and stream in front and its length behind; their
    /// times count from the first one's.
    fn take_aggregate(&mut self, message: &Message) -> Result<(), SourceDown> {
        let mut rest = &message.body[..];
        let mut first = None;
        while let Some((head, after)) = rest.split_first_chunk::<11>() {
            let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
            let time = u32::from_be_bytes([head[7], head[4], head[5], head[6]]);
            let Some((tag, after)) = after.split_at_checked(length) else {
                break;
            };
            let since = time.wrapping_sub(*first.get_or_insert(time));
            let time = message.time.wrapping_add(since);
            match head[0] {
                kind::VIDEO => self.take_video(time, tag)?,
                kind::AUDIO => self.take_sound(time, tag),
                _ => {}
            }
            rest = after.get(4..).unwrap_or_default();
        }
        Ok(())
    }

    fn read_description(&mut self, body: &[u8]) {
        let described = amf0::read(body).unwrap_or_default();
        let Some(Value::Object(fields)) = described.into_iter().find(|value| matches!(value, Value::Object(_))) else {
            return;
        };
        let pixels = |name: &str| {
            let value = fields.iter().find(|(field, _)| field == name)?.1.number()?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "within these bounds"
            )]
            (1.0..=65_535.0).contains(&value).then_some(value as u32)
        };
        self.size = pixels("width").zip(pixels("height")).or(self.size);
    }
}

/// Seconds since the first picture, over the turn of the server's 32 bits.
#[derive(Debug, Default)]
struct MediaClock {
    last: Option<u32>,
    elapsed_ms: i64,
}

impl MediaClock {
    fn seconds(&mut self, time: u32, offset_ms: i32) -> f64 {
        let step = time.wrapping_sub(self.last.unwrap_or(time)).cast_signed();
        self.last = Some(time);
        self.elapsed_ms += i64::from(step);
        (self.elapsed_ms + i64::from(offset_ms)) as f64 / 1_000.0
    }

    /// Milliseconds from the first picture to this time; none before there was one.
    fn since_ms(&self, time: u32) -> Option<i64> {
        let step = time.wrapping_sub(self.last?).cast_signed();
        Some(self.elapsed_ms + i64::from(step))
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn broken(error: &std::io::Error) -> SourceDown {
    let said = error.to_string();
    SourceDown::new(cause::of_text(&said), said)
}

async fn within<T>(
    limit: Duration,
    doing: &str,
    work: impl Future<Output = std::io::Result<T>>,
) -> Result<T, SourceDown> {
    limited(limit, doing, async { work.await.map_err(|error| broken(&error)) }).await
}

async fn limited<T>(
    limit: Duration,
    doing: &str,
    work: impl Future<Output = Result<T, SourceDown>>,
) -> Result<T, SourceDown> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        let detail = format!("{doing}: no answer within {} s", limit.as_secs());
        Err(SourceDown::new(Cause::Timeout, detail))
    })
}

#[cfg(test)]
mod tests;
