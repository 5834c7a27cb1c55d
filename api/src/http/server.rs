//! From a listener to answered requests, and the ordered end: stop accepting, wake those who wait, finish, give up.
//!
//! The accept loop is our own because `axum::serve` sets neither a time limit for a request's head nor a bound on
//! connections.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use crate::limits::{
    DRAIN_GRACE, HEAD_TIMEOUT, MAX_CONNECTIONS, MAX_HEAD_BYTES, MAX_HEADERS, MAX_UNSENT_BYTES, WRITE_STALL,
};

/// Pause after `accept` failed, which is nearly always for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until `shutdown`; what is still open then is told to finish and returned.
pub(crate) async fn accept(listener: TcpListener, router: Router, shutdown: CancellationToken) -> JoinSet<()> {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accept = async {
            let permit = free
                .clone()
                .acquire_owned()
                .await
                .expect("the semaphore should never be closed");
            listener.accept().await.map(|(stream, _)| (stream, permit))
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            // Ended connections are collected as they end, or the set would grow for ever.
            Some(_) = connections.join_next() => {}
            accepted = accept => match accepted {
                Ok((stream, permit)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "api.connection.nodelay: cannot turn off delays");
                    }
                    if let Err(error) = SockRef::from(&stream).set_tcp_notsent_lowat(MAX_UNSENT_BYTES) {
                        tracing::debug!(%error, "api.connection.unsent: cannot bound what waits to be sent");
                    }
                    let (router, shutdown) = (router.clone(), shutdown.clone());
                    connections.spawn(async move {
                        serve_one(stream, router, shutdown).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "api.accept.failed: cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    connections
}

/// Lets open requests finish within the grace. Returns how many had to be cut off.
pub(crate) async fn finish(mut connections: JoinSet<()>) -> usize {
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_GRACE, all).await.is_ok() {
        return 0;
    }
    let cut_off = connections.len();
    tracing::warn!(
        connections = cut_off,
        "api.shutdown.cut_off: requests did not finish within the grace"
    );
    connections.shutdown().await;
    cut_off
}

async fn serve_one(stream: impl AsyncRead + AsyncWrite + Send + 'static, router: Router, shutdown: CancellationToken) {
    // A client that stalls would otherwise keep its place, and what waits for it, for ever.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_STALL));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    // A client that goes away or sends nonsense is its own business.
                    tracing::debug!(%error, "api.connection.ended");
                }
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, Bytes};
    use axum::routing::get;
    use futures_util::stream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::time::Instant;

    use super::*;

    const PIECE: Bytes = Bytes::from_static(&[b'x'; 64 * 1024]);

    async fn endless() -> Body {
        Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(PIECE)))
    }

    /// A connection that has asked for the endless answer and read its beginning; and what serves it. It stays in this
    /// process: with a real one the paused clock would run on while the kernel carries bytes.
    async fn asked() -> (DuplexStream, JoinSet<()>) {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let router = Router::new().route("/", get(endless));
        let mut serving = JoinSet::new();
        serving.spawn(serve_one(server, router, CancellationToken::new()));
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .expect("it is sent");
        client.read_exact(&mut [0; 12]).await.expect("an answer");
        (client, serving)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_an_answer_is_cut_off() {
        let (client, mut serving) = asked().await;
        let began = Instant::now();
        serving.join_next().await.expect("one").expect("it should not panic");
        assert!(began.elapsed() >= WRITE_STALL);
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_is_served_on() {
        let (mut client, mut serving) = asked().await;
        let mut read = vec![0; 8 * 1024 * 1024];
        for _ in 0..8 {
            tokio::time::advance(WRITE_STALL / 2).await;
            client.read_exact(&mut read).await.expect("it goes on");
        }
        assert!(serving.try_join_next().is_none());
        drop(client);
        serving.join_next().await.expect("one").expect("it should not panic");
    }
}
