//! Calls of operators: keys, the queue, workers.

use serde_json::Value;
use zoetrope_shared::wire::{KeyMade, KeyPage, KeyView, QueueStatusView, WorkerPage, WorkerView};

use super::{ANSWER_LIMIT, Client, body};
use crate::exit::CliError;

impl Client {
    /// Makes an API key.
    pub(crate) async fn make_key(&self, wanted: &Value) -> Result<KeyMade, CliError> {
        let request = self.http.post(self.url(&["api", "v1", "keys"])).json(wanted);
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// The API keys.
    pub(crate) async fn keys(&self) -> Result<KeyPage, CliError> {
        let request = self.http.get(self.url(&["api", "v1", "keys"]));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// Revokes an API key.
    pub(crate) async fn revoke_key(&self, id: &str) -> Result<KeyView, CliError> {
        let request = self.http.delete(self.url(&["api", "v1", "keys", id]));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// How busy the queue is.
    pub(crate) async fn queue_status(&self) -> Result<QueueStatusView, CliError> {
        let request = self.http.get(self.url(&["api", "v1", "queue", "status"]));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// The workers.
    pub(crate) async fn workers(&self) -> Result<WorkerPage, CliError> {
        let request = self.http.get(self.url(&["api", "v1", "workers"]));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// Tells a worker to finish what it runs and leave.
    pub(crate) async fn drain_worker(&self, name: &str) -> Result<WorkerView, CliError> {
        let request = self.http.post(self.url(&["api", "v1", "workers", name, "drain"]));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }
}
