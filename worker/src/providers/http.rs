//! The one way over the network to a provider: a client that follows no redirect and uses no proxy, requests with the
//! key in a header that no log shows, answers with a cap on their length.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use url::Url;
use zoetrope_shared::config::{ProviderAccess, Secret};
use zoetrope_shared::netguard::{CONNECT_TIMEOUT, broken, operator_url};

use super::classify::classify;
use super::fault::{Class, Fault};
use super::sse::{Event, SseReader};

/// How long a provider may be silent, before its answer and within it. Models think before they answer.
pub const SILENCE: Duration = Duration::from_secs(60);
/// Largest answer that is JSON or a stream of events, bytes.
pub const MAX_JSON_BYTES: usize = 8 * 1024 * 1024;
/// Largest audio of one answer, bytes: five minutes of WAVE.
pub const MAX_AUDIO_BYTES: usize = 32 * 1024 * 1024;
/// Largest error body that is read, bytes; the rest is left unread.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// Connections to one provider that are kept for the next call.
const MAX_IDLE_CONNECTIONS: usize = 64;

/// Caps of a provider's answers; tests set their own.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Longest silence.
    pub silence: Duration,
    /// Largest JSON answer or stream, bytes.
    pub max_json_bytes: usize,
    /// Largest audio of one answer, bytes.
    pub max_audio_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            silence: SILENCE,
            max_json_bytes: MAX_JSON_BYTES,
            max_audio_bytes: MAX_AUDIO_BYTES,
        }
    }
}

/// How a provider wants its key.
#[derive(Debug, Clone, Copy)]
pub enum KeyHeader {
    /// `Authorization: <scheme> <key>`.
    Authorization(&'static str),
    /// A header of its own.
    Named(&'static str),
}

/// A provider's server.
#[derive(Debug, Clone)]
pub struct Endpoint {
    provider: &'static str,
    base: Url,
    key: Option<Secret>,
    headers: HeaderMap,
    client: Client,
    limits: HttpLimits,
}

impl Endpoint {
    /// The endpoint that the settings name.
    ///
    /// # Errors
    /// When the base URL is none of an operator's, or the key cannot stand in a header.
    pub fn new(
        provider: &'static str,
        access: &ProviderAccess,
        key_header: KeyHeader,
        client: Client,
        limits: HttpLimits,
    ) -> anyhow::Result<Self> {
        let base =
            operator_url(&access.base_url).map_err(|error| anyhow::anyhow!("the base URL of {provider}: {error}"))?;
        let mut headers = HeaderMap::new();
        if let Some(key) = &access.api_key {
            let (name, value) = match key_header {
                KeyHeader::Authorization(scheme) => ("authorization", format!("{scheme} {}", key.expose())),
                KeyHeader::Named(name) => (name, key.expose().to_owned()),
            };
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| anyhow::anyhow!("the key of {provider} cannot stand in a header"))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(Self {
            provider,
            base,
            key: access.api_key.clone(),
            headers,
            client,
            limits,
        })
    }

    /// With a header in every request.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers
            .insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// Caps of its answers.
    pub fn limits(&self) -> HttpLimits {
        self.limits
    }

    /// Whose it is.
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    /// Host and port, for spans.
    pub fn address(&self) -> (String, u16) {
        let host = self.base.host_str().unwrap_or_default().to_owned();
        (host, self.base.port_or_known_default().unwrap_or_default())
    }

    /// A request to a path below the base URL; its parts are escaped.
    pub fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.request_with(method, path, &[])
    }

    /// A request with a query; never with the key in it.
    pub fn request_with(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.base.clone();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        self.client.request(method, url).headers(self.headers.clone())
    }

    /// Sends a request; an answer that is no success is a fault.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer<'_>, Fault> {
        let response = request.send().await.map_err(|error| self.fault_of(&error))?;
        let status = response.status();
        let mut answer = Answer {
            endpoint: self,
            response,
            received: 0,
        };
        if status.is_success() {
            return Ok(answer);
        }
        let headers = answer.response.headers().clone();
        let body = answer.start_of_body().await;
        let mut fault = classify(self.provider, status.as_u16(), &headers, &body);
        if status.is_redirection() {
            fault.message = format!("answered {status}, and redirects are not followed");
        }
        Err(self.without_key(fault))
    }

    /// A fault without our key, which some providers repeat in full.
    pub fn without_key(&self, mut fault: Fault) -> Fault {
        if let Some(key) = self.key.as_ref().map(Secret::expose).filter(|key| !key.is_empty()) {
            fault.message = fault.message.replace(key, "***");
        }
        fault
    }

    fn fault_of(&self, error: &reqwest::Error) -> Fault {
        if error.is_timeout() {
            return Fault::timeout(self.provider, "it was silent for too long");
        }
        if error.is_builder() {
            return Fault::new(self.provider, Class::Refused, "the request cannot be made");
        }
        Fault::new(self.provider, Class::Backoff, broken(error).to_string())
    }
}

/// A client for providers.
///
/// # Errors
/// When there are no CA certificates.
pub fn client(limits: HttpLimits) -> anyhow::Result<Client> {
    let client = Client::builder()
        .user_agent(concat!("zoetrope/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(limits.silence)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS);
    Ok(client.build()?)
}

/// A successful answer whose body is still on its way. Dropping it closes the connection.
#[derive(Debug)]
pub struct Answer<'a> {
    endpoint: &'a Endpoint,
    response: Response,
    received: usize,
}

impl<'a> Answer<'a> {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The whole body, at most `max` bytes.
    pub async fn bytes(mut self, max: usize) -> Result<Bytes, Fault> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.piece(max).await? {
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }

    /// The whole body as JSON of a type; one that is something else is garbage.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Fault> {
        let max = self.endpoint.limits.max_json_bytes;
        self.json_of(max).await
    }

    /// As [`json`](Self::json), with a cap of its own: some JSON holds audio.
    pub async fn json_of<T: DeserializeOwned>(self, max: usize) -> Result<T, Fault> {
        let provider = self.endpoint.provider;
        let body = self.bytes(max).await?;
        serde_json::from_slice(&body)
            .map_err(|_| Fault::garbage(provider, "the answer is not the JSON that was expected"))
    }

    /// The body as a stream of events.
    pub fn events(self) -> Events<'a> {
        Events {
            answer: self,
            reader: SseReader::default(),
            ready: std::collections::VecDeque::new(),
            has_ended: false,
        }
    }

    async fn piece(&mut self, max: usize) -> Result<Option<Bytes>, Fault> {
        let endpoint = self.endpoint;
        let announced = self.response.content_length().unwrap_or(0);
        if announced > max as u64 {
            return Err(Fault::too_large(endpoint.provider, max));
        }
        let piece = self.response.chunk().await.map_err(|error| endpoint.fault_of(&error))?;
        self.received += piece.as_ref().map_or(0, Bytes::len);
        if self.received > max {
            return Err(Fault::too_large(endpoint.provider, max));
        }
        Ok(piece)
    }

    /// What an error says; one that breaks off says what came.
    async fn start_of_body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while body.len() < MAX_ERROR_BYTES {
            match self.response.chunk().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece[..piece.len().min(MAX_ERROR_BYTES - body.len())]),
                Ok(None) | Err(_) => break,
            }
        }
        body
    }
}

/// Events of an answer.
#[derive(Debug)]
pub struct Events<'a> {
    answer: Answer<'a>,
    reader: SseReader,
    ready: std::collections::VecDeque<Event>,
    has_ended: bool,
}

impl Events<'_> {
    /// The next event, `None` at the end of the body. Whether the stream was complete is the adapter's to judge.
    pub async fn next(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.has_ended {
                return Ok(None);
            }
            let max = self.answer.endpoint.limits.max_json_bytes;
            match self.answer.piece(max).await? {
                Some(piece) => {
                    let provider = self.answer.endpoint.provider;
                    let too_long = |_| Fault::too_large(provider, super::sse::MAX_EVENT_BYTES);
                    self.ready.extend(self.reader.push(&piece).map_err(too_long)?);
                }
                None => {
                    self.has_ended = true;
                    self.ready.extend(self.reader.finish());
                }
            }
        }
    }
}
