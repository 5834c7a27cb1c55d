//! A server in the test speaks the protocol with what the player itself reads and writes it with; the real one is FFmpeg's,
//! in the tests over processes.

use tokio::net::TcpListener;

use super::*;

const PARAMETERS: [u8; 21] = [
    0x17, 0, 0, 0, 0, 1, 0x42, 0, 30, 0xff, 0xe1, 0, 3, 0x67, 1, 2, 1, 0, 2, 0x68, 9,
];
const KEY: [u8; 11] = [0x17, 1, 0, 0, 0, 0, 0, 0, 2, 0x65, 7];
const OTHER: [u8; 10] = [0x27, 1, 0, 0, 40, 0, 0, 0, 1, 0x41];

/// The server's side of one connection.
struct Server {
    socket: TcpStream,
    received: BytesMut,
    chunks: ChunkReader,
}

impl Server {
    async fn accept(listener: &TcpListener) -> Self {
        let (mut socket, _) = listener.accept().await.expect("a player");
        let mut theirs = [0; 1 + HANDSHAKE];
        socket.read_exact(&mut theirs).await.expect("the first half");
        let answer = [&[VERSION][..], &[7; HANDSHAKE], &theirs[1..]].concat();
        socket.write_all(&answer).await.expect("both of ours");
        let mut echoed = [0; HANDSHAKE];
        socket.read_exact(&mut echoed).await.expect("the second half");
        assert_eq!(echoed, [7; HANDSHAKE]);
        Self {
            socket,
            received: BytesMut::new(),
            chunks: ChunkReader::new(),
        }
    }

    async fn message(&mut self) -> Message {
        loop {
            if let Some(message) = self.chunks.next(&mut self.received).expect("in order") {
                return message;
            }
            let read = self.socket.read_buf(&mut self.received).await.expect("more");
            assert!(read > 0, "the player is gone");
        }
    }

    /// The next command: its name, its number and its values after that.
    async fn command(&mut self) -> (String, f64, Vec<Value>) {
        loop {
            let message = self.message().await;
            if message.kind == kind::COMMAND {
                let mut values = amf0::read(&message.body).expect("values");
                let rest = values.split_off(2);
                let (Value::Text(name), Some(number)) = (&values[0], values[1].number()) else {
                    panic!("{values:?}");
                };
                return (name.clone(), number, rest);
            }
        }
    }

    async fn send(&mut self, kind: u8, stream: u32, body: &[u8]) {
        let mut out = BytesMut::new();
        chunks::write(&mut out, 4, kind, stream, body);
        self.socket.write_all(&out).await.expect("the player listens");
    }

    async fn say(&mut self, values: &[Value]) {
        let mut body = Vec::new();
        values.iter().for_each(|value| amf0::write(&mut body, value));
        self.send(kind::COMMAND, 0, &body).await;
    }

    async fn status(&mut self, name: &str, number: f64, code: &str, description: &str) {
        let told = Value::Object(vec![
            ("code".to_owned(), text(code)),
            ("description".to_owned(), text(description)),
        ]);
        self.say(&[text(name), Value::Number(number), Value::Null, told]).await;
    }

    /// Lets the player come as far as its wish to play; the stream that it wishes for.
    async fn until_play(&mut self) -> Vec<Value> {
        let (connect, number, _) = self.command().await;
        assert_eq!(connect, "connect");
        self.status("_result", number, "NetConnection.Connect.Success", "")
            .await;
        let (create, number, _) = self.command().await;
        assert_eq!(create, "createStream");
        let made = [text("_result"), Value::Number(number), Value::Null, Value::Number(5.0)];
        self.say(&made).await;
        let (play, _, wish) = self.command().await;
        assert_eq!(play, "play");
        wish
    }
}

async fn listening() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

fn source(url: &str) -> RtmpSource {
    RtmpSource {
        url: url.parse().expect("a URL"),
        sound: false,
    }
}

fn camera() -> RtmpSource {
    source("rtmp://camera.example.com/live/door?token=x")
}

#[tokio::test]
async fn pictures_come_with_their_times_while_pings_are_answered_and_bytes_confirmed() {
    let (listener, address) = listening().await;
    let serve = async {
        let mut server = Server::accept(&listener).await;
        let wish = server.until_play().await;
        assert_eq!(wish[1], text("door?token=x"));
        server.status("onStatus", 0.0, "NetStream.Play.Start", "").await;
        server.send(kind::WINDOW_SIZE, 0, &20_u32.to_be_bytes()).await;
        let mut described = Vec::new();
        amf0::write(&mut described, &text("onMetaData"));
        let fields = [("width", 640.0), ("height", 360.0)];
        let fields = fields.map(|(name, pixels)| (name.to_owned(), Value::Number(pixels)));
        amf0::write(&mut described, &Value::Object(fields.to_vec()));
        server.send(kind::DATA, 5, &described).await;
        server.send(kind::VIDEO, 5, &PARAMETERS).await;
        server.send(kind::VIDEO, 5, &KEY).await;
        server.send(kind::USER_CONTROL, 0, &[0, 6, 0, 0, 0, 99]).await;
        server.send(kind::VIDEO, 5, &OTHER).await;
        let (mut pong, mut confirmed) = (None, false);
        while pong.is_none() || !confirmed {
            let message = server.message().await;
            confirmed |= message.kind == kind::ACKNOWLEDGEMENT;
            if message.kind == kind::USER_CONTROL && message.body[..2] == [0, 7] {
                pong = Some(message.body[2..].to_vec());
            }
        }
        assert_eq!(pong, Some(vec![0, 0, 0, 99]));
        server
            .status("onStatus", 0.0, "NetStream.Play.UnpublishNotify", "gone")
            .await;
        server
    };
    let play = async {
        let mut playing = camera().play(address).await.expect("it plays");
        assert_eq!((playing.codec(), playing.size), (Codec::H264, Some((640, 360))));
        let mut seen = Vec::new();
        loop {
            match playing.next().await {
                Ok(Item::Picture {
                    is_key, media_s, data, ..
                }) => seen.push((is_key, media_s, data.len())),
                Ok(other) => panic!("{other:?}"),
                Err(down) => break (seen, down),
            }
        }
    };
    let (_server, (seen, down)) = tokio::join!(serve, play);
    assert_eq!(seen, [(true, 0.0, 19), (false, 0.04, 5)]);
    assert_eq!(down.cause, Cause::Network);
    assert!(down.detail.contains("UnpublishNotify gone"), "{}", down.detail);
}

#[tokio::test]
async fn sound_that_is_asked_for_comes_with_the_pictures_and_counts_from_the_first() {
    let (listener, address) = listening().await;
    let serve = async {
        let mut server = Server::accept(&listener).await;
        server.until_play().await;
        server.send(kind::VIDEO, 5, &PARAMETERS).await;
        server.send(kind::AUDIO, 5, &[0xaf, 0, 0x12, 0x10]).await;
        server.send(kind::AUDIO, 5, &[0xaf, 1, 1]).await;
        server.send(kind::VIDEO, 5, &KEY).await;
        server.send(kind::AUDIO, 5, &[0xaf, 1, 2]).await;
        // Another configuration, in mid-stream.
        server.send(kind::AUDIO, 5, &[0xaf, 0, 0x11, 0x90]).await;
        server
    };
    let source = RtmpSource {
        sound: true,
        ..camera()
    };
    let play = async {
        let mut playing = source.play(address).await.expect("it plays");
        assert_eq!(playing.track.as_ref().map(|track| track.rate), Some(44_100));
        let mut told = Vec::new();
        for _ in 0..3 {
            told.push(match playing.next().await.expect("it goes on") {
                Item::Picture { .. } => "picture".to_owned(),
                Item::Sound(frame) => format!("sound {:?} at {}", frame.data, frame.ticks),
                Item::Track(track) => format!("track of {}", track.rate),
                Item::Report { .. } | Item::Gap | Item::End => "anything else".to_owned(),
            });
        }
        told
    };
    let (_server, told) = tokio::join!(serve, play);
    assert_eq!(told, ["picture", "sound [2] at 0", "track of 48000"]);
}

/// A configuration record of H.264 with one parameter set of each sort, in its tag.
fn parameters(sps: &[u8]) -> Vec<u8> {
    let pps = [104, 206, 15, 200];
    let head = [
        0x17,
        0,
        0,
        0,
        0,
        1,
        sps[1],
        sps[2],
        sps[3],
        0xff,
        0xe1,
        0,
        sps.len() as u8,
    ];
    [&head[..], sps, &[1, 0, 4], &pps].concat()
}

#[tokio::test]
async fn other_parameters_in_mid_stream_are_another_size_and_damage_is_no_codec() {
    // By x264, of 160 x 120 and of 320 x 240 pixels.
    let small = [
        103, 66, 192, 10, 218, 10, 17, 249, 112, 17, 0, 0, 3, 0, 1, 0, 0, 3, 0, 20, 143, 18, 38, 160,
    ];
    let large = [
        103, 66, 192, 11, 218, 5, 7, 236, 4, 64, 0, 0, 3, 0, 64, 0, 0, 5, 35, 197, 10, 168,
    ];
    let (listener, address) = listening().await;
    let serve = async {
        let mut server = Server::accept(&listener).await;
        server.until_play().await;
        for sps in [&small[..], &large] {
            server.send(kind::VIDEO, 5, &parameters(sps)).await;
            server.send(kind::VIDEO, 5, &KEY).await;
        }
        // A codec that nobody has heard of.
        server.send(kind::VIDEO, 5, &[0x1f, 1, 0, 0, 0]).await;
        server
    };
    let play = async {
        let mut playing = camera().play(address).await.expect("it plays");
        let mut sizes = Vec::new();
        loop {
            match playing.next().await {
                Ok(_) => sizes.push(playing.size),
                Err(down) => break (sizes, down.cause),
            }
        }
    };
    let (_server, (sizes, cause)) = tokio::join!(serve, play);
    assert_eq!(sizes, [Some((160, 120)), Some((320, 240))]);
    assert_eq!(cause, Cause::Network, "it would not be tried again for half a minute");
}

/// What a server that answers `play` in this way brings about.
async fn down_after(answer: impl AsyncFn(&mut Server)) -> SourceDown {
    let (listener, address) = listening().await;
    let serve = async {
        let mut server = Server::accept(&listener).await;
        server.until_play().await;
        answer(&mut server).await;
        server
    };
    let source = camera();
    let (_server, played) = tokio::join!(serve, source.play(address));
    played.expect_err("it does not play")
}

#[tokio::test]
async fn a_stream_that_is_not_there_and_a_codec_that_is_not_taken_are_named() {
    let missing = down_after(async |server: &mut Server| {
        server
            .status("onStatus", 0.0, "NetStream.Play.StreamNotFound", "no door")
            .await;
    });
    assert_eq!(missing.await.cause, Cause::NotFound);
    let other = down_after(async |server: &mut Server| server.send(kind::VIDEO, 5, b"\x90av01").await).await;
    assert_eq!(other.cause, Cause::Codec);
    assert!(other.detail.contains("av01"), "{}", other.detail);
}

#[tokio::test]
async fn a_refusal_to_connect_is_told_apart_from_a_wish_for_a_password() {
    for (code, description, cause) in [
        (
            "NetConnection.Connect.Rejected",
            "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ]",
            Cause::Auth,
        ),
        (
            "NetConnection.Connect.InvalidApp",
            "no such application",
            Cause::NotFound,
        ),
    ] {
        let (listener, address) = listening().await;
        let serve = async {
            let mut server = Server::accept(&listener).await;
            let (_, number, _) = server.command().await;
            server.status("_error", number, code, description).await;
            server
        };
        let source = camera();
        let (_server, played) = tokio::join!(serve, source.play(address));
        assert_eq!(played.expect_err("it is refused").cause, cause);
    }
}

#[tokio::test]
async fn what_is_no_rtmp_server_is_said_to_be_none() {
    let (listener, address) = listening().await;
    let serve = async {
        let (mut socket, _) = listener.accept().await.expect("a player");
        socket.write_all(&[b'H'; 4_000]).await.expect("a page");
        socket
    };
    let source = camera();
    let (_socket, played) = tokio::join!(serve, source.play(address));
    let down = played.expect_err("it is none");
    assert_eq!(
        (down.cause, down.detail.as_str()),
        (Cause::Network, "the server does not speak RTMP")
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let (listener, address) = listening().await;
    let source = camera();
    let (_socket, played) = tokio::join!(listener.accept(), source.play(address));
    assert_eq!(played.expect_err("nothing comes").cause, Cause::Timeout);
}

#[test]
fn a_url_names_an_application_and_a_stream() {
    let named = |url: &str| source(url).app_and_name().ok();
    let both = |app: &str, name: &str| Some((app.to_owned(), name.to_owned()));
    assert_eq!(named("rtmp://host/live/door"), both("live", "door"));
    assert_eq!(
        named("rtmp://host:1936/live/house/door?key=1"),
        both("live/house", "door?key=1")
    );
    assert_eq!(named("rtmp://host/live"), None);
    assert_eq!(named("rtmp://host/live/"), None);
    assert_eq!(source("rtmp://host:1936/a/b").app_url("a"), "rtmp://host:1936/a");
}

#[test]
fn times_go_on_over_the_turn_of_their_bits_and_back_a_little() {
    let mut clock = MediaClock::default();
    assert_eq!(clock.seconds(u32::MAX - 39, 0), 0.0);
    assert_eq!(clock.seconds(0, 80), 0.12);
    assert_eq!(clock.seconds(u32::MAX - 19, 0), 0.02);
}
