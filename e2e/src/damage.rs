//! A network between a camera and whoever watches it that damages what passes: packets of RTSP one by one, or any bytes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes of a packet's own head, before what it carries (RFC 3550, 5.1).
const RTP_HEAD: usize = 12;
/// Bytes before a packet on a connection (RFC 2326, 10.12).
const FRAME_HEAD: usize = 4;
/// Bytes of a packet's content that a blank one keeps: the head of its unit.
const KEPT: usize = 4;
/// Packets with less content are left as they are by [`Damage::Blank`]: parameter sets.
const SMALL: usize = 200;

/// What happens to what comes from the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Nothing.
    None,
    /// Bits of a packet's content are others.
    Flip,
    /// All but the beginning of a packet's content is gone, and nothing else says so.
    Blank,
    /// A packet is missing.
    Drop,
    /// A packet comes twice.
    Repeat,
    /// A packet ends in its middle.
    Cut,
    /// A packet ends in its middle, and what follows stands where its rest should be.
    Tear,
    /// Bits of anything are others, whatever the protocol.
    Noise,
}

/// A running network before one camera. Gone when dropped.
#[derive(Debug)]
pub struct Damaging {
    url: String,
    damage: watch::Sender<Damage>,
    done: Arc<AtomicU64>,
    _carrying: JoinSet<()>,
}

impl Damaging {
    /// Before the camera of this URL, which has a port of 127.0.0.1: every so many packets, or pieces, are damaged.
    pub async fn before(camera: &str, every: u64) -> Self {
        let port_of = |url: &str| url.split(['/', ':']).find_map(|part| part.parse::<u16>().ok());
        let camera_port = port_of(camera).expect("the URL should have a port");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback should have a free port");
        let port = listener
            .local_addr()
            .expect("a bound listener should know its address")
            .port();
        let url = camera.replacen(&format!(":{camera_port}/"), &format!(":{port}/"), 1);
        let damage = watch::Sender::new(Damage::None);
        let done = Arc::new(AtomicU64::new(0));
        let mut carrying = JoinSet::new();
        let line = Line {
            damage: damage.subscribe(),
            every,
            seen: 0,
            done: Arc::clone(&done),
        };
        carrying.spawn(listen(listener, camera_port, line));
        Self {
            url,
            damage,
            done,
            _carrying: carrying,
        }
    }

    /// Where the camera is, by way of it.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// From now on this happens.
    pub fn set(&self, damage: Damage) {
        self.damage.send_replace(damage);
    }

    /// How often it has happened.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }
}

async fn listen(listener: TcpListener, camera: u16, line: Line) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        // A camera that is away ends the connection.
        if let Ok(camera) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, camera))).await {
            connections.spawn(carry(client, camera, line.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Carries one connection until either side ends it.
async fn carry(client: TcpStream, camera: TcpStream, mut line: Line) {
    let _ = (client.set_nodelay(true), camera.set_nodelay(true));
    let (mut from_client, to_client) = client.into_split();
    let (from_camera, mut to_camera) = camera.into_split();
    tokio::select! {
        _ = copy(&mut from_client, &mut to_camera) => {}
        () = line.pass(from_camera, to_client) => {}
    }
}

/// One connection's damage.
#[derive(Debug, Clone)]
struct Line {
    damage: watch::Receiver<Damage>,
    every: u64,
    /// Packets, or pieces, since there is damage.
    seen: u64,
    done: Arc<AtomicU64>,
}

impl Line {
    async fn pass(&mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut received = Vec::new();
        while matches!(from.read_buf(&mut received).await, Ok(1..)) {
            let damage = *self.damage.borrow();
            let mut out = Vec::new();
            if received.starts_with(b"RTSP") || received.starts_with(b"$") {
                while let Some(length) = whole(&received) {
                    let piece: Vec<u8> = received.drain(..length).collect();
                    // Packets of pictures and sound have even channels.
                    let is_media = piece[0] == b'$' && piece[1].is_multiple_of(2) && length > FRAME_HEAD + RTP_HEAD + 2;
                    if is_media && self.hits(damage) {
                        out.extend(damaged(damage, piece));
                    } else {
                        out.extend(piece);
                    }
                }
            } else {
                out.append(&mut received);
                if self.hits(damage) {
                    flip(&mut out, self.seen);
                }
            }
            if to.write_all(&out).await.is_err() {
                return;
            }
        }
    }

    fn hits(&mut self, damage: Damage) -> bool {
        if damage == Damage::None {
            return false;
        }
        self.seen += 1;
        let hits = self.seen.is_multiple_of(self.every);
        self.done.fetch_add(u64::from(hits), Ordering::SeqCst);
        hits
    }
}

/// Length of the packet or the answer that bytes begin with, once all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let length = if bytes.first()? == &b'$' {
        FRAME_HEAD + usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))
    } else {
        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
        let body = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        head + body.unwrap_or(0_usize)
    };
    (bytes.len() >= length).then_some(length)
}

fn damaged(damage: Damage, mut piece: Vec<u8>) -> Vec<u8> {
    let content = FRAME_HEAD + RTP_HEAD;
    let middle = content + (piece.len() - content) / 2;
    match damage {
        Damage::None => piece,
        Damage::Flip | Damage::Noise => {
            let salt = u64::from(piece[FRAME_HEAD + 3]);
            flip(&mut piece[content..], salt);
            piece
        }
        Damage::Blank => {
            if piece.len() > content + SMALL {
                piece[content + KEPT..].fill(0xff);
            }
            piece
        }
        Damage::Drop => Vec::new(),
        Damage::Repeat => [&piece[..], &piece].concat(),
        Damage::Cut => {
            piece.truncate(middle);
            let length = u16::try_from(middle - FRAME_HEAD).expect("shorter than it was");
            piece[2..4].copy_from_slice(&length.to_be_bytes());
            piece
        }
        Damage::Tear => {
            piece.truncate(middle);
            piece
        }
    }
}

/// Flips a few bits, at places that differ with the salt and are the same in every run.
fn flip(bytes: &mut [u8], salt: u64) {
    let length = bytes.len() as u64;
    for turn in 1..=4 {
        let at = (salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 7).wrapping_mul(turn) % length.max(1);
        if let Some(byte) = bytes.get_mut(at as usize) {
            *byte ^= 1 << (salt.wrapping_add(turn) % 8);
        }
    }
}
