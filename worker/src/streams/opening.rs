//! From a stored source to a connection that plays: the URL judged, the credentials opened, the addresses judged anew
//! each time.

use std::time::Duration;

use zoetrope_queue::Failure;
use zoetrope_shared::netguard::{CheckedUrl, FetchError, Purpose};
use zoetrope_shared::stream_source;
use zoetrope_shared::tasks::stream_ingest::StreamTransport;

use super::cause::{Cause, SourceDown};
use super::connection::{Playing, Protocol};
use super::hls::Means;
use crate::services::Services;

/// A source that may be connected to.
#[derive(Debug, Clone)]
pub struct Source {
    /// The URL, judged; its addresses are judged at every connection.
    pub checked: CheckedUrl,
    /// Where to connect, and as whom.
    pub by: Protocol,
    /// Whether the stream has another one, which goes on where this one may not be connected to any more.
    is_one_of_two: bool,
}

impl Source {
    /// Judges a URL and opens its credentials.
    pub fn open(
        services: &Services,
        url: &str,
        sealed: Option<&str>,
        transport: StreamTransport,
    ) -> Result<Self, Failure> {
        let checked = services.netguard.check_url(url, Purpose::Stream);
        let checked = checked.map_err(|error| Failure::non_retryable(error.code(), error.to_string()))?;
        let credentials = sealed.map(|sealed| stream_source::open_credentials(&services.secrets, url, sealed));
        let credentials = credentials.transpose().map_err(|error| {
            // Another worker may have the key.
            Failure::retryable("secrets_not_configured", error.to_string())
        })?;
        let by = Protocol::of(checked.url().clone(), credentials, transport);
        Ok(Self {
            checked,
            by,
            is_one_of_two: false,
        })
    }

    /// It is one of two sources of a stream.
    pub fn beside_another(mut self) -> Self {
        self.is_one_of_two = true;
        self
    }

    /// Asks for sound, too.
    pub fn with_sound(mut self) -> Self {
        match &mut self.by {
            Protocol::Rtsp(rtsp) => rtsp.sound = true,
            Protocol::Rtmp(rtmp) => rtmp.sound = true,
            Protocol::Hls(hls) => hls.sound = true,
        }
        self
    }

    /// Connects to one of its addresses; the next one each time, so that a dead one does not hide the others. A source that has an
    /// end plays what comes `elapsed` after its beginning.
    pub async fn play(
        &self,
        services: &Services,
        connections: usize,
        elapsed: Duration,
    ) -> Result<Result<Playing, SourceDown>, Failure> {
        let _hurry = services.live_thread.hurry();
        let addresses = match services.netguard.resolve(&self.checked).await {
            Ok(addresses) => addresses,
            Err(FetchError::Forbidden(forbidden)) if !self.is_one_of_two => {
                return Err(Failure::non_retryable(forbidden.code(), forbidden.to_string()));
            }
            Err(error) => return Ok(Err(SourceDown::from(&error))),
        };
        let Some(address) = addresses.get(connections % addresses.len().max(1)) else {
            return Ok(Err(SourceDown::new(Cause::Network, "the name has no address")));
        };
        let means = Means {
            guard: services.netguard.clone(),
            pool: services.segments.clone(),
        };
        Ok(self.by.play(*address, means, elapsed).await)
    }
}
