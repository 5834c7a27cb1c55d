//! Calls about the service itself: its kinds, its health, keys, the queue, workers.

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zoetrope_shared::wire::{
    BacklogView, HealthView, KeyMade, KeyPage, KeyView, KindView, QueueStatusView, RulePage, RuleView, WhyView,
    WorkerPage, WorkerView,
};

use super::{ANSWER_LIMIT, Client, body};
use crate::args::WhomArgs;
use crate::exit::CliError;

/// The kinds of tasks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KindPage {
    /// In the order of the documentation.
    pub(crate) items: Vec<KindView>,
}

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

    /// Why a task does not run.
    pub(crate) async fn why(&self, id: &str) -> Result<WhyView, CliError> {
        let request = self.http.get(self.url(&["api", "v1", "tasks", id, "why"]));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// The limits and pauses in force.
    pub(crate) async fn rules(&self) -> Result<RulePage, CliError> {
        let request = self.http.get(self.url(&["api", "v1", "queue", "rules"]));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// Sets both limits.
    pub(crate) async fn limit(&self, whom: &WhomArgs, limits: &Value) -> Result<RuleView, CliError> {
        let request = self.http.put(self.url_of(whom, "limits")).json(limits);
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// What a tenant has in the queue and may have; without one, what each may have.
    pub(crate) async fn backlog(&self, tenant: Option<&str>) -> Result<BacklogView, CliError> {
        let request = self.http.get(self.backlog_url(tenant));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// Sets what a tenant, or each, may have in the queue.
    pub(crate) async fn bound(&self, tenant: Option<&str>, bound: &Value) -> Result<BacklogView, CliError> {
        let request = self.http.put(self.backlog_url(tenant)).json(bound);
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    fn backlog_url(&self, tenant: Option<&str>) -> Url {
        match tenant {
            Some(tenant) => self.url(&["api", "v1", "tenants", tenant, "backlog"]),
            None => self.url(&["api", "v1", "queue", "backlog"]),
        }
    }

    /// Pauses, resumes or drains.
    pub(crate) async fn steer(&self, whom: &WhomArgs, action: &str) -> Result<RuleView, CliError> {
        let request = self.http.post(self.url_of(whom, action));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    fn url_of(&self, whom: &WhomArgs, what: &str) -> Url {
        if let Some(kind) = &whom.kind {
            return self.url(&["api", "v1", "queue", kind, what]);
        }
        let tenant = whom.tenant.as_deref().unwrap_or_default();
        let mut url = self.url(&["api", "v1", "tenants", tenant, what]);
        if let Some(key) = &whom.fairness_key {
            url.query_pairs_mut().append_pair("fairness_key", key);
        }
        url
    }

    /// How the server's dependencies are.
    pub(crate) async fn health(&self) -> Result<HealthView, CliError> {
        let request = self.http.get(self.url(&["api", "v1", "health", "detailed"]));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// The kinds of tasks.
    pub(crate) async fn kinds(&self) -> Result<KindPage, CliError> {
        let request = self.http.get(self.url(&["api", "v1", "kinds"]));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// One kind, by its name in either spelling.
    pub(crate) async fn kind(&self, name: &str) -> Result<KindView, CliError> {
        let request = self.http.get(self.url(&["api", "v1", "kinds", name]));
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
