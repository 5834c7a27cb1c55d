//! A provider at the socket: it records what it is asked and answers byte by byte as a test says, well or badly.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Recorded {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the request's body should be JSON")
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// How a body comes.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// One byte at a time.
    Dripping(Vec<u8>),
    /// This much, then nothing for ever; not even headers if it is `None`.
    ThenSilence(Option<Vec<u8>>),
    /// This much of more that was announced, then the end of the connection.
    CutOff(Vec<u8>),
    /// The same bytes again and again.
    Endless(Vec<u8>),
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: Body::Whole(body.into()),
        }
    }

    pub(crate) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, "application/json", body)
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn with_body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
}

/// A running mock; its connections end with it.
pub(crate) struct Mock {
    address: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

struct State {
    script: Box<dyn Fn(usize) -> Reply + Send + Sync>,
    requests: Mutex<Vec<Recorded>>,
    arrived: Notify,
    hung_up: Notify,
}

impl Mock {
    /// Answers request `n`, counted from 0, with `script(n)`.
    pub(crate) async fn start(script: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State {
            script: Box::new(script),
            requests: Mutex::default(),
            arrived: Notify::new(),
            hung_up: Notify::new(),
        });
        let mut serving = JoinSet::new();
        let shared = state.clone();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(serve(socket, shared.clone()));
            }
        });
        Self {
            address,
            state,
            _serving: serving,
        }
    }

    /// Answers every request alike.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.state.requests.lock().expect("no holder panics").clone()
    }

    /// Returns when a request has arrived.
    pub(crate) async fn arrived(&self) {
        self.state.arrived.notified().await;
    }

    /// Returns when a client has closed a connection that was not answered.
    pub(crate) async fn hung_up(&self) {
        self.state.hung_up.notified().await;
    }
}

async fn serve(mut socket: TcpStream, state: Arc<State>) {
    let Some(request) = read_request(&mut socket).await else {
        return;
    };
    let number = {
        let mut requests = state.requests.lock().expect("no holder panics");
        requests.push(request);
        requests.len() - 1
    };
    let reply = (state.script)(number);
    state.arrived.notify_one();
    // A client that hangs up early is part of the tests.
    let _ = answer(&mut socket, &reply, &state).await;
}

async fn read_request(socket: &mut TcpStream) -> Option<Recorded> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut request = Recorded {
        line: head.lines().next().unwrap_or_default().to_owned(),
        head,
        body: bytes.split_off(head_end),
    };
    let length: usize = request
        .header("content-length")
        .map_or(0, |text| text.parse().expect("a length"));
    while request.body.len() < length {
        if socket.read_buf(&mut request.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(request)
}

async fn answer(socket: &mut TcpStream, reply: &Reply, state: &State) -> std::io::Result<()> {
    if let Body::ThenSilence(None) = reply.body {
        return silence(socket, state).await;
    }
    let mut head = format!("HTTP/1.1 {} Mock\r\nconnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let announced = match &reply.body {
        Body::Whole(body) | Body::Dripping(body) => Some(body.len()),
        Body::CutOff(body) => Some(body.len() + 1_000),
        Body::ThenSilence(_) | Body::Endless(_) => None,
    };
    if let Some(length) = announced {
        head += &format!("content-length: {length}\r\n");
    }
    socket.write_all(format!("{head}\r\n").as_bytes()).await?;
    match &reply.body {
        Body::Whole(body) | Body::CutOff(body) => socket.write_all(body).await?,
        Body::Dripping(body) => {
            for byte in body {
                socket.write_all(&[*byte]).await?;
                socket.flush().await?;
            }
        }
        Body::ThenSilence(body) => {
            socket.write_all(body.as_deref().unwrap_or_default()).await?;
            return silence(socket, state).await;
        }
        Body::Endless(body) => loop {
            socket.write_all(body).await?;
        },
    }
    socket.shutdown().await
}

/// Says nothing more until the client is gone.
async fn silence(socket: &mut TcpStream, state: &State) -> std::io::Result<()> {
    let mut rest = Vec::new();
    let gone = socket.read_to_end(&mut rest).await;
    state.hung_up.notify_one();
    gone.map(|_| ())
}
