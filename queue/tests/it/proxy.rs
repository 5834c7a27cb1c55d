//! A proxy between the queue and its Redis that delays, cuts, swallows, slices and loses: faults are injected at the
//! socket, where they happen. Also compiled into `e2e`, for the chaos cases.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// One direction of the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the queue to Redis.
    Requests,
    /// From Redis to the queue.
    Answers,
}

/// What happens to the traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The answer that contains this text, or that follows a request with this text, is lost with its connection.
    LoseAnswer(Vec<u8>),
    /// Nothing passes in either direction; connections stay open.
    Swallow,
    /// Nothing passes in one direction; connections stay open.
    SwallowWay(Way),
    /// Every piece waits this long and up to as much again as the second says, in each direction.
    Delay(Duration, Duration),
    /// What passes comes byte by byte.
    Slice,
    /// Bytes a second that pass in each direction of a connection.
    Rate(u32),
    /// A connection is reset after so many bytes of requests and up to as many more as the second says, another number
    /// for each connection: mostly in the middle of a request.
    Reset(u64, u64),
}

/// A proxy in front of one Redis.
#[derive(Debug)]
pub(crate) struct Proxy {
    url: String,
    fault: watch::Sender<Fault>,
    lost: Arc<Notify>,
    resets: Arc<AtomicU64>,
    _listening: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn before(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback should have a free port");
        let address = listener.local_addr().expect("a bound listener should know its address");
        let url = format!("redis://{address}");
        let fault = watch::Sender::new(Fault::None);
        let (lost, resets) = (Arc::new(Notify::new()), Arc::new(AtomicU64::new(0)));
        let mut listening = JoinSet::new();
        let line = Line {
            fault: fault.clone(),
            lost: Arc::clone(&lost),
            resets: Arc::clone(&resets),
            number: 0,
        };
        listening.spawn(listen(listener, socket, line));
        Self {
            url,
            fault,
            lost,
            resets,
            _listening: listening,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on this happens to whatever passes.
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// The next answer with this text, or to a request with this text, is lost.
    pub(crate) fn lose_answer(&self, text: &str) {
        self.set(Fault::LoseAnswer(text.as_bytes().to_vec()));
    }

    /// Returns once that answer is lost.
    pub(crate) async fn has_lost_one(&self) {
        self.lost.notified().await;
    }

    pub(crate) fn swallow(&self) {
        self.set(Fault::Swallow);
    }

    pub(crate) fn heal(&self) {
        self.set(Fault::None);
    }

    /// Connections that were reset.
    pub(crate) fn resets(&self) -> u64 {
        self.resets.load(Ordering::Relaxed)
    }
}

/// What the connections share.
#[derive(Debug, Clone)]
struct Line {
    fault: watch::Sender<Fault>,
    lost: Arc<Notify>,
    resets: Arc<AtomicU64>,
    /// Of the connection.
    number: u64,
}

async fn listen(listener: TcpListener, socket: PathBuf, mut line: Line) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let server = UnixStream::connect(&socket).await;
        if let Ok(server) = server {
            let _ = client.set_nodelay(true);
            line.number += 1;
            connections.spawn(connect(client, server, line.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Carries one connection until either side or a fault ends it.
async fn connect(client: TcpStream, server: UnixStream, line: Line) {
    let (client_in, mut client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    // The next answer on this connection is to be lost.
    let doomed = Arc::new(Mutex::new(false));
    let requests = carry(Way::Requests, client_in, server_out, &line, {
        let doomed = Arc::clone(&doomed);
        move |hit| {
            *doomed.lock().expect("no holder panics") |= hit;
            true
        }
    });
    let answers = carry(Way::Answers, server_in, &mut client_out, &line, move |hit| {
        !hit && !*doomed.lock().expect("no holder panics")
    });
    let reset = tokio::select! {
        reset = requests => reset,
        _ = answers => {
            if matches!(*line.fault.borrow(), Fault::LoseAnswer(_)) {
                line.fault.send_replace(Fault::None);
                line.lost.notify_one();
            }
            false
        }
    };
    if reset {
        line.resets.fetch_add(1, Ordering::Relaxed);
        // With nothing to linger for, closing sends RST.
        let _ = client_out.as_ref().set_zero_linger();
    }
}

/// Copies until `passes` says no to a piece; it is told whether the text of the fault was seen. True: reset it.
async fn carry(
    way: Way,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    line: &Line,
    passes: impl Fn(bool) -> bool,
) -> bool {
    let mut seen: Vec<u8> = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    let mut carried = 0_u64;
    let mut faults = line.fault.subscribe();
    loop {
        let Ok(length @ 1..) = from.read(&mut piece).await else {
            return false;
        };
        let passing = |fault: &Fault| !(*fault == Fault::Swallow || *fault == Fault::SwallowWay(way));
        let current = match faults.wait_for(passing).await {
            Ok(current) => current.clone(),
            Err(_) => return false,
        };
        let mut hit = false;
        match &current {
            Fault::LoseAnswer(text) => {
                seen.extend_from_slice(&piece[..length]);
                hit = seen.windows(text.len()).any(|window| window == text);
                // The text may be cut by the end of a piece.
                let over = seen.len().saturating_sub(text.len() - 1);
                seen.drain(..over);
            }
            Fault::Delay(least, more) => {
                let share = u32::from(piece[length / 2]);
                sleep_until(Instant::now() + *least + *more * share / 255).await;
            }
            Fault::Rate(bytes_a_second) => {
                let lasts = Duration::from_secs(1) * u32::try_from(length).unwrap_or(u32::MAX) / *bytes_a_second;
                sleep_until(Instant::now() + lasts).await;
            }
            Fault::Reset(least, more)
                if way == Way::Requests && carried + length as u64 > least + line.number * 7_919 % more =>
            {
                let after = least + line.number * 7_919 % more;
                let rest = usize::try_from(after.saturating_sub(carried)).unwrap_or(0);
                let _ = to.write_all(&piece[..rest.min(length)]).await;
                return true;
            }
            _ => {}
        }
        carried += length as u64;
        let step = if current == Fault::Slice { 1 } else { length };
        if !passes(hit) {
            return false;
        }
        for slice in piece[..length].chunks(step) {
            if to.write_all(slice).await.is_err() {
                return false;
            }
        }
    }
}
