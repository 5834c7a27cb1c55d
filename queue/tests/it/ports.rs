//! Ports for servers of a test. Also compiled into `e2e`.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that the system gives to connections and to whoever asks for any port: nobody takes one by chance between
/// this answer and the server's start. Nodes of a cluster use the port 10,000 above theirs as well.
const FIRST: u16 = 10_240;
const COUNT: u16 = 10_000;

static TAKEN: AtomicU16 = AtomicU16::new(0);

/// A port that nobody listens on, and that this process has not been given before.
pub fn free_port() -> u16 {
    // Tests run in several processes at once.
    let start = u16::try_from(std::process::id() * 61 % u32::from(COUNT)).expect("it is below the count");
    loop {
        let offset = (start + TAKEN.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        let port = FIRST + offset;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
