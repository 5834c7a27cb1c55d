//! What handlers work with. One of each in a process, shared by all attempts.

use std::sync::Arc;

use zoetrope_queue::Clock;
use zoetrope_shared::artifacts::Artifacts;
use zoetrope_shared::config::Settings;
use zoetrope_shared::netguard::{NetGuard, NetGuardConfig};

use crate::media_pool::{MediaPool, MediaPoolConfig};
use crate::metrics::Metrics;

/// Handles, cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Stored bytes: media in, large results out.
    pub artifacts: Artifacts,
    /// The only way to a user's URL.
    pub netguard: NetGuard,
    /// The only way to a decoder.
    pub media: MediaPool,
    /// What is counted.
    pub metrics: Metrics,
}

impl Services {
    /// Opens what the settings name; starts no child and no connection yet.
    pub fn open(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let metrics = Metrics::new()?;
        let children = MediaPoolConfig::beside_current_exe(settings.max_workers as usize)?;
        Ok(Self {
            artifacts: Artifacts::open(&settings.artifacts_url, clock)?,
            netguard: NetGuard::new(NetGuardConfig::of(settings)),
            media: MediaPool::new(children, metrics.clone()),
            metrics,
        })
    }
}
