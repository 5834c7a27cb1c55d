//! A camera that sends exactly what a test tells it to, over RTSP or RTMP, and counts it. What foreign servers do not do at a
//! word, such as another codec in mid-stream over the same connection, it does.

mod rtmp;
mod rtsp;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::footage::Footage;

/// A running camera, for any number of viewers; each begins with a key frame. Gone when dropped.
#[derive(Debug)]
pub struct Sender {
    url: String,
    told: watch::Sender<Told>,
    sent: Arc<AtomicU64>,
    _serving: JoinSet<()>,
}

/// What it speaks.
#[derive(Debug, Clone, Copy)]
enum Protocol {
    Rtsp,
    Rtmp,
}

/// What it was told.
#[derive(Debug, Clone)]
struct Told {
    footage: Arc<Footage>,
    held: bool,
    /// Until then it is silent.
    silent_until: Instant,
}

impl Sender {
    /// What the policy for users' URLs has to allow.
    pub const ALLOWED: &str = "127.0.0.1/32";

    /// A camera over RTSP, which takes TCP alone.
    pub async fn rtsp(footage: Arc<Footage>) -> Self {
        Self::start(Protocol::Rtsp, footage).await
    }

    /// A camera over RTMP.
    pub async fn rtmp(footage: Arc<Footage>) -> Self {
        Self::start(Protocol::Rtmp, footage).await
    }

    async fn start(protocol: Protocol, footage: Arc<Footage>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback should have a free port");
        let address = listener.local_addr().expect("a bound listener should know its address");
        let url = match protocol {
            Protocol::Rtsp => format!("rtsp://{address}/camera"),
            Protocol::Rtmp => format!("rtmp://{address}/live/camera"),
        };
        let told = watch::Sender::new(Told {
            footage,
            held: false,
            silent_until: Instant::now(),
        });
        let sent = Arc::new(AtomicU64::new(0));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, protocol, told.subscribe(), Arc::clone(&sent)));
        Self {
            url,
            told,
            sent,
            _serving: serving,
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// From the next picture on it sends other footage, from its beginning, over the connections that there are.
    pub fn show(&self, footage: Arc<Footage>) {
        self.told.send_modify(|told| told.footage = footage);
    }

    /// It sends nothing more.
    pub fn hold(&self) {
        self.told.send_modify(|told| told.held = true);
    }

    /// It sends nothing for so long, then at once everything that was due meanwhile, and goes on.
    pub fn gather(&self, lasts: Duration) {
        let until = Instant::now() + lasts;
        self.told.send_modify(|told| told.silent_until = until);
    }

    /// Pictures sent so far, over all connections.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, protocol: Protocol, told: watch::Receiver<Told>, sent: Arc<AtomicU64>) {
    let mut viewers = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (reel, sent) = (Reel::new(&told), Arc::clone(&sent));
        match protocol {
            Protocol::Rtsp => viewers.spawn(rtsp::serve(socket, reel, sent)),
            Protocol::Rtmp => viewers.spawn(rtmp::serve(socket, reel, sent)),
        };
        while viewers.try_join_next().is_some() {}
    }
}

/// The pictures of one connection, in time.
struct Reel {
    told: watch::Receiver<Told>,
    footage: Arc<Footage>,
    /// The next picture of the footage.
    place: usize,
    began: Instant,
    /// Of the next picture, from the first one on.
    at: Duration,
}

/// A picture that is due.
struct Due {
    footage: Arc<Footage>,
    place: usize,
    /// From the first picture of the connection on.
    at: Duration,
}

impl Reel {
    fn new(told: &watch::Receiver<Told>) -> Self {
        let mut told = told.clone();
        let footage = Arc::clone(&told.borrow_and_update().footage);
        Self {
            told,
            footage,
            place: 0,
            began: Instant::now(),
            at: Duration::ZERO,
        }
    }

    /// Its time begins now.
    fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// Waits for the next picture. Cancel safe.
    async fn next(&mut self) -> Due {
        loop {
            let told = self.told.borrow_and_update().clone();
            let due = async {
                if told.held {
                    std::future::pending::<()>().await;
                }
                sleep_until(told.silent_until.max(self.began + self.at)).await;
            };
            tokio::select! {
                biased;
                changed = self.told.changed() => {
                    if changed.is_err() {
                        std::future::pending::<()>().await;
                    }
                    continue;
                }
                () = due => {}
            }
            if !Arc::ptr_eq(&told.footage, &self.footage) {
                (self.footage, self.place) = (told.footage, 0);
            }
            let due = Due {
                footage: Arc::clone(&self.footage),
                place: self.place,
                at: self.at,
            };
            self.place = (self.place + 1) % self.footage.pictures.len();
            self.at += Duration::from_secs(1) / self.footage.fps;
            return due;
        }
    }
}

impl Due {
    fn units(&self) -> &[Vec<u8>] {
        &self.footage.pictures[self.place]
    }
}
