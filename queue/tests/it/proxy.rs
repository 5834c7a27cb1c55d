//! A proxy between the queue and its Redis that can lose an answer or swallow everything: faults are injected at the
//! socket, where they happen.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// What happens to the traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    None,
    /// The answer that contains this text, or that follows a request with this text, is lost with its connection.
    LoseAnswer(Vec<u8>),
    /// Nothing passes in either direction; connections stay open.
    Swallow,
}

/// A proxy in front of one Redis.
pub(crate) struct Proxy {
    url: String,
    fault: watch::Sender<Fault>,
    lost: Arc<Notify>,
    _listening: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn before(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let fault = watch::Sender::new(Fault::None);
        let lost = Arc::new(Notify::new());
        let mut listening = JoinSet::new();
        listening.spawn(listen(listener, socket, fault.clone(), Arc::clone(&lost)));
        Self {
            url,
            fault,
            lost,
            _listening: listening,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The next answer with this text, or to a request with this text, is lost.
    pub(crate) fn lose_answer(&self, text: &str) {
        self.fault.send_replace(Fault::LoseAnswer(text.as_bytes().to_vec()));
    }

    /// Returns once that answer is lost.
    pub(crate) async fn has_lost_one(&self) {
        self.lost.notified().await;
    }

    pub(crate) fn swallow(&self) {
        self.fault.send_replace(Fault::Swallow);
    }

    pub(crate) fn heal(&self) {
        self.fault.send_replace(Fault::None);
    }
}

async fn listen(listener: TcpListener, socket: PathBuf, fault: watch::Sender<Fault>, lost: Arc<Notify>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let server = UnixStream::connect(&socket).await;
        if let Ok(server) = server {
            connections.spawn(connect(client, server, fault.clone(), Arc::clone(&lost)));
        }
    }
}

/// Carries one connection until either side or a fault ends it.
async fn connect(client: TcpStream, server: UnixStream, fault: watch::Sender<Fault>, lost: Arc<Notify>) {
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    // The next answer on this connection is to be lost.
    let doomed = Arc::new(Mutex::new(false));
    let requests = carry(client_in, server_out, fault.clone(), {
        let doomed = Arc::clone(&doomed);
        move |hit| {
            *doomed.lock().unwrap() |= hit;
            true
        }
    });
    let answers = carry(server_in, client_out, fault.clone(), move |hit| {
        !hit && !*doomed.lock().unwrap()
    });
    tokio::select! {
        () = requests => {}
        () = answers => {
            if matches!(*fault.borrow(), Fault::LoseAnswer(_)) {
                fault.send_replace(Fault::None);
                lost.notify_one();
            }
        }
    }
}

/// Copies until `passes` says no to a piece; it is told whether the text of the fault was seen.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    fault: watch::Sender<Fault>,
    passes: impl Fn(bool) -> bool,
) {
    let mut seen: Vec<u8> = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    let mut faults = fault.subscribe();
    loop {
        let Ok(length @ 1..) = from.read(&mut piece).await else {
            return;
        };
        let current = faults.borrow_and_update().clone();
        if current == Fault::Swallow && faults.wait_for(|fault| *fault != Fault::Swallow).await.is_err() {
            return;
        }
        let mut hit = false;
        if let Fault::LoseAnswer(text) = &current {
            seen.extend_from_slice(&piece[..length]);
            hit = seen.windows(text.len()).any(|window| window == text);
            // The text may be cut by the end of a piece.
            let over = seen.len().saturating_sub(text.len() - 1);
            seen.drain(..over);
        }
        if !passes(hit) || to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
