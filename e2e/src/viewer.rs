//! Whoever watches a stream over a WebSocket: one that takes every frame it is given, and one that is slow.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::http::Http;

/// Longest wait for a frame: a bound for a broken system, not a promise.
const PATIENCE: Duration = Duration::from_secs(180);
/// What a slow viewer's system holds for it, bytes: what is left unread shall not fit into its own buffers.
const SLOW_BUFFER: u32 = 16 * 1024;

/// A viewer.
#[derive(Debug)]
pub struct Viewer(WebSocketStream<TcpStream>);

/// What a viewer saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Frames.
    pub seen: u64,
    /// Frames that went by.
    pub missed: u64,
    /// Between the first and the last, by the stream's own time, milliseconds.
    pub span_ms: u64,
}

impl Viewer {
    /// Watches this path of a server.
    pub async fn open(http: &Http, path: &str) -> Self {
        Self::open_with(http, path, TcpSocket::new_v4().expect("a socket")).await
    }

    /// The same with room for next to nothing.
    pub async fn open_slow(http: &Http, path: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(SLOW_BUFFER).expect("a small buffer");
        Self::open_with(http, path, socket).await
    }

    async fn open_with(http: &Http, path: &str, socket: TcpSocket) -> Self {
        let address = http.base().trim_start_matches("http://");
        let stream = socket.connect(address.parse().expect("an address")).await;
        let url = format!("ws://{address}{path}");
        let opened = tokio_tungstenite::client_async(url, stream.expect("a connection")).await;
        Self(opened.expect("the api should upgrade").0)
    }

    /// The next message but pings.
    pub async fn next(&mut self) -> Message {
        let next = async {
            loop {
                match self.0.next().await.expect("an open socket").expect("a message") {
                    Message::Ping(_) | Message::Pong(_) => {}
                    message => return message,
                }
            }
        };
        timeout(PATIENCE, next).await.expect("something should come")
    }

    /// The head of the next frame, and its picture.
    pub async fn next_frame(&mut self) -> (Value, Vec<u8>) {
        loop {
            match self.next().await {
                Message::Binary(bytes) => {
                    let (length, rest) = bytes.split_first_chunk::<4>().expect("a length");
                    let (head, jpeg) = rest.split_at(u32::from_be_bytes(*length) as usize);
                    return (serde_json::from_slice(head).expect("JSON"), jpeg.to_vec());
                }
                Message::Close(close) => panic!("instead of a frame: {close:?}"),
                _ => {}
            }
        }
    }

    /// Watches for so much of the stream's own time, milliseconds.
    pub async fn watch(mut self, for_ms: u64) -> Sight {
        let number = |head: &Value, name: &str| head[name].as_u64().expect("a number");
        let (first, _) = self.next_frame().await;
        let (begins, mut seq) = (number(&first, "pts_ms"), number(&first, "seq"));
        let mut sight = Sight {
            seen: 0,
            missed: 0,
            span_ms: 0,
        };
        while sight.span_ms < for_ms {
            let (head, jpeg) = self.next_frame().await;
            assert!(jpeg.starts_with(&[0xff, 0xd8, 0xff]), "{head}");
            sight.missed += number(&head, "seq") - seq - 1;
            seq = number(&head, "seq");
            sight.seen += 1;
            sight.span_ms = number(&head, "pts_ms") - begins;
        }
        sight
    }

    /// Takes so many bytes a second of what is sent, until it is dropped.
    pub async fn take_slowly(self, bytes_a_second: usize) {
        let mut stream = self.0.into_inner();
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut piece = vec![0; bytes_a_second];
        loop {
            ticks.tick().await;
            stream.read_exact(&mut piece).await.expect("it is not cut off");
        }
    }
}
