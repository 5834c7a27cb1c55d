//! Calls about streams.

use reqwest::RequestBuilder;
use serde_json::Value;
use zoetrope_shared::tasks::stream_test::StreamTestOutput;
use zoetrope_shared::wire::{StreamPage, StreamStatusView, StreamView};

use super::{ANSWER_LIMIT, Client, body};
use crate::args::{StreamListArgs, StreamSnapshotArgs};
use crate::exit::CliError;

/// A picture of a stream.
#[derive(Debug)]
pub(crate) struct Picture {
    /// The JPEG.
    pub(crate) jpeg: Vec<u8>,
    /// When it arrived, or was shown first.
    pub(crate) taken_at: String,
}

impl Client {
    /// Creates a stream, stopped.
    pub(crate) async fn create_stream(&self, wanted: &Value, once: Option<&str>) -> Result<StreamView, CliError> {
        let mut request = self.http.post(self.url(&["api", "v1", "streams"])).json(wanted);
        if let Some(key) = once {
            request = request.header("Idempotency-Key", key);
        }
        self.ask(request).await
    }

    /// A stream as it stands.
    pub(crate) async fn stream(&self, id: &str) -> Result<StreamView, CliError> {
        self.ask(self.http.get(self.url(&["api", "v1", "streams", id]))).await
    }

    /// How a stream is, in full.
    pub(crate) async fn stream_status(&self, id: &str) -> Result<StreamStatusView, CliError> {
        let url = self.url(&["api", "v1", "streams", id, "status"]);
        self.ask(self.http.get(url)).await
    }

    /// One page of streams.
    pub(crate) async fn streams(&self, wanted: &StreamListArgs) -> Result<StreamPage, CliError> {
        let mut url = self.url(&["api", "v1", "streams"]);
        let filters = [
            ("state", wanted.state.as_deref()),
            ("name", wanted.name.as_deref()),
            ("tag", wanted.tag.as_deref()),
            ("order", wanted.oldest.then_some("oldest")),
            ("cursor", wanted.cursor.as_deref()),
        ];
        let given = filters.into_iter().filter_map(|(name, value)| Some((name, value?)));
        url.query_pairs_mut()
            .append_pair("limit", &wanted.limit.to_string())
            .extend_pairs(given);
        self.ask(self.http.get(url)).await
    }

    /// Changes a stream by a merge patch.
    pub(crate) async fn update_stream(&self, id: &str, patch: &Value) -> Result<StreamView, CliError> {
        let url = self.url(&["api", "v1", "streams", id]);
        self.ask(self.http.patch(url).json(patch)).await
    }

    /// Starts or stops a stream.
    pub(crate) async fn steer_stream(&self, id: &str, action: &str) -> Result<StreamView, CliError> {
        self.ask(self.http.post(self.url(&["api", "v1", "streams", id, action])))
            .await
    }

    /// Deletes a stream with everything that is stored of it.
    pub(crate) async fn delete_stream(&self, id: &str) -> Result<(), CliError> {
        let request = self.http.delete(self.url(&["api", "v1", "streams", id]));
        self.send(request.timeout(ANSWER_LIMIT)).await.map(drop)
    }

    /// Tries a source that is no stream yet.
    pub(crate) async fn test_source(&self, source: &Value) -> Result<StreamTestOutput, CliError> {
        let request = self.http.post(self.url(&["api", "v1", "streams", "test"])).json(source);
        // A worker looks at its pictures meanwhile.
        body(self.send(request.timeout(ANSWER_LIMIT * 2)).await?).await
    }

    /// Tries a stream's source.
    pub(crate) async fn test_stream(&self, id: &str, which: Option<&str>) -> Result<StreamTestOutput, CliError> {
        let mut url = self.url(&["api", "v1", "streams", id, "test"]);
        if let Some(which) = which {
            url.query_pairs_mut().append_pair("source", which);
        }
        let request = self.http.post(url);
        body(self.send(request.timeout(ANSWER_LIMIT * 2)).await?).await
    }

    /// A picture of a stream: the newest one, or one that was recorded.
    pub(crate) async fn snapshot(&self, wanted: &StreamSnapshotArgs) -> Result<Picture, CliError> {
        let mut url = self.url(&["api", "v1", "streams", &wanted.id, "snapshot"]);
        let asked = [
            ("at", wanted.at.map(|at| at.to_string())),
            ("width", wanted.width.map(|width| width.to_string())),
        ];
        for (name, value) in asked {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, &value);
            }
        }
        let request = self.http.get(url);
        let response = self.send(request.timeout(ANSWER_LIMIT)).await?;
        let at = response.headers().get("frame-at").and_then(|at| at.to_str().ok());
        let taken_at = at.unwrap_or_default().to_owned();
        let jpeg = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        Ok(Picture {
            jpeg: jpeg.to_vec(),
            taken_at,
        })
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CliError> {
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }
}
