//! A small HTTP server that says exactly what a test wants, lies included.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What is sent for one request.
pub(super) struct Reply {
    head: String,
    body: Body,
}

enum Body {
    /// These bytes, then the connection closes.
    Bytes(Vec<u8>),
    /// Chunks for as long as somebody reads.
    Endless,
    /// From here on time is the test's: this many bytes every second, for ever. Zero is silence.
    Drip(usize),
}

impl Reply {
    /// A whole answer with its true length.
    pub(super) fn ok(body: &str) -> Self {
        Self::raw(
            &format!("HTTP/1.1 200 OK\r\ncontent-length: {}", body.len()),
            body.as_bytes(),
        )
    }

    /// A redirect.
    pub(super) fn redirect(location: &str) -> Self {
        Self::raw(
            &format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0"),
            b"",
        )
    }

    /// Status line and header lines as given, then these bytes, true or not.
    pub(super) fn raw(head: &str, body: &[u8]) -> Self {
        Self {
            head: format!("{head}\r\n\r\n"),
            body: Body::Bytes(body.to_vec()),
        }
    }

    /// A chunked answer without an end.
    pub(super) fn endless() -> Self {
        Self {
            head: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".into(),
            body: Body::Endless,
        }
    }

    /// A chunked answer that brings so many bytes every second.
    pub(super) fn drip(bytes_per_second: usize) -> Self {
        Self {
            head: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".into(),
            body: Body::Drip(bytes_per_second),
        }
    }

    /// No answer at all.
    pub(super) fn silence() -> Self {
        Self {
            head: String::new(),
            body: Body::Drip(0),
        }
    }
}

/// A running server; dropping it ends it.
pub(super) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    _running: JoinSet<()>,
}

impl Server {
    /// Listens on `address` and answers each request by its path.
    pub(super) async fn start(address: &str, answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).await.expect("bind");
        let port = listener.local_addr().expect("bound").port();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = requests.clone();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                let reply = answer(request.split(' ').nth(1).unwrap_or("/"));
                seen.lock().expect("lock").push(request);
                connections.spawn(send(stream, reply));
            }
        });
        Self {
            port,
            requests,
            _running: running,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Every request so far: its first line and headers.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("lock").clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).await.is_ok() {
        request.extend_from_slice(&byte);
    }
    String::from_utf8_lossy(&request).into_owned()
}

/// The client may leave at any time, so a failed write only ends the answer.
async fn send(mut stream: TcpStream, reply: Reply) {
    let mut going = stream.write_all(reply.head.as_bytes()).await.is_ok();
    match reply.body {
        Body::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Body::Endless => {
            while going {
                going = stream.write_all(&chunk(16 * 1024)).await.is_ok();
            }
        }
        Body::Drip(bytes) => {
            tokio::time::pause();
            let mut every_second = tokio::time::interval(Duration::from_secs(1));
            while going {
                every_second.tick().await;
                going = bytes == 0 || stream.write_all(&chunk(bytes)).await.is_ok();
            }
        }
    }
}

fn chunk(size: usize) -> Vec<u8> {
    let mut chunk = format!("{size:x}\r\n").into_bytes();
    chunk.resize(chunk.len() + size, b'x');
    chunk.extend_from_slice(b"\r\n");
    chunk
}
