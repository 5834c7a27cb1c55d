//! `--healthcheck`: asks the process on a port of this machine whether it lives, so that an image needs no HTTP client
//! for its health check. What liveness means is the business of whoever answers `/livez`.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

/// Longest wait for each of connecting, asking and answering.
const PATIENCE: Duration = Duration::from_secs(3);
/// The status line is all that is read.
const STATUS_LINE_BYTES: u64 = 64;

/// Fails with one sentence unless `GET /livez` at the address that a process listens on answers 200.
pub fn ask(listens_on: IpAddr, port: u16) -> anyhow::Result<()> {
    if port == 0 {
        bail!("the port is 0, which is another one each time: give it a number to have it checked");
    }
    let address = SocketAddr::new(reachable(listens_on), port);
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).with_context(|| format!("connect to {address}"))?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .context("limit the wait for an answer")?;
    stream
        .set_write_timeout(Some(PATIENCE))
        .context("limit the wait for asking")?;
    let question = format!("GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(question.as_bytes())
        .with_context(|| format!("ask {address}"))?;
    let mut answer = Vec::new();
    let read = stream.take(STATUS_LINE_BYTES).read_to_end(&mut answer);
    read.with_context(|| format!("read the answer of {address}"))?;
    let answer = String::from_utf8_lossy(&answer);
    let line = answer.lines().next().unwrap_or_default();
    if line.split(' ').nth(1) != Some("200") {
        bail!("{address} answers {line:?} to GET /livez");
    }
    Ok(())
}

/// All addresses of a machine include its loopback one.
fn reachable(listens_on: IpAddr) -> IpAddr {
    match listens_on {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{IpAddr, Ipv4Addr, TcpListener};
    use std::thread;

    use super::ask;

    const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    /// Asks a server that answers once; the error's text, and the request line that it saw.
    fn ask_one_that_answers(answer: &'static str) -> (Result<(), String>, String) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port should be free");
        let port = listener.local_addr().expect("it should have an address").port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("it should be asked");
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let asked: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            stream.write_all(answer.as_bytes()).expect("it should take the answer");
            asked.first().cloned().unwrap_or_default()
        });
        let told = ask(EVERYWHERE, port).map_err(|error| error.to_string());
        (told, server.join().expect("the server should end"))
    }

    #[test]
    fn a_process_that_answers_200_lives() {
        let (told, asked) = ask_one_that_answers("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n");
        assert_eq!((told, asked.as_str()), (Ok(()), "GET /livez HTTP/1.1"));
    }

    #[test]
    fn any_other_answer_is_told() {
        for answer in [
            "HTTP/1.1 503 Service Unavailable\r\n\r\n",
            "SSH-2.0-OpenSSH_9.2\r\n",
            "\r\n",
        ] {
            let (told, _) = ask_one_that_answers(answer);
            let error = told.expect_err("this should not count as alive");
            assert!(error.contains("to GET /livez"), "{error}");
        }
    }

    #[test]
    fn a_port_that_nobody_listens_on_is_told() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port should be free");
        let port = listener.local_addr().expect("it should have an address").port();
        drop(listener);
        let error = ask(EVERYWHERE, port).expect_err("nobody should answer").to_string();
        assert!(error.contains(&format!("connect to 127.0.0.1:{port}")), "{error}");
        assert!(ask(EVERYWHERE, 0).is_err(), "port 0 should be refused");
    }
}
