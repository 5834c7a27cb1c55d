//! A stream as Redis holds it. What it looks like to clients is [`crate::wire::StreamView`].

use serde::{Deserialize, Serialize};

use super::request::StreamRequest;

/// A stream that was created and not deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamRecord {
    /// What was asked for, without credentials.
    pub settings: StreamRequest,
    /// The credentials of `url`, sealed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// The credentials of `detect_url`, sealed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect_sealed: Option<String>,
    /// When it was created, Unix milliseconds.
    pub created_at_ms: u64,
    /// When its settings were changed last, Unix milliseconds.
    pub updated_at_ms: u64,
    /// Whether it is to be watched.
    pub started: bool,
    /// How often it was started.
    pub run: u64,
    /// The task of the newest run, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

impl StreamRecord {
    /// The run that a worker may report of; none of a stream that is stopped.
    pub fn current_run(&self) -> Option<u64> {
        self.started.then_some(self.run)
    }

    /// What is recorded and not watched, and its credentials: the source of a stream whose sub-stream is watched.
    pub fn recorded_apart(&self) -> Option<(&str, Option<&str>)> {
        let apart = self.settings.store && self.settings.detect_url.is_some();
        apart.then_some((&self.settings.url, self.sealed.as_deref()))
    }

    /// What is watched, and its credentials: the sub-stream where there is one.
    pub fn watched(&self) -> (&str, Option<&str>) {
        match &self.settings.detect_url {
            Some(url) => (url, self.detect_sealed.as_deref()),
            None => (&self.settings.url, self.sealed.as_deref()),
        }
    }
}

/// The field of a stored input that says which stream it is for. No input that a client sends may have it.
pub const STREAM_FIELD: &str = "stream";

/// The stream record that a task was made for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StreamOf {
    /// The stream's id, `st_...`.
    pub id: String,
    /// Which start of it this is.
    pub run: u64,
    /// Whether sound is recorded, if anything is.
    pub sound: bool,
    /// What is recorded, where the task's own source is watched and not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<RecordedSource>,
}

/// A source that is recorded and not watched.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordedSource {
    /// Its URL, without credentials.
    pub url: String,
    /// They, sealed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
}
