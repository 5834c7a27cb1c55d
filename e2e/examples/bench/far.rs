//! A millisecond of network between a program and its Redis: bytes go through two threads a direction, each piece half a
//! millisecond later than it came. Threads, because a timer of the runtime counts in whole milliseconds.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::sync_channel;
use std::thread::{park_timeout, spawn};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::Instant;
use zoetrope_e2e::{ends_with_its_test, free_port};

/// In each direction.
const DELAY: Duration = Duration::from_micros(500);
/// Pieces of one direction that are on their way.
const PIECES: usize = 1_024;
const PIECE_BYTES: usize = 64 * 1024;

/// Stands in front of a Redis on this machine for as long as the process runs.
pub(crate) fn listen(port: u16, redis: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port should be free");
    spawn(move || {
        for client in listener.incoming() {
            let client = client.expect("a connection should be taken");
            let Ok(server) = TcpStream::connect(("127.0.0.1", redis)) else {
                continue;
            };
            for stream in [&client, &server] {
                stream.set_nodelay(true).expect("TCP has it");
            }
            carry(&client, &server);
            carry(&server, &client);
        }
    });
}

fn carry(from: &TcpStream, to: &TcpStream) {
    let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor should be free");
    let (mut from, mut to) = (clone(from), clone(to));
    let (pieces, waiting) = sync_channel::<(Instant, Vec<u8>)>(PIECES);
    spawn(move || {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if pieces.send((Instant::now() + DELAY, buffer[..read].to_vec())).is_err() {
                return;
            }
        }
    });
    spawn(move || {
        for (due, piece) in waiting {
            park_until(due);
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        // The other side may have gone already.
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// A timeout that is as exact as the kernel's timers: nobody unparks the thread.
pub(crate) fn park_until(due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        park_timeout(left);
    }
}

/// `bench far REDIS-SERVER ARGUMENT...`: a Redis a millisecond away, for a script that starts `redis-server` and knows
/// nothing of it. Ends when the server does; the server ends when it is ended.
pub(crate) async fn stand_in(words: &[String]) {
    let [program, arguments @ ..] = words else {
        panic!("far: no program");
    };
    let mut arguments = arguments.to_vec();
    let at = arguments.iter().position(|word| word == "--port").expect("a port") + 1;
    let near = free_port();
    let port = std::mem::replace(&mut arguments[at], near.to_string());
    let mut server = Command::new(program);
    server.args(arguments);
    let mut server = ends_with_its_test(&mut server)
        .spawn()
        .expect("redis-server should start");
    listen(port.parse().expect("a port"), near);
    server.wait().await.expect("a child can be awaited");
}
