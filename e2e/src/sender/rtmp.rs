//! RTMP's part: the answers that a player waits for, without waiting for its questions, then FLV's video tags.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Due, Reel};
use crate::footage::{Compression, Footage};

/// Bytes of either side's part of the handshake.
const HANDSHAKE: usize = 1_536;
/// Kinds of messages.
const SET_CHUNK_SIZE: u8 = 1;
const VIDEO: u8 = 9;
const COMMAND: u8 = 20;
/// Every message goes in one chunk.
const CHUNK: u32 = 0xFF_FFFF;

/// Serves one player until it leaves.
pub(super) async fn serve(mut socket: TcpStream, mut reel: Reel, sent: Arc<AtomicU64>) {
    let _ = socket.set_nodelay(true);
    if greet(&mut socket).await.is_err() {
        return;
    }
    reel.begin();
    let (mut heard, mut described) = (Vec::new(), None::<Arc<Footage>>);
    loop {
        heard.clear();
        tokio::select! {
            read = socket.read_buf(&mut heard) => {
                if matches!(read, Ok(0) | Err(_)) {
                    return;
                }
            }
            due = reel.next() => {
                // Milliseconds in 24 bits last for hours.
                let time = due.at.as_millis() as u32;
                let mut out = Vec::new();
                if !described.as_ref().is_some_and(|known| Arc::ptr_eq(known, &due.footage)) {
                    message(&mut out, VIDEO, time, &parameters(&due));
                    described = Some(Arc::clone(&due.footage));
                }
                message(&mut out, VIDEO, time, &picture(&due));
                if socket.write_all(&out).await.is_err() {
                    return;
                }
                sent.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

async fn greet(socket: &mut TcpStream) -> std::io::Result<()> {
    let mut theirs = [0; 1 + HANDSHAKE];
    socket.read_exact(&mut theirs).await?;
    socket
        .write_all(&[&[3][..], &[7; HANDSHAKE], &theirs[1..]].concat())
        .await?;
    socket.read_exact(&mut theirs[1..]).await?;
    let mut out = Vec::new();
    message(&mut out, SET_CHUNK_SIZE, 0, &CHUNK.to_be_bytes());
    // `connect` has the number 1, `createStream` 2, and makes stream 1.
    for request in [1.0_f64, 2.0] {
        let mut body = vec![2, 0, 7];
        body.extend(b"_result");
        body.push(0);
        body.extend(request.to_be_bytes());
        body.extend([5, 0]);
        body.extend(1.0_f64.to_be_bytes());
        message(&mut out, COMMAND, 0, &body);
    }
    socket.write_all(&out).await
}

fn message(out: &mut Vec<u8>, kind: u8, time: u32, body: &[u8]) {
    out.push(4);
    out.extend(&time.to_be_bytes()[1..]);
    out.extend(&(body.len() as u32).to_be_bytes()[1..]);
    out.push(kind);
    out.extend(u32::from(kind == VIDEO).to_le_bytes());
    out.extend(body);
}

/// FLV's number of the codec; H.265 under the one that many encoders give it.
fn number(compression: Compression) -> u8 {
    match compression {
        Compression::H264 => 7,
        Compression::H265 => 12,
    }
}

/// The configuration record with the parameter sets of a key frame (ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1).
fn parameters(due: &Due) -> Vec<u8> {
    let compression = due.footage.compression;
    let sets = |kind: u8| due.units().iter().filter(move |unit| compression.kind_of(unit) == kind);
    let mut out = vec![0x10 | number(compression), 0, 0, 0, 0];
    match compression {
        Compression::H264 => out.extend([1, 66, 0, 30, 0xff]),
        Compression::H265 => {
            out.push(1);
            out.extend([0; 20]);
            out.extend([3, 3]);
        }
    }
    for (place, kind) in compression.parameter_kinds().iter().enumerate() {
        match compression {
            Compression::H264 => out.push(if place == 0 { 0xe1 } else { 1 }),
            Compression::H265 => out.extend([0x80 | kind, 0, 1]),
        }
        let set = sets(*kind).next().expect("footage should begin with its parameters");
        out.extend((set.len() as u16).to_be_bytes());
        out.extend(set);
    }
    out
}

fn picture(due: &Due) -> Vec<u8> {
    let compression = due.footage.compression;
    let parameters = compression.parameter_kinds();
    let is_key = due
        .units()
        .iter()
        .any(|unit| parameters.contains(&compression.kind_of(unit)));
    let mut out = vec![if is_key { 0x10 } else { 0x20 } | number(compression), 1, 0, 0, 0];
    for unit in due
        .units()
        .iter()
        .filter(|unit| !parameters.contains(&compression.kind_of(unit)))
    {
        out.extend((unit.len() as u32).to_be_bytes());
        out.extend(unit);
    }
    out
}
