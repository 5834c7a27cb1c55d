//! How spans travel to the collector: HTTP requests of the exporter's thread, which must never wait for ever.

use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Longest time for one request.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Of the collector's answer, which is a few bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Sends requests over the process' runtime. The exporter's own clients either need a runtime on the exporter's thread,
/// which has none, or bring a second one.
#[derive(Debug)]
pub(super) struct Collector {
    client: reqwest::Client,
    runtime: Handle,
    give_up: CancellationToken,
}

impl Collector {
    /// Fails every request once `give_up` is cancelled.
    pub(super) fn new(give_up: CancellationToken) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            // The headers are for this server, and may hold a token.
            .redirect(reqwest::redirect::Policy::none());
        Ok(Self {
            client: client.build()?,
            runtime: Handle::current(),
            give_up,
        })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut answer = self.client.execute(request.try_into()?).await?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            if body.len() + piece.len() > MAX_ANSWER_BYTES {
                return Err("the collector's answer is too large".into());
            }
            body.extend_from_slice(&piece);
        }
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            *headers = std::mem::take(answer.headers_mut());
        }
        Ok(response.body(body.into())?)
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // This is the exporter's own thread: it may block.
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.give_up.cancelled() => Err("the process ends".into()),
                sent = self.send(request) => sent,
            }
        })
    }
}
