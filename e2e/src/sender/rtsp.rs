//! RTSP's part: enough of RFC 2326 for a viewer, packets over the connection itself, a unit a packet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Due, Reel};
use crate::footage::Compression;

const PAYLOAD_TYPE: u8 = 96;
const SSRC: u32 = 0x5EED_2026;
/// Ticks a second.
const CLOCK: u128 = 90_000;

/// Serves one viewer until it leaves.
pub(super) async fn serve(mut socket: TcpStream, mut reel: Reel, sent: Arc<AtomicU64>) {
    let _ = socket.set_nodelay(true);
    let (mut received, mut sequence, mut plays) = (Vec::new(), 0_u16, false);
    loop {
        while let Some(request) = take_request(&mut received) {
            let answer = answer(&request, reel.footage.compression);
            if socket.write_all(answer.as_bytes()).await.is_err() || request.starts_with("TEARDOWN") {
                return;
            }
            if request.starts_with("PLAY") {
                plays = true;
                reel.begin();
            }
        }
        tokio::select! {
            read = socket.read_buf(&mut received) => {
                if matches!(read, Ok(0) | Err(_)) {
                    return;
                }
            }
            due = reel.next(), if plays => {
                let packets = packets(&due, &mut sequence);
                if socket.write_all(&packets).await.is_err() {
                    return;
                }
                sent.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

/// The next whole request; what the viewer reports of packets is passed over.
fn take_request(received: &mut Vec<u8>) -> Option<String> {
    while received.first() == Some(&b'$') {
        let length = received
            .get(2..4)
            .map(|bytes| usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))?;
        if received.len() < 4 + length {
            return None;
        }
        received.drain(..4 + length);
    }
    let end = received.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let request: Vec<u8> = received.drain(..end).collect();
    Some(String::from_utf8_lossy(&request).into_owned())
}

fn answer(request: &str, compression: Compression) -> String {
    let number = request.lines().find_map(|line| line.strip_prefix("CSeq:"));
    let head = format!("RTSP/1.0 200 OK\r\nCSeq: {}\r\n", number.unwrap_or("0").trim());
    let method = request.split(' ').next().unwrap_or_default();
    match method {
        "OPTIONS" => format!("{head}Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n\r\n"),
        "DESCRIBE" => {
            let name = match compression {
                Compression::H264 => "H264",
                Compression::H265 => "H265",
            };
            // Parameter sets come with the pictures.
            let body = format!(
                "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n\
                 m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} {name}/{CLOCK}\r\na=control:track\r\n"
            );
            let length = body.len();
            format!("{head}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}")
        }
        "SETUP" => format!(
            "{head}Session: 1;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc={SSRC:08X}\r\n\r\n"
        ),
        _ => format!("{head}Session: 1\r\n\r\n"),
    }
}

/// The packets of a picture, each in its frame of RFC 2326, 10.12.
fn packets(due: &Due, sequence: &mut u16) -> Vec<u8> {
    // 32 bits that turn over.
    let ticks = (due.at.as_nanos() * CLOCK / 1_000_000_000) as u32;
    let units = due.units();
    let mut out = Vec::new();
    for (place, unit) in units.iter().enumerate() {
        let length = u16::try_from(unit.len() + 12).expect("pictures of tests should be small");
        let ends = u8::from(place + 1 == units.len()) << 7;
        out.extend([b'$', 0]);
        out.extend(length.to_be_bytes());
        out.extend([0x80, ends | PAYLOAD_TYPE]);
        out.extend(sequence.to_be_bytes());
        out.extend(ticks.to_be_bytes());
        out.extend(SSRC.to_be_bytes());
        out.extend(unit);
        *sequence = sequence.wrapping_add(1);
    }
    out
}
