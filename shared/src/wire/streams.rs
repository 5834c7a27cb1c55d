//! Streams as the api shows them. What a client sends of one is [`crate::streams::StreamRequest`].

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::task::ErrorView;
use super::time::rfc3339_ms;
use crate::streams::{SourceReport, StreamId, StreamMedia, StreamRecord};
use crate::tasks::stream_ingest::{StreamCounts, StreamReconnects, StreamTransport, StreamWindow};

/// How a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    /// It was started; no picture has come yet.
    Connecting,
    /// Pictures come.
    Connected,
    /// The source is away, or its worker; another connection follows by itself.
    Reconnecting,
    /// It was not started, or stopped, or its `duration` is over.
    Stopped,
    /// Somebody has to change something: the credentials are refused, the codec is none that is taken, or the task failed.
    Error,
}

impl StreamState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Connecting,
        Self::Connected,
        Self::Reconnecting,
        Self::Stopped,
        Self::Error,
    ];

    /// Of two sources the worse one is what matters: this rises with it.
    pub const fn badness(self) -> u8 {
        match self {
            Self::Connected => 0,
            Self::Connecting => 1,
            Self::Reconnecting => 2,
            Self::Error => 3,
            Self::Stopped => 4,
        }
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Stopped => "stopped",
            Self::Error => "error",
        }
    }

    /// The state of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// Why a source is away: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamCause {
    /// The credentials were refused, or are needed and not there.
    Auth,
    /// The server knows no such path.
    NotFound,
    /// Nobody listens.
    Refused,
    /// No answer, or no more pictures.
    Timeout,
    /// TLS failed.
    Tls,
    /// No codec that is taken, or nothing that decodes.
    Codec,
    /// Any other failure, the end of the connection included.
    Network,
}

impl StreamCause {
    /// Every cause.
    pub const ALL: [Self; 7] = [
        Self::Auth,
        Self::NotFound,
        Self::Refused,
        Self::Timeout,
        Self::Tls,
        Self::Codec,
        Self::Network,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Codec => "codec",
            Self::Network => "network",
        }
    }

    /// Whether trying again soon is pointless: a person has to change something first.
    pub const fn is_slow(self) -> bool {
        matches!(self, Self::Auth | Self::Codec)
    }

    /// Counts one connection that ended for this cause.
    pub fn count(self, counts: &mut StreamReconnects) {
        let count = match self {
            Self::Auth => &mut counts.auth,
            Self::NotFound => &mut counts.not_found,
            Self::Refused => &mut counts.refused,
            Self::Timeout => &mut counts.timeout,
            Self::Tls => &mut counts.tls,
            Self::Codec => &mut counts.codec,
            Self::Network => &mut counts.network,
        };
        *count += 1;
    }
}

impl std::fmt::Display for StreamCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which source of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamSource {
    /// Its `url`.
    Url,
    /// Its `detect_url`.
    DetectUrl,
}

impl StreamSource {
    /// The word on the wire, which is the field's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::DetectUrl => "detect_url",
        }
    }

    /// The source of this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Url, Self::DetectUrl]
            .into_iter()
            .find(|source| source.as_str() == word)
    }
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamView {
    /// Opaque id, `st_...`.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// How it is.
    pub state: StreamState,
    /// Why its source is away.
    pub cause: Option<StreamCause>,
    /// The source, without credentials.
    pub url: String,
    /// The same camera's smaller stream, which is watched instead; what is recorded is `url`.
    pub detect_url: Option<String>,
    /// Whether credentials of `url` are stored.
    pub has_credentials: bool,
    /// What is recorded of the source, if it is recorded.
    pub media_types: Vec<StreamMedia>,
    /// Whether it is recorded while it is started.
    pub store: bool,
    /// How packets travel.
    pub transport: StreamTransport,
    /// Frames looked at a second.
    pub fps: f64,
    /// Seconds after its start at which it stops by itself.
    pub duration: Option<f64>,
    /// The windows of time that scenes describe.
    pub window: StreamWindow,
    /// What a vision model should say.
    pub prompt: Option<String>,
    /// Who describes.
    pub provider: Option<String>,
    /// The provider's model.
    pub model: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// The client's own object, as it came.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// The `stream_ingest` task that watches it, or did last: its scenes are there.
    pub task_id: Option<String>,
    /// When it was created, RFC 3339 with milliseconds, as every instant here.
    pub created_at: String,
    /// When its settings were changed last.
    pub updated_at: String,
    /// Where to go from here.
    pub urls: StreamUrls,
}

impl StreamView {
    /// A stream that is like this now.
    pub fn of(id: StreamId, record: &StreamRecord, state: StreamState, cause: Option<StreamCause>) -> Self {
        let settings = record.settings.clone();
        Self {
            id: id.to_string(),
            name: settings.name,
            state,
            cause,
            url: settings.url,
            detect_url: settings.detect_url,
            has_credentials: record.sealed.is_some(),
            media_types: settings.media_types,
            store: settings.store,
            transport: settings.transport,
            fps: settings.fps,
            duration: settings.duration,
            window: settings.window,
            prompt: settings.prompt,
            provider: settings.provider,
            model: settings.model,
            tags: settings.tags,
            metadata: settings.metadata,
            task_id: record.task.clone(),
            created_at: rfc3339_ms(record.created_at_ms),
            updated_at: rfc3339_ms(record.updated_at_ms),
            urls: StreamUrls::of(id, record.task.as_deref()),
        }
    }
}

/// Where a stream can be read and steered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamUrls {
    /// GET answers the stream, PATCH changes it, DELETE deletes it.
    #[serde(rename = "self")]
    pub this: String,
    /// POST starts it.
    pub start: String,
    /// POST stops it.
    pub stop: String,
    /// GET tells how it is.
    pub status: String,
    /// GET answers its newest picture.
    pub snapshot: String,
    /// GET pages through the scenes of its task.
    pub scenes: Option<String>,
}

impl StreamUrls {
    fn of(id: StreamId, task: Option<&str>) -> Self {
        let this = format!("/api/v1/streams/{id}");
        Self {
            start: format!("{this}/start"),
            stop: format!("{this}/stop"),
            status: format!("{this}/status"),
            snapshot: format!("{this}/snapshot"),
            scenes: task.map(|task| format!("/api/v1/tasks/{task}/scenes")),
            this,
        }
    }
}

/// One page of streams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamPage {
    /// Streams in the order asked for; may be fewer than the limit although more follow.
    pub items: Vec<StreamView>,
    /// Send it as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// How a stream is, in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamStatusView {
    /// The stream.
    pub id: String,
    /// How it is; of two sources, how the worse one is.
    pub state: StreamState,
    /// Why its source is away.
    pub cause: Option<StreamCause>,
    /// The same in a sentence; of two sources it says which.
    pub detail: Option<String>,
    /// When this state began, as far as a worker has told.
    pub since: Option<String>,
    /// How each of its two sources is, where `url` is recorded and `detect_url` is watched; empty otherwise.
    pub sources: Vec<StreamSourceView>,
    /// Why its task failed.
    pub error: Option<ErrorView>,
    /// The task that watches it, or did last.
    pub task_id: Option<String>,
    /// Everything that was counted since the start: pictures and frames that are watched, scenes; drops and reconnects by cause, of both
    /// sources where there are two.
    pub counts: StreamCounts,
    /// When the last picture arrived.
    pub last_frame_at: Option<String>,
    /// Pictures a second that arrive now; 0 while it is not connected.
    pub live_fps: f64,
    /// `h264` or `h265`.
    pub codec: Option<String>,
    /// Width, pixels, as the source describes itself.
    pub width: Option<u32>,
    /// Height, pixels.
    pub height: Option<u32>,
    /// When its worker said all this.
    pub reported_at: Option<String>,
}

/// How one of two sources is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamSourceView {
    /// Which one.
    pub source: StreamSource,
    /// `connecting`, `connected`, `reconnecting` or `error`.
    pub state: StreamState,
    /// Why it is away.
    pub cause: Option<StreamCause>,
    /// The same in a sentence.
    pub detail: Option<String>,
    /// When this state began.
    pub since: String,
    /// `h264` or `h265`.
    pub codec: Option<String>,
    /// Width, pixels, as the source describes itself.
    pub width: Option<u32>,
    /// Height, pixels.
    pub height: Option<u32>,
}

impl StreamSourceView {
    /// A source that its worker says this of.
    pub fn of(report: &SourceReport) -> Self {
        Self {
            source: report.source,
            state: report.state,
            cause: report.cause,
            detail: report.detail.clone(),
            since: rfc3339_ms(report.since_ms),
            codec: report.codec.clone(),
            width: report.size.map(|(width, _)| width),
            height: report.size.map(|(_, height)| height),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_its_word_on_the_wire() {
        for state in StreamState::ALL {
            assert_eq!(serde_json::to_value(state).expect("states are JSON"), state.as_str());
            assert_eq!(StreamState::parse(state.as_str()), Some(state));
        }
    }

    #[test]
    fn every_cause_is_its_word_on_the_wire_and_has_a_count_of_its_own() {
        let mut counts = StreamReconnects::default();
        for cause in StreamCause::ALL {
            assert_eq!(serde_json::to_value(cause).expect("causes are JSON"), cause.as_str());
            cause.count(&mut counts);
        }
        let counted = serde_json::to_value(counts).expect("counts are JSON");
        for cause in StreamCause::ALL {
            assert_eq!(counted[cause.as_str()], 1, "{cause}");
        }
    }
}
