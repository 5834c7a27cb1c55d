//! What handlers work with. One of each in a process, shared by all attempts.

use std::io;
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use zoetrope_queue::{Clock, Queue};
use zoetrope_shared::artifacts::Artifacts;
use zoetrope_shared::config::Settings;
use zoetrope_shared::netguard::{NetGuard, NetGuardConfig};
use zoetrope_shared::secrets::SecretKeys;

use crate::media_pool::{MediaPool, MediaPoolConfig};
use crate::metrics::Metrics;
use crate::providers::configured::Providers;
use crate::streams::groups::DecoderGroups;
use crate::streams::reading::Reading;
use crate::writing::templates::Templates;

/// One that reads text, one that decodes meanwhile.
const LEAST_LIVE_CHILDREN: usize = 2;
/// Of a folder's name; each is one of 62.
const UNGUESSABLE_CHARS: usize = 24;

/// Handles, cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Stored bytes: media in, large results out.
    pub artifacts: Artifacts,
    /// The only way to a user's URL.
    pub netguard: NetGuard,
    /// The only way to a decoder.
    pub media: MediaPool,
    /// Children for live streams: a task that reads a long document holds none of them up.
    pub live_media: MediaPool,
    /// Decoders of streams that need more than key frames.
    pub decoders: DecoderGroups,
    /// Whose turn it is to have text of a live stream read.
    pub reading: Reading,
    /// Films that are read at a time.
    pub film_slots: Arc<Semaphore>,
    /// Providers of AI services.
    pub providers: Providers,
    /// What texts are written by.
    pub templates: Templates,
    /// Media too large to be sent to children lies below this folder, which goes with the worker.
    inputs: Arc<TempDir>,
    /// Opens stored credentials.
    pub secrets: SecretKeys,
    /// The queue, once it is connected.
    pub queue: Arc<OnceLock<Queue>>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Metrics,
}

impl Services {
    /// Opens what the settings name; starts no child and no connection yet.
    pub fn open(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let metrics = Metrics::new()?;
        let inputs = tempfile::Builder::new().prefix("zoetrope-inputs-").tempdir()?;
        let children = MediaPoolConfig {
            inputs: inputs.path().to_owned(),
            ..MediaPoolConfig::beside_current_exe(settings.max_workers as usize)?
        };
        let live_children = MediaPoolConfig {
            max_children: children.max_children.max(LEAST_LIVE_CHILDREN),
            ..children.clone()
        };
        let reading = Reading::new(live_children.max_children, Instant::now());
        let live_media = MediaPool::new(live_children, metrics.clone());
        Ok(Self {
            artifacts: Artifacts::open(&settings.artifacts_url, clock.clone())?,
            netguard: NetGuard::new(NetGuardConfig::of(settings)),
            media: MediaPool::new(children, metrics.clone()),
            decoders: DecoderGroups::new(live_media.clone()),
            live_media,
            reading,
            film_slots: Arc::new(Semaphore::new(settings.max_workers as usize)),
            providers: Providers::open(&settings.providers, metrics.clone()).context("open the providers")?,
            templates: Templates::open(settings.providers.templates_dir.as_deref())?,
            inputs: Arc::new(inputs),
            secrets: settings.secret_keys(),
            queue: Arc::default(),
            clock,
            metrics,
        })
    }

    /// A new folder of one attempt, from which media children may read. They may read those of others too, and so its
    /// name is one that nobody guesses and no child can list.
    pub fn private_folder(&self) -> io::Result<TempDir> {
        let mut named = tempfile::Builder::new();
        named.rand_bytes(UNGUESSABLE_CHARS).tempdir_in(self.inputs.path())
    }
}
