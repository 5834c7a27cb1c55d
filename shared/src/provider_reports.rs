//! What workers tell of their providers: each its own report, kept in Redis until it is silent for a while.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;
use serde::{Deserialize, Serialize};
use zoetrope_queue::QueueError;

use crate::keys::{PROVIDER_REPORTS, PROVIDER_REPORTS_SEEN};
use crate::redis_link::{RedisLink, millis};
use crate::wire::{CircuitName, ModelView, ProviderLimitView};

/// How long a report counts; workers repeat theirs three times as often.
pub const REPORT_LIFE: Duration = Duration::from_secs(90);

static REPORT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("provider_report.lua")));

/// What one worker tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderReport {
    /// Its providers, in the order in which `auto` asks them.
    pub engines: Vec<EngineReport>,
}

/// A provider in one capability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineReport {
    /// The provider.
    pub provider: String,
    /// `text`, `vision`, `speech`, `transcription` or `detection`.
    pub capability: String,
    /// Its models as the worker's list has them.
    pub models: Vec<ModelView>,
    /// How the worker's circuit stands.
    pub circuit: CircuitName,
    /// What all workers together ask of the provider at the most.
    pub limits: Option<ProviderLimitView>,
}

/// All reports. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct ProviderReports(RedisLink);

impl ProviderReports {
    /// In this Redis.
    pub fn new(redis: RedisLink) -> Self {
        Self(redis)
    }

    /// Replaces a worker's report.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn publish(&self, worker: &str, report: &ProviderReport) -> Result<(), QueueError> {
        let text = serde_json::to_string(report).map_err(|error| QueueError::Other(error.to_string()))?;
        self.call(worker, &text).await.map(drop)
    }

    /// Takes a worker's report back.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn withdraw(&self, worker: &str) -> Result<(), QueueError> {
        self.call(worker, "").await.map(drop)
    }

    /// Every report that counts. One that cannot be read, such as one of a later version, is left out.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn all(&self) -> Result<Vec<ProviderReport>, QueueError> {
        let texts = self.call("", "").await?;
        Ok(texts
            .iter()
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect())
    }

    async fn call(&self, worker: &str, text: &str) -> Result<Vec<String>, QueueError> {
        let mut call = REPORT.prepare_invoke();
        call.key(PROVIDER_REPORTS).key(PROVIDER_REPORTS_SEEN);
        call.arg(worker).arg(text).arg(millis(REPORT_LIFE));
        Ok(call.invoke_async(&mut self.0.get().await?).await?)
    }
}
